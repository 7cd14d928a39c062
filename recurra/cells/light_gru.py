"""The light gated recurrent unit."""

from typing import final

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Maps, Parts, written
from recurra.cells.gru import GRU

__all__ = ["LightGRU"]


@final
class LightGRU(Cell):
    r"""Light gated recurrent unit: a GRU without reset, of rectified candidates.

    .. math:: z = \sigma(x_z + U_z h) \quad n = \mathrm{relu}(x_n + U_n h) \quad h' = n + z \odot (h - n)

    Shapes: every gate and ``h`` (B, H). The state has no bound; its authors hold it by norming :math:`x_z` and :math:`x_n` over
    the batch, which is no part of this cell. Source: Ravanelli et al. 2018, arXiv:1803.10225.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> y, _ = Recurrent(LightGRU(), Dense(3, 5))(torch.randn(2, 7, 3))
        >>> bool((y >= 0).all())
        True
    """

    gates = ("update", "new")
    maps = {"recur": gates}
    retention = {"update": 1}

    State = GRU.State

    def step(self, x: Parts, s: GRU.State, m: Maps) -> tuple[Tensor, GRU.State]:
        """One step of the equations above."""
        r = m.recur(s.h)
        update, new = torch.sigmoid(x.update + r.update), written(torch.relu(x.new + r.new), m)
        h = new + update * (s.h - new)
        return h, self.State(h)
