"""Figures of classes and of numbers told for whole sequences."""

import math
from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recurra.errors import UsageError, near_miss
from recurra.metrics.pairs import PairTotals

__all__ = ["ClassRow", "ClassTotals", "NumberTotals", "ProbabilityTotals"]

Floats = NDArray[np.float64]
LEAST = 1e-15  # that a probability counts for in the log loss


class ClassRow(NamedTuple):
    """One class: how much of what is told to be it is, how much of it is told, their harmonic mean, and how much there is.

    NaN where nothing can be said: the precision of what is never told, the recall of what never is.
    """

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@final
class ClassTotals(PairTotals):
    r"""Accuracy, macro F1, the figures of each class, and which class is taken for which.

    .. math::
        P_k = \frac{t_k}{o_k} \qquad R_k = \frac{t_k}{r_k} \qquad F_k = \frac{2 t_k}{o_k + r_k} \qquad
        \text{macro } F_1 = \frac{1}{|C|} \sum_{k \in C} F_k

    with :math:`t_k` how often class k is told and true, :math:`o_k` how often it is told, :math:`r_k` how often it is true,
    and C the classes that are told or true at all. References that are none of the classes (never learnt) count together as
    one more class, which no output can be.

    Args:
        classes: what an output may be.

    Example:
        >>> totals = ClassTotals(["bad", "good"])
        >>> totals.add(["good", "good", "bad", "bad"], ["good", "bad", "bad", "bad"])
        >>> {name: round(value, 3) for name, value in totals.figures().items()}
        {'accuracy': 0.75, 'macro F1': 0.733}
        >>> totals.rows()[1]
        ClassRow(label='good', precision=0.5, recall=1.0, f1=0.6666666666666666, support=1)
        >>> totals.confusion()[:2]  # rows: what is true; columns: what is told
        array([[2, 1],
               [0, 1]])
    """

    names = ("accuracy", "macro F1")
    shares = ("accuracy",)

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__()
        self.classes = _different(classes)
        self._numbers = {label: k for k, label in enumerate(self.classes)}

    def rows(self) -> tuple[ClassRow, ...]:
        """A row for each class, in the order of the classes."""
        hits, told, true = self._sums()
        found = zip(self.classes, hits, told, true, strict=False)  # the last of the sums is no class
        return tuple(ClassRow(label, _ratio(t, o), _ratio(t, r), _ratio(2 * t, o + r), int(r)) for label, t, o, r in found)

    def confusion(self) -> NDArray[np.int64]:
        """(K + 1, K) how often what is true (the row) is told to be which (the column); in the last row what is no class."""
        count = len(self.classes)
        if not len(self):
            return np.zeros((count + 1, count), np.int64)
        _, told, true = np.split(self._statistics()[:, 2:], 3, axis=1)
        return (true.T @ told[:, :count]).round().astype(np.int64)

    def _sums(self) -> tuple[Floats, Floats, Floats]:
        width = len(self.classes) + 1
        sums = self._statistics().sum(0)[2:] if len(self) else np.zeros(3 * width)
        hits, told, true = sums.reshape(3, width)
        return hits, told, true

    def _measure(self, outputs: Sequence[str], references: Sequence[str]) -> Floats:
        unknown = next((label for label in outputs if label not in self._numbers), None)
        if unknown is not None:
            raise UsageError(f"output {unknown!r} is no class; {near_miss(str(unknown), self.classes)}")
        each, width = np.arange(len(outputs)), len(self.classes) + 1
        told, true = (np.zeros((len(outputs), width)) for _ in range(2))
        told[each, [self._numbers[label] for label in outputs]] = 1
        true[each, [self._numbers.get(label, width - 1) for label in references]] = 1
        hits = told * true
        return np.hstack([np.ones((len(each), 1)), hits.sum(1, keepdims=True), hits, told, true])

    def _score(self, name: str, sums: Floats) -> Floats:
        if name == "accuracy":
            accuracy: Floats = sums[..., 1] / sums[..., 0]
            return accuracy
        hits, told, true = np.split(sums[..., 2:], 3, axis=-1)
        there = told + true > 0
        mean: Floats = (2 * hits / np.maximum(told + true, 1)).sum(-1) / np.maximum(there.sum(-1), 1)
        return mean


