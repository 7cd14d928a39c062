"""Many steps made one vector: the last, the mean, the largest, or what attention picks."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra.errors import ShapeError, UsageError
from recurra.state import portable

__all__ = ["AttentionPooling", "LastPooling", "MaxPooling", "MeanPooling", "Pooling"]


class Pooling(nn.Module, ABC):
    """Makes one vector of each row of a ragged batch. What was seen so far is a state: chunks come to the same as the whole.

    Shapes: y (B, T, H = `size`), `lengths` (B,), pooled (B, H). Steps behind a row's length have no part in it, nor in its
    gradient. A row of which nothing was seen has no meaning.
    """

    size: int

    @abstractmethod
    def initial(self, like: Tensor) -> Any:
        """The state before the first step, for rows (B, H) like these."""

    def forward(self, y: Tensor, state: Any = None, lengths: Tensor | None = None) -> tuple[Tensor, Any]:
        """Pooled vectors (B, H) of all steps so far, and the state after them."""
        if y.dim() != 3 or y.shape[1] == 0 or y.shape[2] != self.size:
            raise ShapeError(f"y is {tuple(y.shape)}; wanted (B, T > 0, {self.size})")
        ragged.check(y, lengths, None)
        if lengths is None:
            lengths = torch.full(y.shape[:1], y.shape[1], device=y.device)
        return self._pooled(y, self.initial(y[:, 0]) if state is None else state, lengths.to(y.device))

    @abstractmethod
    def _pooled(self, y: Tensor, state: Any, lengths: Tensor) -> tuple[Tensor, Any]:
        """The same, of what was checked."""


@final
class LastPooling(Pooling):
    r"""The last step of each row; of what was read backwards, the first.

    .. math:: p = [\overrightarrow{y}_T ; \overleftarrow{y}_1]

    Args:
        size: H.
        backwards: how many of the H numbers, the last ones, were read backwards; such a sequence comes whole.

    Example:
        >>> y = torch.tensor([[[1.0, 9.0], [2.0, 8.0], [0.0, 0.0]]])
        >>> LastPooling(2, backwards=1)(y, lengths=torch.tensor([2]))[0]
        tensor([[2., 9.]])
    """

    def __init__(self, size: int, *, backwards: int = 0) -> None:
        super().__init__()
        if not 0 <= backwards <= size:
            raise UsageError(f"backwards is {backwards}; wanted 0 to {size}, the size of a step")
        self.size, self.backwards = size, backwards

    def initial(self, like: Tensor) -> Tensor:
        return torch.zeros_like(like)

    def _pooled(self, y: Tensor, state: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        last = (lengths - 1).clamp(min=0).long()
        found = y.gather(1, last[:, None, None].expand(-1, 1, y.shape[2]))[:, 0]
        if self.backwards:
            ahead = self.size - self.backwards
            found = torch.cat([found[:, :ahead], y[:, 0, ahead:]], dim=1)
        found = torch.where((lengths > 0)[:, None], found, state)
        return found, found

    def extra_repr(self) -> str:
        return f"backwards={self.backwards}"


@portable
class Sum(NamedTuple):
    """What was added up (B, H), and how many steps that were (B, 1)."""

    total: Tensor
    steps: Tensor


@final
class MeanPooling(Pooling):
    r"""The mean of all steps of each row.

    .. math:: p = \tfrac{1}{T} \sum_t y_t

    Example:
        >>> MeanPooling(1)(torch.tensor([[[1.0], [3.0], [9.0]]]), lengths=torch.tensor([2]))[0]
        tensor([[2.]])
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def initial(self, like: Tensor) -> Sum:
        return Sum(torch.zeros_like(like), torch.zeros_like(like[:, :1]))

    def _pooled(self, y: Tensor, state: Sum, lengths: Tensor) -> tuple[Tensor, Sum]:
        after = Sum(state.total + ragged.cut(y, lengths).sum(1), state.steps + lengths[:, None].to(y.dtype))
        return after.total / after.steps.clamp(min=1), after


@final
class MaxPooling(Pooling):
    r"""The largest value that each unit has at any step of a row.

    .. math:: p_h = \max_t y_{t,h}

    Source: Conneau et al. 2017, arXiv:1705.02364.

    Example:
        >>> MaxPooling(1)(torch.tensor([[[-2.0], [-1.0], [0.0]]]), lengths=torch.tensor([2]))[0]
        tensor([[-1.]])
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def initial(self, like: Tensor) -> Tensor:
        return torch.full_like(like, torch.finfo(like.dtype).min)

    def _pooled(self, y: Tensor, state: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        inside = ragged.mask(lengths, y.shape[1])[..., None]
        largest = torch.maximum(state, y.masked_fill(~inside, torch.finfo(y.dtype).min).amax(1))
        return largest, largest


@portable
class Weighed(NamedTuple):
    """The highest energy so far (B, 1), the sum of weights relative to it (B, 1), and of weighted steps (B, H)."""

    peak: Tensor
    weight: Tensor
    total: Tensor


@final
class AttentionPooling(Pooling):
    r"""A mean of all steps of a row, weighted by how much each matters.

    .. math:: p = \sum_t a_t y_t \qquad a = \mathrm{softmax}(v^\top \tanh(W y_t + b))

    Sums are kept relative to the highest energy so far, so that chunks need nothing that came before.

    Args:
        size: H, also the width of the hidden layer.

    Source: Yang et al. 2016, NAACL; Lin et al. 2017, arXiv:1703.03130.

    Example:
        >>> pooling, y = AttentionPooling(3), torch.randn(1, 4, 3)
        >>> pooled, _ = pooling(y, lengths=torch.tensor([2]))
        >>> torch.allclose(pooled, (pooling.weights(y, torch.tensor([2]))[..., None] * y).sum(1), atol=1e-6)
        True
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.key, self.energy = nn.Linear(size, size), nn.Linear(size, 1, bias=False)

    def initial(self, like: Tensor) -> Weighed:
        nothing = torch.zeros_like(like[:, :1])
        return Weighed(torch.full_like(nothing, torch.finfo(like.dtype).min), nothing, torch.zeros_like(like))

    def weights(self, y: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T): how much each step of whole rows counts; each row adds up to 1, and is exactly zero behind its length."""
        energies = self._energies(y)
        if lengths is not None:
            energies = energies.masked_fill(~ragged.mask(lengths.to(y.device), y.shape[1]), -torch.inf)
        return F.softmax(energies, dim=1)

    def _pooled(self, y: Tensor, state: Weighed, lengths: Tensor) -> tuple[Tensor, Weighed]:
        inside, energies = ragged.mask(lengths, y.shape[1]), self._energies(y)
        low = energies.masked_fill(~inside, torch.finfo(y.dtype).min)
        peak = torch.maximum(state.peak, low.detach().amax(1, keepdim=True))
        weights = torch.where(inside, torch.exp(low - peak), 0.0)
        before = torch.exp(state.peak - peak)
        weight = state.weight * before + weights.sum(1, keepdim=True)
        total = state.total * before + (weights[:, None] @ ragged.cut(y, lengths))[:, 0]
        return total / weight.clamp(min=torch.finfo(y.dtype).tiny), Weighed(peak, weight, total)

    def _energies(self, y: Tensor) -> Tensor:
        energies: Tensor = self.energy(torch.tanh(self.key(y)))[..., 0]
        return energies
