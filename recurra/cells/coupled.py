"""Long short-term memory that writes what it forgets."""

from typing import final

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Maps, Parts, written
from recurra.cells.lstm import LSTM

__all__ = ["CoupledLSTM"]


@final
class CoupledLSTM(Cell):
    r"""LSTM with the input gate coupled to the forget gate (CIFG): a quarter fewer weights.

    .. math::
        f = \sigma(x_f + U_f h) \quad g = \tanh(x_g + U_g h) \quad o = \sigma(x_o + U_o h) \\
        c' = f \odot c + (1 - f) \odot g \qquad h' = o \odot \tanh c'

    Shapes: every gate, ``h`` and ``c`` (B, H). The forget bias starts at 1. Source: Greff et al. 2017, arXiv:1503.04069.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> Recurrent(CoupledLSTM(), Dense(3, 5)).recur_weight.shape
        torch.Size([15, 5])
    """

    gates = ("forget", "cell", "output")
    maps = {"recur": gates}
    bias = LSTM.bias
    retention = {"forget": 1}

    State = LSTM.State

    def step(self, x: Parts, s: LSTM.State, m: Maps) -> tuple[Tensor, LSTM.State]:
        """One step of the equations above."""
        r = m.recur(s.h)
        f, g = torch.sigmoid(x.forget + r.forget), written(torch.tanh(x.cell + r.cell), m)
        c = g + f * (s.c - g)
        h = torch.sigmoid(x.output + r.output) * torch.tanh(c)
        return h, self.State(h, c)
