"""Start values of weights, part by part."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from recurra.cells.cell import Map

__all__ = ["glorot", "identity", "levels", "orthogonal", "square_or_glorot"]


def square_or_glorot(map: Map) -> Callable[[Tensor], Any]:
    """How full maps start: square ones orthogonal or at the identity, others Glorot-uniform."""
    square = identity if map.start == "identity" else orthogonal
    return partial(square if map.takes == map.gives else glorot, parts=len(map.parts))


def glorot(weight: Tensor, parts: int) -> None:
    """Glorot-uniform."""
    for part in weight.chunk(parts):
        torch.nn.init.xavier_uniform_(part)


def orthogonal(weight: Tensor, parts: int) -> None:
    """Orthogonal (Saxe et al. 2014)."""
    for part in weight.chunk(parts):
        if math.prod(part.shape):
            torch.nn.init.orthogonal_(part)


def identity(weight: Tensor, parts: int) -> None:
    """The map that changes nothing."""
    for part in weight.chunk(parts):
        torch.nn.init.eye_(part) if part.dim() == 2 else torch.nn.init.dirac_(part)


def levels(bias: Tensor, values: list[float], spread: float = 0.0) -> None:
    """One value for each part, or numbers up to `spread` around it."""
    for part, value in zip(bias.chunk(len(values)), values, strict=True):
        if spread:
            torch.nn.init.uniform_(part, value - spread, value + spread)
        else:
            torch.nn.init.constant_(part, value)
