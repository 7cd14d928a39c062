"""Every cell beside its paper's equations, unit by unit in plain Python: no gate may be another's, no sign turned."""

import cmath
from collections.abc import Callable
from math import exp, log, sqrt, tanh
from typing import Any

import pytest
import torch

from recurra.cells import CELLS, JANET, AntisymmetricRNN, Cell, GatedAntisymmetricRNN
from recurra.engine import Fold
from recurra.layers import Dense, Recurrent

H, INPUTS, STEPS = 3, 2, 4
Vector = list[float]
Equation = Callable[["Numbers", dict[str, Vector]], tuple[Vector, dict[str, Vector]]]


def sigma(v: float) -> float:
    return 1 / (1 + exp(-v))


class Numbers:
    """The weights of a layer as numbers, and one input: ``W("forget")`` is a gate's part of W x + b."""

    def __init__(self, layer: Recurrent, x: Vector) -> None:
        self.cell, self.x = layer.cell, x
        self.weights = {name: weight.detach().tolist() for name, weight in layer.weights.items()}

    def W(self, gate: str) -> Vector:  # noqa: N802 - as in the papers
        rows = self.part(self.cell.gates, gate)
        weight, bias = self.weights["input_weight"], self.weights["input_bias"]
        return [sum(w * v for w, v in zip(weight[row], self.x, strict=True)) + bias[row] for row in rows]

    def U(self, map: str, part: str, h: Vector) -> Vector:  # noqa: N802
        declared: Any = self.cell.maps[map]
        weight, bias = self.weights[f"{map}_weight"], self.weights.get(f"{map}_bias")
        return [
            sum(w * v for w, v in zip(weight[row], h, strict=True)) + (bias[row] if bias else 0.0)
            for row in self.part(getattr(declared, "parts", declared), part)
        ]

    def both(self, gate: str, h: Vector) -> Vector:
        """W x + U h + b of one gate."""
        return [a + b for a, b in zip(self.W(gate), self.U("recur", gate, h), strict=True)]

    def norm(self, name: str, v: Vector) -> Vector:
        mean = sum(v) / H
        spread = sqrt(sum((one - mean) ** 2 for one in v) / H + 1e-5)
        weight, bias = self.weights[f"{name}_weight"], self.weights[f"{name}_bias"]
        return [w * (one - mean) / spread + b for w, one, b in zip(weight, v, bias, strict=True)]

    def part(self, names: tuple[str, ...], name: str) -> range:
        place = names.index(name)
        return range(place * H, place * H + H)


def each(function: Callable[..., float], *vectors: Vector) -> Vector:
    return [function(*values) for values in zip(*vectors, strict=True)]


def plain(bend: Callable[[float], float]) -> Equation:
    def equation(n: Numbers, s: dict[str, Vector]) -> tuple[Vector, dict[str, Vector]]:
        h = each(bend, n.both("hidden", s["h"]))
        return h, {"h": h}

    return equation


def relu(v: float) -> float:
    return max(v, 0.0)


def lstm(n: Numbers, s: dict[str, Vector], *, peep: bool = False, coupled: bool = False, normed: bool = False) -> Any:
    def summed(gate: str, seen: Vector) -> Vector:
        a = n.both(gate, s["h"])
        if peep:
            a = each(lambda v, p, c: v + p * c, a, n.weights[f"peep_{gate}"], seen)
        return n.norm(f"norm_{gate}", a) if normed else a

    f = each(sigma, summed("forget", s["c"]))
    i = each(lambda v: 1 - v, f) if coupled else each(sigma, summed("input", s["c"]))
    a = n.both("cell", s["h"])
    g = each(tanh, n.norm("norm_cell", a) if normed else a)
    c = each(lambda f, c, i, g: f * c + i * g, f, s["c"], i, g)
    o = each(sigma, summed("output", c))
    h = each(lambda o, c: o * tanh(c), o, n.norm("norm_state", c) if normed else c)
    return h, {"h": h, "c": c}


def gated(gate: str, new: Callable[[Numbers, Vector], Vector], *, keeps: bool) -> Equation:
    """h' = z h + (1 - z) n, or with h and n exchanged."""

    def equation(n: Numbers, s: dict[str, Vector]) -> tuple[Vector, dict[str, Vector]]:
        z = each(sigma, n.both(gate, s["h"]))
        candidate = new(n, s["h"])
        pairs = (s["h"], candidate) if keeps else (candidate, s["h"])
        h = each(lambda z, one, other: z * one + (1 - z) * other, z, *pairs)
        return h, {"h": h}

    return equation


def reset_after(n: Numbers, h: Vector) -> Vector:
    r = each(sigma, n.both("reset", h))
    return each(lambda x, r, u: tanh(x + r * u), n.W("new"), r, n.U("recur", "new", h))


