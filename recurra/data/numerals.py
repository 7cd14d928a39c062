"""Lines of print for whoever has none: dates and prices in a small font of our own, each printed a little differently."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["numerals"]

FONT = {
    "0": "01110 10001 10011 10101 11001 10001 01110",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00110 01000 10000 11111",
    "3": "11110 00001 00001 01110 00001 00001 11110",
    "4": "00010 00110 01010 10010 11111 00010 00010",
    "5": "11111 10000 11110 00001 00001 10001 01110",
    "6": "00110 01000 10000 11110 10001 10001 01110",
    "7": "11111 00001 00010 00100 01000 01000 01000",
    "8": "01110 10001 10001 01110 10001 10001 01110",
    "9": "01110 10001 10001 01111 00001 00010 01100",
    ".": "00000 00000 00000 00000 00000 01100 01100",
    "-": "00000 00000 00000 11111 00000 00000 00000",
    ",": "00000 00000 00000 00000 01100 00100 01000",
    " ": "00000 00000 00000 00000 00000 00000 00000",
}
ROWS = 7  # of a letter

Floats = NDArray[np.float32]


def numerals(count: int = 300, height: int = 20) -> tuple[list[Floats], list[str]]:
    """`count` lines as columns (T, height), and what they say; always the same ones.

    A line is a date or two prices, in digits of 5 x 7 squares that are slanted, stretched, shifted, blurred and under noise.

    Example:
        >>> images, texts = numerals(3)
        >>> texts, images[0].shape[1]
        (['20.39 17.83', '1922-10-19', '15.11 2,535.11'], 20)
    """
    random = np.random.default_rng(0)
    texts = [_text(random) for _ in range(count)]
    return [_drawn(text, height, random) for text in texts], texts


def _text(random: np.random.Generator) -> str:
    if random.random() < 0.5:
        return f"{random.integers(1900, 2030)}-{random.integers(1, 13):02}-{random.integers(1, 29):02}"
    return f"{random.exponential(20):.2f} {random.exponential(900):,.2f}"


def _drawn(text: str, height: int, random: np.random.Generator) -> Floats:
    """The columns of a line: each place is looked for in the squares of its letters, halfway between them too."""
    squares = np.zeros((ROWS + 2, 1), np.float32)
    for letter in text:
        gap = np.zeros((ROWS + 2, int(random.integers(1, 3))), np.float32)
        drawn = np.array([[int(bit) for bit in row] for row in FONT[letter].split()], np.float32)
        squares = np.hstack([squares, np.pad(drawn, ((1, 1), (0, 0))), gap])
    scale = height / (ROWS + 2) * random.uniform(0.8, 1.0)
    wide = scale * random.uniform(0.8, 1.2)
    slant, shift = random.uniform(-0.25, 0.25), random.uniform(-0.5, 0.5)
    columns = np.arange(round((squares.shape[1] + 1) * wide), dtype=np.float32)[:, None]
    rows = np.arange(height, dtype=np.float32)[None]
    down = (rows - (height - 1) / 2) / scale + shift
    sampled = _between(squares, down + (ROWS + 1) / 2, columns / wide + slant * down)
    noisy = sampled + 0.15 * random.standard_normal(sampled.shape)
    printed: Floats = np.clip(noisy, 0, 1).astype(np.float32)
    return printed


def _between(squares: Floats, y: Floats, x: Floats) -> Floats:
    """Bilinear values at places, empty outside."""
    padded = np.pad(squares, 1)
    y, x = np.broadcast_arrays(np.clip(y + 1, 0, padded.shape[0] - 1.001), np.clip(x + 1, 0, padded.shape[1] - 1.001))
    i, j = y.astype(np.int64), x.astype(np.int64)
    v, u = y - i, x - j
    above = padded[i, j] * (1 - u) + padded[i, j + 1] * u
    below = padded[i + 1, j] * (1 - u) + padded[i + 1, j + 1] * u
    values: Floats = (above * (1 - v) + below * v).astype(np.float32)
    return values
