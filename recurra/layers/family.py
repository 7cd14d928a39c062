"""The family: every recurrence that options name, as in ``cell=gru``, with its equation, its paper, and when to take it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import nn

from recurra.cells import CELLS, Cell
from recurra.errors import UsageError, near_miss
from recurra.layers.recurrent import Recurrent
from recurra.wirings import Dense, Wiring

__all__ = ["FAMILY", "Member", "member"]


class Member(NamedTuple):
    """One recurrence: a cell and how it is wired, or a core of its own.

    `equation` fits a terminal; `use` says when to take it. Sizes are I, H.
    """

    equation: str
    paper: str
    use: str
    cell: Cell | None = None
    wiring: Callable[[int, int], Wiring] = Dense
    core: Callable[[int, int], nn.Module] | None = None

    def build(self, input_size: int, hidden_size: int, **how: Any) -> nn.Module:
        """A layer of it, from `input_size` to `hidden_size`; `how` goes to :class:`~recurra.layers.Recurrent`."""
        if self.cell is not None:
            return Recurrent(self.cell, self.wiring(input_size, hidden_size), **how)
        assert self.core is not None
        return self.core(input_size, hidden_size)


FAMILY: dict[str, Member] = {
    "elman": Member("h' = tanh(x + U h)", "Elman 1990", "short memory, the baseline of all", CELLS["elman"]),
    "elman-relu": Member("h' = relu(x + U h)", "Elman 1990", "beside irnn, to see what the start does", CELLS["elman-relu"]),
    "lstm": Member(
        "c' = f c + i tanh(g), h' = o tanh(c')", "Hochreiter & Schmidhuber 1997; Gers et al. 2000", "the default", CELLS["lstm"]
    ),
    "gru": Member("h' = n + z (h - n), n = tanh(x + r (U h))", "Cho et al. 2014", "fewer weights than LSTM", CELLS["gru"]),
}
"""All members by name."""


def member(name: str) -> Member:
    """The member of this name."""
    if name not in FAMILY:
        raise UsageError(f"cell={name}: {near_miss(name, FAMILY)}")
    return FAMILY[name]
