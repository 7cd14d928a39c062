"""The forecasts that anybody can make: what a model has to beat."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recurra.errors import UsageError

__all__ = [
    "Baseline",
    "baselines",
    "carried",
    "drift",
    "mean_so_far",
    "repeat_last",
    "seasonal_growth",
    "seasonal_mean",
    "seasonal_naive",
]

Floats = NDArray[np.float64]
Baseline = Callable[[Floats, ArrayLike, int], Floats]
"""From values (T, C), origins (N,) and a number of steps S to forecasts (N, S, C); at each origin o it knows the rows before
o, and forecasts o and on.

NaN among the values are what nobody saw: see `carried`.
"""


def baselines(*cycles: int, seasons: int = 7) -> dict[str, Baseline]:
    """What stands beside every forecast, by the name that tables show; three for each cycle of more than one step.

    Example:
        >>> list(baselines(12, seasons=3))[2:]
        ['mean so far', 'seasonal naive 12', 'mean of 3 seasons of 12', 'seasonal naive 12 x growth']
    """
    found: dict[str, Baseline] = {"repeat last": repeat_last, "drift": drift, "mean so far": mean_so_far}
    for season in cycles:
        if season > 1:
            found[f"seasonal naive {season}"] = partial(seasonal_naive, season=season)
            found[f"mean of {seasons} seasons of {season}"] = partial(seasonal_mean, season=season, seasons=seasons)
            found[f"seasonal naive {season} x growth"] = partial(seasonal_growth, season=season)
    return found


def repeat_last(values: Floats, origins: ArrayLike, horizon: int) -> Floats:
    """The last value seen, for ever: a random walk. Not to be written to: all steps share one memory.

    Example:
        >>> repeat_last(np.array([[1.0], [5.0], [2.0]]), [2, 3], 2)[..., 0]
        array([[5., 5.],
               [2., 2.]])
    """
    at = _origins(values, origins)
    return np.broadcast_to(values[at - 1][:, None], (len(at), horizon, values.shape[1]))


def mean_so_far(values: Floats, origins: ArrayLike, horizon: int) -> Floats:
    """The mean of everything seen, for ever: hard to beat where values come back to it, as returns of prices do.

    Example:
        >>> mean_so_far(np.array([[1.0], [5.0], [3.0]]), [2, 3], 2)[..., 0]
        array([[3., 3.],
               [3., 3.]])
    """
    at, known = _origins(values, origins), ~np.isnan(values)
    sums, counts = np.where(known, values, 0.0).cumsum(0)[at - 1], known.cumsum(0)[at - 1]
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return np.broadcast_to(means[:, None], (len(at), horizon, values.shape[1]))


def drift(values: Floats, origins: ArrayLike, horizon: int) -> Floats:
    r"""The straight line through the first and the last value seen: :math:`x_{o-1} + (h + 1) (x_{o-1} - x_0) / (o - 1)`.

    Example:
        >>> drift(np.array([[1.0], [5.0], [5.0]]), [3], 2)[..., 0]
        array([[7., 9.]])
    """
    at = _origins(values, origins)
    last = values[at - 1]
    first = np.isnan(values).argmin(0)
    slope = (last - values[first, np.arange(values.shape[1])]) / np.maximum(at[:, None] - 1 - first, 1)
    ahead: Floats = last[:, None] + np.arange(1, horizon + 1)[:, None] * slope[:, None]
    return ahead


def seasonal_naive(values: Floats, origins: ArrayLike, horizon: int, *, season: int) -> Floats:
    """The last season seen, again and again; the last value where there is less than one season.

    Example:
        >>> seasonal_naive(np.array([[1.0], [5.0], [2.0]]), [3], 4, season=2)[..., 0]
        array([[5., 2., 5., 2.]])
    """
    return seasonal_mean(values, origins, horizon, season=season, seasons=1)


def seasonal_mean(values: Floats, origins: ArrayLike, horizon: int, *, season: int, seasons: int) -> Floats:
    """The mean of the last `seasons` values at the same place in the season, of as many as there are; else the last value.

    For hourly data, ``season=24, seasons=7`` is the mean of the last seven days at the same hour.

    Example:
        >>> seasonal_mean(np.array([[0.0], [5.0], [2.0], [7.0]]), [4], 3, season=2, seasons=2)[..., 0]
        array([[1., 6., 1.]])
    """
    at = _origins(values, origins)
    if season < 1 or seasons < 1:
        raise UsageError(f"season is {season} and seasons {seasons}; wanted both at least 1")
    if not len(at):
        return np.zeros((0, horizon, values.shape[1]))
    start, stop = max(0, int(at.min()) - season), int(at.max())
    means = _means(values, start, stop, season, seasons)
    places = at[:, None] - season + np.arange(horizon) % season
    found = means[np.maximum(places - start, 0)]
    unknown = np.isnan(found) | (places < 0)[..., None]
    return np.where(unknown, values[at - 1][:, None], found) if unknown.any() else found


def _means(values: Floats, start: int, stop: int, season: int, seasons: int) -> Floats:
    """For the rows from start to stop, the mean of each with those one season earlier, two seasons, and so on; NaN left out."""
    sums, counts = np.zeros((2, stop - start, values.shape[1]))
    for back in range(min(seasons, -(-stop // season))):
        first = max(0, back * season - start)  # the rows before it have nothing so far back
        earlier = values[start + first - back * season : stop - back * season]
        known = ~np.isnan(earlier)
        sums[first:] += np.where(known, earlier, 0.0)
        counts[first:] += known
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def seasonal_growth(values: Floats, origins: ArrayLike, horizon: int, *, season: int) -> Floats:
    r"""The last season times how much the last value grew since the season before, once for each season ahead.

    .. math:: x_{o - m + h \bmod m} \, g^{1 + \lfloor h / m \rfloor} \qquad g = x_{o-1} / x_{o-1-m}

    The growth is kept between 1/2 and 2, and is 1 where it needs a value not above 0, or one older than the series.

    Example:
        >>> seasonal_growth(np.array([[10.0], [20.0], [12.0]]), [3], 3, season=2)[..., 0]
        array([[24. , 14.4, 28.8]])
    """
    at = _origins(values, origins)
    now, before = values[at - 1], values[np.maximum(at - 1 - season, 0)]
    fine = (now > 0) & (before > 0) & (at > season)[:, None]
    growth = np.divide(now, before, out=np.ones_like(now, np.float64), where=fine).clip(0.5, 2.0)
    power = 1 + np.arange(horizon) // season
    return seasonal_naive(values, at, horizon, season=season) * growth[:, None] ** power[:, None]


def carried(values: Floats, observed: NDArray[np.bool_]) -> Floats:
    """The values with every gap filled by the last one seen, so that no gap knows what came after it.

    Before the first value of a column stands NaN: nothing was known.

    Example:
        >>> carried(np.array([[0.0], [4.0], [0.0]]), np.array([[False], [True], [False]]))[:, 0]
        array([nan,  4.,  4.])
    """
    rows = np.where(observed, np.arange(len(values))[:, None], -1)
    seen = np.maximum.accumulate(rows, axis=0)
    return np.where(seen < 0, np.nan, np.take_along_axis(values, np.maximum(seen, 0), axis=0))


def _origins(values: Floats, origins: ArrayLike) -> NDArray[np.int64]:
    if values.ndim != 2:
        raise UsageError(f"values are {values.shape}; wanted (T, C)")
    at = np.asarray(origins, np.int64).reshape(-1)
    if len(at) and not 0 < at.min() <= at.max() <= len(values):
        raise UsageError(f"origins go from {at.min()} to {at.max()}; wanted 1 to {len(values)}, the rows that are known")
    return at
