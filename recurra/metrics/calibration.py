"""Whether probabilities mean what they say, and the temperature that makes them."""

import math
from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from recurra.errors import UsageError
from recurra.metrics.pairs import PairTotals

__all__ = ["CalibrationTotals", "fit_temperature", "log_softmax"]

Floats = NDArray[np.float64]
BINS = 15
REACH = 4.0  # of the logarithm of a temperature, on both sides of 0
PRIOR = 2.0  # nats that a logarithm of 1 costs
STEPS = 40  # of the search, each of which leaves 0.62 of what it has


@final
class CalibrationTotals(PairTotals):
    r"""Expected calibration error: how far, in the mean, the probability of what is told lies from how often that is right.

    .. math:: \text{ECE} = \sum_{m=1}^{15} \frac{n_m}{N} \, \big| \mathrm{acc}_m - \mathrm{conf}_m \big|

    over fifteen bins of equal width. With few pairs in a bin it is above zero of perfect probabilities, too. Drawing pairs
    anew adds to it once more: the interval is that of the drawn errors, less what they have more than the error in the mean.
    Source: Guo et al. 2017, arXiv:1706.04599.

    Example:
        >>> totals = CalibrationTotals()
        >>> totals.add([0.9, 0.9, 0.9, 0.9], [True, True, True, False])
        >>> round(totals.figures()["calibration error"], 3)
        0.15
    """

    names = ("calibration error",)

    def _measure(self, outputs: Sequence[float], references: Sequence[bool]) -> Floats:
        said, right = np.asarray(outputs, np.float64), np.asarray(references, np.float64)
        if not ((said >= 0) & (said < 1 + 1e-3)).all():
            raise UsageError("outputs are no probabilities; wanted numbers from 0 to 1")
        rows = np.zeros((len(said), 1 + BINS))
        rows[:, 0] = 1
        rows[np.arange(len(said)), 1 + np.minimum((said * BINS).astype(np.int64), BINS - 1)] = right - said
        return rows

    def _score(self, name: str, sums: Floats) -> Floats:
        error: Floats = np.abs(sums[..., 1:]).sum(-1) / sums[..., 0]
        return error

    def _drawn(self, name: str, sums: Floats) -> Floats:
        found = self._score(name, sums)
        moved: Floats = np.maximum(found - found.mean() + self.figures()[name], 0.0)
        return moved


def fit_temperature(logits: NDArray[Any], labels: NDArray[np.integer]) -> float:
    r"""The temperature that makes the labels most probable.

    .. math:: \tau = \arg\min_\tau \; - \sum_n \ln \mathrm{softmax}(z_n / \tau)_{l_n} + 2 (\ln \tau)^2

    The last term keeps it finite where all are right, and near 1 where there are few. Source: Guo et al. 2017,
    arXiv:1706.04599, there without it.

    Args:
        logits: (N, K).
        labels: (N,), numbers from 0 to K - 1.

    Example:
        >>> z = np.array([[8.0, 0.0], [8.0, 0.0], [8.0, 0.0], [0.0, 8.0]] * 1000)
        >>> round(fit_temperature(z, np.array([0, 0, 1, 1] * 1000)))  # three of four are right: 8 / ln 3
        7
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise UsageError(f"logits are {logits.shape}, labels {labels.shape}; wanted (N, K) and (N,)")
    if not len(labels) or not np.isfinite(logits).all():
        return 1.0
    z = np.asarray(logits, np.float64)

    def cost(log: float) -> float:
        return PRIOR * log**2 - float(log_softmax(z, math.exp(log))[np.arange(len(labels)), labels].sum())

    golden, low, high = (math.sqrt(5) - 1) / 2, -REACH, REACH
    inner = [high - golden * (high - low), low + golden * (high - low)]
    costs = [cost(log) for log in inner]
    for _ in range(STEPS):
        if costs[0] < costs[1]:
            high, inner, costs = inner[1], [inner[1] - golden * (inner[1] - low), inner[0]], [math.nan, costs[0]]
            costs[0] = cost(inner[0])
        else:
            low, inner, costs = inner[0], [inner[1], inner[0] + golden * (high - inner[0])], [costs[1], math.nan]
            costs[1] = cost(inner[1])
    return math.exp((low + high) / 2)


def log_softmax(logits: NDArray[Any], temperature: float = 1.0) -> Floats:
    """(N, K): logarithms of the probabilities that logits stand for.

    Example:
        >>> np.exp(log_softmax(np.array([[2.0, 2.0]])))
        array([[0.5, 0.5]])
    """
    z = np.asarray(logits, np.float64) / temperature
    z = z - z.max(1, keepdims=True)
    found: Floats = z - np.log(np.exp(z).sum(1, keepdims=True))
    return found
