"""The cores that every law is run over. A new member of `FAMILY` needs no line here; a few cells are wired in all ways."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple, final

import torch
from torch import Tensor, nn

from recurra import state as states
from recurra.cells import (
    GRU,
    LRU,
    LSTM,
    MGU,
    CandidateDropout,
    Cell,
    Elman,
    LayerNormed,
    Map,
    Maps,
    Parts,
    ProjectedLSTM,
    Zoneout,
)
from recurra.engine import Fold
from recurra.layers import (
    FAMILY,
    Bidirectional,
    CausalConvolution,
    Conv1d,
    Conv2d,
    Conv3d,
    Dense,
    Diagonal,
    Heads,
    Highway,
    Member,
    Recurrent,
    Stack,
    batch_normed,
    stacked,
)
from recurra.models import CausalTransformer

INPUTS, UNITS, ROWS, STEPS = 3, 5, 4, 9
IN_HEADS = 8
"""Units of members that have them in heads, and of cores of their own."""


@final
class Mixed(Cell):
    """A user's cell: every kind of thing that a cell can declare, noise apart."""

    leak: float = 0.2

    gates = ("write", "forget", "read")
    maps = {"recur": gates[:2], "late": Map(("read",), bias=False)}
    vectors = {"peep": 0.1, "decay": 0.9}
    norms = ("norm_cell",)
    bias = {"forget": 1.0}

    class State(NamedTuple):
        """The output, the cell state, and its slow trace."""

        h: Tensor
        c: Tensor
        slow: Tensor

    def step(self, x: Parts, s: State, m: Maps) -> tuple[Tensor, State]:
        r = m.recur(s.h)
        forget = torch.sigmoid(x.forget + r.forget + m.peep * s.c)
        c = forget * s.c + (1 - forget) * torch.tanh(x.write + r.write)
        slow = m.decay * s.slow + self.leak * c
        read = torch.sigmoid(x.read + m.late(torch.tanh(c)).read)
        h = read * torch.tanh(m.norm_cell(c) + slow)
        return h, self.State(h, c, slow)


@final
@dataclass(frozen=True)
class Case:
    """A core by name, how it is built, and the sizes of its input behind the channels."""

    name: str
    build: Callable[[], nn.Module]
    extent: tuple[int, ...] = ()

    def make(
        self, seed: int = 0, *, rows: int = ROWS, steps: int = STEPS, dtype: torch.dtype = torch.float32
    ) -> tuple[Any, Tensor]:
        """The core, in evaluation, and an input for it; every weight is random, also those that start constant.

        Behind a matrix that is kept orthogonal stands one that is kept antisymmetric, and it takes a random number as well.
        """
        torch.manual_seed(seed)
        core = self.build().to(dtype).eval()
        with torch.no_grad():
            for weight in core.parameters():
                weight.add_(0.2 * torch.randn_like(weight))
        return core, torch.randn(rows, steps, INPUTS, *self.extent, dtype=dtype)

    def state(self, core: Any, rows: int = ROWS) -> Any:
        """A random state of `rows` rows."""
        return states.map(torch.randn_like, core.initial(rows, *self.extent))

    def __str__(self) -> str:
        return self.name


def _members() -> list[Case]:
    """Every member of the family, wired as it is there."""
    return [Case(name, partial(one.build, INPUTS, units(one))) for name, one in FAMILY.items()]


def units(one: Member) -> int:
    """How many units a member is tried with."""
    return UNITS if one.cell and not isinstance(one.wiring(INPUTS, IN_HEADS), Heads) else IN_HEADS


def _wired() -> list[Case]:
    """A few cells wired in the other ways: what those do to one, they do to all."""
    cases: list[Case] = []
    for name, cell in {"lstm": LSTM(), "gru": GRU(), "lru": LRU(), "mixed": Mixed()}.items():
        cases += [
            Case(f"{name}-conv2d", lambda cell=cell: Recurrent(cell, Conv2d(INPUTS, UNITS)), (4, 3)),  # type: ignore[misc]
            Case(f"{name}-heads", lambda cell=cell: Recurrent(cell, Heads(INPUTS, 8, heads=2))),  # type: ignore[misc]
            Case(f"{name}-diagonal", lambda cell=cell: Recurrent(cell, Diagonal(INPUTS, 8))),  # type: ignore[misc]
        ]
    return cases


