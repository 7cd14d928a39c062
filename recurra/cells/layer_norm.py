"""Long short-term memory and the gated recurrent unit with layer norms of their sums."""

from typing import final

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Maps, Parts, written
from recurra.cells.gru import GRU
from recurra.cells.lstm import LSTM

__all__ = ["LayerNormGRU", "LayerNormLSTM"]


@final
class LayerNormLSTM(Cell):
    r"""LSTM with a layer norm of each gate's sum, and of the cell state on its way out.

    .. math::
        i = \sigma(\mathrm{LN}(x_i + U_i h)) \quad f = \sigma(\mathrm{LN}(x_f + U_f h)) \quad
        g = \tanh(\mathrm{LN}(x_g + U_g h)) \quad o = \sigma(\mathrm{LN}(x_o + U_o h)) \\
        c' = f \odot c + i \odot g \qquad h' = o \odot \tanh(\mathrm{LN}(c'))

    Five norms, each with its own weight and bias: one for the sum of every gate (input and state together, over the H units of
    that gate), one for the cell state. The paper norms input and state apart, all gates at once;
    :class:`~recurra.cells.LayerNormed` norms them apart, gate by gate. A norm takes away what all units of a gate share, so the
    forget bias of 1 is that of its norm.

    Shapes: every gate, ``h`` and ``c`` (B, H). Source: Ba et al. 2016, arXiv:1607.06450.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> Recurrent(LayerNormLSTM(), Dense(3, 2)).norm_forget_bias.tolist()
        [1.0, 1.0]
    """

    gates = LSTM.gates
    maps = LSTM.maps
    norms = ("norm_input", "norm_forget", "norm_cell", "norm_output", "norm_state")
    bias = {"norm_forget": 1.0}
    retention = {"norm_forget": 1, "norm_input": -1}

    State = LSTM.State

    def step(self, x: Parts, s: LSTM.State, m: Maps) -> tuple[Tensor, LSTM.State]:
        """One step of the equations above."""
        r = m.recur(s.h)
        i, f = torch.sigmoid(m.norm_input(x.input + r.input)), torch.sigmoid(m.norm_forget(x.forget + r.forget))
        g = written(torch.tanh(m.norm_cell(x.cell + r.cell)), m)
        c = f * s.c + i * g
        h = torch.sigmoid(m.norm_output(x.output + r.output)) * torch.tanh(m.norm_state(c))
        return h, self.State(h, c)


@final
class LayerNormGRU(Cell):
    r"""GRU with a layer norm of each gate's sum, and of both parts of the candidate.

    .. math::
        r = \sigma(\mathrm{LN}(x_r + U_r h)) \quad z = \sigma(\mathrm{LN}(x_z + U_z h)) \quad
        n = \tanh(\mathrm{LN}(x_n) + r \odot \mathrm{LN}(U_n h)) \quad h' = n + z \odot (h - n)

    Four norms, each with its own weight and bias, over the H units: the sums of the two gates (input and state together), and
    apart the candidate's input and its product with the state, since the reset gate stands between them.

    Shapes: every gate and ``h`` (B, H). Source: Ba et al. 2016, arXiv:1607.06450; there the gates' sums, too, are normed in two
    parts.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> Recurrent(LayerNormGRU(), Dense(3, 5)).norm_update_weight.shape
        torch.Size([5])
    """

    gates = GRU.gates
    maps = GRU.maps
    norms = ("norm_reset", "norm_update", "norm_new", "norm_recur_new")
    retention = {"norm_update": 1}

    State = GRU.State

    def step(self, x: Parts, s: GRU.State, m: Maps) -> tuple[Tensor, GRU.State]:
        """One step of the equations above."""
        r = m.recur(s.h)
        reset = torch.sigmoid(m.norm_reset(x.reset + r.reset))
        update = torch.sigmoid(m.norm_update(x.update + r.update))
        new = written(torch.tanh(m.norm_new(x.new) + reset * m.norm_recur_new(r.new)), m)
        h = new + update * (s.h - new)
        return h, self.State(h)
