"""What a memory task is: batches drawn from a generator, a loss, a score for each row, and what chance scores."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from statistics import NormalDist
from typing import ClassVar, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Batch", "Classes", "Task", "one_hot", "wilson"]


class Batch(NamedTuple):
    """Inputs x (B, T, I), and targets (B, ...)."""

    x: Tensor
    targets: Tensor


class Task(ABC):
    """A task of one length: its sizes, its batches, its figure.

    `every` says whether each step is answered, (B, T, O), or the last one, (B, O). `chance` is the figure of
    whoever has learnt nothing but how often each answer comes.
    """

    figure: ClassVar[str]
    best: ClassVar[float]
    """The figure of whoever makes no mistake."""
    every: ClassVar[bool] = False

    @property
    @abstractmethod
    def length(self) -> int:
        """What `batch` and a curriculum go up to."""

    @property
    @abstractmethod
    def inputs(self) -> int:
        """I, the size of an input vector."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """O, the size of an answer."""

    @property
    @abstractmethod
    def chance(self) -> float:
        """The trivial figure."""

    @abstractmethod
    def batch(self, draw: np.random.Generator, rows: int, length: int) -> Batch:
        """A batch to learn from, of this length: `length` of the task, or shorter while a curriculum lasts."""

    @abstractmethod
    def loss(self, answers: Tensor, targets: Tensor) -> Tensor:
        """The mean to go down."""

    @abstractmethod
    def scores(self, answers: Tensor, targets: Tensor) -> Tensor:
        """(B,): what each row adds to the mean that is the figure."""

    def held_out(self, draw: np.random.Generator, *, whole: bool) -> Iterator[Batch]:
        """Batches to measure on, `whole` ones at the end of a run and fewer on the way."""
        for _ in range(10 if whole else 1):
            yield self.batch(draw, 500, self.length)


class Classes(Task):
    """A task with one class for each row as its answer, measured by accuracy."""

    figure, best = "accuracy", 1.0

    def loss(self, answers: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(answers, targets)

    def scores(self, answers: Tensor, targets: Tensor) -> Tensor:
        return (answers.argmax(-1) == targets).double()


def one_hot(symbols: NDArray[np.int64], count: int) -> Tensor:
    """Symbols (B, T) as vectors (B, T, count)."""
    return torch.from_numpy(np.eye(count, dtype=np.float32)[symbols])


def wilson(right: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a share, which says something where all are right too.

    >>> low, high = wilson(10, 10)
    >>> round(low, 3), high
    (0.722, 1.0)
    """
    z, share = NormalDist().inv_cdf((1 + level) / 2), right / count
    centre, width = share + z * z / (2 * count), z * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    low, high = ((centre + sign * width) / (1 + z * z / count) for sign in (-1, 1))
    return (low if right else 0.0), (high if right < count else 1.0)
