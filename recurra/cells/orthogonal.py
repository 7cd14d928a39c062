"""The recurrent network with an orthogonal matrix."""

from typing import final

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Map, Maps, Parts
from recurra.cells.gru import GRU

__all__ = ["OrthogonalRNN"]


def _near_zero(vector: Tensor) -> None:
    vector.uniform_(-0.01, 0.01)


@final
class OrthogonalRNN(Cell):
    r"""Recurrent network whose matrix stays orthogonal, so that gradients pass it at full length.

    .. math:: v = x_h + Q h \qquad h' = \mathrm{sign}(v) \odot \mathrm{relu}(|v| + b), \qquad Q^\top Q = I

    The bend is modReLU of real numbers: it changes the size of v, never its sign. Q is :math:`Q_0 e^A`, A antisymmetric and
    learnt.

    Shapes: the gate and ``h`` (B, H); b (H,), which starts uniform between -0.01 and 0.01. Q starts at a random orthogonal
    matrix. Source: Lezcano-Casado & Martínez-Rubio 2019, arXiv:1901.08428; modReLU Arjovsky et al. 2016, arXiv:1511.06464.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> q = Recurrent(OrthogonalRNN(), Dense(3, 5)).recur_weight
        >>> torch.allclose(q.T @ q, torch.eye(5), atol=1e-6)
        True
    """

    gates = ("hidden",)
    maps = {"recur": Map(("hidden",), bias=False, matrix="orthogonal")}
    vectors = {"bend": _near_zero}

    State = GRU.State

    def step(self, x: Parts, s: GRU.State, m: Maps) -> tuple[Tensor, GRU.State]:
        """One step of the equations above."""
        v = x.hidden + m.recur(s.h).hidden
        h = torch.sign(v) * torch.relu(torch.abs(v) + m.bend)
        return h, self.State(h)
