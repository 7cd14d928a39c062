"""Long short-term memory with exponential gates."""

from typing import NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor

from recurra.cells.cell import Cell, Maps, Parts, written

__all__ = ["SLSTM"]


@final
class SLSTM(Cell):
    r"""sLSTM of xLSTM: what is written is weighed exponentially, and the state is the weighted mean of it.

    .. math::
        \tilde\imath = x_i + U_i h \quad \tilde f = x_f + U_f h \quad z = \tanh(x_z + U_z h) \quad o = \sigma(x_o + U_o h) \\
        m' = \max(\log \sigma(\tilde f) + m, \tilde\imath) \quad i = e^{\tilde\imath - m'} \quad
        f = e^{\log \sigma(\tilde f) + m - m'} \\
        c' = f \odot c + i \odot z \quad n' = f \odot n + i \quad h' = o \odot c' / n'

    m is the stabiliser: no exponent is positive, and ``h`` does not depend on it. In the first step, where n is 0, m' is
    :math:`\tilde\imath`, so that n is at least 1 from then on.

    Shapes: every gate and every field of the state (B, H). The forget bias starts at 3. Wired by
    :class:`~recurra.layers.Heads` as in the paper, units mix within their head only.
    Source: Beck et al. 2024, arXiv:2405.04517.

    Example:
        >>> from recurra.layers import Heads, Recurrent
        >>> y, state = Recurrent(SLSTM(), Heads(3, 8, heads=2))(torch.randn(2, 7, 3))
        >>> y.shape, bool((state.n >= 1).all())
        (torch.Size([2, 7, 8]), True)
    """

    gates = ("input", "forget", "cell", "output")
    maps = {"recur": gates}
    bias = {"forget": 3.0}
    retention = {"forget": 1}

    class State(NamedTuple):
        """The last output, the weighted sum, the sum of weights, and the logarithm that both are scaled by."""

        h: Tensor
        c: Tensor
        n: Tensor
        m: Tensor

    def step(self, x: Parts, s: State, m: Maps) -> tuple[Tensor, State]:
        """One step of the equations above."""
        r = m.recur(s.h)
        write, keep = x.input + r.input, F.logsigmoid(x.forget + r.forget) + s.m
        z, o = written(torch.tanh(x.cell + r.cell), m), torch.sigmoid(x.output + r.output)
        high = torch.where(s.n == 0, write, torch.maximum(keep, write))
        i, f = torch.exp(write - high), torch.exp(torch.clamp(keep - high, max=0.0))
        c, n = f * s.c + i * z, f * s.n + i
        h = o * c / torch.clamp(n, min=1.0)
        return h, self.State(h, c, n, high)
