"""The linear recurrent unit."""

import math
from typing import NamedTuple, final

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Map, Maps, Parts

__all__ = ["LRU"]

INNER, OUTER = 0.9, 0.999
"""The ring of the complex plane in which the poles start."""


def _squares(vector: Tensor) -> Tensor:
    """Squared radii that spread the poles evenly over the ring, one for each unit."""
    count = vector.numel()
    middles = (torch.arange(count, dtype=vector.dtype, device=vector.device) + 0.5) / count
    return (INNER**2 + (OUTER**2 - INNER**2) * middles).view(vector.shape)


def _radii(vector: Tensor) -> None:
    vector.copy_(torch.log(-0.5 * torch.log(_squares(vector))))


def _angles(vector: Tensor) -> None:
    vector.uniform_(0, 2 * math.pi).clamp_(min=1e-6).log_()


def _scales(vector: Tensor) -> None:
    vector.copy_(0.5 * torch.log1p(-_squares(vector)))


@final
class LRU(Cell):
    r"""Linear recurrent unit: a complex diagonal map, read out by a matrix.

    .. math::
        \lambda = \exp(-e^\nu + i e^\theta) \quad h' = \lambda \odot h + e^\gamma \odot (x_r + i x_i) \quad
        y = \mathrm{Re}(C h') + x_s

    :math:`|\lambda| < 1` for every :math:`\nu`, so the state never grows without bound. The poles :math:`\lambda` start spread
    evenly over the ring from 0.9 to 0.999, at random angles, and :math:`e^\gamma` at :math:`\sqrt{1 - |\lambda|^2}`, so that
    the states of all units are of one size. :math:`x_r + i x_i = B x` and :math:`x_s = D x`; the layer itself is linear, so put
    something that bends between two of them.

    Shapes: every gate, y, and the state's real and imaginary part (B, H); :math:`\nu, \theta, \gamma` (H,).
    Source: Orvieto et al. 2023, arXiv:2303.06349.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> layer = Recurrent(LRU(), Dense(3, 4))
        >>> [round(radius, 3) for radius in torch.exp(-torch.exp(layer.nu)).tolist()]
        [0.913, 0.938, 0.963, 0.987]
    """

    gates = ("real", "imaginary", "skip")
    maps = {"read_real": Map(("y",), bias=False), "read_imaginary": Map(("y",), bias=False)}
    vectors = {"nu": _radii, "theta": _angles, "gamma": _scales}

    class State(NamedTuple):
        """The two parts of the complex state."""

        real: Tensor
        imaginary: Tensor

    def step(self, x: Parts, s: State, m: Maps) -> tuple[Tensor, State]:
        """One step of the equations above."""
        radius, angle, scale = torch.exp(-torch.exp(m.nu)), torch.exp(m.theta), torch.exp(m.gamma)
        a, b = radius * torch.cos(angle), radius * torch.sin(angle)
        real = a * s.real - b * s.imaginary + scale * x.real
        imaginary = a * s.imaginary + b * s.real + scale * x.imaginary
        y = m.read_real(real).y - m.read_imaginary(imaginary).y + x.skip
        return y, self.State(real, imaginary)
