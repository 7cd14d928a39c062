"""Dropout along time."""

from typing import Literal, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recurra.errors import UsageError

__all__ = ["Dropout"]


@final
class Dropout(nn.Module):
    r"""Numbers set to zero in training, the others scaled to make up for it.

    .. math:: y_t = d_t \odot x_t \quad\text{or}\quad y_t = d \odot x_t \text{ for all } t, \qquad
        d = 0 \text{ with probability } p, \text{ else } 1 / (1 - p)

    Args:
        share: p, 0 to 1.
        over: a mask for every step, or one for all of a row's steps in a call (variational dropout).

    Shapes: x and y (B, T, ...). Zeros stay zero, so those behind a row's end do too.

    Source: Srivastava et al. 2014; over the sequence, Gal & Ghahramani 2016, arXiv:1512.05287.

    Example:
        >>> y = Dropout(0.5, over="sequence")(torch.ones(2, 7, 3))
        >>> torch.equal(y, y[:, :1].expand(2, 7, 3))
        True
    """

    def __init__(self, share: float, *, over: Literal["steps", "sequence"] = "steps") -> None:
        super().__init__()
        if not 0 <= share <= 1:
            raise UsageError(f"dropout is {share}; wanted 0 to 1")
        self.share: float = share
        self.over: Literal["steps", "sequence"] = over

    def forward(self, x: Tensor) -> Tensor:
        """The mask of a call over x in training; x itself in evaluation."""
        if self.over == "steps" or not (self.training and self.share):
            return F.dropout(x, self.share, self.training)
        return x * F.dropout(torch.ones_like(x[:, :1]), self.share)

    def extra_repr(self) -> str:
        return f"{self.share}, over={self.over}"
