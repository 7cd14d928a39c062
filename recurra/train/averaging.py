"""Running averages of weights, which are measured and kept in their place."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import final

import torch
from torch import nn

from recurra.errors import UsageError

__all__ = ["Average"]


@final
class Average:
    r"""The exponential moving average of a model's parameters, exact from its first update on; or their mean, where d is 1.

    .. math:: a_k = a_{k-1} + \frac{1 - d}{1 - d^k} (w_k - a_{k-1})
        = \frac{\sum_{i=1}^k d^{k-i} w_i}{\sum_{i=1}^k d^{k-i}}

    The start weights have no part in it: :math:`a_1 = w_1`. Buffers (running statistics of a norm, say) are not averaged.

    With `patience` n it begins late: when a look is not better than the best of all looks but the last n before it. Until then
    the model's own weights are measured and kept. With stochastic gradient descent and d = 1 this is NT-ASGD.

    Args:
        model: whose parameters `w` are averaged, on their device.
        decay: d, 0 to 1; about :math:`1 / (1 - d)` updates count.
        patience: n, looks; 0 begins at once.

    Source: Polyak & Juditsky 1992; the correction of the start is that of Kingma & Ba 2015, arXiv:1412.6980; the late beginning
    that of Merity et al. 2018, arXiv:1708.02182.

    Example:
        >>> model = nn.Linear(1, 1, bias=False)
        >>> average = Average(model, decay=0.5)
        >>> for value in (3.0, 6.0):
        ...     _ = nn.init.constant_(model.weight, value)
        ...     average.update()
        >>> average.weights["weight"]  # (0.5 * 3 + 6) / (0.5 + 1)
        tensor([[5.]])
        >>> with average.applied():
        ...     inside = model.weight.item()
        >>> inside, model.weight.item()
        (5.0, 6.0)
    """

    def __init__(self, model: nn.Module, decay: float, patience: int = 0) -> None:
        if not 0 <= decay <= 1 or patience < 0:
            raise UsageError(f"Average: decay={decay}, patience={patience}; wanted 0 to 1, and 0 looks or more")
        self.model, self.decay, self.patience, self.count = model, decay, patience, 0
        self.begun = patience == 0
        self.weights = {name: weight.detach().clone() for name, weight in model.named_parameters()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are now, once it has begun."""
        if not self.begun:
            return
        self.count += 1
        share = 1 / self.count if self.decay == 1 else (1 - self.decay) / (1 - self.decay**self.count)
        for name, weight in self.model.named_parameters():
            self.weights[name].lerp_(weight, share)

    def look(self, scores: Sequence[float]) -> None:
        """Begin, if it is time, after the held-out `scores` so far; lower is better."""
        before = [math.inf] * (self.patience + 1) + list(accumulate(scores, min))  # the best up to n + 1 looks ago
        self.begun = not self.patience or any(now >= best < math.inf for now, best in zip(scores, before, strict=False))

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the model has the average, if there is one, for its weights; afterwards its own again, bit for bit."""
        if not self.count:
            yield
            return
        own = {name: weight.detach().clone() for name, weight in self.model.named_parameters()}
        try:
            with torch.no_grad():
                for name, weight in self.model.named_parameters():
                    weight.copy_(self.weights[name])
            yield
        finally:
            with torch.no_grad():
                for name, weight in self.model.named_parameters():
                    weight.copy_(own[name])
