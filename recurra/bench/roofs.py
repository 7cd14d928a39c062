"""What the machine can do at most in this run: products, and bytes read."""

from collections.abc import Callable

import torch

from recurra.bench.results import SQUARE, SQUARE_WORK, Contender, Roofs
from recurra.bench.timing import Timer

__all__ = ["reading", "roofs", "square"]

MEMORY, CACHE = 256 * 2**20, 2**20
"""Bytes that no cache holds, and bytes that the cache of each core holds."""


def roofs(timer: Timer) -> Roofs:
    """Measure them with torch's threads as they are."""
    product = timer.medians({Contender.PRODUCT: square()})[Contender.PRODUCT]
    speeds = (size / min(timer.medians(reading(size // 4096, 1024)).values()) for size in (MEMORY, CACHE))
    return Roofs(SQUARE_WORK / product, *speeds)


def square() -> Callable[[], object]:
    """One product ``A @ A``."""
    a = torch.randn(SQUARE, SQUARE)
    return lambda: a @ a


def reading(rows: int, columns: int) -> dict[str, Callable[[], object]]:
    """Ways to read a matrix of 4-byte numbers once; the fastest of them says what reading takes."""
    matrix, vector = torch.ones(rows, columns), torch.ones(columns)
    first, second = matrix.view(2, -1)
    return {"sum": matrix.sum, "dot": lambda: torch.dot(first, second), "mv": lambda: torch.mv(matrix, vector)}
