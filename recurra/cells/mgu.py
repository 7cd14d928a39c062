"""The minimal gated unit."""

from typing import final

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Maps, Parts, written
from recurra.cells.gru import GRU

__all__ = ["MGU"]


@final
class MGU(Cell):
    r"""Minimal gated unit: a GRU whose one gate both resets and updates.

    .. math::
        f = \sigma(x_f + U_f h) \quad n = \tanh(x_n + U_n (f \odot h)) \quad h' = h + f \odot (n - h)

    Shapes: every gate and ``h`` (B, H). Source: Zhou et al. 2016, arXiv:1603.09420.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> Recurrent(MGU(), Dense(3, 5)).input_weight.shape
        torch.Size([10, 3])
    """

    gates = ("forget", "new")
    maps = {"recur": ("forget",), "gated": ("new",)}
    retention = {"forget": -1}

    State = GRU.State

    def step(self, x: Parts, s: GRU.State, m: Maps) -> tuple[Tensor, GRU.State]:
        """One step of the equations above."""
        f = torch.sigmoid(x.forget + m.recur(s.h).forget)
        new = written(torch.tanh(x.new + m.gated(f * s.h).new), m)
        h = s.h + f * (new - s.h)
        return h, self.State(h)
