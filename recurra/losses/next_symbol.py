"""The loss of a model that predicts the next symbol."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

__all__ = ["NextSymbol"]


@dataclass(frozen=True)
class NextSymbol:
    r"""Mean cross-entropy of the next symbol, in nats.

    .. math:: -\frac{1}{n} \sum_t \Big( (1 - \epsilon) \ln p_t(y_t) + \frac{\epsilon}{V} \sum_v \ln p_t(v) \Big)

    Args:
        smoothing: label smoothing :math:`\epsilon` (Szegedy et al. 2016), 0 to below 1.

    Shapes: logits (B, T, V), targets (B, T) of symbol numbers.

    Example:
        >>> import torch
        >>> NextSymbol()(torch.zeros(1, 3, 2), torch.tensor([[0, 1, 1]]))
        tensor(0.6931)
    """

    smoothing: float = 0.0

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean over all B T predictions."""
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), label_smoothing=self.smoothing)
