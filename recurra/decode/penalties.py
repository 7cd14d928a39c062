"""How a beam search weighs hypotheses of different lengths, and what they leave untranslated."""

from collections.abc import Callable

import torch
from torch import Tensor

from recurra.errors import UsageError
from recurra.lengths import mask

__all__ = ["LengthPenalty", "coverage_penalty", "mean", "total", "wu"]

LengthPenalty = Callable[[Tensor], Tensor]
"""From numbers of symbols, the end included, to what log-probabilities are divided by: any positive numbers."""


def total(lengths: Tensor) -> Tensor:
    """No penalty: a score is the log-probability of all symbols together. Favours the short.

    >>> total(torch.tensor([1.0, 2.0]))
    tensor([1., 1.])
    """
    return torch.ones_like(lengths)


def mean(lengths: Tensor) -> Tensor:
    """A score is the mean log-probability of a symbol.

    >>> mean(torch.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    return lengths


def wu(alpha: float) -> LengthPenalty:
    r"""The penalty of Wu et al. 2016 (arXiv:1609.08144), between the two others: :math:`(5 + |y|)^\alpha / 6^\alpha`.

    >>> wu(0.6)(torch.tensor([1.0, 7.0]))
    tensor([1.0000, 1.5157])
    """
    if not 0 <= alpha <= 100:
        raise UsageError(f"alpha is {alpha}; wanted 0 to 100")
    return lambda lengths: ((5 + lengths) / 6) ** alpha


def coverage_penalty(coverage: Tensor, lengths: Tensor, beta: float) -> Tensor:
    r"""The coverage penalty of Wu et al. 2016 (arXiv:1609.08144), at most 0: how much of a memory was hardly looked at.

    .. math:: \beta \sum_{s < S_b} \ln \min(1, c_s)

    Shapes: coverage (B, S), attention's weights added up over the steps; `lengths` (B,) of the memory -> (B,).

    Example:
        >>> coverage_penalty(torch.tensor([[1.5, 0.5, 0.0]]), torch.tensor([2]), beta=0.2)
        tensor([-0.1386])
    """
    if beta < 0:
        raise UsageError(f"beta is {beta}; wanted 0 or more")
    logs = coverage.clamp(torch.finfo(coverage.dtype).tiny, 1).log()
    return beta * logs.where(mask(lengths, coverage.shape[1]), 0).sum(1)
