"""Long short-term memory with a forget gate alone."""

from typing import final

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Maps, Parts, written
from recurra.cells.gru import GRU

__all__ = ["JANET"]


@final
class JANET(Cell):
    r"""Just another network: an LSTM that has its forget gate only, and shows its state as it is.

    .. math::
        s = x_f + U_f h \quad g = \tanh(x_g + U_g h) \quad h' = \sigma(s) \odot h + (1 - \sigma(s - \beta)) \odot g

    Args:
        beta: how much easier it is to write than to forget.

    Shapes: every gate and ``h`` (B, H). The forget bias starts at 1; the authors start it by the longest span that matters
    (chrono). Source: van der Westhuizen & Lasenby 2018, arXiv:1804.04849.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> Recurrent(JANET(beta=0.0), Dense(3, 5)).recur_weight.shape
        torch.Size([10, 5])
    """

    beta: float = 1.0

    gates = ("forget", "cell")
    maps = {"recur": gates}
    bias = {"forget": 1.0}
    retention = {"forget": 1}

    State = GRU.State

    def step(self, x: Parts, s: GRU.State, m: Maps) -> tuple[Tensor, GRU.State]:
        """One step of the equations above."""
        r = m.recur(s.h)
        keep, g = x.forget + r.forget, written(torch.tanh(x.cell + r.cell), m)
        h = torch.sigmoid(keep) * s.h + torch.sigmoid(self.beta - keep) * g
        return h, self.State(h)