def _normed(how: Literal["sequence", "step", "inside"]) -> nn.Module:
    """A batch norm that has met a batch, so that it has moments for every step."""
    core = batch_normed(LSTM(), Dense(INPUTS, UNITS), how, limit=4)
    core(torch.randn(16, STEPS, INPUTS))
    return core


CASES = [
    *_members(),
    *_wired(),
    Case("lstm-fold", lambda: Recurrent(LSTM(), Dense(INPUTS, UNITS), engine=Fold())),
    Case("mixed-dense", lambda: Recurrent(Mixed(), Dense(INPUTS, UNITS))),
    Case("wrapped-dense", lambda: Recurrent(Zoneout(CandidateDropout(LSTM(), 0.3), (0.1, 0.5)), Dense(INPUTS, UNITS))),
    Case("normed-heads", lambda: Recurrent(Zoneout(LayerNormed(MGU())), Heads(INPUTS, 8, heads=2))),
    Case("projected-narrow", lambda: Recurrent(ProjectedLSTM(), Dense(INPUTS, UNITS, projected_size=2))),
    Case("lstm-bare", lambda: Recurrent(LSTM(), Dense(INPUTS, UNITS, bias=False))),
    Case("mixed-bare", lambda: Recurrent(Mixed(), Dense(INPUTS, UNITS, bias=False))),
    Case("lstm-conv1d", lambda: Recurrent(LSTM(), Conv1d(INPUTS, UNITS)), (4,)),
    Case("mixed-conv3d", lambda: Recurrent(Mixed(), Conv3d(INPUTS, 2)), (2, 3, 2)),
    Case("causal", lambda: CausalConvolution(INPUTS, UNITS, 4, dilation=2)),
    Case("transformer", lambda: CausalTransformer(IN_HEADS, layers=2, heads=2, context=4, input_size=INPUTS)),
    Case("highway", lambda: Highway(Recurrent(GRU(), Dense(INPUTS, INPUTS)), INPUTS)),
    *(Case(f"batch-norm-{how}", partial(_normed, how)) for how in ("sequence", "step", "inside")),
    Case("stack", lambda: Stack(Recurrent(LSTM(), Dense(INPUTS, UNITS)), Recurrent(GRU(), Dense(UNITS, 4)))),
    Case("stack-dropout", lambda: stacked(Mixed(), INPUTS, UNITS, layers=2, dropout=0.5)),
    Case("stack-residual", lambda: stacked(GRU(), INPUTS, INPUTS, layers=3, residual=True)),
    Case("stack-nested", lambda: Stack(stacked(Elman(), INPUTS, 4, layers=2), Recurrent(GRU(), Dense(4, UNITS)))),
]
"""Cores: they can be stepped, and run in chunks."""

BIDIRECTIONAL = [
    Case("both-gru", lambda: Bidirectional(*(Recurrent(GRU(), Dense(INPUTS, UNITS)) for _ in range(2)))),
    Case("both-mixed", lambda: Bidirectional(*(Recurrent(Mixed(), Dense(INPUTS, UNITS)) for _ in range(2)))),
    Case("both-conv2d", lambda: Bidirectional(*(Recurrent(LSTM(), Conv2d(INPUTS, 2)) for _ in range(2))), (4, 3)),
    Case(
        "both-stacked",
        lambda: Stack(
            Bidirectional(*(stacked(LSTM(), INPUTS, 4, layers=2) for _ in range(2))),
            Recurrent(GRU(), Dense(8, UNITS)),
        ),
    ),
]
"""Layers that need the whole sequence."""

ALL = [*CASES, *BIDIRECTIONAL]
