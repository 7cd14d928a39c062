"""Keeping gradients in bounds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["Clip", "Clipped"]

SMALLEST = 1e-3  # norm that a unit's weights count as at least, so that units which start at zero learn


class Clipped(NamedTuple):
    """The norm of the whole gradient before clipping, and whether anything was clipped."""

    norm: float
    clipped: bool


@dataclass(frozen=True)
class Clip:
    r"""Clip the gradient by its norm, then that of each unit by the norm of its weights, then each of its numbers by value.

    .. math:: g \leftarrow g \min(1, \text{norm} / \lVert g \rVert_2) \qquad
        g_u \leftarrow g_u \min\Big(1, \lambda \frac{\max(\lVert w_u \rVert_2, 10^{-3})}{\lVert g_u \rVert_2}\Big) \qquad
        g_i \leftarrow \min(\max(g_i, -v), v)

    A unit is a row of a matrix; a bias, or another vector, is one unit as a whole. All three only make numbers smaller, so that
    all bounds hold in the end.

    Args:
        norm: the largest norm of the gradient of all weights together (Pascanu et al. 2013); 0 for none.
        value: the largest absolute value v of a single number; 0 for none.
        adaptive: lambda, the largest norm of a unit's gradient beside that of its weights, such as 0.01 to 0.2 (adaptive
            gradient clipping, Brock et al. 2021, arXiv:2102.06171); 0 for none.

    Example:
        >>> w = nn.Parameter(torch.zeros(2))
        >>> w.grad = torch.tensor([3.0, 4.0])
        >>> Clip(norm=1.0)([w]), w.grad
        (Clipped(norm=5.0, clipped=True), tensor([0.6000, 0.8000]))
    """

    norm: float = 1.0
    value: float = 0.0
    adaptive: float = 0.0

    def __call__(self, parameters: Iterable[Tensor]) -> Clipped:
        """Clip in place; a gradient that is not finite is left as it is."""
        held = [p for p in parameters if p.grad is not None]
        gradients = [p.grad for p in held if p.grad is not None]
        if not gradients:
            return Clipped(0.0, clipped=False)
        total = nn.utils.get_total_norm(gradients)
        norm, clipped = float(total), False
        if not torch.isfinite(total):
            return Clipped(norm, clipped=False)
        if self.norm and norm > self.norm:
            nn.utils.clip_grads_with_norm_(held, self.norm, total)
            clipped = True
        if self.adaptive:
            clipped |= sum(_clip_units(p, self.adaptive) for p in held) > 0
        if self.value:
            clipped |= any(bool((g.abs() > self.value).any()) for g in gradients)
            nn.utils.clip_grad_value_(held, self.value)
        return Clipped(norm, clipped)


@torch.no_grad()
def _clip_units(weight: Tensor, share: float) -> bool:
    """Shorten the gradient of each unit to a share of its weights' norm; whether any was longer."""
    assert weight.grad is not None
    dims = tuple(range(1, weight.dim())) or None
    norm, limit = (torch.linalg.vector_norm(each, dim=dims, keepdim=True) for each in (weight.grad, weight))
    limit = share * limit.clamp(min=SMALLEST)
    if not bool((norm > limit).any()):
        return False
    weight.grad.mul_((limit / norm).clamp(max=1))
    return True
