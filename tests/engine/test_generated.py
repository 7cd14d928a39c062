"""Random cells, of all operations that can be compiled: the sweep answers as the fold does."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from recurra.cells import Cell
from recurra.cells.cell import Map, Width
from recurra.engine.compile import refusal
from recurra.engine.trace import trace
from recurra.engine.vector import LOWERED
from recurra.layers import Dense, Diagonal, Heads
from recurra.wirings import Wiring
from tests.engine.twins import Run, answers, twins

pytestmark = pytest.mark.usefixtures("sweep_all")

OPERATIONS: dict[str, tuple[int, Callable[..., Tensor]]] = {  # none grows faster than a sum
    "add": (2, lambda a, b: a + b),
    "sub": (2, lambda a, b: torch.sub(a, b, alpha=0.5)),
    "mul": (2, lambda a, b: a * torch.tanh(b)),
    "div": (2, lambda a, b: a / (1 + b.abs())),
    "neg": (1, lambda a: -a),
    "sigmoid": (1, torch.sigmoid),
    "tanh": (1, torch.tanh),
    "relu": (1, torch.relu),
    "silu": (1, torch.nn.functional.silu),
    "exp": (1, lambda a: torch.exp(-a.abs())),
    "log": (1, lambda a: torch.log(1 + torch.tanh(a) ** 2)),
    "log1p": (1, lambda a: torch.log1p(torch.tanh(a) ** 2)),
    "sin": (1, torch.sin),
    "cos": (1, torch.cos),
    "sign": (1, lambda a: a + (torch.sign(a) - a).detach()),
    "power": (1, lambda a: torch.tanh(a) ** 3),
    "sqrt": (1, lambda a: torch.sqrt(1 + torch.tanh(a) ** 2)),
    "rsqrt": (1, lambda a: a * torch.rsqrt(1 + a**2)),
    "reciprocal": (1, lambda a: torch.reciprocal(1 + a.abs())),
    "maximum": (2, torch.maximum),
    "minimum": (2, torch.minimum),
    "clamp": (1, lambda a: a.clamp(-1, 0.5)),
    "above": (1, lambda a: a.clamp(min=-0.25)),
    "between": (2, lambda a, b: a.clamp(-b.abs(), b.abs())),
    "lerp": (2, lambda a, b: torch.lerp(a, b, 0.3)),
    "where": (3, lambda a, b, c: torch.where((a > b) & ~(b <= c) | (c == 0), a, c)),
    "other": (3, lambda a, b, c: torch.where((a < b) | torch.logical_not(c), c, b)),
    "mask": (2, lambda a, b: a * (b >= 0.1) + (a != b)),
    "half": (1, lambda a: torch.full_like(a, 0.5) - 0 * a),
}
STATES = (
    NamedTuple("One", [("a", Tensor)]),
    NamedTuple("Two", [("a", Tensor), ("b", Tensor)]),
    NamedTuple("Three", [("a", Tensor), ("b", Tensor), ("c", Tensor)]),
)

VECTORS = {"weight": 0.7, "other": -1.2}


class Step(NamedTuple):
    """An operation, map or norm, and the numbers of the values that it reads; its results are numbered on."""

    name: str
    reads: tuple[int, ...]


class Recipe(NamedTuple):
    """A cell as data. Values are numbered: gates, fields, vectors, noise, then what the steps yield."""

    gates: int
    fields: tuple[Width, ...]
    vectors: int
    noise: int
    maps: tuple[tuple[str, Map], ...]
    norms: int
    steps: tuple[Step, ...]
    y: int
    state: tuple[int, ...]
    output: Width


class Made(Cell):
    """The cell of a recipe."""

    recipe: Recipe

    @property
    def gates(self) -> tuple[str, ...]:
        return tuple(f"g{k}" for k in range(self.recipe.gates))

    @property
    def maps(self) -> dict[str, tuple[str, ...] | Map]:
        return dict(self.recipe.maps)

    @property
    def vectors(self) -> dict[str, float]:
        return dict(list(VECTORS.items())[: self.recipe.vectors])

    @property
    def noise(self) -> tuple[str, ...]:
        return tuple(f"k{k}" for k in range(self.recipe.noise))

    @property
    def norms(self) -> tuple[str, ...]:
        return tuple(f"norm{k}" for k in range(self.recipe.norms))

    @property
    def State(self) -> Any:  # noqa: N802
        return STATES[len(self.recipe.fields) - 1]

    @property
    def widths(self) -> dict[str, Width]:
        return dict(zip(self.State._fields, self.recipe.fields, strict=True))

    @property
    def output(self) -> Width:
        return self.recipe.output

    def step(self, x: Any, s: Any, m: Any) -> tuple[Tensor, Any]:
        values = [*x, *s, *(getattr(m, name).expand_as(x[0]) for name in (*self.vectors, *self.noise))]
        for name, reads in self.recipe.steps:
            read = [values[number] for number in reads]
            found = OPERATIONS[name][1](*read) if name in OPERATIONS else getattr(m, name)(*read)
            values += [found] if isinstance(found, Tensor) else found
        return values[self.recipe.y], self.State(*(values[number] for number in self.recipe.state))


class Draft:
    """A recipe in the making: how wide every value is, and which have been read."""

    def __init__(self, draw: Any, widths: list[Width]) -> None:
        self.draw, self.widths = draw, widths
        self.steps, self.maps, self.norms = list[Step](), list[tuple[str, Map]](), 0
        self.read, self.gone = set[int](), set[int]()

    def pick(self, width: Width) -> int:
        """A value of a width, often one that nobody has read."""
        there = [k for k, each in enumerate(self.widths) if each == width and k not in self.gone]
        fresh = [k for k in there if k not in self.read]
        found: int = self.draw(st.sampled_from(fresh if fresh and self.draw(st.booleans()) else there))
        return found

    def step(self, name: str, *reads: int, gives: Sequence[Width]) -> int:
        """Add a step; the number of its last result."""
        self.steps.append(Step(name, reads))
        self.read |= set(reads)
        self.widths += gives
        return len(self.widths) - 1

    def operation(self, width: Width) -> None:
        name = self.draw(st.sampled_from([*OPERATIONS]))
        self.step(name, *(self.pick(width) for _ in range(OPERATIONS[name][0])), gives=(width,))

    def norm(self) -> None:
        self.step(f"norm{self.norms}", self.pick("hidden"), gives=("hidden",))
        self.norms += 1

    def map(self, takes: Width, gives: Width, gates: int) -> None:
        """A map; where a gate and the part of its name are still to be read, they often meet in a sum, and nowhere else."""
        names = self.draw(st.lists(st.sampled_from(["g0", "g1", "g2", "own"]), min_size=1, max_size=3, unique=True))
        name, first = f"m{len(self.maps)}", len(self.widths)
        self.maps.append((name, Map(tuple(names), takes, gives, self.draw(st.booleans()))))
        self.step(name, self.pick(takes), gives=(gives,) * len(names))
        for part, gate in enumerate({f"g{k}": k for k in range(gates)}.get(name, -1) for name in names):
            if gate >= 0 and gives == "hidden" and gate not in self.read and self.draw(st.integers(0, 3)):
                self.step("add", gate, first + part, gives=("hidden",))
                self.gone |= {gate, first + part}

    def rest(self, width: Width) -> int:
        """All that nobody has read yet, added up."""
        left = [k for k, each in enumerate(self.widths) if each == width and k not in self.read]
        total = left[0] if left else self.pick(width)
        for number in left[1:]:
            total = self.step("add", total, number, gives=(width,))
        return total


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """Cells of a few operations."""
    wide: st.SearchStrategy[Width] = st.sampled_from(draw(st.sampled_from([["hidden"], ["hidden", "projected"]])))
    gates, vectors, noise = draw(st.integers(1, 3)), draw(st.integers(0, 2)), draw(st.integers(0, 1))
    fields = tuple(draw(st.lists(wide, min_size=1, max_size=3)))
    hidden: Width = "hidden"
    draft = Draft(draw, [*[hidden] * gates, *fields, *[hidden] * (vectors + noise)])
    for kind in draw(st.lists(st.sampled_from(["operation", "map", "norm"]), min_size=1, max_size=6)):
        width = draw(st.sampled_from(sorted(set(draft.widths))))
        if kind == "norm":
            draft.norm()
        elif kind == "map":
            draft.map(width, draw(wide), gates)
        else:
            draft.operation(width)
    state = []
    for width in fields:  # what is carried on does not grow
        number = draft.pick(width) if draw(st.booleans()) else draft.rest(width)
        state.append(draft.step("tanh", number, gives=(width,)) if draw(st.booleans()) else number)
    output = draw(st.sampled_from(sorted(set(draft.widths))))
    y = draft.rest(output)
    return Recipe(gates, fields, vectors, noise, tuple(draft.maps), draft.norms, tuple(draft.steps), y, tuple(state), output)


@st.composite
def wirings(draw: st.DrawFn, recipe: Recipe) -> Dense | Heads | Diagonal:
    """A wiring that suits the cell."""
    inputs, hidden, bias = draw(st.sampled_from([1, 3, 9])), draw(st.sampled_from([1, 3, 8, 17])), draw(st.booleans())
    if "projected" in (*recipe.fields, recipe.output, *(each.gives for _, each in recipe.maps)):
        return Dense(inputs, hidden, projected_size=draw(st.sampled_from([1, 2, 9])), bias=bias)
    kind = draw(st.sampled_from(["dense", "diagonal", "heads"]))
    if kind == "heads":
        return Heads(inputs, 3 * hidden, heads=3, bias=bias)
    return Dense(inputs, hidden, bias=bias) if kind == "dense" else Diagonal(inputs, hidden, bias=bias)


def same(cell: Cell, wiring: Wiring, run: Run) -> None:
    """Fail unless sweep and fold answer alike; what cancels to nothing leaves a little."""
    ours, folds = (answers(layer, run) for layer in twins(cell, wiring, torch.float64))
    for name, wanted in folds.items():
        torch.testing.assert_close(
            ours[name], wanted, rtol=0, atol=1e-10 * (1 + wanted.abs().max()).item(), msg=f"{name}: {{}}".format
        )


@pytest.mark.timeout(1800)  # where a cell fails, smaller ones are compiled one after the other
@settings(max_examples=20, derandomize=True, database=None, suppress_health_check=[*HealthCheck])
@given(st.data())
def test_random_cells(data: st.DataObject) -> None:
    cell = Made(data.draw(recipes()))
    wiring = data.draw(wirings(cell.recipe))
    assert refusal(cell, isinstance(wiring, Diagonal)) == ""
    batch, steps = data.draw(st.sampled_from([1, 2, 7])), data.draw(st.sampled_from([1, 2, 4]))
    same(cell, wiring, Run(batch, steps, wiring.input_size, ragged=data.draw(st.booleans()), resets=data.draw(st.booleans())))


def test_the_operations_are_all_that_can_be_compiled() -> None:
    steps = [Step(name, (1 + k, 0, 1)[:reads]) for k, (name, (reads, _)) in enumerate(OPERATIONS.items())]
    recipe = Recipe(1, ("hidden",), 0, 0, (), 0, tuple(steps), 1 + len(steps), (1 + len(steps),), "hidden")
    traced = trace(Made(recipe), diagonal=False)
    assert {op.name for graph in (traced.forward, traced.backward) for op in graph.ops} == set(LOWERED)
