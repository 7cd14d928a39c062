"""What the options leave to the data: horizon, look-back, segments, seasons, and what history is seen relative to."""

import math
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from recurra.data.series import Collection, Series
from recurra.data.windows import parts
from recurra.errors import UsageError
from recurra.models.forecasters import Normalisation
from recurra.tasks.options import Forecast

__all__ = ["Plan", "decide"]

SEASONS = 4  # of the calendar that are read, where the data are long enough
LONGEST = 2048  # more steps are not read for the sake of a long season
TRIED = 64  # series, and origins of each, on which the last value and the mean are compared
REPEATS = 0.3  # correlation of changes from which rows are said to repeat


class Plan(NamedTuple):
    """What is decided once for a run.

    Attributes:
        window: L, steps of history.
        horizon: H, steps ahead.
        segment: steps that a recurrence over segments takes at once.
        season: the steps by which MASE measures; 1 where there is none.
        normalisation: what history is seen relative to.
        seasons: those of the naive forecasts beside the run, ascending.
    """

    window: int
    horizon: int
    segment: int
    season: int
    normalisation: Normalisation
    seasons: tuple[int, ...] = ()

    @classmethod
    def kept(cls, facts: dict[str, Any]) -> Self:
        """The plan of a run from its facts."""
        plan = cls(**facts)
        return plan._replace(seasons=tuple(plan.seasons or [plan.season][: plan.season > 1]))


def decide(options: Forecast, collection: Collection) -> tuple[Plan, tuple[str, ...]]:
    """The plan, and a note for each choice; of the data it looks at the learning part alone.

    The horizon and a segment are a season of the calendar, whatever `season` says; where rows have none, the shortest that
    was given, or 12 steps and an eighth of the window. The window is four such seasons, or one of the longest that is
    compared with, or two horizons, whichever is most, but at most half of what is learnt from.
    """
    given, step = [int(word) for word in options.season.split(",") if word], collection.step
    usual = step.season if step.season > 1 else max(1, min(given, default=1))
    horizon = options.horizon or (usual if usual > 1 else 12)
    longest = max(collection.series, key=lambda each: len(each.values))
    last = parts(longest._replace(name=collection.source), options.validation, options.test, horizon, options.gap)[0].last
    calendar = [steps for steps in (step.season, step.week) if steps > 1 and (steps == step.season or 2 * steps <= last)]
    seasons = tuple(sorted({*given, *calendar} - {1})) if given != [1] else ()
    unit, room = usual if usual > 1 else 12, max(1, last - horizon)
    far = max((steps for steps in seasons if steps <= LONGEST), default=0)
    wanted = max(SEASONS * unit, far, 2 * horizon)
    window = options.window or max(1, min(wanted, room // 2 // unit * unit or room // 2))
    segment = min(window, options.segment or (usual if 1 < usual <= window else max(1, math.ceil(window / 8))))
    normalisation, why = _normalisation(options, collection, window, horizon)
    plan = Plan(window, horizon, segment, given[0] if given else usual, normalisation, seasons)
    left = [name for name in ("horizon", "window", "segment") if not getattr(options, name)]
    notes = [f"chosen from the data: {', '.join(f'{name}={getattr(plan, name)}' for name in left)}"] if left else []
    if not seasons and given != [1]:
        notes.append(f"rows have no season: only naive forecasts without one stand beside the run{_repeats(longest, last)}")
    return plan, (*notes, *why)


def _normalisation(options: Forecast, collection: Collection, window: int, horizon: int) -> tuple[Normalisation, list[str]]:
    counts = options.loss == "negative-binomial"
    if counts and options.normalise not in {"auto", "level"}:
        raise UsageError(f"normalise={options.normalise}: wanted level or auto with loss=negative-binomial")
    if counts or options.normalise != "auto":
        return ("level" if counts else options.normalise), []  # type: ignore[return-value]  # auto came first
    last, mean = _distances(options, collection, window, horizon)
    chosen: Normalisation = "mean" if mean < last else "last"
    told = f"{mean:.3g} deviations from the mean of the window, and {last:.3g} from the last value"
    return chosen, [f"normalise={chosen}: in what is learnt from, what follows lies {told}"]


def _distances(options: Forecast, collection: Collection, window: int, horizon: int) -> tuple[float, float]:
    """Mean distances of what follows from the last value of a window and from its mean, in deviations of each series."""
    some = np.unique(np.linspace(0, len(collection.series) - 1, TRIED).astype(np.int64))
    distances = np.zeros((0, 2))
    for series in (collection.series[k] for k in some):
        end = parts(series, options.validation, options.test, horizon, options.gap)[0].last
        values = series.values[:end]
        values = np.log(values) if options.log and (values > 0).all() else values
        deviation = values.std(0)
        deviation = np.where(deviation > 0, deviation, 1.0)
        first = max(1, min(window, end - horizon))
        for origin in np.unique(np.linspace(first, end - horizon, TRIED).astype(np.int64)):
            history, ahead = values[max(0, origin - window) : origin], values[origin : origin + horizon]
            seen = series.observed[origin : origin + horizon]
            if seen.any():
                apart = [float((np.abs(ahead - place) / deviation)[seen].mean()) for place in (history[-1], history.mean(0))]
                distances = np.append(distances, [apart], axis=0)
    last, mean = distances.mean(0) if len(distances) else (0.0, 0.0)
    return float(last), float(mean)


def _repeats(series: Series, last: int) -> str:
    """After how many rows the changes of a series look most like themselves, as a hint."""
    changes: NDArray[np.float64] = np.diff(series.values[:last, 0])
    changes = changes - changes.mean() if len(changes) else changes
    most = min(len(changes) // 3, LONGEST)
    if most < 3 or not changes.any():
        return ""
    spectrum = np.abs(np.fft.rfft(changes, 2 * len(changes))) ** 2
    alike = np.fft.irfft(spectrum)[: most + 1] * len(changes) / (len(changes) - np.arange(most + 1))
    alike /= alike[0]
    fallen = np.minimum.accumulate(alike) < 0  # a peak comes after a trough
    peaks = [k for k in range(2, most) if fallen[k] and alike[k - 1] < alike[k] >= alike[k + 1] and alike[k] > REPEATS]
    if not peaks:
        return ""
    best = next(k for k in peaks if alike[k] >= 0.95 * max(alike[peaks]))
    found = sorted({next(k for k in peaks if alike[k] > alike[best] / 2), best})
    rows = " and ".join(map(str, found))
    return f"; it repeats most after {rows} rows: if that means something, say season={','.join(map(str, found))}"
