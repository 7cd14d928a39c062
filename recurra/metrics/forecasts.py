"""Figures of forecasts, as totals over origins that merge exactly and whose intervals respect overlap."""

import math
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recurra.errors import UsageError
from recurra.metrics.compare import widening
from recurra.metrics.mean import RESAMPLES, Mean

__all__ = ["ForecastTotals", "Scales", "block_interval"]

MOST_BLOCKS = 10_000
AT_ONCE = 1_000_000  # draws of blocks
MOST = {"sMAPE": 200.0, "coverage": 1.0}  # that figures of these names can be

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Scales(NamedTuple):
    r"""What a series' errors are measured by, from its learning part alone; NaN where the learning part does not say.

    Shapes: both (C,), or (N, C) where each origin has its own.
    """

    naive: Floats  # mean |y_t - y_{t-m}|
    deviation: Floats  # standard deviation of the population

    @classmethod
    def of(cls, values: Floats, observed: Flags, season: int) -> "Scales":
        """From (T, C) values, of which those observed count.

        Example:
            >>> Scales.of(np.array([[1.0], [3.0], [7.0]]), np.ones((3, 1), bool), season=1).naive
            array([3.])
        """
        if season < 1:
            raise UsageError(f"season is {season}; wanted at least 1")
        pairs = observed[season:] & observed[:-season]
        naive = _mean(np.abs(values[season:] - values[:-season]), pairs)
        deviation = np.sqrt(_mean((values - _mean(values, observed)) ** 2, observed))
        size = np.abs(np.where(observed, values, 0.0)).max(0, initial=0.0)
        least = 1e-12 * size  # below lies but rounding: the learning part is constant
        return cls(*(np.where(scale > least, scale, np.nan) for scale in (naive, deviation)))


class ForecastTotals:
    r"""Running totals over origins, fed in batches.

    .. math::
        \mathrm{sMAPE} = \frac{200}{n} \sum \frac{|y - f|}{|y| + |f|} \qquad
        \mathrm{MASE} = \frac1n \sum \frac{|y - f|}{\mathrm{mean} |y_t - y_{t-m}|} \qquad
        \mathrm{CRPS} \approx \frac{2}{Q} \sum_q \mathrm{pinball}_{\tau_q}

    sMAPE (0 where y = f = 0) and MASE as in the M4 competition; scaled MSE and MAE divide by the standard deviation of
    the learning part, as the papers on the ETT data; all are means over every number that was observed. The band lies
    between the outermost levels: its coverage is the share of truth inside, ends included, its width a mean.

    Each origin keeps its own sums, so parts merge in any order to the same bits, and intervals and comparisons see
    origins, in the order in which they came: add them in the order of time.

    Args:
        levels: those of the quantiles, ascending; none for a forecaster without.

    Shapes: forecast, truth, observed (N, T, C); quantiles (N, T, C, Q).

    Example:
        >>> totals = ForecastTotals()
        >>> one = Scales(np.ones(1), np.full(1, 2.0))
        >>> totals.add(np.full((3, 2, 1), 4.0), np.full((3, 2, 1), 6.0), one)
        >>> totals.figures()
        {'MAE': 2.0, 'RMSE': 2.0, 'sMAPE': 40.0, 'MASE': 2.0, 'scaled MSE': 1.0, 'scaled MAE': 1.0}
    """

    def __init__(self, levels: Sequence[float] = ()) -> None:
        self.levels = tuple(levels)
        self.names = ["MAE", "MSE", "sMAPE", "MASE", "scaled MSE", "scaled MAE"]
        if self.levels:
            band = f"{self.levels[-1] - self.levels[0]:g}"
            pinballs = [f"pinball {level:g}" for level in self.levels]
            self.names += ["CRPS", *pinballs, f"coverage {band}", f"width {band}"]
        self._parts: list[tuple[Floats, Floats]] = []  # sums and counts, both (names, N)

    def add(
        self,
        forecast: ArrayLike,
        truth: ArrayLike,
        scales: Scales,
        *,
        observed: Flags | None = None,
        quantiles: ArrayLike | None = None,
    ) -> None:
        """Count N origins; where nothing was observed the truth does not matter."""
        f, y = np.asarray(forecast, np.float64), np.asarray(truth, np.float64)
        q = None if quantiles is None else np.asarray(quantiles, np.float64)
        if f.shape != y.shape or f.ndim != 3:
            raise UsageError(f"forecast is {f.shape} and truth {y.shape}; wanted both (origins, horizon, columns)")
        if (q is None) != (not self.levels) or (q is not None and q.shape != (*y.shape, len(self.levels))):
            wanted = (*y.shape, len(self.levels)) if self.levels else None
            raise UsageError(f"quantiles are {None if q is None else q.shape}; wanted {wanted}")
        seen = np.ones(y.shape, np.bool_) if observed is None else observed
        y = np.where(seen, y, 0.0)
        naive, deviation = (np.broadcast_to(np.expand_dims(scale, -2), y.shape) for scale in scales)
        terms = list(_point_terms(f, y, seen, naive, deviation))
        if q is not None:
            terms += _quantile_terms(q, y, seen, self.levels)
        sums, counts = zip(*(_per_origin(values, where) for values, where in terms), strict=True)
        self._parts.append((np.stack(sums), np.stack(counts)))

    def __iadd__(self, other: "ForecastTotals") -> Self:
        """Take over the origins of another, behind one's own."""
        if self.levels != other.levels:
            raise UsageError(f"levels are {other.levels}; wanted {self.levels}")
        self._parts += other._parts
        return self

    def mean(self, name: str) -> Mean:
        """A figure as sums over origins; ``RMSE`` is the root of ``MSE``."""
        sums, counts = self._rows(name)
        return Mean(tuple(sums.tolist()), tuple(counts.astype(np.int64).tolist()))

    def losses(self, name: str) -> Floats:
        """(N,): the mean at each origin, NaN where nothing was observed: what `diebold_mariano` compares."""
        sums, counts = self._rows(name)
        return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)

    def figures(self) -> dict[str, float]:
        """Every figure by its name; NaN where nothing was observed or no scale was known."""
        values = {name: self.mean(name).value for name in self.names}
        return {("RMSE" if name == "MSE" else name): (math.sqrt(v) if name == "MSE" else v) for name, v in values.items()}

    def interval(self, name: str, overlap: int, level: float = 0.95) -> tuple[float, float]:
        """`block_interval` of a figure, within what the figure can be."""
        mean = self.mean("MSE" if name == "RMSE" else name)
        least = -math.inf if any(part < 0 for part in mean.sums) else 0.0  # widths are, of quantiles that cross
        most = next((end for start, end in MOST.items() if name.startswith(start)), math.inf)
        low, high = np.clip(block_interval(mean, overlap, level), least, most).tolist()
        return (math.sqrt(low), math.sqrt(high)) if name == "RMSE" else (low, high)

    def _rows(self, name: str) -> tuple[Floats, Floats]:
        if name not in self.names:
            raise UsageError(f"figure {name!r} is not kept; choose from {', '.join(self.names)}")
        row = self.names.index(name)
        sums, counts = (np.concatenate([part[side][row] for part in self._parts] or [np.zeros(0)]) for side in (0, 1))
        return sums, counts


