"""Where a pen goes next, and whether it is lifted: a mixture of Gaussians in the plane, and three states of the pen."""

import math
from typing import NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recurra.errors import ShapeError, UsageError

__all__ = ["DOWN", "END", "LIFTED", "PenMixture"]

DOWN, LIFTED, END = 0, 1, 2
"""What a pen does behind a point: it goes on drawing, it is lifted, or all is drawn."""
PENS = 3
SHARPEST, WIDEST = -5.0, 8.0  # logarithms of the deviations, in units of the data
SKEW = 20.0  # slope of the plane's axes to each other at most: a correlation of 0.9988


class Parts(NamedTuple):
    """The mixture at each step: log weights, means, log deviations and slopes (..., M), and logits of the pen (..., 3)."""

    weight: Tensor
    x: Tensor
    y: Tensor
    wide: Tensor
    high: Tensor
    slope: Tensor
    pen: Tensor


@final
class PenMixture(nn.Module):
    r"""A mixture density network for pen points (Bishop 1994; Graves 2013, arXiv:1308.0850, section 4).

    .. math::
        p(\Delta, q \mid h) = \Big( \sum_k \pi_k \, \mathcal{N}(\Delta \mid \mu_k, \sigma_k, \rho_k) \Big) \, p(q)

    where :math:`\Delta` is the move to the next point and q what the pen does behind it; behind the last point is no move.
    The correlation is :math:`\rho = r / \sqrt{1 + r^2}`, so that no :math:`1 - \rho^2` is ever computed; deviations are bounded
    below, for points on a grid have no density.

    Args:
        context_size: H, the size of what it is conditioned on.
        components: M, how many Gaussians.

    Shapes: context (..., H), points (..., 3) of dx, dy and the number of what the pen does -> nats (...).

    Example:
        >>> mixture = PenMixture(8, 4)
        >>> points = torch.tensor([[0.5, -0.2, DOWN], [0.0, 0.0, END]])
        >>> mixture(torch.zeros(2, 8), points).shape, mixture.draw(torch.zeros(2, 8)).shape
        (torch.Size([2]), torch.Size([2, 3]))
    """

    def __init__(self, context_size: int, components: int = 20) -> None:
        super().__init__()
        for name, size in (("context_size", context_size), ("components", components)):
            if size < 1:
                raise UsageError(f"{name} is {size}; wanted 1 or more")
        self.components = components
        self.told = nn.Linear(context_size, 6 * components + PENS)

    def forward(self, context: Tensor, points: Tensor) -> Tensor:
        """Nats of each point: of its move, if there is one, and of what the pen does."""
        move, pen = self.nats(context, points)
        return move + pen

    def nats(self, context: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Nats of the moves, 0 behind the last point, and of what the pen does."""
        if points.shape[-1] != 3 or points.shape[:-1] != context.shape[:-1]:
            wanted = f"(..., 3), with the leading sizes of the context {tuple(context.shape)}"
            raise ShapeError(f"points are {tuple(points.shape)}; wanted {wanted}")
        parts, does = self.parts(context), points[..., 2].long()
        u = (points[..., 0, None] - parts.x) * (-parts.wide).exp()
        v = (points[..., 1, None] - parts.y) * (-parts.high).exp()
        across = v * (1 + parts.slope.square()).sqrt() - parts.slope * u
        density = -0.5 * (u.square() + across.square()) - parts.wide - parts.high + 0.5 * torch.log1p(parts.slope.square())
        move = math.log(2 * math.pi) - (parts.weight + density).logsumexp(-1)
        lifted = F.cross_entropy(parts.pen.flatten(0, -2), does.flatten(), reduction="none").view(does.shape)
        return move.masked_fill(does == END, 0), lifted

    def parts(self, context: Tensor) -> Parts:
        """What the context says of the next point."""
        told = self.told(context)
        weight, x, y, wide, high, slope = told[..., :-PENS].unflatten(-1, (6, self.components)).unbind(-2)
        wide, high = (each.clamp(SHARPEST, WIDEST) for each in (wide, high))
        return Parts(weight.log_softmax(-1), x, y, wide, high, slope.clamp(-SKEW, SKEW), told[..., -PENS:])

    @torch.no_grad()
    def draw(self, context: Tensor, generator: torch.Generator | None = None, bias: float = 0.0) -> Tensor:
        """(N, H) -> (N, 3) points; a bias above 0 is a tidier hand: narrower Gaussians, the likelier ones more often."""
        parts = self.parts(context)
        chosen = torch.multinomial((parts.weight * (1 + bias)).softmax(-1), 1, generator=generator)
        x, y, wide, high, slope = (each.gather(-1, chosen)[..., 0] for each in parts[1:6])
        noise = torch.randn(len(context), 2, generator=generator, device=context.device)
        u, across = noise.unbind(-1)
        v = (across + slope * u) / (1 + slope.square()).sqrt()
        does = torch.multinomial((parts.pen * (1 + bias)).softmax(-1), 1, generator=generator)[..., 0]
        moves = torch.stack([x + u * (wide - bias).exp(), y + v * (high - bias).exp()], -1)
        moves = moves.masked_fill((does == END)[..., None], 0)
        return torch.cat([moves, does[..., None].to(moves.dtype)], -1)