def reset_before(gate: str) -> Callable[[Numbers, Vector], Vector]:
    def new(n: Numbers, h: Vector) -> Vector:
        r = each(sigma, n.both(gate, h))
        return each(lambda x, u: tanh(x + u), n.W("new"), n.U("gated", "new", each(lambda r, h: r * h, r, h)))

    return new


def layer_norm_gru(n: Numbers, s: dict[str, Vector]) -> Any:
    h = s["h"]
    r, z = (each(sigma, n.norm(f"norm_{gate}", n.both(gate, h))) for gate in ("reset", "update"))
    x, u = n.norm("norm_new", n.W("new")), n.norm("norm_recur_new", n.U("recur", "new", h))
    h = each(lambda z, h, x, r, u: z * h + (1 - z) * tanh(x + r * u), z, h, x, r, u)
    return h, {"h": h}


def janet(beta: float) -> Equation:
    def equation(n: Numbers, s: dict[str, Vector]) -> tuple[Vector, dict[str, Vector]]:
        a, g = n.both("forget", s["h"]), each(tanh, n.both("cell", s["h"]))
        c = each(lambda a, c, g: sigma(a) * c + (1 - sigma(a - beta)) * g, a, s["h"], g)
        return c, {"h": c}

    return equation


def ran(n: Numbers, s: dict[str, Vector]) -> Any:
    i, f = (each(sigma, n.both(gate, s["h"])) for gate in ("input", "forget"))
    c = each(lambda i, x, f, c: i * x + f * c, i, n.W("cell"), f, s["c"])
    h = each(tanh, c)
    return h, {"h": h, "c": c}


def sru(n: Numbers, s: dict[str, Vector]) -> Any:
    f = each(lambda x, v, c: sigma(x + v * c), n.W("forget"), n.weights["peep_forget"], s["c"])
    r = each(lambda x, v, c: sigma(x + v * c), n.W("reset"), n.weights["peep_reset"], s["c"])
    c = each(lambda f, c, x: f * c + (1 - f) * x, f, s["c"], n.W("cell"))
    return each(lambda r, c, x: r * c + (1 - r) * x, r, c, n.W("skip")), {"c": c}


def mingru(n: Numbers, s: dict[str, Vector]) -> Any:
    h = each(lambda z, h, x: (1 - sigma(z)) * h + sigma(z) * x, n.W("update"), s["h"], n.W("new"))
    return h, {"h": h}


def minlstm(n: Numbers, s: dict[str, Vector]) -> Any:
    f, i = each(sigma, n.W("forget")), each(sigma, n.W("input"))
    h = each(lambda f, i, h, x: f / (f + i) * h + i / (f + i) * x, f, i, s["h"], n.W("new"))
    return h, {"h": h}


def lru(n: Numbers, s: dict[str, Vector]) -> Any:
    w = n.weights
    poles = [cmath.exp(complex(-exp(nu), exp(theta))) for nu, theta in zip(w["nu"], w["theta"], strict=True)]
    old = [complex(a, b) for a, b in zip(s["real"], s["imaginary"], strict=True)]
    given = [complex(a, b) for a, b in zip(n.W("real"), n.W("imaginary"), strict=True)]
    h = [pole * one + exp(scale) * b for pole, one, scale, b in zip(poles, old, w["gamma"], given, strict=True)]
    matrix = [
        [complex(a, b) for a, b in zip(*rows, strict=True)]
        for rows in zip(w["read_real_weight"], w["read_imaginary_weight"], strict=True)
    ]
    read = [sum(c * one for c, one in zip(row, h, strict=True)).real for row in matrix]
    y = each(lambda a, b: a + b, read, n.W("skip"))
    return y, {"real": [one.real for one in h], "imaginary": [one.imag for one in h]}


def rg_lru(n: Numbers, s: dict[str, Vector]) -> Any:
    def unit(x_r: float, x_i: float, x: float, h: float, decay: float) -> float:
        a = float(sigma(decay) ** (8 * sigma(x_r)))
        return a * h + sqrt(1 - a * a) * sigma(x_i) * x

    h = each(unit, n.W("recurrence"), n.W("input"), n.W("new"), s["h"], n.weights["decay"])
    return h, {"h": h}


