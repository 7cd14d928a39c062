"""The running average of weights, which is measured and kept in their place."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import torch
from torch import nn

__all__ = ["Average"]


@final
class Average:
    r"""The exponential moving average of a model's parameters, exact from its first update on.

    .. math:: a_k = a_{k-1} + \frac{1 - d}{1 - d^k} (w_k - a_{k-1})
        = \frac{\sum_{i=1}^k d^{k-i} w_i}{\sum_{i=1}^k d^{k-i}}

    The start weights have no part in it: :math:`a_1 = w_1`. Buffers (running statistics of a norm, say) are not averaged.

    Args:
        model: whose parameters `w` are averaged, on their device.
        decay: d, 0 to below 1; about :math:`1 / (1 - d)` updates count.

    Source: Polyak & Juditsky 1992; the correction of the start is that of Kingma & Ba 2015, arXiv:1412.6980.

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

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay, self.count = model, decay, 0
        self.weights = {name: weight.detach().clone() for name, weight in model.named_parameters()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are now."""
        self.count += 1
        share = (1 - self.decay) / (1 - self.decay**self.count)
        for name, weight in self.model.named_parameters():
            self.weights[name].lerp_(weight, share)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the model has the average for its weights; afterwards its own again, bit for bit."""
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
