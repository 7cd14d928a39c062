"""The update gate network."""

from typing import final

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Maps, Parts, written
from recurra.cells.gru import GRU

__all__ = ["UGRNN"]


@final
class UGRNN(Cell):
    r"""Update gate recurrent network: the simple network, each unit of which may stay as it is.

    .. math:: g = \sigma(x_g + U_g h) \quad n = \tanh(x_n + U_n h) \quad h' = n + g \odot (h - n)

    Shapes: every gate and ``h`` (B, H). The gate's bias starts at 1. Source: Collins et al. 2017, arXiv:1611.09913.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> Recurrent(UGRNN(), Dense(3, 2)).input_bias.tolist()
        [1.0, 1.0, 0.0, 0.0]
    """

    gates = ("update", "new")
    maps = {"recur": gates}
    bias = {"update": 1.0}
    retention = {"update": 1}

    State = GRU.State

    def step(self, x: Parts, s: GRU.State, m: Maps) -> tuple[Tensor, GRU.State]:
        """One step of the equations above."""
        r = m.recur(s.h)
        update, new = torch.sigmoid(x.update + r.update), written(torch.tanh(x.new + r.new), m)
        h = new + update * (s.h - new)
        return h, self.State(h)
