"""What a forecast is made of: series as the network reads them, their parts, and how a run sees later data."""

import math
from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from recurra.data.calendar import features
from recurra.data.roles import few
from recurra.data.series import Collection, Roles, Series
from recurra.data.windows import Part, Scale, Windows, parts, scales
from recurra.errors import DataError
from recurra.metrics import Scales
from recurra.tasks.options import Forecast
from recurra.tasks.plan import Plan, decide

__all__ = ["Covariates", "Problem", "Widths"]


class Covariates(NamedTuple):
    """Mean and spread of covariates over what is learnt from, all series together."""

    centre: tuple[float, ...]
    spread: tuple[float, ...]

    @classmethod
    def of(cls, rows: Sequence[NDArray[np.floating]], places: Container[int] = ()) -> Self:
        """Of (T, K) of every series; columns at these places hold categories, which stay as they are."""
        centre, spread = [], []
        for k in range(rows[0].shape[1]):
            column = np.concatenate([each[:, k] for each in rows]).astype(np.float64)
            deviation = float(column.std())
            centre.append(0.0 if k in places else float(column.mean()))
            spread.append(deviation if deviation > 1e-12 and k not in places else 1.0)
        return cls(tuple(centre), tuple(spread))

    def __call__(self, rows: NDArray[np.floating]) -> NDArray[np.float32]:
        """Rows relative to them, as networks read them."""
        relative = np.empty(rows.shape, np.float32)
        for k, (centre, spread) in enumerate(zip(self.centre, self.spread, strict=True)):
            relative[:, k] = (rows[:, k].astype(np.float64) - centre) / spread
        return relative


class Widths(NamedTuple):
    """How many columns there are of each kind, and which of them hold categories: the place of each, and how many it has."""

    targets: int
    past: int
    known: int
    static: int
    categories: Mapping[str, Mapping[str, int]] = {}


class Problem(NamedTuple):
    """Series as the network reads them: logarithms taken, calendar added, covariates standardised.

    Of a covariate of words the network reads the place of each in its vocabulary, that of the learning part, counted from 1;
    0 stands for all others.
    """

    options: Forecast
    plan: Plan
    collection: Collection
    series: tuple[Series, ...]
    scale: tuple[Scale, ...]
    units: tuple[Scales, ...]  # what errors of each series are measured by
    past: Covariates
    known: Covariates
    static: Covariates
    categories: Mapping[str, Sequence[str]]  # the vocabulary of each covariate of words
    notes: tuple[str, ...]  # what was chosen, and what was not known

    @classmethod
    def of(cls, options: Forecast, collection: Collection) -> Self:
        """The problem that a collection poses."""
        plan, notes = decide(options, collection)
        cut = [parts(each, options.validation, options.test, plan.horizon, options.gap)[0] for each in collection.series]
        categories = _vocabulary(collection, [part.last for part in cut])
        series = [_prepared(each, options, collection, plan, categories) for each in collection.series]
        learnt = list(zip(series, cut, strict=True))
        past, known, static = (_coded(collection.roles, kind, categories) for kind in ("past", "known", "static"))
        relative = (
            Covariates.of([each.past[: part.last] for each, part in learnt], past),
            Covariates.of([each.known[: part.last] for each, part in learnt], known),
            Covariates.of([each.static[None] for each in series], static),
        )
        seen = tuple(_relative(each, *relative) for each in series)
        scale = tuple(scales(each, part) for each, part in learnt)
        units = tuple(_units(each, options, plan) for each in collection.series)
        notes += _unknown(collection, categories)
        return cls(options, plan, collection, seen, scale, units, *relative, categories, notes)

    @classmethod
    def later(cls, options: Forecast, facts: dict[str, Any], collection: Collection) -> Self:
        """Other data in the eyes of a run: its plan, and its scales of series that it knows; others have their own."""
        plan, categories = Plan.kept(facts["plan"]), facts.get("categories", {})
        past, known, static = (Covariates(*map(tuple, facts[name])) for name in ("past", "known", "static"))
        targets = facts["targets"]
        if list(collection.roles.target) != targets:
            raise DataError(f"{collection.source}: targets {', '.join(collection.roles.target)}; wanted {', '.join(targets)}")
        if str(collection.step) != facts["step"]:
            raise DataError(f"{collection.source}: a row every {collection.step}; wanted {facts['step']}, as the run learnt")
        if list(categories) != list(collection.categories):
            words = ", ".join(collection.categories) or "no covariate"
            raise DataError(f"{collection.source}: words in {words}; wanted them in {', '.join(categories) or 'none'}")
        series = [_prepared(each, options, collection, plan, categories) for each in collection.series]
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
        notes = _unknown(collection, categories)
        return cls(options, plan, collection, seen, tuple(scale), tuple(units), past, known, static, categories, notes)

    @property
    def widths(self) -> Widths:
        """What a network of this problem reads: all series have the same columns."""
        first, roles = self.series[0], self.collection.roles
        coded = {
            kind: {str(place): len(self.categories[getattr(roles, kind)[place]]) for place in found}
            for kind in ("past", "known", "static")
            if (found := _coded(roles, kind, self.categories))
        }
        return Widths(first.values.shape[1], first.past.shape[1], first.known.shape[1], len(first.static), coded)

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
            "categories": {name: list(words) for name, words in self.categories.items()},
            "series": {
                each.name: {name: _plain(value) for part in (scale, unit) for name, value in part._asdict().items()}
                for each, scale, unit in known
            },
        }

    def part(self, which: int, beside: Windows | None = None) -> Windows:
        """The windows of what is learnt from (0), looked at (1) or measured (2), in the memory of others where there are."""
        o, horizon = self.options, self.plan.horizon
        where = [parts(each, o.validation, o.test, horizon, o.gap)[which] for each in self.series]
        stride = o.stride if which == 2 else 1
        if beside is not None:
            return beside.within(where, stride=stride)
        return Windows(self.series, where, self.scale, self.plan.window, horizon, stride=stride)

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