def slstm(n: Numbers, s: dict[str, Vector]) -> Any:
    """Not stabilised: the state of the cell is this one's, divided by e^m."""
    i, f, a, o = (n.both(gate, s["h"]) for gate in ("input", "forget", "cell", "output"))
    c, total = (each(lambda v, m: v * exp(m), s[field], s["m"]) for field in ("c", "n"))
    c = each(lambda f, c, i, a: sigma(f) * c + exp(i) * tanh(a), f, c, i, a)
    total = each(lambda f, n, i: sigma(f) * n + exp(i), f, total, i)
    h = each(lambda o, c, n: sigma(o) * c / n, o, c, total)
    fresh = each(lambda n, f, m, i: i if n == 0 else max(log(sigma(f)) + m, i), s["n"], f, s["m"], i)
    scaled = (each(lambda v, m: v * exp(-m), vector, fresh) for vector in (c, total))
    return h, dict(zip("hcnm", (h, *scaled, fresh), strict=True))


def antisymmetric(epsilon: float, gamma: float, *, gate: bool) -> Equation:
    def equation(n: Numbers, s: dict[str, Vector]) -> tuple[Vector, dict[str, Vector]]:
        matrix = n.weights["recur_weight"]
        assert all(matrix[j][k] == -matrix[k][j] for j in range(H) for k in range(H))
        turn = [sum(matrix[j][k] * s["h"][k] for k in range(H)) - gamma * s["h"][j] for j in range(H)]
        z = each(lambda x, u: sigma(x + u), n.W("update"), turn) if gate else [1.0] * H
        h = each(lambda h, z, x, u: h + epsilon * z * tanh(x + u), s["h"], z, n.W("hidden"), turn)
        return h, {"h": h}

    return equation


def orthogonal(n: Numbers, s: dict[str, Vector]) -> Any:
    v = n.both("hidden", s["h"])
    h = each(lambda v, b: (v > 0) * max(v + b, 0) - (v < 0) * max(-v + b, 0), v, n.weights["bend"])
    return h, {"h": h}


PAPERS: dict[str, Equation] = {
    "elman": plain(tanh),
    "elman-relu": plain(relu),
    "irnn": plain(relu),
    "lstm": lstm,
    "lstm-peephole": lambda n, s: lstm(n, s, peep=True),
    "lstm-coupled": lambda n, s: lstm(n, s, coupled=True),
    "lstm-layer-norm": lambda n, s: lstm(n, s, normed=True),
    "gru": gated("update", reset_after, keeps=True),
    "gru-reset-before": gated("update", reset_before("reset"), keeps=True),
    "gru-layer-norm": layer_norm_gru,
    "light-gru": gated("update", lambda n, h: each(relu, n.both("new", h)), keeps=True),
    "mgu": gated("forget", reset_before("forget"), keeps=False),
    "ugrnn": gated("update", lambda n, h: each(tanh, n.both("new", h)), keeps=True),
    "janet": janet(1.0),
    "ran": ran,
    "slstm": slstm,
    "sru": sru,
    "mingru": mingru,
    "minlstm": minlstm,
    "lru": lru,
    "rg-lru": rg_lru,
    "antisymmetric": antisymmetric(0.1, 0.01, gate=False),
    "antisymmetric-gated": antisymmetric(0.1, 0.01, gate=True),
    "orthogonal": orthogonal,
}
FIELDS: list[tuple[Cell, Equation]] = [
    (JANET(beta=0.3), janet(0.3)),
    (AntisymmetricRNN(0.5, 0.2), antisymmetric(0.5, 0.2, gate=False)),
    (GatedAntisymmetricRNN(0.5, 0.2), antisymmetric(0.5, 0.2, gate=True)),
]


def test_every_cell_is_checked() -> None:
    assert PAPERS.keys() == CELLS.keys()


@pytest.mark.parametrize(
    ("cell", "equation"), [*((CELLS[name], PAPERS[name]) for name in PAPERS), *FIELDS], ids=[*PAPERS, *map(str, range(3))]
)
def test_a_cell_is_its_papers(cell: Cell, equation: Equation) -> None:
    torch.manual_seed(0)
    layer = Recurrent(cell, Dense(INPUTS, H), engine=Fold()).double()
    with torch.no_grad():
        for weight in layer.parameters():
            weight.add_(0.5 * torch.randn_like(weight))
    x = 2 * torch.randn(1, STEPS, INPUTS, dtype=torch.float64)
    outputs, end = layer(x)
    state = {name: [0.0] * H for name in cell.State._fields}
    for t in range(STEPS):
        y, state = equation(Numbers(layer, x[0, t].tolist()), state)
        assert outputs[0, t].tolist() == pytest.approx(y, rel=1e-9, abs=1e-12)
    for name, values in state.items():
        assert getattr(end, name)[0].tolist() == pytest.approx(values, rel=1e-9, abs=1e-12)


def test_the_reference_can_fail() -> None:
    with pytest.raises(AssertionError):
        test_a_cell_is_its_papers(CELLS["mgu"], gated("forget", reset_before("forget"), keeps=True))
