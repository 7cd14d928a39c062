"""Four regular languages of the Chomsky hierarchy's tasks: learnt on short words, measured on longer ones.

Source: Deletang et al. 2023, arXiv:2207.02098. In learning, every beginning of a word that is a word itself counts as one: each
row asks for the classes of all its lengths, where the paper asks for that of one.
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.memory.task import Batch, Task, one_hot

__all__ = ["CycleNavigation", "EvenPairs", "Language", "ModularArithmetic", "Parity"]

Words = NDArray[np.int64]
LONGEST, PER_LENGTH, UNASKED = 500, 100, -100


@dataclass(frozen=True)
class Language(Task):
    """Words of 1 to `length` symbols to learn from, of `length` + 1 to 500 to be measured on.

    Answers are (B, T, classes), targets (B, T) with -100 where no word ends. The figure is the mean over the longer lengths of
    the accuracy at each, with as many words at each, as in the paper. All classes are equally frequent but for short words, so
    chance is one over their number. Without `prefixes` a row asks for the class of one of its lengths only.
    """

    length: int = 40
    prefixes: bool = True
    figure, best, every = "accuracy", 1.0, True
    step: ClassVar[int] = 1
    """Lengths are 1, 1 + step, 1 + 2 step, ..."""

    @property
    def chance(self) -> float:
        return 1 / self.outputs

    @abstractmethod
    def words(self, draw: np.random.Generator, rows: int, length: int) -> Words:
        """Words (B, T) of uniformly drawn symbols."""

    @abstractmethod
    def classes(self, words: Words) -> Words:
        """The class of each word after each of its symbols, (B, T)."""

    def batch(self, draw: np.random.Generator, rows: int, length: int) -> Batch:
        words = self.words(draw, rows, length)
        ends, chosen = np.arange(0, length, self.step), np.zeros((rows, length), bool)
        chosen[:, ends] = True
        if not self.prefixes:
            chosen &= np.arange(length) == draw.choice(ends, (rows, 1))
        return Batch(one_hot(words, self.inputs), torch.from_numpy(np.where(chosen, self.classes(words), UNASKED)))

    def loss(self, answers: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(answers.flatten(0, 1), targets.flatten(), ignore_index=UNASKED)

    def scores(self, answers: Tensor, targets: Tensor) -> Tensor:
        return (answers[:, -1].argmax(-1) == targets[:, -1]).double()

    def held_out(self, draw: np.random.Generator, *, whole: bool) -> Iterator[Batch]:
        for length in range(self.length + 1, LONGEST + 1, 1 if whole else 60):
            if (length - 1) % self.step == 0:
                words = self.words(draw, PER_LENGTH, length)
                yield Batch(one_hot(words, self.inputs), torch.from_numpy(self.classes(words)))


@final
class Parity(Language):
    """Whether a word of bits has an odd number of ones."""

    inputs, outputs = 2, 2

    def words(self, draw: np.random.Generator, rows: int, length: int) -> Words:
        return draw.integers(2, size=(rows, length))

    def classes(self, words: Words) -> Words:
        return words.cumsum(1) % 2


@final
class EvenPairs(Language):
    """Whether a word of bits has an odd number of unequal neighbours."""

    inputs, outputs = 2, 2

    def words(self, draw: np.random.Generator, rows: int, length: int) -> Words:
        return draw.integers(2, size=(rows, length))

    def classes(self, words: Words) -> Words:
        return np.diff(words, axis=1, prepend=words[:, :1]).astype(bool).cumsum(1) % 2


@final
class CycleNavigation(Language):
    """Where a walk on a circle of five places ends; each symbol is a step of -1, 0 or 1."""

    inputs, outputs = 3, 5

    def words(self, draw: np.random.Generator, rows: int, length: int) -> Words:
        return draw.integers(3, size=(rows, length))

    def classes(self, words: Words) -> Words:
        return (words - 1).cumsum(1) % 5


@final
class ModularArithmetic(Language):
    """The value modulo 5 of digits (0 to 4) between signs (5 plus, 6 minus, 7 times); times binds closer; no brackets."""

    inputs, outputs, step = 8, 5, 2

    def words(self, draw: np.random.Generator, rows: int, length: int) -> Words:
        words = draw.integers(5, size=(rows, length))
        words[:, 1::2] = draw.integers(5, 8, size=(rows, length // 2))
        return words

    def classes(self, words: Words) -> Words:
        classes, sums, term = np.zeros_like(words), np.zeros(len(words), np.int64), np.ones(len(words), np.int64)
        for t in range(words.shape[1]):
            if t % 2 == 0:
                term = term * words[:, t] % 5
            else:
                times = words[:, t] == 7
                sums = np.where(times, sums, (sums + term) % 5)
                term = np.where(times, term, np.where(words[:, t] == 6, 4, 1))
            classes[:, t] = (sums + term) % 5 if t % 2 == 0 else classes[:, t - 1]
        return classes
