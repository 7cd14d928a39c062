"""The simple recurrent unit."""

from typing import NamedTuple, final

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Maps, Parts, written

__all__ = ["SRU"]


@final
class SRU(Cell):
    r"""Simple recurrent unit: no product inside the step, and a highway around it.

    .. math::
        f = \sigma(x_f + v_f \odot c) \quad r = \sigma(x_r + v_r \odot c) \quad c' = f \odot c + (1 - f) \odot x_g \quad
        y = r \odot c' + (1 - r) \odot x_s

    Shapes: every gate, y and ``c`` (B, H); each v (H,), which starts at 0. The highway's :math:`x_s` is a map of x, as the
    paper's is where input and output differ in size. Source: Lei et al. 2018, arXiv:1709.02755.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> layer = Recurrent(SRU(), Dense(3, 5))
        >>> sorted(name for name, _ in layer.named_parameters())
        ['input_bias', 'input_weight', 'peep_forget', 'peep_reset']
    """

    gates = ("forget", "reset", "cell", "skip")
    vectors = {"peep_forget": 0.0, "peep_reset": 0.0}
    retention = {"forget": 1}

    class State(NamedTuple):
        """The cell state."""

        c: Tensor

    def step(self, x: Parts, s: State, m: Maps) -> tuple[Tensor, State]:
        """One step of the equations above."""
        f, r = torch.sigmoid(x.forget + m.peep_forget * s.c), torch.sigmoid(x.reset + m.peep_reset * s.c)
        g = written(x.cell, m)
        c = g + f * (s.c - g)
        y = x.skip + r * (c - x.skip)
        return y, self.State(c)
