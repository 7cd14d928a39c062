"""Penalties of what recurrent layers put out."""

import torch
from torch import Tensor

from recurra.lengths import mask

__all__ = ["activation_penalty", "slowness_penalty"]


def activation_penalty(y: Tensor, lengths: Tensor | None = None) -> Tensor:
    r"""The mean square of outputs: large ones cost (activation regularisation, AR).

    .. math:: \frac{1}{N} \sum_{t, u} y_{t, u}^2

    Shapes: y (B, T, ...), lengths (B,); steps behind a row's length do not count.
    Source: Merity et al. 2017, arXiv:1708.01009, times their alpha.

    Example:
        >>> activation_penalty(torch.tensor([[[2.0], [4.0]]]), torch.tensor([1]))
        tensor(4.)
    """
    return _mean(y.float().square(), None if lengths is None else mask(lengths.to(y.device), y.shape[1]))


def slowness_penalty(y: Tensor, lengths: Tensor | None = None, resets: Tensor | None = None) -> Tensor:
    r"""The mean square of changes from step to step: fast ones cost (temporal activation regularisation, TAR).

    .. math:: \frac{1}{N} \sum_{t > 1, u} (y_{t, u} - y_{t - 1, u})^2

    Shapes: y (B, T, ...), lengths (B,), resets (B, T); steps behind a row's length, and changes at a reset, do not count.
    Source: Merity et al. 2017, arXiv:1708.01009, times their beta.

    Example:
        >>> slowness_penalty(torch.tensor([[[2.0], [4.0], [5.0]]]))
        tensor(2.5000)
    """
    counted = None if lengths is None else mask(lengths.to(y.device), y.shape[1])[:, 1:]
    if resets is not None:
        going_on = ~resets.to(y.device)[:, 1:]
        counted = going_on if counted is None else counted & going_on
    return _mean(y.float().diff(dim=1).square(), counted)


def _mean(squares: Tensor, counted: Tensor | None) -> Tensor:
    """The mean of (B, T, ...) over the steps that count (B, T); 0 of none."""
    if counted is None:
        return squares.mean() if squares.numel() else squares.sum()
    inside = counted.view(*counted.shape, *[1] * (squares.dim() - 2))
    total = torch.where(inside, squares, torch.zeros_like(squares)).sum()
    return total / (counted.sum() * squares[0, 0].numel() if squares.numel() else counted.sum()).clamp(min=1)
