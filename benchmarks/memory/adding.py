"""The adding problem: of T numbers two are marked; tell their sum.

Source: Hochreiter & Schmidhuber 1997, in the form of Le et al. 2015, arXiv:1504.00941: numbers uniform in [0, 1), one mark in
the first half and one in the second. Whoever always says 1 has a mean squared error of 1/6, the variance of such a sum.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.memory.task import Batch, Task
from recurra.errors import UsageError

__all__ = ["Adding"]


@final
@dataclass(frozen=True)
class Adding(Task):
    """x (B, T, 2): the number and its mark. The answer (B, 1) is asked for at the last step."""

    length: int = 200
    figure, best, inputs, outputs = "mean squared error", 0.0, 2, 1

    def __post_init__(self) -> None:
        if self.length < 2:
            raise UsageError(f"length={self.length}: adding wants at least 2 steps")

    @property
    def chance(self) -> float:
        return 1 / 6

    def batch(self, draw: np.random.Generator, rows: int, length: int) -> Batch:
        length = max(2, length)
        x = np.zeros((rows, length, 2), np.float32)
        x[:, :, 0] = draw.random((rows, length), dtype=np.float32)
        each, half = np.arange(rows), length // 2
        for places in (draw.integers(half, size=rows), draw.integers(half, length, size=rows)):
            x[each, places, 1] = 1
        return Batch(torch.from_numpy(x), torch.from_numpy((x[:, :, 0] * x[:, :, 1]).sum(1, keepdims=True)))

    def loss(self, answers: Tensor, targets: Tensor) -> Tensor:
        return F.mse_loss(answers, targets)

    def scores(self, answers: Tensor, targets: Tensor) -> Tensor:
        return (answers - targets).square().mean(1).double()
