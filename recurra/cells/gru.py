"""The gated recurrent unit, reset after the product and before it."""

from typing import NamedTuple, final

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Maps, Parts, written

__all__ = ["GRU", "ResetBeforeGRU"]


@final
class GRU(Cell):
    r"""Gated recurrent unit, reset after the product, as ``torch.nn.GRU``.

    .. math::
        r = \sigma(x_r + U_r h) \quad z = \sigma(x_z + U_z h) \quad n = \tanh(x_n + r \odot U_n h) \quad
        h' = n + z \odot (h - n)

    Shapes: every gate and ``h`` (B, H). Source: Cho et al. 2014, arXiv:1406.1078.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> y, state = Recurrent(GRU(), Dense(3, 5))(torch.zeros(2, 7, 3))
        >>> y.shape, state.h.shape
        (torch.Size([2, 7, 5]), torch.Size([2, 5]))
    """

    gates = ("reset", "update", "new")  # torch's order: weights load both ways
    maps = {"recur": gates}
    retention = {"update": 1}

    class State(NamedTuple):
        """The last output."""

        h: Tensor

    def step(self, x: Parts, s: State, m: Maps) -> tuple[Tensor, State]:
        """One step of the equations above."""
        r = m.recur(s.h)
        reset, update = torch.sigmoid(x.reset + r.reset), torch.sigmoid(x.update + r.update)
        new = written(torch.tanh(x.new + reset * r.new), m)
        h = new + update * (s.h - new)
        return h, self.State(h)


@final
class ResetBeforeGRU(Cell):
    r"""Gated recurrent unit as first published: the reset gate cuts the state before the product.

    .. math::
        r = \sigma(x_r + U_r h) \quad z = \sigma(x_z + U_z h) \quad n = \tanh(x_n + U_n (r \odot h)) \quad
        h' = n + z \odot (h - n)

    Shapes: every gate and ``h`` (B, H). Source: Cho et al. 2014, arXiv:1406.1078.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> layer = Recurrent(ResetBeforeGRU(), Dense(3, 5))
        >>> layer.recur_weight.shape, layer.gated_weight.shape
        (torch.Size([10, 5]), torch.Size([5, 5]))
    """

    gates = GRU.gates
    maps = {"recur": ("reset", "update"), "gated": ("new",)}
    retention = GRU.retention

    State = GRU.State

    def step(self, x: Parts, s: GRU.State, m: Maps) -> tuple[Tensor, GRU.State]:
        """One step of the equations above."""
        r = m.recur(s.h)
        reset, update = torch.sigmoid(x.reset + r.reset), torch.sigmoid(x.update + r.update)
        new = written(torch.tanh(x.new + m.gated(reset * s.h).new), m)
        h = new + update * (s.h - new)
        return h, self.State(h)
