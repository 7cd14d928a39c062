"""Figures of pairs of output and reference, from sums over pairs: they merge, and intervals need no second scoring."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from recurra.errors import UsageError, near_miss
from recurra.metrics.mean import RESAMPLES

__all__ = ["PairTotals", "PairedDifference", "wilson"]

Floats = NDArray[np.float64]


class PairedDifference(NamedTuple):
    """How much more one system has than another on the same pairs, and the interval of that; NaN where nothing can be said."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.value:+.4g} (too few pairs for an interval)"
        return f"{self.value:+.4g} (95 % interval {self.low:+.4g} to {self.high:+.4g})"


class PairTotals(ABC):
    """Running statistics of each pair, fed in batches; every figure is a function of their sums.

    Parts merge in any order to the same figures (sums are exactly rounded). Intervals resample whole pairs, with a fixed
    seed (percentile method; Koehn 2004): the ends depend, a little, on the order in which the pairs came.
    """

    names: ClassVar[tuple[str, ...]]
    shares: ClassVar[tuple[str, ...]] = ()
    """Those of the names that are shares of pairs: their interval is Wilson's."""
    classes: tuple[str, ...] = ()
    """All that an output may be, where that is a closed list."""

    def __init__(self) -> None:
        self._parts: list[Floats] = []

    def __len__(self) -> int:
        """The number of pairs."""
        return sum(map(len, self._parts))

    def __iadd__(self, other: Self) -> Self:
        """Take over the pairs of another, behind one's own."""
        if type(other) is not type(self):
            raise UsageError(f"{type(other).__name__} came; wanted {type(self).__name__}, to be merged with its like")
        if other.classes != self.classes:
            raise UsageError(f"classes {other.classes} came; wanted {self.classes}, to be merged with their like")
        self._parts += other._parts
        return self

    def add(self, outputs: Sequence[Any], references: Sequence[Any]) -> None:
        """Count N pairs."""
        for name, side in (("outputs", outputs), ("references", references)):
            if isinstance(side, str):
                raise UsageError(f"{name} is one text, {side[:20]!r}; wanted a list of them")
        if len(outputs) != len(references):
            raise UsageError(f"{len(outputs)} outputs and {len(references)} references; wanted as many of both")
        if len(outputs):
            self._parts.append(np.asarray(self._measure(outputs, references), np.float64))

    def figures(self) -> dict[str, float]:
        """Every figure by its name; NaN without pairs."""
        if not self._parts:
            return dict.fromkeys(self.names, math.nan)
        sums = np.array([math.fsum(column) for column in self._statistics().T])
        return {name: float(self._score(name, sums)) for name in self.names}

    def interval(self, name: str, level: float = 0.95) -> tuple[float, float]:
        """The confidence interval of a figure; NaN with fewer than two pairs, unless it is a share."""
        self._known(name)
        if name in self.shares:
            return wilson(round(self.figures()[name] * len(self)) if len(self) else 0, len(self), level)
        if len(self) < 2:
            return math.nan, math.nan
        return _ends(self._drawn(name, _resampled(self._statistics())), level)

    def difference(self, other: Self, name: str, level: float = 0.95) -> PairedDifference:
        """This system's figure less that of another, whose pairs are the same in the same order."""
        self._known(name)
        if type(other) is not type(self) or len(other) != len(self):
            found = f"{type(self).__name__} of {len(self)} pairs and {type(other).__name__} of {len(other)}"
            raise UsageError(f"{found}; wanted the same pairs, in the same order")
        value = self.figures()[name] - other.figures()[name]
        if len(self) < 2:
            return PairedDifference(value, math.nan, math.nan)
        both = _resampled(np.hstack([self._statistics(), other._statistics()]))
        own, others = np.hsplit(both, 2)
        return PairedDifference(value, *_ends(self._score(name, own) - self._score(name, others), level))

    def _drawn(self, name: str, sums: Floats) -> Floats:
        """What a figure comes to, from sums over drawn pairs (R, K)."""
        return self._score(name, sums)

    def _statistics(self) -> Floats:
        return np.concatenate(self._parts)

    def _known(self, name: str) -> None:
        if name not in self.names:
            raise UsageError(f"figure {name!r} is not kept; {near_miss(name, self.names)}")

    @abstractmethod
    def _measure(self, outputs: Sequence[Any], references: Sequence[Any]) -> Any:
        """(N, K) statistics."""

    @abstractmethod
    def _score(self, name: str, sums: Floats) -> Floats:
        """A figure (...) from sums (..., K)."""


def wilson(hits: int, count: int, level: float = 0.95) -> tuple[float, float]:
    r"""Confidence interval of a share, good also near 0 and 1 and for few; NaN of nothing.

    .. math:: \frac{p + z^2/2n \pm z \sqrt{p (1 - p) / n + z^2 / 4n^2}}{1 + z^2 / n}

    Source: Wilson 1927.

    Example:
        >>> [round(end, 3) for end in wilson(10, 10)]
        [0.722, 1.0]
    """
    if not 0 <= hits <= count:
        raise UsageError(f"hits is {hits} and count {count}; wanted 0 <= hits <= count")
    if not count:
        return math.nan, math.nan
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    share = hits / count
    middle, width = share + z2 / (2 * count), math.sqrt(z2 * (share * (1 - share) + z2 / (4 * count)) / count)
    low, high = ((middle + side * width) / (1 + z2 / count) for side in (-1, 1))
    return (low if hits else 0.0), (high if hits < count else 1.0)


def _resampled(statistics: Floats) -> Floats:
    """(RESAMPLES, K): sums over as many pairs as there are, drawn with replacement."""
    n, random = len(statistics), np.random.default_rng(0)
    return np.stack([np.bincount(random.integers(n, size=n), minlength=n) @ statistics for _ in range(RESAMPLES)])


def _ends(values: Floats, level: float) -> tuple[float, float]:
    """Of those that are defined; NaN where none is."""
    if np.isnan(values).all():
        return math.nan, math.nan
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
