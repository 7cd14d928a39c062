"""Numbers as a hand writes them: what `write` learns where no drawings are given."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recurra.data.drawings import Drawing

__all__ = ["scribbles"]

STROKES: dict[str, Sequence[Sequence[tuple[float, float]]]] = {  # of each digit, in a box of 1 x 2 whose y grows downwards
    "0": [[(0.6, 0.05), (0.15, 0.4), (0.0, 1.1), (0.2, 1.8), (0.6, 1.95), (0.95, 1.5), (1.0, 0.8), (0.8, 0.2), (0.55, 0.05)]],
    "1": [[(0.15, 0.5), (0.5, 0.05), (0.5, 1.0), (0.5, 1.95)]],
    "2": [[(0.05, 0.45), (0.35, 0.05), (0.85, 0.2), (0.85, 0.75), (0.4, 1.4), (0.0, 1.9), (0.5, 1.85), (1.0, 1.9)]],
    "3": [[(0.05, 0.2), (0.5, 0.0), (0.9, 0.35), (0.75, 0.8), (0.4, 0.95), (0.9, 1.2), (0.9, 1.7), (0.4, 2.0), (0.0, 1.75)]],
    "4": [[(0.6, 0.05), (0.3, 0.7), (0.0, 1.3), (0.5, 1.3), (1.0, 1.3)], [(0.75, 0.8), (0.7, 1.4), (0.7, 1.95)]],
    "5": [
        [(0.2, 0.05), (0.15, 0.8), (0.6, 0.75), (0.95, 1.2), (0.8, 1.75), (0.4, 1.95), (0.0, 1.75)],
        [(0.2, 0.05), (0.9, 0.05)],
    ],
    "6": [[(0.75, 0.05), (0.3, 0.5), (0.05, 1.2), (0.2, 1.85), (0.65, 1.95), (0.95, 1.5), (0.7, 1.1), (0.3, 1.15), (0.1, 1.5)]],
    "7": [[(0.05, 0.05), (0.5, 0.1), (1.0, 0.05), (0.7, 0.8), (0.4, 1.95)]],
    "8": [
        [
            *((0.8, 0.3), (0.45, 0.0), (0.1, 0.35), (0.4, 0.85), (0.85, 1.25), (0.85, 1.75)),
            *((0.45, 2.0), (0.05, 1.65), (0.35, 1.05), (0.8, 0.65), (0.8, 0.3)),
        ]
    ],
    "9": [[(0.9, 0.35), (0.5, 0.05), (0.1, 0.4), (0.3, 0.9), (0.75, 0.75), (0.9, 0.35), (0.85, 1.1), (0.7, 1.95)]],
}
BETWEEN = 1.35  # widths of a digit from one to the next
MOST = 4  # digits of a number


def scribbles(count: int = 4000, seed: int = 0) -> list[Drawing]:
    """Numbers of one to four digits and the strokes that write them; what they are depends on the seed alone.

    Each hand is another: slanted, wide or narrow, its lines not quite level and its points not quite where they should be.

    Example:
        >>> first, *_ = scribbles(2)
        >>> first.text, len(first.strokes()), first.moves.shape
        ('6523', 5, (34, 3))
    """
    random = np.random.default_rng(seed)
    return [_written("".join(map(str, random.integers(0, 10, random.integers(1, MOST + 1)))), random) for _ in range(count)]


def _written(text: str, random: np.random.Generator) -> Drawing:
    slant, wide, rise = random.normal(0, 0.15), random.uniform(0.75, 1.15), random.normal(0, 0.04)
    strokes, left = list[NDArray[np.float64]](), 0.0
    for digit in text:
        size, lift = random.uniform(0.88, 1.1), random.normal(0, 0.06)
        bend = random.normal(0, 0.05, (2, 2))  # of a digit as a whole
        for points in STROKES[digit]:
            x, y = np.array(points).T
            x, y = x + bend[0, 0] * y + random.normal(0, 0.025, len(x)), y + bend[1, 1] * x + random.normal(0, 0.025, len(y))
            across = left + wide * size * x - slant * (y - 1)
            strokes.append(np.stack([across, size * y + lift + rise * across], 1) * 20)
        left += wide * (BETWEEN + random.normal(0, 0.07))
    return Drawing.of_strokes(strokes, text)
