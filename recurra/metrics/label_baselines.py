"""The labels that anybody can tell without a recurrent network: what a model of labels has to beat."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from recurra.errors import UsageError
from recurra.metrics.linear import fit_bags, logistic, ridge, scores, squared
from recurra.metrics.ngrams import Bags, NGrams

__all__ = [
    "LabelBaseline",
    "NaiveBayes",
    "NearestSeries",
    "NumberBaseline",
    "RidgeSeries",
    "WeightedRegression",
    "label_baselines",
    "number_baselines",
]

LabelBaseline = Callable[[Sequence[Any]], list[str]]
"""From inputs to labels, one for each."""

NumberBaseline = Callable[[Sequence[Any]], list[float]]
"""From inputs to numbers, one for each."""

Floats = NDArray[np.float64]
MOST = 10_000_000  # counts of n-grams by class that are held
WIDTH = 4096  # numbers that a series is read as, at most
ROWS = 512  # distances that are taken together


def label_baselines(inputs: Sequence[Any], labels: Sequence[str]) -> dict[str, LabelBaseline]:
    """What stands beside a model that learnt from these inputs, by the name that tables show.

    Args:
        inputs: N texts, or N series (T, C).
        labels: N of them.

    Example:
        >>> texts = ["a fine film", "fine and short", "a dull film", "dull and long", "no film"]
        >>> found = label_baselines(texts, ["good", "good", "bad", "bad", "bad"])
        >>> {name: baseline(["fine, so fine"]) for name, baseline in found.items()}  # doctest: +NORMALIZE_WHITESPACE
        {'most frequent class': ['bad'], 'naive Bayes of words and pairs': ['good'],
         'weighted regression of words and pairs': ['good']}
    """
    _as_many(inputs, labels)
    common = Counter(labels).most_common(1)[0][0]
    found: dict[str, LabelBaseline] = {"most frequent class": lambda asked: [common] * len(asked)}
    if isinstance(inputs[0], str):
        grams = NGrams(inputs, max(1, MOST // len(set(labels))))
        found[f"naive Bayes of {grams.name}"] = NaiveBayes(grams, labels)
        found[f"weighted regression of {grams.name}"] = WeightedRegression(grams, labels)
    else:
        found["ridge regression"] = RidgeSeries(inputs, labels)
        found["nearest neighbour"] = NearestSeries(inputs, labels)
    return found


def number_baselines(inputs: Sequence[Any], numbers: Sequence[float]) -> dict[str, NumberBaseline]:
    """The same of numbers: their mean, and ridge regression.

    Example:
        >>> found = number_baselines([np.full((4, 1), k) for k in range(9)], [2.0 * k for k in range(9)])
        >>> {name: [round(number, 1) for number in baseline([np.full((6, 1), 3)])] for name, baseline in found.items()}
        {'mean': [8.0], 'ridge regression': [6.0]}
    """
    _as_many(inputs, numbers)
    wanted = np.asarray(numbers, np.float64)[:, None]
    middle = float(wanted.mean())
    found: dict[str, NumberBaseline] = {"mean": lambda asked: [middle] * len(asked)}
    if isinstance(inputs[0], str):
        grams = NGrams(inputs)
        spread = max(float(wanted.std()), 1e-12)
        weights, bias = fit_bags(grams.learnt, np.ones((grams.count, 1)), (wanted - middle) / spread, squared, 10.0)
        found[f"ridge regression of {grams.name}"] = lambda asked: (
            scores(grams.bags(asked), weights, bias)[:, 0] * spread + middle
        ).tolist()
    else:
        even = _Even(inputs)
        fitted = ridge(even(inputs), wanted)
        found["ridge regression"] = lambda asked: fitted(even(asked))[:, 0].tolist()
    return found


@final
class NaiveBayes:
    r"""Multinomial naive Bayes of which n-grams a text has.

    .. math::
        \hat{l} = \arg\max_k \ln N_k + \sum_{f \in x} \ln \frac{n_{fk} + 1}{\sum_g (n_{gk} + 1)}

    with :math:`N_k` texts of class k, :math:`n_{fk}` of which have n-gram f. Source: Wang and Manning 2012, Baselines and
    bigrams.
    """

    def __init__(self, grams: NGrams, labels: Sequence[str]) -> None:
        self.grams = grams
        self.classes, numbers = _classes(labels)
        counts = _counts(grams.learnt, numbers, len(self.classes), grams.count) + 1
        self._weights = np.log(counts / counts.sum(0))
        self._bias = np.log(np.bincount(numbers) / len(numbers))

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """The most probable class of each text."""
        best = scores(self.grams.bags(texts), self._weights, self._bias).argmax(1)
        return [self.classes[k] for k in best]


@final
class WeightedRegression:
    r"""Logistic regression of n-grams, each weighed by how much more frequent it is in a class than elsewhere.

    .. math::
        x_{fk} = [f \in x] \, \ln \frac{(n_{fk} + 1) / \sum_g (n_{gk} + 1)}{(m_{fk} + 1) / \sum_g (m_{gk} + 1)}

    with :math:`n_{fk}` texts of class k and :math:`m_{fk}` of all others that have n-gram f; a class against the others, the
    one with the highest answer is told. Source: Wang and Manning 2012, Baselines and bigrams (there a support vector machine).
    """

    def __init__(self, grams: NGrams, labels: Sequence[str], strength: float = 1.0) -> None:
        self.grams = grams
        self.classes, numbers = _classes(labels)
        counts = _counts(grams.learnt, numbers, len(self.classes), grams.count)
        inside, outside = counts + 1, counts.sum(1, keepdims=True) - counts + 1
        ratios = np.log(inside / inside.sum(0)) - np.log(outside / outside.sum(0))
        told = slice(1, None) if len(self.classes) == 2 else slice(None)  # of two, one says all
        targets = (numbers[:, None] == np.arange(len(self.classes))).astype(np.float64)[:, told]
        self._weights, self._bias = fit_bags(grams.learnt, ratios[:, told], targets, logistic, strength)

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """The class of the highest answer for each text."""
        found = scores(self.grams.bags(texts), self._weights, self._bias)
        best = (found[:, 0] > 0).astype(np.int64) if len(self.classes) == 2 else found.argmax(1)
        return [self.classes[k] for k in best]


@final
class RidgeSeries:
    """The class whose ridge regression on the values of the series, brought to one length, answers highest."""

    def __init__(self, inputs: Sequence[Any], labels: Sequence[str]) -> None:
        self.classes, numbers = _classes(labels)
        self._even = _Even(inputs)
        self._ridge = ridge(self._even(inputs), (numbers[:, None] == np.arange(len(self.classes))).astype(np.float64))

    def __call__(self, inputs: Sequence[Any]) -> list[str]:
        """The class of each series."""
        return [self.classes[k] for k in self._ridge(self._even(inputs)).argmax(1)]


@final
class NearestSeries:
    """The label of the training series that is nearest, all brought to one length and each channel to one spread."""

    def __init__(self, inputs: Sequence[Any], labels: Sequence[str]) -> None:
        self.labels = list(labels)
        self._even = _Even(inputs)
        self._known = self._even(inputs)
        self._squares = (self._known**2).sum(1)

    def __call__(self, inputs: Sequence[Any]) -> list[str]:
        """The label for each series."""
        asked = self._even(inputs)
        parts = [asked[k : k + ROWS] for k in range(0, len(asked), ROWS)]
        nearest = [(self._squares - 2 * part @ self._known.T).argmin(1) for part in parts]
        return [self.labels[k] for part in nearest for k in part]


@final
class _Even:
    """Series as rows of equal length: resampled along straight lines to the median length of those that were learnt from."""

    def __init__(self, inputs: Sequence[Any]) -> None:
        channels = inputs[0].shape[1]
        lengths = [len(one) for one in inputs]
        self.length = max(1, min(int(np.median(lengths)), WIDTH // channels))
        self._unequal = len(set(lengths)) > 1
        steps = np.concatenate([np.zeros((0, channels)), *inputs])
        self._middle, spread = steps.mean(0), steps.std(0)
        self._spread = np.where(spread > 0, spread, 1.0)

    def __call__(self, inputs: Sequence[Any]) -> Floats:
        """(N, D)."""
        return np.stack([self._resampled((one - self._middle) / self._spread) for one in inputs])

    def _resampled(self, one: Floats) -> Floats:
        if not len(one):
            return np.zeros(self.length * one.shape[1])
        if len(one) == self.length:
            return one.ravel()
        places = np.linspace(0, len(one) - 1, self.length)
        return np.stack([np.interp(places, np.arange(len(one)), channel) for channel in one.T], axis=1).ravel()


def _classes(labels: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    classes = sorted(set(labels))
    numbers = {label: k for k, label in enumerate(classes)}
    return classes, np.array([numbers[label] for label in labels])


def _counts(bags: Bags, numbers: NDArray[np.int64], classes: int, features: int) -> Floats:
    """(F, K) how many texts of each class have an n-gram."""
    cells = bags.features * classes + numbers[bags.rows]
    return np.bincount(cells, minlength=features * classes).reshape(features, classes).astype(np.float64)


def _as_many(inputs: Sequence[Any], labels: Sequence[Any]) -> None:
    if len(inputs) != len(labels) or not len(inputs):
        raise UsageError(f"{len(inputs)} inputs and {len(labels)} labels; wanted as many of both, at least one")
