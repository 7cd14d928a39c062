"""The recurrent additive network."""

from typing import final

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Maps, Parts, written
from recurra.cells.lstm import LSTM

__all__ = ["RAN"]


@final
class RAN(Cell):
    r"""Recurrent additive network: the state is a weighted sum of inputs, and only the weights depend on the past.

    .. math::
        i = \sigma(x_i + U_i h) \quad f = \sigma(x_f + U_f h) \quad c' = f \odot c + i \odot x_g \quad h' = \tanh c'

    Shapes: every gate, ``h`` and ``c`` (B, H). The forget bias starts at 1. Source: Lee et al. 2017, arXiv:1705.07393.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> layer = Recurrent(RAN(), Dense(3, 5))
        >>> layer.input_weight.shape, layer.recur_weight.shape
        (torch.Size([15, 3]), torch.Size([10, 5]))
    """

    gates = ("input", "forget", "cell")
    maps = {"recur": ("input", "forget")}
    bias = LSTM.bias
    retention = LSTM.retention

    State = LSTM.State

    def step(self, x: Parts, s: LSTM.State, m: Maps) -> tuple[Tensor, LSTM.State]:
        """One step of the equations above."""
        r = m.recur(s.h)
        i, f = torch.sigmoid(x.input + r.input), torch.sigmoid(x.forget + r.forget)
        c = f * s.c + i * written(x.cell, m)
        h = torch.tanh(c)
        return h, self.State(h, c)
