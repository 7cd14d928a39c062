"""Long short-term memory, plain and projected."""

from typing import NamedTuple, final

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Map, Maps, Parts, written

__all__ = ["LSTM", "ProjectedLSTM"]


@final
class LSTM(Cell):
    r"""Long short-term memory, as ``torch.nn.LSTM``.

    .. math::
        i = \sigma(x_i + U_i h) \quad f = \sigma(x_f + U_f h) \quad g = \tanh(x_g + U_g h) \quad o = \sigma(x_o + U_o h) \\
        c' = f \odot c + i \odot g \qquad h' = o \odot \tanh c'

    Shapes: every gate, ``h`` and ``c`` (B, H). The forget bias starts at 1 (Jozefowicz et al. 2015).
    Source: Hochreiter & Schmidhuber 1997; forget gate Gers et al. 2000.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> y, state = Recurrent(LSTM(), Dense(3, 5))(torch.zeros(2, 7, 3))
        >>> y.shape, state.c.shape
        (torch.Size([2, 7, 5]), torch.Size([2, 5]))
    """

    gates = ("input", "forget", "cell", "output")
    maps = {"recur": gates}
    bias = {"forget": 1.0}
    retention = {"forget": 1, "input": -1}

    class State(NamedTuple):
        """The last output and the cell state."""

        h: Tensor
        c: Tensor

    def step(self, x: Parts, s: State, m: Maps) -> tuple[Tensor, State]:
        """One step of the equations above."""
        r = m.recur(s.h)
        i, f = torch.sigmoid(x.input + r.input), torch.sigmoid(x.forget + r.forget)
        g, o = written(torch.tanh(x.cell + r.cell), m), torch.sigmoid(x.output + r.output)
        c = f * s.c + i * g
        h = o * torch.tanh(c)
        return h, self.State(h, c)


@final
class ProjectedLSTM(Cell):
    r"""LSTM whose output is a projection of fewer units, as ``torch.nn.LSTM(proj_size=P)``.

    .. math:: c' = f \odot c + i \odot g \qquad h' = W_p (o \odot \tanh c')

    Shapes: every gate and ``c`` (B, H); ``h`` and y (B, P). Source: Sak et al. 2014, arXiv:1402.1128.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> y, state = Recurrent(ProjectedLSTM(), Dense(3, 8, projected_size=2))(torch.zeros(1, 4, 3))
        >>> y.shape, state.h.shape, state.c.shape
        (torch.Size([1, 4, 2]), torch.Size([1, 2]), torch.Size([1, 8]))
    """

    gates = LSTM.gates
    maps = {"recur": Map(gates, takes="projected"), "project": Map(("h",), gives="projected", bias=False)}
    bias = LSTM.bias
    retention = LSTM.retention
    widths = {"h": "projected"}
    output = "projected"

    State = LSTM.State

    def step(self, x: Parts, s: LSTM.State, m: Maps) -> tuple[Tensor, LSTM.State]:
        """One step of the equations above."""
        r = m.recur(s.h)
        i, f = torch.sigmoid(x.input + r.input), torch.sigmoid(x.forget + r.forget)
        g, o = written(torch.tanh(x.cell + r.cell), m), torch.sigmoid(x.output + r.output)
        c = f * s.c + i * g
        h = m.project(o * torch.tanh(c)).h
        return h, self.State(h, c)
