"""What forecasts from rolling origins are worth, a network's and naive ones, beside what came true."""

from collections.abc import Iterator
from typing import final

import numpy as np
from numpy.typing import NDArray

from recurra.data import Windows
from recurra.metrics import ForecastTotals, Scales, baselines, carried
from recurra.models.forecasters import Forecaster
from recurra.tasks.backtest import Problem
from recurra.tasks.telling import READ, levels_of, read_batches, tell

__all__ = ["Truth", "measured", "naive"]


@final
class Truth:
    """What came true at the windows of a problem, on the scale of the data, and what its errors are measured by."""

    def __init__(self, problem: Problem, windows: Windows) -> None:
        series, self._windows, self._horizon = problem.collection.series, windows, problem.plan.horizon
        self._values = np.concatenate([each.values for each in series])
        self._observed = np.concatenate([each.observed for each in series])
        self._first = np.cumsum([0, *(len(each.values) for each in series[:-1])])
        self._units = Scales(*(np.stack(each) for each in zip(*problem.units, strict=True)))

    def __call__(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_], Scales]:
        """(N, H, C) values and whether they were observed, and the scales (N, C), of the windows of these numbers."""
        of = self._windows.of[numbers]
        rows = (self._first[of] + self._windows.origins[numbers])[:, None] + np.arange(self._horizon)
        return self._values[rows], self._observed[rows], Scales(*(unit[of] for unit in self._units))


def measured(model: Forecaster, problem: Problem, windows: Windows, margins: NDArray[np.float64]) -> ForecastTotals:
    """The figures of a forecaster at the windows, its band widened by the margins."""
    totals, truth = ForecastTotals(levels_of(problem.options)), Truth(problem, windows)
    batches = read_batches(windows, next(model.parameters()).device)
    for numbers, window in zip(_together(windows), batches, strict=True):
        told = tell(model, window, problem.options, margins)
        true, seen, units = truth(numbers)
        totals.add(told.point, true, units, observed=seen, quantiles=told.quantiles)
    return totals


def naive(problem: Problem, windows: Windows) -> dict[str, ForecastTotals]:
    """The same figures of forecasts that anybody can make, by name; a point is a distribution whose quantiles all lie there."""
    levels, horizon, truth = levels_of(problem.options), problem.plan.horizon, Truth(problem, windows)
    forecasts = baselines(*problem.plan.seasons)
    found = {name: ForecastTotals(levels) for name in forecasts}
    values = [carried(each.values, each.observed) for each in problem.collection.series]
    for numbers in _together(windows):
        true, seen, units = truth(numbers)
        of, origins = windows.of[numbers], windows.origins[numbers]
        alike = np.split(np.arange(len(numbers)), np.flatnonzero(np.diff(of)) + 1)  # those of one series
        for name, forecast in forecasts.items():
            told = np.concatenate([forecast(values[of[some[0]]], origins[some], horizon) for some in alike])
            quantiles = np.broadcast_to(told[..., None], (*told.shape, len(levels)))
            found[name].add(told, true, units, observed=seen, quantiles=quantiles)
    return found


def _together(windows: Windows) -> Iterator[NDArray[np.int64]]:
    """The numbers of the windows that `read_batches` reads side by side."""
    for k in range(0, len(windows), READ):
        yield np.arange(k, min(k + READ, len(windows)))
