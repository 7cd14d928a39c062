"""Means and variances of a batch."""

import warnings

import torch
from torch import Tensor

__all__ = ["EPSILON", "MOMENTUM", "moments", "spread", "tell"]

EPSILON = 1e-5
"""What is added to a variance, as by torch.nn.BatchNorm1d."""
MOMENTUM = 0.1
"""The share that a batch has in running moments, as of torch.nn.BatchNorm1d."""
FEW = 16  # values below which a mean and a variance say little


def moments(v: Tensor, alive: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean and variance (F,) of v (B, F, ...), over the rows that are alive."""
    across = [0, *range(2, v.dim())]
    if alive is None:
        return v.mean(across), v.var(across, correction=0)
    inside = alive.view(-1, *[1] * (v.dim() - 1)).expand_as(v)
    count = inside.sum(across).clamp(min=1)
    mean = torch.where(inside, v, 0.0).sum(across) / count
    return mean, torch.where(inside, v - spread(mean, v), 0.0).square().sum(across) / count


def spread(each: Tensor, v: Tensor) -> Tensor:
    """Numbers (F,) or (B, F) in the dimensions of v (B, F, ...)."""
    return each.view(*each.shape, *[1] * (v.dim() - 2))


def tell(count: int, told: bool) -> bool:
    """Warn, once, of moments of few values."""
    if count < FEW and not told:
        warnings.warn(f"batch norm: {count} values make a moment; wanted at least {FEW}, take larger batches", stacklevel=5)
    return told or count < FEW