def block_interval(mean: Mean, overlap: int, level: float = 0.95) -> tuple[float, float]:
    r"""Confidence interval of a mean over origins by resampling blocks of `overlap` neighbours, with a fixed seed.

    Neighbouring origins share truth, so only blocks at least as long as that sharing are as good as independent. The last
    block goes on at the first origin, which gives every origin the same weight (Politis & Romano 1992). Few blocks say too
    little of the spread between them: the interval is made wider by `widening`. NaN with fewer than four origins or two blocks.

    Args:
        mean: sums and counts of each origin, in the order of time.
        overlap: how many neighbours share truth: the horizon over the stride, rounded up.
        level: how often the interval holds the true mean.

    Example:
        >>> block_interval(Mean.of(np.arange(12.0) % 3, block=1), overlap=3)  # every block of three has the mean 1
        (1.0, 1.0)
    """
    n = len(mean.sums)
    if n < max(4, 2 * overlap):
        return math.nan, math.nan
    block = max(overlap, n // MOST_BLOCKS)  # longer blocks than needed are as good where there are so many
    round_about = (np.concatenate([part, part[: block - 1]]) for part in (np.array(mean.sums), np.array(mean.counts)))
    sums, counts = (np.convolve(part, np.ones(block), "valid") for part in round_about)
    random, needed = np.random.default_rng(0), -(-n // block)
    means = []
    for draws in np.array_split(np.arange(RESAMPLES), -(-RESAMPLES * needed // AT_ONCE)):
        rows = random.integers(n, size=(len(draws), needed))
        count = counts[rows].sum(1)
        means.append(np.divide(sums[rows].sum(1), count, out=np.full(len(rows), np.nan), where=count > 0))
    ends = np.nanquantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    low, high = mean.value + widening(n, overlap, block, level) * (ends - mean.value)
    return float(low), float(high)


def _mean(values: Floats, where: Flags) -> Floats:
    """(C,): the mean of each column over what is there; NaN where nothing is."""
    counts = where.sum(0)
    sums = np.where(where, values, 0.0).sum(0)
    means: Floats = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return means


def _point_terms(f: Floats, y: Floats, seen: Flags, naive: Floats, deviation: Floats) -> list[tuple[Floats, Flags]]:
    error = np.abs(y - f)
    size = np.abs(y) + np.abs(f)
    relative = np.divide(200 * error, size, out=np.zeros_like(error), where=size > 0)
    has_naive, has_deviation = seen & ~np.isnan(naive), seen & ~np.isnan(deviation)
    scaled = error / deviation
    return [
        (error, seen),
        (error**2, seen),
        (relative, seen),
        (error / naive, has_naive),
        (scaled**2, has_deviation),
        (scaled, has_deviation),
    ]


def _quantile_terms(q: Floats, y: Floats, seen: Flags, levels: Sequence[float]) -> list[tuple[Floats, Flags]]:
    missed = y[..., None] - q
    at = np.array(levels)
    pinball = np.maximum(at * missed, (at - 1) * missed)
    inside = (q[..., 0] <= y) & (y <= q[..., -1])
    singles = [pinball[..., k] for k in range(len(levels))]
    return [(part, seen) for part in (2 * pinball.mean(-1), *singles, inside.astype(np.float64), q[..., -1] - q[..., 0])]


def _per_origin(values: Floats, where: Flags) -> tuple[Floats, Floats]:
    """(N, T, C) -> (N,), (N,); each row is summed by itself, so the batch it comes in does not matter."""
    rows = np.ascontiguousarray(np.where(where, values, 0.0)).reshape(len(values), -1)
    return rows.sum(1), where.reshape(len(where), -1).sum(1, dtype=np.float64)
