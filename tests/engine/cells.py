"""Cells that only tests have: what a user might write, and what the compiled sweep must refuse."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from recurra.cells import CELLS, GRU, LSTM, Cell, LayerNormLSTM, PeepholeLSTM, ProjectedLSTM, ResetBeforeGRU


class Hidden(NamedTuple):
    """A state of one field."""

    h: Tensor


class Minimal(Cell):
    """No product in the loop, and an output that is not the state."""

    gates = ("update", "new")
    State = Hidden

    def step(self, x: Any, s: Hidden, m: Any) -> tuple[Tensor, Hidden]:
        z = torch.sigmoid(x.update)
        h = (1 - z) * s.h + z * x.new
        return torch.relu(h) - 0.1 * h, Hidden(h)


class Leaky(Cell):
    """A field of its own, and most of the operations that are compiled."""

    rate: float = 0.5
    gates = ("new", "size")
    maps = {"recur": ("new",)}
    vectors = {"scale": 1.5}
    State = Hidden

    def step(self, x: Any, s: Hidden, m: Any) -> tuple[Tensor, Hidden]:
        size = torch.nn.functional.silu(x.size) + torch.exp(-x.size.abs()) + torch.sqrt(x.size**2 + 1) / m.scale
        new = torch.where(x.size > 0, torch.tanh(x.new + m.recur(s.h).new), torch.clamp(x.new, -1, 1))
        h = s.h + self.rate * (torch.minimum(new, size - 1) - s.h)
        return h, Hidden(h)


class ProjectedNorm(Cell):
    """Vectors of two widths, and a norm between two maps."""

    gates, maps, State = ProjectedLSTM.gates, ProjectedLSTM.maps, LSTM.State
    widths, output = ProjectedLSTM.widths, ProjectedLSTM.output
    norms = ("norm_cell",)

    def step(self, x: Any, s: LSTM.State, m: Any) -> tuple[Tensor, LSTM.State]:
        r = m.recur(s.h)
        i, f = torch.sigmoid(x.input + r.input), torch.sigmoid(x.forget + r.forget)
        c = f * s.c + i * torch.tanh(x.cell + r.cell)
        h = m.project(torch.sigmoid(x.output + r.output) * torch.tanh(m.norm_cell(c))).h
        return h, LSTM.State(h, c)


class NormGRU(Cell):
    """A norm before the map, and one of each of its parts behind it."""

    gates, maps, State = GRU.gates, GRU.maps, GRU.State
    norms = ("norm_state", "norm_reset", "norm_update", "norm_new")

    def step(self, x: Any, s: GRU.State, m: Any) -> tuple[Tensor, GRU.State]:
        r = m.recur(m.norm_state(s.h))
        reset = torch.sigmoid(x.reset + m.norm_reset(r.reset))
        update = torch.sigmoid(x.update + m.norm_update(r.update))
        new = torch.tanh(x.new + reset * m.norm_new(r.new))
        h = new + update * (s.h - new)
        return h, GRU.State(h)


class Zoneout(Cell):
    """LSTM that keeps some of its old state: two inputs of every step beside x."""

    gates, maps, State = LSTM.gates, LSTM.maps, LSTM.State
    noise = ("keep_h", "keep_c")

    def step(self, x: Any, s: LSTM.State, m: Any) -> tuple[Tensor, LSTM.State]:
        r = m.recur(s.h)
        i, f = torch.sigmoid(x.input + r.input), torch.sigmoid(x.forget + r.forget)
        new = f * s.c + i * torch.tanh(x.cell + r.cell)
        h = torch.sigmoid(x.output + r.output) * torch.tanh(new)
        c = m.keep_c * new + (1 - m.keep_c) * s.c
        h = m.keep_h * h + (1 - m.keep_h) * s.h
        return h, LSTM.State(h, c)


class NormInput(Cell):
    """A norm of what comes in alone: it needs no state."""

    gates = ("new",)
    maps = {"recur": ("new",)}
    norms = ("norm",)
    State = Hidden

    def step(self, x: Any, s: Hidden, m: Any) -> tuple[Tensor, Hidden]:
        h = torch.tanh(m.norm(x.new) + m.recur(s.h).new)
        return h, Hidden(h)


class TwoMaps(Cell):
    """Two maps of one vector; their parts stand in another order than the gates, and one is none."""

    gates = ("gate", "free", "new")
    maps = {"a": ("new", "gate"), "b": ("extra", "free")}
    State = Hidden

    def step(self, x: Any, s: Hidden, m: Any) -> tuple[Tensor, Hidden]:
        a, b = m.a(s.h), m.b(s.h)
        gate, free = torch.sigmoid(x.gate + a.gate), torch.tanh(x.free + b.free)
        h = gate * s.h + (1 - gate) * torch.tanh(x.new + a.new + free * b.extra)
        return h, Hidden(h)


class Deep(Cell):
    """Three maps in a row; two have no gate at all."""

    gates = ("new",)
    maps = {"a": ("low",), "b": ("middle",), "c": ("new",)}
    State = Hidden

    def step(self, x: Any, s: Hidden, m: Any) -> tuple[Tensor, Hidden]:
        low = torch.tanh(m.a(s.h).low)
        h = torch.tanh(x.new + m.c(torch.tanh(m.b(low).middle)).new)
        return h, Hidden(h)


class Fields(NamedTuple):
    """A state whose fields need not be computed."""

    h: Tensor
    kept: Tensor
    filled: Tensor
    left: Tensor
    right: Tensor


class ConstantState(Cell):
    """A field that is passed through, one that becomes a constant, and two that exchange places."""

    gates = ("new",)
    maps = {"recur": ("new",)}
    State = Fields

    def step(self, x: Any, s: Fields, m: Any) -> tuple[Tensor, Fields]:
        h = torch.tanh(x.new + m.recur(s.h).new + s.kept * s.left + s.filled)
        return h, Fields(h, s.kept, torch.full_like(s.filled, 0.5), s.right, s.left)


class Fragile(Cell):
    """Divisions by a vector: what pads a row, and is read by maps and norms beside it, is not a number."""

    gates = ("new", "size")
    maps = {"recur": ("new",), "late": ("new", "size")}
    vectors = {"scale": 1.5}
    norms = ("norm",)
    State = Hidden

    def step(self, x: Any, s: Hidden, m: Any) -> tuple[Tensor, Hidden]:
        late = m.late(m.norm(x.size / m.scale) / m.scale)
        h = torch.tanh(x.new / m.scale + m.recur(s.h).new + late.size) + torch.sigmoid(late.new) / m.scale
        return h / m.scale, Hidden(h)


class Greek(Cell):
    """Names as equations have them."""

    gates = ("λ",)
    maps = {"Ω": ("λ",), "Φ": ("ψ",)}
    vectors = {"δ": 0.5}
    norms = ("ξ",)
    State = NamedTuple("State", [("ψ", Tensor)])  # noqa: UP014 - an annotation would have to be ASCII

    def step(self, x: Any, s: Any, m: Any) -> tuple[Tensor, Any]:
        h = torch.tanh(m.ξ(x.λ + m.Ω(s.ψ).λ) + m.Φ(m.δ * s.ψ).ψ)
        return h, self.State(h)


PLAIN: dict[str, Cell] = {name: CELLS[name] for name in ("elman", "elman-relu", "lstm", "gru")}
"""Those that torch has as well."""

OWN: dict[str, Cell] = {
    "reset-before": ResetBeforeGRU(),
    "peephole": PeepholeLSTM(),
    "minimal": Minimal(),
    "leaky": Leaky(),
    "leaky-0.1": Leaky(0.1),
    "layer-norm-lstm": LayerNormLSTM(),
    "projected-norm": ProjectedNorm(),
    "norm-gru": NormGRU(),
    "zoneout": Zoneout(),
    "norm-input": NormInput(),
    "two-maps": TwoMaps(),
    "deep": Deep(),
    "constant-state": ConstantState(),
    "fragile": Fragile(),
    "greek": Greek(),
}
"""The ones that the sweep takes."""


class Mixing(Cell):
    """Not pointwise: it looks at a row's other units."""

    gates = ("new",)
    State = Hidden

    def step(self, x: Any, s: Hidden, m: Any) -> tuple[Tensor, Hidden]:
        h = torch.softmax(x.new, -1) + s.h
        return h, Hidden(h)


class Twice(Cell):
    """Calls one map twice."""

    gates = ("new",)
    maps = {"recur": ("new",)}
    State = Hidden

    def step(self, x: Any, s: Hidden, m: Any) -> tuple[Tensor, Hidden]:
        h = torch.tanh(x.new + m.recur(m.recur(s.h).new).new)
        return h, Hidden(h)
