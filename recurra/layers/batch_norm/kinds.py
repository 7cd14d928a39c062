"""Recurrent layers with batch normalisation, by kind."""

from dataclasses import replace
from typing import Literal, final

import torch
from torch import Tensor

from recurra.cells import LSTM, Cell, Maps, Parts, Wrapper, written
from recurra.engine import Engine, Fold
from recurra.errors import UsageError
from recurra.layers.batch_norm.sequence import SequenceBatchNorm
from recurra.layers.batch_norm.step import StepBatchNorm
from recurra.layers.recurrent import Recurrent
from recurra.wirings import Wiring

__all__ = ["NormedLSTM", "batch_normed"]


def batch_normed(
    cell: Cell,
    wiring: Wiring,
    how: Literal["sequence", "step", "inside"] = "sequence",
    *,
    limit: int = 100,
    engine: Engine | None = None,
    memory: Literal["normal", "low"] = "normal",
    weight_drop: float = 0.0,
) -> SequenceBatchNorm | StepBatchNorm:
    """A recurrent layer with batch normalisation of one kind; the other arguments are those of :class:`Recurrent`.

    Args:
        how: ``"sequence"`` for :class:`SequenceBatchNorm`; ``"step"`` and ``"inside"`` for :class:`StepBatchNorm`, which runs
            in Python, whatever the engine.
        limit: how many steps have statistics of their own in the latter.

    Example:
        >>> from recurra.cells import GRU
        >>> from recurra.layers import Dense
        >>> y, state = batch_normed(GRU(), Dense(3, 5), "inside", limit=4)(torch.zeros(20, 7, 3))
        >>> y.shape, state.inner.h.shape
        (torch.Size([20, 7, 5]), torch.Size([20, 5]))
    """
    if how == "sequence":
        return SequenceBatchNorm(Recurrent(cell, wiring, engine=engine, memory=memory, weight_drop=weight_drop))
    if how not in ("step", "inside"):
        raise UsageError(f"batch norm {how!r}; wanted 'sequence', 'step' or 'inside'")
    inside = how == "inside"
    layer = Recurrent(_with_norm(cell) if inside else cell, wiring, engine=Fold(), weight_drop=weight_drop)
    return StepBatchNorm(layer, limit=limit, inside=inside)


@final
class NormedLSTM(Cell):
    r"""LSTM with a norm of the cell state before its output; inside a batch norm, the cell of Cooijmans et al.

    .. math:: c' = f \odot c + i \odot g \qquad h' = o \odot \tanh(\mathrm{norm}(c'))

    Shapes: as :class:`~recurra.cells.LSTM`. Source: Cooijmans et al. 2016, arXiv:1603.09025.

    Example:
        >>> NormedLSTM().norms
        ('norm_cell',)
    """

    gates = LSTM.gates
    maps = LSTM.maps
    norms = ("norm_cell",)
    bias = LSTM.bias
    retention = LSTM.retention

    State = LSTM.State

    def step(self, x: Parts, s: LSTM.State, m: Maps) -> tuple[Tensor, LSTM.State]:
        """One step of the equations above."""
        r = m.recur(s.h)
        i, f = torch.sigmoid(x.input + r.input), torch.sigmoid(x.forget + r.forget)
        g, o = written(torch.tanh(x.cell + r.cell), m), torch.sigmoid(x.output + r.output)
        c = f * s.c + i * g
        h = o * torch.tanh(m.norm_cell(c))
        return h, self.State(h, c)


def _with_norm(cell: Cell) -> Cell:
    """The cell, an LSTM with a norm of its cell state."""
    if isinstance(cell, Wrapper):
        return replace(cell, cell=_with_norm(cell.cell))
    return NormedLSTM() if cell == LSTM() else cell
