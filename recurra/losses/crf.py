"""A linear-chain conditional random field: which sequence of labels fits best, and how probable each is."""

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra.errors import ShapeError

__all__ = ["CRF", "Decoded"]

FORBIDDEN = -10_000.0
"""The score of a step that is not allowed: no sum notices it, and it has a gradient."""


class Decoded(NamedTuple):
    """The best labels (B, T), 0 behind each row's length, and their scores (B,)."""

    labels: Tensor
    scores: Tensor


@final
class CRF(nn.Module):
    r"""Scores of whole sequences of labels, and their probabilities.

    .. math::
        s(x, y) = \sum_{t=1}^{T} \left( e_t[y_t] + A[y_{t-1}, y_t] \right) + A[y_T, K] \qquad
        \ln p(y \mid x) = s(x, y) - \ln \sum_{y'} e^{s(x, y')}

    :math:`y_0 = K` is the border: row K of A is the score of beginning with a label, column K that of ending with one.

    Args:
        labels: K.
        allowed: (K + 1, K + 1) of truth values, which label may follow which; a sequence with another step has no
            probability, and is never decoded. Without it every one may.

    Shapes: scores e (B, T, K), labels (B, T), `lengths` (B,); what lies behind a row's length does not matter, and an empty row
    has one sequence, which is certain. All of it is plain tensor operations, T steps one after the other.

    Source: Lafferty et al. 2001; over recurrent layers, Huang et al. 2015, arXiv:1508.01991.

    Example:
        >>> crf = CRF(2, allowed=torch.tensor([[1, 0, 1], [1, 1, 1], [1, 1, 1]]).bool())  # 1 never comes behind 0
        >>> scores = torch.tensor([[[2.0, 0.0], [0.0, 1.0]]])
        >>> labels, best = crf.decode(scores)
        >>> labels, best.item()
        (tensor([[0, 0]]), 2.0)
        >>> torch.allclose(crf.log_partition(scores).exp(), torch.tensor([2.0, 0.0, 1.0]).exp().sum())  # 00, 10, 11
        True
    """

    allowed: Tensor

    def __init__(self, labels: int, allowed: Tensor | None = None) -> None:
        super().__init__()
        size = (labels + 1, labels + 1)
        if allowed is not None and (allowed.shape != size or allowed.dtype != torch.bool):
            raise ShapeError(f"allowed is {tuple(allowed.shape)} of {allowed.dtype}; wanted {size} of torch.bool")
        self.labels = labels
        self.weight = nn.Parameter(torch.zeros(size))
        self.register_buffer("allowed", torch.ones(size, dtype=torch.bool) if allowed is None else allowed, persistent=False)

    def forward(self, scores: Tensor, labels: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B,) the negative logarithm of the probability of each row's labels."""
        return self.log_partition(scores, lengths) - self.score(scores, labels, lengths)

    def score(self, scores: Tensor, labels: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B,) s(x, y)."""
        ends = self._ends(scores, lengths)
        steps, border = self._steps(scores), labels.new_full((len(labels), 1), self.labels)
        inside = ragged.mask(ends, scores.shape[1])
        labels = torch.where(inside, labels, 0)
        after = torch.cat([labels, border], 1).scatter(1, ends[:, None], self.labels)
        along = steps[torch.cat([border, labels], 1), after]
        along = torch.where(torch.cat([ends[:, None] > 0, inside], 1), along, 0)
        own = torch.where(inside, scores.gather(2, labels[..., None])[..., 0], 0)
        return own.sum(1) + along.sum(1)

    def log_partition(self, scores: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B,) the logarithm of the sum over all sequences."""
        ends = self._ends(scores, lengths)
        steps, count = self._steps(scores), self.labels
        among, leave = steps[:count, :count], steps[:count, count]
        first, *rest = scores.unbind(1)  # the gradient of an index would be as large as all scores, at each step
        sums = steps[count, :count] + first
        for t, own in enumerate(rest, 1):
            after = torch.logsumexp(sums[:, :, None] + among, dim=1) + own
            sums = torch.where((t < ends)[:, None], after, sums)
        return torch.where(ends > 0, torch.logsumexp(sums + leave, dim=1), 0)

    def decode(self, scores: Tensor, lengths: Tensor | None = None) -> Decoded:
        """The best sequence of each row (Viterbi)."""
        ends = self._ends(scores, lengths)
        steps, count = self._steps(scores), self.labels
        among, leave = steps[:count, :count], steps[:count, count]
        best, stay = steps[count, :count] + scores[:, 0], torch.arange(count, device=scores.device)
        come = list[Tensor]()
        for t in range(1, scores.shape[1]):
            after, before = (best[:, :, None] + among).max(dim=1)
            inside = (t < ends)[:, None]
            best = torch.where(inside, after + scores[:, t], best)
            come.append(torch.where(inside, before, stay))
        total, last = (best + leave).max(dim=1)
        labels = [last]
        for before in reversed(come):
            labels.append(before.gather(1, labels[-1][:, None])[:, 0])
        path = torch.stack(labels[::-1], 1)
        return Decoded(torch.where(ragged.mask(ends, scores.shape[1]), path, 0), torch.where(ends > 0, total, 0))

    def marginals(self, scores: Tensor, lengths: Tensor | None = None) -> Tensor:
        r"""(B, T, K) the probability of each label at each step, zero behind each row's length.

        .. math:: p(y_t = k \mid x) = \partial \ln Z / \partial e_t[k]
        """
        with torch.enable_grad():
            given = scores.detach().requires_grad_()
            (found,) = torch.autograd.grad(self.log_partition(given, lengths).sum(), given)
        return found

    def extra_repr(self) -> str:
        return f"{self.labels}, allowed={int(self.allowed.sum())} of {self.allowed.numel()}"

    def _steps(self, scores: Tensor) -> Tensor:
        """A, with what is not allowed."""
        return torch.where(self.allowed, self.weight.to(scores.dtype), FORBIDDEN)

    def _ends(self, scores: Tensor, lengths: Tensor | None) -> Tensor:
        """(B,) the lengths, the scores being what they must."""
        if scores.dim() != 3 or scores.shape[1] == 0 or scores.shape[2] != self.labels:
            raise ShapeError(f"scores is {tuple(scores.shape)}; wanted (B, T > 0, {self.labels})")
        ragged.check(scores, lengths, None)
        if lengths is None:
            return torch.full((len(scores),), scores.shape[1], dtype=torch.long, device=scores.device)
        return lengths.to(scores.device).long()
