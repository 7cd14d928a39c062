"""The copy task: ten symbols of eight, a delay of T blanks, a signal, and then the ten again.

Source: Arjovsky et al. 2016, arXiv:1511.06464. T + 20 steps: the symbols, T - 1 blanks, the signal, ten blanks; the wanted
outputs are T + 10 blanks and the symbols. The figure is the cross entropy in nats, a mean over all T + 20 steps; whoever has
no memory says the blanks rightly and each symbol with probability 1/8, which makes 10 ln 8 / (T + 20).
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.memory.task import Batch, Task, one_hot

__all__ = ["Copying"]

SYMBOLS, COUNT, BLANK, SIGNAL = 8, 10, 8, 9


@final
@dataclass(frozen=True)
class Copying(Task):
    """x (B, T + 20, 10), answers (B, T + 20, 9)."""

    length: int = 200
    figure, best, every, inputs, outputs = "cross entropy", 0.0, True, SYMBOLS + 2, SYMBOLS + 1

    @property
    def chance(self) -> float:
        return COUNT * math.log(SYMBOLS) / (self.length + 2 * COUNT)

    def batch(self, draw: np.random.Generator, rows: int, length: int) -> Batch:
        symbols = draw.integers(SYMBOLS, size=(rows, COUNT))
        x = np.full((rows, length + 2 * COUNT), BLANK)
        targets = x.copy()
        x[:, :COUNT], x[:, length + COUNT - 1], targets[:, -COUNT:] = symbols, SIGNAL, symbols
        return Batch(one_hot(x, self.inputs), torch.from_numpy(targets))

    def loss(self, answers: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(answers.flatten(0, 1), targets.flatten())

    def scores(self, answers: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(answers.mT, targets, reduction="none").double().mean(1)
