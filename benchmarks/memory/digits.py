"""MNIST as sequences: rows of 28 pixels, single pixels, and pixels in an order that makes no sense.

Source: Le et al. 2015, arXiv:1504.00941. Learnt on the 55,000 first training images, looked at on the last 5,000, measured on
the 10,000 test images. The order of the permuted pixels is that of `numpy.random.default_rng(0)`. Chance is the share of
the commonest digit among the test images.
"""

import gzip
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, final

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.memory.task import Batch, Classes
from recurra.errors import DataError

__all__ = ["Digits"]

SIDE, LEARNT = 28, 55_000
Bytes = NDArray[np.uint8]


@final
@dataclass(frozen=True)
class Digits(Classes):
    """x (B, 28, 28) by rows, (B, 784, 1) by pixels; `shift` moves digits in learning by up to so many pixels each way."""

    order: Literal["rows", "pixels", "permuted"] = "rows"
    shift: int = 0

    @property
    def length(self) -> int:
        return SIDE if self.order == "rows" else SIDE * SIDE

    @property
    def inputs(self) -> int:
        return SIDE if self.order == "rows" else 1

    outputs = 10

    @property
    def chance(self) -> float:
        _, classes = mnist("t10k")
        return float(np.bincount(classes).max() / len(classes))

    def batch(self, draw: np.random.Generator, rows: int, length: int) -> Batch:
        images, classes = mnist("train")
        chosen = draw.integers(LEARNT, size=rows)
        moved = np.pad(images[chosen], ((0, 0), (self.shift,) * 2, (self.shift,) * 2))
        down, right = draw.integers(2 * self.shift + 1, size=(2, rows, 1, 1))
        places = np.arange(SIDE)
        seen = moved[np.arange(rows)[:, None, None], down + places[:, None], right + places]
        return self._read(seen, classes[chosen])

    def held_out(self, draw: np.random.Generator, *, whole: bool) -> Iterator[Batch]:
        images, classes = mnist("t10k" if whole else "train")
        for start in range(0 if whole else LEARNT, len(images), 500):
            yield self._read(images[start : start + 500], classes[start : start + 500])

    def _read(self, images: Bytes, classes: Bytes) -> Batch:
        x = torch.from_numpy(images.reshape(-1, self.length, self.inputs) / np.float32(255))
        if self.order == "permuted":
            x = x[:, np.random.default_rng(0).permutation(SIDE * SIDE)]
        return Batch(x, torch.from_numpy(classes.astype(np.int64)))


@cache
def mnist(part: Literal["train", "t10k"]) -> tuple[Bytes, Bytes]:
    """Images (N, 28, 28) and their classes (N,)."""
    folder = Path(os.environ.get("RECURRA_DATA", "../shared/data")) / "mnist"
    files = [folder / f"{part}-{what}.gz" for what in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    if missing := [path for path in files if not path.exists()]:
        raise DataError(f"{missing[0]}: not there; RECURRA_DATA names the folder of the data sets, of which mnist is one")
    images, classes = (np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8) for path in files)
    return images[16:].reshape(-1, SIDE, SIDE), classes[8:]
