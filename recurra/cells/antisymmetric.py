"""Recurrent networks that turn their state without shrinking it."""

from typing import final

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Map, Maps, Parts
from recurra.cells.gru import GRU

__all__ = ["AntisymmetricRNN", "GatedAntisymmetricRNN"]


@final
class AntisymmetricRNN(Cell):
    r"""Antisymmetric recurrent network: small steps along a flow that neither grows nor fades.

    .. math:: h' = h + \varepsilon \tanh(x_h + (A - \gamma I) h), \qquad A = -A^\top

    Args:
        epsilon: how far a step goes.
        gamma: how much it damps, which balances what steps of finite size add.

    Shapes: the gate and ``h`` (B, H). A stays antisymmetric in training. Source: Chang et al. 2019, arXiv:1902.09689.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> a = Recurrent(AntisymmetricRNN(), Dense(3, 5)).recur_weight
        >>> torch.equal(a, -a.T)
        True
    """

    epsilon: float = 0.1
    gamma: float = 0.01

    gates = ("hidden",)
    maps = {"recur": Map(("turn",), bias=False, matrix="antisymmetric")}

    State = GRU.State

    def step(self, x: Parts, s: GRU.State, m: Maps) -> tuple[Tensor, GRU.State]:
        """One step of the equation above."""
        turn = m.recur(s.h).turn - self.gamma * s.h
        h = s.h + self.epsilon * torch.tanh(x.hidden + turn)
        return h, self.State(h)


@final
class GatedAntisymmetricRNN(Cell):
    r"""Antisymmetric recurrent network with a gate on the step; both see the same product.

    .. math:: u = (A - \gamma I) h \qquad h' = h + \varepsilon \, \sigma(x_z + u) \odot \tanh(x_h + u), \qquad A = -A^\top

    Args:
        epsilon: how far a step goes.
        gamma: how much it damps.

    Shapes: every gate and ``h`` (B, H). Source: Chang et al. 2019, arXiv:1902.09689.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> layer = Recurrent(GatedAntisymmetricRNN(), Dense(3, 5))
        >>> layer.input_weight.shape, layer.recur_weight.shape
        (torch.Size([10, 3]), torch.Size([5, 5]))
    """

    epsilon: float = 0.1
    gamma: float = 0.01

    gates = ("update", "hidden")
    maps = AntisymmetricRNN.maps

    State = GRU.State

    def step(self, x: Parts, s: GRU.State, m: Maps) -> tuple[Tensor, GRU.State]:
        """One step of the equation above."""
        turn = m.recur(s.h).turn - self.gamma * s.h
        h = s.h + self.epsilon * torch.sigmoid(x.update + turn) * torch.tanh(x.hidden + turn)
        return h, self.State(h)
