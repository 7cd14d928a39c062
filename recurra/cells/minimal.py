"""The minimal GRU and LSTM, whose gates do not see the state."""

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from recurra.cells.cell import Cell, Maps, Parts, written
from recurra.cells.gru import GRU

__all__ = ["MinGRU", "MinLSTM"]


@final
class MinGRU(Cell):
    r"""Minimal GRU: gate and candidate depend on x alone, so that the state is a plain weighted sum of the past.

    .. math:: z = \sigma(x_z) \qquad h' = h + z \odot (x_n - h)

    Shapes: every gate and ``h`` (B, H). Layers of it see each other's outputs only. Source: Feng et al. 2024, arXiv:2410.01201.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> [name for name, _ in Recurrent(MinGRU(), Dense(3, 5)).named_parameters()]
        ['input_weight', 'input_bias']
    """

    gates = ("update", "new")
    retention = {"update": -1}

    State = GRU.State

    def step(self, x: Parts, s: GRU.State, m: Maps) -> tuple[Tensor, GRU.State]:
        """One step of the equations above."""
        h = s.h + torch.sigmoid(x.update) * (written(x.new, m) - s.h)
        return h, self.State(h)


@final
class MinLSTM(Cell):
    r"""Minimal LSTM: two gates that share one whole, both of x alone.

    .. math::
        f = \sigma(x_f) \quad i = \sigma(x_i) \quad h' = \frac{f}{f + i} \odot h + \frac{i}{f + i} \odot x_n

    The shares are computed from logarithms: f + i may be 0 in floating point. Shapes: every gate and ``h`` (B, H).
    Source: Feng et al. 2024, arXiv:2410.01201.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> Recurrent(MinLSTM(), Dense(3, 5)).input_weight.shape
        torch.Size([15, 3])
    """

    gates = ("forget", "input", "new")
    retention = {"forget": 1, "input": -1}

    State = GRU.State

    def step(self, x: Parts, s: GRU.State, m: Maps) -> tuple[Tensor, GRU.State]:
        """One step of the equations above."""
        keep = torch.sigmoid(F.logsigmoid(x.forget) - F.logsigmoid(x.input))
        new = written(x.new, m)
        h = new + keep * (s.h - new)
        return h, self.State(h)
