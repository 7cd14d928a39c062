"""What a forecast is made of: series as the network reads them, their parts, and how a run sees later data."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from recurra.data.calendar import features
from recurra.data.series import Collection, Series
from recurra.data.windows import Part, Scale, Windows, parts, scales
from recurra.errors import DataError, UsageError
from recurra.metrics import Scales
from recurra.models.forecasters import Normalisation
from recurra.tasks.options import Forecast

__all__ = ["Covariates", "Plan", "Problem", "Widths"]

SEASONS = 4
"""Seasons of history to read, where the data are long enough."""


class Covariates(NamedTuple):
    """Mean and spread of covariates over what is learnt from, all series together."""

    centre: tuple[float, ...]
    spread: tuple[float, ...]

    @classmethod
    def of(cls, rows: Sequence[NDArray[np.float64]]) -> Self:
        """Of (T, K) of every series."""
        together = np.concatenate(rows)
        centre, spread = together.mean(0), together.std(0)
        return cls(tuple(centre.tolist()), tuple(np.where(spread > 1e-12, spread, 1.0).tolist()))

    def __call__(self, rows: NDArray[np.floating]) -> NDArray[np.float64]:
        """Rows relative to them."""
        relative: NDArray[np.float64] = (rows - np.array(self.centre)) / np.array(self.spread)
        return relative


class Plan(NamedTuple):
    """What the options leave to the data, decided once for a run."""

    window: int
    horizon: int
    segment: int
    season: int
    normalisation: Normalisation

    @classmethod
    def of(cls, options: Forecast, collection: Collection) -> Self:
        """A season ahead, from up to four seasons, in segments of one; without a season, 12 steps from 48."""
        season = options.season or collection.step.season
        horizon = options.horizon or (season if season > 1 else 12)
        longest = max(len(each.values) for each in collection.series)
        room = max(
            1, parts(_cut(longest, collection.source), options.validation, options.test, horizon, options.gap)[0].last - horizon
        )
        usual = season if season > 1 else 12
        window = options.window or max(1, min(max(SEASONS * usual, 2 * horizon), room // 2 // usual * usual or room // 2))
        segment = options.segment or (season if 1 < season <= window else max(1, math.ceil(window / 8)))
        segment = min(segment, window)
        counts = options.loss == "negative-binomial"
        normalisation: Normalisation = ("level" if counts else "last") if options.normalise == "auto" else options.normalise
        if counts and normalisation != "level":
            raise UsageError(f"normalise={normalisation}: wanted level or auto with loss=negative-binomial")
        return cls(window, horizon, segment, season, normalisation)


class Widths(NamedTuple):
    """How many columns a network reads of each kind."""

    targets: int
    past: int
    known: int
    static: int


class Problem(NamedTuple):
    """Series as the network reads them: logarithms taken, calendar added, covariates standardised."""

    options: Forecast
    plan: Plan
    collection: Collection
    series: tuple[Series, ...]
    scale: tuple[Scale, ...]
    units: tuple[Scales, ...]  # what errors of each series are measured by
    past: Covariates
    known: Covariates
    static: Covariates

    @classmethod
    def of(cls, options: Forecast, collection: Collection) -> Self:
        """The problem that a collection poses."""
        plan = Plan.of(options, collection)
        series = [_prepared(each, options, collection) for each in collection.series]
        cut = [parts(each, options.validation, options.test, plan.horizon, options.gap)[0] for each in series]
        learnt = list(zip(series, cut, strict=True))
        past = Covariates.of([each.past[: part.last] for each, part in learnt])
        known = Covariates.of([each.known[: part.last] for each, part in learnt])
        static = Covariates.of([each.static[None] for each in series])
        seen = tuple(_relative(each, past, known, static) for each in series)
        scale = tuple(scales(each, part) for each, part in learnt)
        units = tuple(_units(each, options, plan) for each in collection.series)
        return cls(options, plan, collection, seen, scale, units, past, known, static)

    @classmethod
    def later(cls, options: Forecast, facts: dict[str, Any], collection: Collection) -> Self:
        """Other data in the eyes of a run: its plan, and its scales of series that it knows; others have their own."""
        plan = Plan(**facts["plan"])
        past, known, static = (Covariates(*map(tuple, facts[name])) for name in ("past", "known", "static"))
        targets = facts["targets"]
        if list(collection.roles.target) != targets:
            raise DataError(f"{collection.source}: targets {', '.join(collection.roles.target)}; wanted {', '.join(targets)}")
        if str(collection.step) != facts["step"]:
            raise DataError(f"{collection.source}: a row every {collection.step}; wanted {facts['step']}, as the run learnt")
        series = [_prepared(each, options, collection) for each in collection.series]
        scale, units = [], []
        for each, raw in zip(series, collection.series, strict=True):
            kept = facts["series"].get(each.name)
            if kept:
                scale.append(Scale(*(np.array(kept[name]) for name in Scale._fields)))
                units.append(Scales(*(np.array(kept[name], np.float64) for name in Scales._fields)))
            else:
                scale.append(scales(each, Part(0, len(each.values))))
                units.append(Scales.of(raw.values, raw.observed, plan.season))
        seen = tuple(_relative(each, past, known, static) for each in series)
        return cls(options, plan, collection, seen, tuple(scale), tuple(units), past, known, static)

    @property
    def widths(self) -> Widths:
        """What a network of this problem reads: all series have the same columns."""
        first = self.series[0]
        return Widths(first.values.shape[1], first.past.shape[1], first.known.shape[1], len(first.static))

    def facts(self) -> dict[str, Any]:
        """What a run must keep to see other data in the same way."""
        known = zip(self.series, self.scale, self.units, strict=True)
        return {
            "targets": list(self.collection.roles.target),
            "step": str(self.collection.step),
            "every": list(self.collection.step),
            "plan": self.plan._asdict(),
            "widths": self.widths._asdict(),
            "past": list(self.past),
            "known": list(self.known),
            "static": list(self.static),
            "series": {
                each.name: {name: _plain(value) for part in (scale, unit) for name, value in part._asdict().items()}
                for each, scale, unit in known
            },
        }

    def part(self, which: int) -> Windows:
        """The windows of what is learnt from (0), looked at (1) or measured (2)."""
        o, horizon = self.options, self.plan.horizon
        where = [parts(each, o.validation, o.test, horizon, o.gap)[which] for each in self.series]
        return Windows(self.series, where, self.scale, self.plan.window, horizon, stride=o.stride if which == 2 else 1)

    def whole(self, *, beyond: bool = False) -> Windows:
        """The windows of all that there is; with `beyond` the first step of each alone must lie in the series."""
        more = self.plan.horizon - 1 if beyond else 0
        where = [Part(0, len(each.values) + more) for each in self.series]
        stride = 1 if beyond else self.options.stride
        return Windows(self.series, where, self.scale, self.plan.window, self.plan.horizon, stride=stride)

    def ends(self, hold: int) -> Windows:
        """The windows that forecast the last `hold` steps of each series one after the other, or what follows it with 0."""
        ahead = self.plan.horizon
        count = max(1, math.ceil(hold / ahead))
        starts = [len(each.values) - hold for each in self.series]
        where = [Part(start, start + count * ahead) for start in starts]
        return Windows(self.series, where, self.scale, self.plan.window, ahead, stride=ahead)


def _cut(steps: int, name: str) -> Series:
    """A series of so many steps, of which only the length matters."""
    empty = np.zeros((steps, 0))
    return Series(name, np.arange(steps), empty, empty > 0, empty, empty, np.zeros(0))


def _prepared(series: Series, options: Forecast, collection: Collection) -> Series:
    """Logarithms taken, and the calendar, as far as the horizon, added to what is known ahead."""
    values = series.values
    if options.log:
        if not (values > 0).all():
            row = int(np.argwhere(~(values > 0).all(1))[0, 0])
            where = f"{collection.source}: {series.name}: {values[row].min():g} at {series.times[row]}"
            raise DataError(f"{where}; log=true wants every value above 0")
        values = np.log(values)
    ahead = options.horizon or max(options.season, collection.step.season, 12)
    times = np.concatenate([series.times, collection.step.ahead(series.times[-1], ahead)])
    calendar = features(times, collection.step) if options.calendar else np.zeros((len(times), 0))
    known = np.pad(series.known, ((0, len(times) - len(series.known)), (0, 0)), "edge")
    return series._replace(values=values, known=np.concatenate([known, calendar], axis=1), times=times)


def _relative(series: Series, past: Covariates, known: Covariates, static: Covariates) -> Series:
    return series._replace(past=past(series.past), known=known(series.known), static=static(series.static[None])[0])


def _units(series: Series, options: Forecast, plan: Plan) -> Scales:
    """The deviation of what is learnt from, as papers on the ETT data have it; seasonal differences up to what is measured."""
    learnt, looked, _ = parts(series, options.validation, options.test, plan.horizon, options.gap)
    ends = (looked.last, learnt.last)
    naive, deviation = (Scales.of(series.values[:end], series.observed[:end], plan.season) for end in ends)
    return Scales(naive.naive, deviation.deviation)


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in values]
