"""Ragged batches: how long each row is, and where a new episode starts inside a row.

`lengths` (B,) counts the steps of each row; 0 is allowed and means that the row's state does not change. `resets`
(B, T) is true where a step must start from the initial state: an episode or a document that begins inside a row.
"""

import torch
from torch import Tensor

from recurra.errors import ShapeError

__all__ = ["check", "cut", "mask", "reverse", "reverse_resets"]


WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def mask(lengths: Tensor, steps: int) -> Tensor:
    """(B,) -> (B, T): true where a step is inside its row.

    >>> mask(torch.tensor([2, 0]), 3)
    tensor([[ True,  True, False],
            [False, False, False]])
    """
    return torch.arange(steps, device=lengths.device) < lengths[:, None]


def cut(x: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, ...): x with zeros behind each row's length.

    >>> cut(torch.tensor([[1, 2, 3], [4, 5, 6]]), torch.tensor([3, 1]))
    tensor([[1, 2, 3],
            [4, 0, 0]])
    """
    inside = mask(lengths.to(x.device), x.shape[1])
    return torch.where(inside.view(*inside.shape, *[1] * (x.dim() - 2)), x, torch.zeros_like(x))


def reverse(x: Tensor, lengths: Tensor | None = None) -> Tensor:
    """(B, T, ...): each row backwards within its own length; what lies behind stays where it is.

    >>> reverse(torch.tensor([[1, 2, 3], [4, 5, 6]]), torch.tensor([3, 2]))
    tensor([[3, 2, 1],
            [5, 4, 6]])
    """
    if lengths is None:
        return x.flip(1)
    steps = torch.arange(x.shape[1], device=x.device)
    last = lengths.to(x.device)[:, None]
    order = torch.where(steps < last, last - 1 - steps, steps)
    return x.gather(1, order.view(*order.shape, *[1] * (x.dim() - 2)).expand_as(x))


def reverse_resets(resets: Tensor, lengths: Tensor | None = None) -> Tensor:
    """The resets of the reversed rows: a border before step t is, seen from behind, a border before step t - 1.

    >>> reverse_resets(torch.tensor([[False, False, True, False]]))
    tensor([[False, False,  True, False]])
    """
    ahead = torch.cat([resets, torch.zeros_like(resets[:, :1])], dim=1)[:, 1:]
    if lengths is not None:
        ahead = ahead & mask(lengths, resets.shape[1] + 1)[:, 1:]
    return reverse(ahead, lengths)


def check(x: Tensor, lengths: Tensor | None, resets: Tensor | None) -> None:
    """Refuse lengths and resets that do not fit x (B, T, ...)."""
    batch, steps = x.shape[:2]
    if lengths is not None:
        if lengths.shape != (batch,) or lengths.dtype not in WHOLE:
            raise ShapeError(f"lengths is {tuple(lengths.shape)} of {lengths.dtype}; wanted ({batch},) of whole numbers")
        known = not (torch.compiler.is_compiling() or lengths.is_meta)  # while compiling, the numbers are not there yet
        if known and batch and not 0 <= int(lengths.min()) <= int(lengths.max()) <= steps:
            raise ShapeError(
                f"lengths run from {int(lengths.min())} to {int(lengths.max())}; wanted 0 to {steps}, the steps of x"
            )
    if resets is not None and (resets.shape != (batch, steps) or resets.dtype != torch.bool):
        raise ShapeError(f"resets is {tuple(resets.shape)} of {resets.dtype}; wanted ({batch}, {steps}) of torch.bool")
