"""The window that slides over a text while a pen writes it."""

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra.errors import ShapeError, UsageError
from recurra.state import portable

__all__ = ["Slid", "SlidingWindow"]


@portable
class Slid(NamedTuple):
    """How far the window has slid: the place (B, K) of each of its Gaussians."""

    place: Tensor


@final
class SlidingWindow(nn.Module):
    r"""Attention by a mixture of Gaussians that only move forwards (Graves 2013, arXiv:1308.0850, section 5.1).

    .. math::
        (\hat\alpha_t, \hat\beta_t, \hat\kappa_t) = W h_t + b, \qquad
        \kappa_t = \kappa_{t-1} + e^{\hat\kappa_t}, \qquad
        \phi(t, u) = \sum_k e^{\hat\alpha_t^k} \exp\!\big( -e^{\hat\beta_t^k} (\kappa_t^k - u)^2 \big), \qquad
        w_t = \sum_u \phi(t, u) \, c_u

    Here the window follows the recurrence: :math:`h_t` does not depend on :math:`w_{t-1}`, so that all steps are computed at
    once, the places :math:`\kappa` by a cumulative sum. In the source it does, and steps come one by one.

    Args:
        query_size: H, the size of what moves the window.
        components: K, how many Gaussians.
        pace: places that it moves a step, at the start of training.

    Shapes: h (B, T, H), memory (B, U, M) with `lengths` (B,) -> w (B, T, M), weights (B, T, U), zero behind a row's text; the
    state is where the window is.

    Example:
        >>> window = SlidingWindow(8, 3)
        >>> w, weights, slid = window(torch.zeros(2, 5, 8), torch.ones(2, 4, 6), torch.tensor([4, 2]))
        >>> w.shape, weights[1, 0, 2:].tolist(), slid.place.shape
        (torch.Size([2, 5, 6]), [0.0, 0.0], torch.Size([2, 3]))
    """

    def __init__(self, query_size: int, components: int = 10, pace: float = 0.1) -> None:
        super().__init__()
        if components < 1 or not pace > 0:
            raise UsageError(f"components is {components} and pace {pace}; wanted 1 or more, and above 0")
        self.components = components
        self.told = nn.Linear(query_size, 3 * components)
        with torch.no_grad():
            self.told.bias[2 * components :] = torch.log(torch.tensor(pace))

    def initial(self, batch: int) -> Slid:
        """The window before the text."""
        return Slid(self.told.weight.new_zeros(batch, self.components))

    def forward(
        self, h: Tensor, memory: Tensor, lengths: Tensor | None = None, state: Slid | None = None
    ) -> tuple[Tensor, Tensor, Slid]:
        """What the window shows at each step, its weights, and where it is at the end."""
        if memory.dim() != 3 or h.dim() != 3 or memory.shape[0] != h.shape[0] or not memory.shape[1]:
            raise ShapeError(f"h is {tuple(h.shape)}, memory {tuple(memory.shape)}; wanted (B, T, H) and (B, U > 0, M)")
        ragged.check(memory, lengths, None)
        before = self.initial(len(h)) if state is None else state
        high, narrow, moved = self.told(h).chunk(3, -1)
        place = before.place[:, None] + moved.clamp(max=5).exp().cumsum(1)
        where = torch.arange(memory.shape[1], device=h.device, dtype=h.dtype)
        away = (place[..., None] - where).square()  # (B, T, K, U)
        weights = (high.clamp(-10, 5)[..., None] - narrow.clamp(-10, 5).exp()[..., None] * away).exp().sum(2)
        if lengths is not None:
            weights = weights * ragged.mask(lengths.to(h.device), memory.shape[1])[:, None]
        return weights @ memory, weights, Slid(place[:, -1])
