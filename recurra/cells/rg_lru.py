"""The real-gated linear recurrent unit."""

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from recurra.cells.cell import Cell, Maps, Parts, written
from recurra.cells.gru import GRU

__all__ = ["RGLRU"]

POWER = 8.0
"""c: how many times faster than :math:`\\sigma(\\Lambda)` a unit forgets with an open gate."""

INNER, OUTER = 0.9, 0.999
"""The shares of its state that a unit keeps in a step with an open gate, at the start."""

LEAST = 2.5e-7
"""The least of 1 - a^2 under the root, whose slope is then at most 1000, as in the authors' code."""


def _decays(vector: Tensor) -> None:
    vector.uniform_(INNER, OUTER).pow_(1 / POWER).logit_()


@final
class RGLRU(Cell):
    r"""Real-gated linear recurrent unit, of Griffin and RecurrentGemma: the gates see x alone, the state is diagonal.

    .. math::
        r = \sigma(x_r) \quad i = \sigma(x_i) \quad a = \sigma(\Lambda)^{8 r} \quad
        h' = a \odot h + \sqrt{1 - a^2} \odot (i \odot x_n)

    The root keeps the state of one size whatever the gate does. Shapes: every gate and ``h`` (B, H); :math:`\Lambda` (H,),
    which starts where :math:`\sigma(\Lambda)^8` is uniform between 0.9 and 0.999. Source: De et al. 2024, arXiv:2402.19427.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> kept = torch.sigmoid(Recurrent(RGLRU(), Dense(3, 100)).decay) ** 8
        >>> bool((kept > 0.899).all() and (kept < 1).all())
        True
    """

    gates = ("recurrence", "input", "new")
    vectors = {"decay": _decays}

    State = GRU.State

    def step(self, x: Parts, s: GRU.State, m: Maps) -> tuple[Tensor, GRU.State]:
        """One step of the equations above."""
        r, i = torch.sigmoid(x.recurrence), torch.sigmoid(x.input)
        a = torch.exp(POWER * r * F.logsigmoid(m.decay))
        h = a * s.h + torch.sqrt(torch.clamp(1 - a * a, min=LEAST)) * (i * written(x.new, m))
        return h, self.State(h)
