"""Associative recall: pairs of a key and a value, then one of the keys again; tell its value.

After Ba et al. 2016, arXiv:1610.06258, in which keys are letters and values digits. Keys of a row differ; values are drawn
independently of each other. Chance is one over the number of values.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch

from benchmarks.memory.task import Batch, Classes, one_hot
from recurra.errors import UsageError

__all__ = ["Recall"]

KEYS, VALUES = 26, 10


@final
@dataclass(frozen=True)
class Recall(Classes):
    """`length` pairs, x (B, 2 length + 1, 36): key, value, key, value, ..., and the key that is asked for."""

    length: int = 8
    inputs, outputs = KEYS + VALUES, VALUES

    def __post_init__(self) -> None:
        if self.length > KEYS:
            raise UsageError(f"length={self.length}: recall has {KEYS} keys, wanted no more pairs than that")

    @property
    def chance(self) -> float:
        return 1 / VALUES

    def batch(self, draw: np.random.Generator, rows: int, length: int) -> Batch:
        keys = draw.permuted(np.tile(np.arange(KEYS), (rows, 1)), axis=1)[:, :length]
        values = draw.integers(VALUES, size=(rows, length))
        each, asked = np.arange(rows), draw.integers(length, size=rows)
        pairs = np.stack([keys, KEYS + values], axis=2).reshape(rows, 2 * length)
        x = np.concatenate([pairs, keys[each, asked][:, None]], axis=1)
        return Batch(one_hot(x, self.inputs), torch.from_numpy(values[each, asked]))
