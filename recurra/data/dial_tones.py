"""Numbers as telephones dial them, in noise: what `transcribe` learns where no data are given."""

import random

import numpy as np
from numpy.typing import NDArray

__all__ = ["RATE", "dial_tones"]

RATE = 8000
"""Samples a second."""

ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477)  # Hertz, of the keys' two tones: Recommendation ITU-T Q.23
KEYS = "123456789*0#"


def dial_tones(count: int = 600, seed: int = 0) -> tuple[list[NDArray[np.float32]], list[str]]:
    """Numbers of three to seven digits, each as 60 to 140 ms of its two tones, 40 to 120 ms apart, louder and softer, in noise.

    What they are depends on the seed alone. The noise is from about as loud as the tones to a tenth of that.

    Example:
        >>> sounds, numbers = dial_tones(2)
        >>> [(len(sound), number) for sound, number in zip(sounds, numbers)]
        [(11896, '7425473'), (9038, '048238')]
    """
    draw, noise = random.Random(seed), np.random.PCG64(seed)
    sounds, numbers = [], []
    for _ in range(count):
        number = "".join(str(int(draw.random() * 10)) for _ in range(3 + int(draw.random() * 5)))
        loud, against = 0.05 + 0.4 * draw.random(), 10 ** -draw.random()
        parts = [np.zeros(_samples(draw, 0.04, 0.12))]
        for digit in number:
            row, column = divmod(KEYS.index(digit), 3)
            time = np.arange(_samples(draw, 0.06, 0.14)) / RATE
            low, high = (np.sin(2 * np.pi * (tone * time + draw.random())) for tone in (ROWS[row], COLUMNS[column]))
            parts += [low + high, np.zeros(_samples(draw, 0.04, 0.12))]
        tones = np.concatenate(parts)
        hiss = noise.random_raw(len(tones)) / 2**64 * 12**0.5 - 3**0.5  # even, of deviation 1
        sounds.append((loud * (tones + against * hiss) / 4).astype(np.float32))
        numbers.append(number)
    return sounds, numbers


def _samples(draw: random.Random, least: float, most: float) -> int:
    return int(RATE * (least + (most - least) * draw.random()))
