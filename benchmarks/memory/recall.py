"""Associative recall: pairs of a key and a value, then one of the keys again; tell its value.

After Ba et al. 2016, arXiv:1610.06258, in which keys are letters and values digits. Keys of a row differ; values are drawn
independently of each other. Chance is one over the number of values. Rows to learn from may ask for several keys, each answered
at its step, as in Arora et al. 2023, arXiv:2312.04927; rows to measure on ask for one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.memory.task import Batch, Task, one_hot
from recurra.errors import UsageError

__all__ = ["Recall"]

KEYS, VALUES, UNASKED = 26, 10, -100


@final
@dataclass(frozen=True)
class Recall(Task):
    """`length` pairs, x (B, 2 length + 1, 36): key, value, key, value, ..., and the key that is asked for.

    Rows to learn from ask for `queries` keys, each once. Answers are (B, T, 10), targets (B, T) with -100 at pairs.
    """

    length: int = 8
    queries: int = 1
    figure, best, every, inputs, outputs = "accuracy", 1.0, True, KEYS + VALUES, VALUES

    def __post_init__(self) -> None:
        if self.length > KEYS:
            raise UsageError(f"length={self.length}: recall has {KEYS} keys, wanted no more pairs than that")
        if not 1 <= self.queries <= self.length:
            raise UsageError(f"queries={self.queries}: recall asks for each of {self.length} pairs once")

    @property
    def chance(self) -> float:
        return 1 / VALUES

    def batch(self, draw: np.random.Generator, rows: int, length: int) -> Batch:
        return _rows(draw, rows, length, min(self.queries, length))

    def held_out(self, draw: np.random.Generator, *, whole: bool) -> Iterator[Batch]:
        for _ in range(10 if whole else 1):
            yield _rows(draw, 500, self.length, 1)

    def loss(self, answers: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(answers.flatten(0, 1), targets.flatten(), ignore_index=UNASKED)

    def scores(self, answers: Tensor, targets: Tensor) -> Tensor:
        return (answers[:, -1].argmax(-1) == targets[:, -1]).double()


def _rows(draw: np.random.Generator, rows: int, length: int, queries: int) -> Batch:
    """Rows of `length` pairs that ask for `queries` of their keys."""
    keys = draw.permuted(np.tile(np.arange(KEYS), (rows, 1)), axis=1)[:, :length]
    values = draw.integers(VALUES, size=(rows, length))
    asked = draw.integers(length, size=(rows, 1))
    if queries > 1:
        asked = draw.permuted(np.tile(np.arange(length), (rows, 1)), axis=1)[:, :queries]
    pairs = np.stack([keys, KEYS + values], axis=2).reshape(rows, 2 * length)
    x = np.concatenate([pairs, np.take_along_axis(keys, asked, axis=1)], axis=1)
    targets = np.concatenate([np.full_like(pairs, UNASKED), np.take_along_axis(values, asked, axis=1)], axis=1)
    return Batch(one_hot(x, KEYS + VALUES), torch.from_numpy(targets))
