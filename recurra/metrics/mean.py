"""A mean that can be merged from parts, with its confidence interval."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Mean"]

RESAMPLES = 1000


@dataclass(frozen=True)
class Mean:
    r"""A weighted mean over blocks, :math:`\sum_k s_k / \sum_k n_k`.

    Args:
        sums: the sum of the quantity in each block.
        counts: how many items each block has.

    Blocks stay apart until the end: merging parts in any order gives the same bits (sums are exactly rounded), and
    resampling whole blocks gives an interval that respects the dependence inside them.

    Example:
        >>> import numpy as np
        >>> mean = Mean.of(np.array([1.0, 2.0, 3.0, 6.0]), block=2)
        >>> mean.value, (mean + mean).value
        (3.0, 3.0)
    """

    sums: tuple[float, ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, items: NDArray[np.floating], block: int) -> "Mean":
        """The mean of a sequence of items, in blocks of `block` neighbours."""
        starts = np.arange(0, len(items), block)
        sums = np.add.reduceat(items.astype(np.float64), starts) if len(items) else np.zeros(0)
        return cls(tuple(sums.tolist()), tuple(np.diff([*starts, len(items)]).tolist()))

    @property
    def count(self) -> int:
        """The number of items."""
        return sum(self.counts)

    @property
    def value(self) -> float:
        """The mean; NaN without items."""
        return math.fsum(self.sums) / self.count if self.count else math.nan

    def __add__(self, other: "Mean") -> "Mean":
        """The mean over the blocks of both."""
        return Mean(self.sums + other.sums, self.counts + other.counts)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Bootstrap confidence interval over blocks (percentile method, fixed seed); NaN with fewer than two blocks."""
        if len(self.sums) < 2:
            return math.nan, math.nan
        sums, counts = np.array(self.sums), np.array(self.counts)
        rows = np.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))
        means = sums[rows].sum(1) / counts[rows].sum(1)
        low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)
