"""Long short-term memory whose gates look at the cell state."""

from typing import final

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Maps, Parts, written
from recurra.cells.lstm import LSTM

__all__ = ["PeepholeLSTM"]


@final
class PeepholeLSTM(Cell):
    r"""LSTM whose gates see the cell state, each unit its own: what has been counted can open a gate at the right step.

    .. math::
        i = \sigma(x_i + U_i h + p_i \odot c) \quad f = \sigma(x_f + U_f h + p_f \odot c) \quad g = \tanh(x_g + U_g h) \\
        c' = f \odot c + i \odot g \quad o = \sigma(x_o + U_o h + p_o \odot c') \quad h' = o \odot \tanh c'

    Shapes: every gate, ``h`` and ``c`` (B, H); each p (H,), which starts at 0. The forget bias starts at 1.
    Source: Gers & Schmidhuber 2000, Recurrent nets that time and count.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> Recurrent(PeepholeLSTM(), Dense(3, 5)).peep_forget.shape
        torch.Size([5])
    """

    gates = LSTM.gates
    maps = LSTM.maps
    vectors = {"peep_input": 0.0, "peep_forget": 0.0, "peep_output": 0.0}
    bias = LSTM.bias
    retention = LSTM.retention

    State = LSTM.State

    def step(self, x: Parts, s: LSTM.State, m: Maps) -> tuple[Tensor, LSTM.State]:
        """One step of the equations above."""
        r = m.recur(s.h)
        i = torch.sigmoid(x.input + r.input + m.peep_input * s.c)
        f = torch.sigmoid(x.forget + r.forget + m.peep_forget * s.c)
        c = f * s.c + i * written(torch.tanh(x.cell + r.cell), m)
        o = torch.sigmoid(x.output + r.output + m.peep_output * c)
        h = o * torch.tanh(c)
        return h, self.State(h, c)