@final
class ProbabilityTotals(PairTotals):
    r"""Log loss and Brier score: what probabilities are worth, where right labels alone are not all.

    .. math::
        \text{log loss} = -\frac{1}{N} \sum_n \ln p_{n, l_n} \qquad
        \text{Brier} = \frac{1}{N} \sum_n \sum_k \big( p_{nk} - [k = l_n] \big)^2

    in nats, and from 0 to 2. A probability counts as at least 1e-15; that of a reference which is none of the classes is 0.
    Source: Brier 1950.

    Args:
        classes: what the K probabilities of an output are of.

    Example:
        >>> totals = ProbabilityTotals(["bad", "good"])
        >>> totals.add([[0.5, 0.5], [0.0, 1.0]], ["good", "good"])
        >>> {name: round(value, 3) for name, value in totals.figures().items()}
        {'log loss': 0.347, 'Brier score': 0.25}
    """

    names = ("log loss", "Brier score")

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__()
        self.classes = _different(classes)
        self._numbers = {label: k for k, label in enumerate(self.classes)}

    def _measure(self, outputs: ArrayLike, references: Sequence[str]) -> Floats:
        given = np.asarray(outputs, np.float64)
        if given.shape != (len(references), len(self.classes)):
            raise UsageError(f"outputs are {given.shape}; wanted (N, {len(self.classes)}), a probability for each class")
        if not (np.abs(given.sum(1) - 1) < 1e-3).all() or given.min() < 0:
            raise UsageError("outputs are no probabilities; wanted rows of numbers from 0 that sum to 1")
        places = np.array([self._numbers.get(label, -1) for label in references])
        right = np.where(places < 0, 0.0, given[np.arange(len(given)), places])
        wanted = (places[:, None] == np.arange(given.shape[1])).astype(np.float64)
        brier = ((given - wanted) ** 2).sum(1) + (places < 0)
        return np.stack([np.ones(len(given)), -np.log(np.clip(right, LEAST, 1.0)), brier], axis=1)

    def _score(self, name: str, sums: Floats) -> Floats:
        score: Floats = sums[..., 1 + self.names.index(name)] / sums[..., 0]
        return score


@final
class NumberTotals(PairTotals):
    r"""Mean absolute error, root of the mean squared error, and the share of the variance that is explained.

    .. math::
        \text{MAE} = \frac{1}{N} \sum |o - r| \qquad \text{RMSE} = \sqrt{\frac{1}{N} \sum (o - r)^2} \qquad
        R^2 = 1 - \frac{\sum (o - r)^2}{\sum (r - \bar{r})^2}

    R2 is NaN where all references are the same, and below zero where their mean would have been the better answer.

    Example:
        >>> totals = NumberTotals()
        >>> totals.add([1.0, 2.0, 6.0], [1.0, 3.0, 5.0])
        >>> {name: round(value, 3) for name, value in totals.figures().items()}
        {'MAE': 0.667, 'RMSE': 0.816, 'R2': 0.75}
    """

    names = ("MAE", "RMSE", "R2")

    def _measure(self, outputs: Sequence[float], references: Sequence[float]) -> Floats:
        came, wanted = np.asarray(outputs, np.float64), np.asarray(references, np.float64)
        if came.shape != wanted.shape or came.ndim != 1:
            raise UsageError(f"outputs are {came.shape}, references {wanted.shape}; wanted (N,) of both")
        error = came - wanted
        return np.stack([np.ones(len(error)), np.abs(error), error**2, wanted, wanted**2], axis=1)

    def _score(self, name: str, sums: Floats) -> Floats:
        count, absolute, squared, total, squares = np.moveaxis(sums, -1, 0)
        if name != "R2":
            score: Floats = absolute / count if name == "MAE" else np.sqrt(squared / count)
            return score
        spread = squares - total**2 / count
        spread = np.where(spread > 1e-12 * squares, spread, np.nan)
        explained: Floats = 1 - squared / spread
        return explained


def _different(classes: Sequence[str]) -> tuple[str, ...]:
    if isinstance(classes, str) or not len(classes) or len(set(classes)) < len(classes):
        raise UsageError(f"classes are {classes!r:.60}; wanted a list of different ones, at least one")
    return tuple(classes)


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below else math.nan