def _prepared(
    series: Series, options: Forecast, collection: Collection, plan: Plan, categories: Mapping[str, Sequence[str]]
) -> Series:
    """Logarithms taken, words placed, and the calendar, as far as the horizon, added to what is known ahead."""
    values = series.values
    if options.log:
        if not (values > 0).all():
            row = int(np.argwhere(~(values > 0).all(1))[0, 0])
            where = f"{collection.source}: {series.name}: {values[row].min():g} at {series.times[row]}"
            raise DataError(f"{where}; log=true wants every value above 0")
        values = np.log(values)
    times = np.concatenate([series.times, collection.step.ahead(series.times[-1], plan.horizon)])
    calendar = features(times, collection.step) if options.calendar else np.zeros((len(times), 0), np.float32)
    past, known, static = (
        _placed(getattr(series, kind), getattr(collection.roles, kind), collection.categories, categories)
        for kind in ("past", "known", "static")
    )
    known = np.pad(known, ((0, len(times) - len(known)), (0, 0)), "edge")
    known = np.concatenate([known, calendar], axis=1) if known.shape[1] else calendar
    return series._replace(values=values, past=past, known=known, static=static, times=times)


def _relative(series: Series, past: Covariates, known: Covariates, static: Covariates) -> Series:
    return series._replace(past=past(series.past), known=known(series.known), static=static(series.static[None])[0])


def _coded(roles: Roles, kind: str, categories: Container[str]) -> list[int]:
    """The places of the columns of a kind that hold words."""
    return [place for place, name in enumerate(getattr(roles, kind)) if name in categories]


def _vocabulary(collection: Collection, lasts: Sequence[int]) -> dict[str, tuple[str, ...]]:
    """Of each covariate of words those that stand in what is learnt from."""
    found = {}
    for kind in ("past", "known", "static"):
        for place in _coded(collection.roles, kind, collection.categories):
            name = getattr(collection.roles, kind)[place]
            columns = [np.atleast_2d(getattr(each, kind))[..., place] for each in collection.series]
            learnt = [each[..., :last] for each, last in zip(columns, lasts, strict=True)] if kind != "static" else columns
            codes = np.unique(np.concatenate([each.ravel() for each in learnt]).astype(np.int64))
            found[name] = tuple(collection.categories[name][code] for code in codes)
    return {name: found[name] for name in collection.categories}


def _placed(
    values: NDArray[np.floating],
    names: Sequence[str],
    words: Mapping[str, Sequence[str]],
    categories: Mapping[str, Sequence[str]],
) -> NDArray[np.floating]:
    """Columns (..., K) in which the numbers of words have become their places in the vocabulary."""
    if not any(name in words for name in names):
        return values
    placed = values.copy()
    for k, name in enumerate(names):
        if name in words:
            places = {word: place for place, word in enumerate(categories[name], 1)}
            placed[..., k] = np.array([places.get(word, 0) for word in words[name]])[values[..., k].astype(np.int64)]
    return placed


def _unknown(collection: Collection, categories: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """A note for each covariate in which stand words that are not in its vocabulary."""
    found = {name: sorted({*words} - {*categories[name]}) for name, words in collection.categories.items()}
    return tuple(f"{name}: not learnt, read as unknown: {few(words)}" for name, words in found.items() if words)


def _units(series: Series, options: Forecast, plan: Plan) -> Scales:
    """The deviation of what is learnt from, as papers on the ETT data have it; seasonal differences up to what is measured."""
    learnt, looked, _ = parts(series, options.validation, options.test, plan.horizon, options.gap)
    ends = (looked.last, learnt.last)
    naive, deviation = (Scales.of(series.values[:end], series.observed[:end], plan.season) for end in ends)
    return Scales(naive.naive, deviation.deviation)


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in values]
