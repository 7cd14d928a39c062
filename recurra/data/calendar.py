"""Time as a column: the step from one row to the next, the stamps ahead, and the cycles of the calendar."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.errors import UsageError

__all__ = ["Step", "detect", "features"]

Times = NDArray[Any]
"""(T,) datetime64[us], or int64 where rows are steps."""

FIXED = {"millisecond": 1_000, "second": 10**6, "minute": 60 * 10**6, "hour": 3600 * 10**6}
FIXED |= {"day": 24 * FIXED["hour"], "week": 168 * FIXED["hour"]}  # microseconds
MONTHS = {"month": 1, "quarter": 3, "year": 12}
SHORT = {"ms": "millisecond", "s": "second", "min": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month"}
SHORT |= {"q": "quarter", "y": "year"}
MONDAY = 4 * FIXED["day"]  # 1970-01-05: weeks begin there
MOST = 0.8  # share of the distances that makes a rule


class Step(NamedTuple):
    """The distance from one row to the next: so many rows, seconds, hours, business days, months ...

    Example:
        >>> step = Step.of("15min")
        >>> str(step), step.season, step.ahead(np.datetime64("2024-02-29T23:45"), 1)
        ('15 minutes', 96, array(['2024-03-01T00:00:00.000000'], dtype='datetime64[us]'))
    """

    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody wants of a step
    unit: str

    @classmethod
    def of(cls, text: str) -> "Step":
        """The step that ``10s 15min 1h 1d 1w 1mo 1q 1y`` stand for."""
        found = re.fullmatch(r"(\d+) ?([a-z]+)", text.strip().lower())
        unit = SHORT.get(found[2], found[2].removesuffix("s")) if found else ""
        if not found or int(found[1]) < 1 or unit not in FIXED | MONTHS:
            raise UsageError(f"resample={text}: no step; wanted a number and a unit, as 10s 15min 1h 1d 1w 1mo 1q 1y")
        return cls(int(found[1]), unit)

    @property
    def season(self) -> int:
        """The usual season in steps: of a day below it, of a week for days, of a year above; 1 where there is none."""
        cycle = {"day": 7, "business day": 5, "week": 52, "month": 12, "quarter": 4}.get(self.unit, 0)
        if self.unit in {"minute", "hour"}:
            cycle = FIXED["day"] // FIXED[self.unit]
        return max(cycle // self.count, 1) if cycle % self.count == 0 else 1

    @property
    def week(self) -> int:
        """Steps of a week, where a day has several; else 0."""
        return 7 * self.season if self.unit in {"minute", "hour"} and self.season > 1 else 0

    def times(self, factor: int) -> "Step":
        """A step so many times as long."""
        return Step(self.count * factor, self.unit)

    def at(self, first: Any, places: NDArray[np.int64]) -> Times:
        """The stamps that lie so many steps after `first`. A month that ends is followed by months that end."""
        steps = places * self.count
        if self.unit == "row":
            return np.asarray(first, np.int64) + steps
        start: Times = np.asarray(first, "datetime64[us]")
        day = start.astype("datetime64[D]")
        after: Times
        if self.unit in FIXED:
            after = start + (steps * FIXED[self.unit]).astype("timedelta64[us]")
        elif self.unit == "business day":
            after = np.busday_offset(day, steps, roll="backward").astype("datetime64[us]") + (start - day)
        else:
            month = day.astype("datetime64[M]")
            there = month + steps * MONTHS[self.unit]
            date, last = (day - month).astype(np.int64), _length(there) - 1
            date = np.where(date == _length(month) - 1, last, np.minimum(date, last))
            after = there.astype("datetime64[D]") + date + (start - day)
        return after

    def places(self, times: Times, first: Any) -> NDArray[np.int64]:
        """How many whole steps each stamp lies after `first`."""
        start: Times = np.asarray(first, np.int64 if self.unit == "row" else "datetime64[us]")
        passed: NDArray[np.int64]
        if self.unit == "row":
            passed = times - start
        elif self.unit in FIXED:
            passed = (times - start).astype(np.int64) // FIXED[self.unit]
        elif self.unit == "business day":
            passed = np.busday_count(start.astype("datetime64[D]"), times.astype("datetime64[D]"))
        else:
            passed = (_month(times) - _month(start)) // MONTHS[self.unit]
        return passed // self.count

    def floor(self, times: Times) -> Times:
        """The last stamp at or before each that begins a step: a full hour, a Monday, the first of a month ..."""
        if self.unit in FIXED:
            origin = MONDAY if self.unit == "week" else 0
            size = self.count * FIXED[self.unit]
            return ((times.astype(np.int64) - origin) // size * size + origin).astype("datetime64[us]")
        size = self.count * MONTHS[self.unit]
        return (_month(times) // size * size).astype("datetime64[M]").astype("datetime64[us]")

    def ahead(self, last: Any, count: int) -> Times:
        """The next `count` stamps after `last`."""
        return self.at(last, np.arange(1, count + 1))

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'' if self.count == 1 else 's'}"


def detect(times: Times, fresh: NDArray[np.bool_]) -> Step | None:
    """The most common distance between neighbours; None where no two rows follow each other.

    Args:
        times: (T,) ascending inside each series.
        fresh: (T,) where a new series begins.
    """
    before, after = times[:-1][~fresh[1:]], times[1:][~fresh[1:]]
    before, after = before[before < after], after[before < after]
    if not len(after):
        return None
    if times.dtype == np.int64:
        return Step(_most(after - before)[0], "row")
    months, share = _most(_month(after) - _month(before))
    if months > 0 and np.mean(_aligned(before, after)) >= MOST:
        return _of_months(months)
    distance, usual = _most((after - before).astype(np.int64))
    if months > 0 and usual < 0.5 and share >= MOST:
        return _of_months(months)
    weekday = (times.astype("datetime64[D]").astype(np.int64) + 3) % 7
    if distance == FIXED["day"] and weekday.max() < 5 and np.any(after - before == np.timedelta64(3, "D")):
        return Step(1, "business day")
    unit = next((unit for unit, size in reversed(FIXED.items()) if distance % size == 0), "millisecond")
    return Step(max(distance // FIXED[unit], 1), unit)


def features(times: Times, step: Step) -> NDArray[np.float32]:
    r"""(T, K): :math:`\sin 2\pi\phi` and :math:`\cos 2\pi\phi` of the cycles that are longer than the step.

    In this order, as far as they are longer: hour, day, week, month, year; :math:`\phi` is the part of the cycle that has
    passed. Where rows are steps, and for steps of a year, K = 0.

    Example:
        >>> noon = np.array(["2024-01-01T12:00"], "datetime64[us]")  # a Monday, the first of a month and a year
        >>> features(noon, Step(1, "day")).round(2) + 0.0
        array([[0.43, 0.9 , 0.1 , 0.99, 0.01, 1.  ]], dtype=float32)
    """
    if step.unit == "row":
        return np.zeros((len(times), 0), np.float32)
    years = times.astype("datetime64[Y]")
    size = step.count * (FIXED.get(step.unit) or FIXED["day"] * (30 * MONTHS.get(step.unit, 0) or 1))
    micro = times.astype(np.int64)
    phases: dict[int, Callable[[], NDArray[np.float64]]] = {
        FIXED["hour"]: lambda: micro % FIXED["hour"] / FIXED["hour"],
        FIXED["day"]: lambda: micro % FIXED["day"] / FIXED["day"],
        FIXED["week"]: lambda: (micro - MONDAY) % FIXED["week"] / FIXED["week"],
        FIXED["day"] * 30: lambda: _passed(times, times.astype("datetime64[M]")),
        FIXED["day"] * 360: lambda: _passed(times, years),
    }
    longer = [phase for length, phase in phases.items() if length > size]
    waves = np.zeros((len(times), 2 * len(longer)), np.float32)
    for k, phase in enumerate(longer):
        angle = 2 * np.pi * phase()
        waves[:, 2 * k], waves[:, 2 * k + 1] = np.sin(angle), np.cos(angle)
    return waves


def _passed(times: Times, starts: Times) -> NDArray[np.float64]:
    """The part that has passed of the months or years that begin at `starts`."""
    start, end = starts.astype("datetime64[us]"), (starts + 1).astype("datetime64[us]")
    passed: NDArray[np.float64] = (times - start) / (end - start)
    return passed


def _month(times: Times) -> NDArray[np.int64]:
    months: NDArray[np.int64] = times.astype("datetime64[M]").astype(np.int64)
    return months


def _length(months: Times) -> NDArray[np.int64]:
    """Days of each month."""
    days: NDArray[np.int64] = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
    return days


def _of_months(count: int) -> Step:
    return next(Step(count // size, unit) for unit, size in reversed(MONTHS.items()) if count % size == 0)


def _aligned(before: Times, after: Times) -> NDArray[np.bool_]:
    """Whether two stamps lie on the same day of their months, at the same time; a shorter month's last day stands for it."""
    months, step = _month(after) - _month(before), Step(1, "month")
    same = before - before.astype("datetime64[M]") == after - after.astype("datetime64[M]")  # the 28th, February's last day too
    shortened = (step.at(before, months) == after) | (step.at(after, -months) == before)  # the 30th, 29 February, the 30th
    aligned: NDArray[np.bool_] = (months > 0) & (same | shortened)
    return aligned


def _most(distances: NDArray[np.int64]) -> tuple[int, float]:
    """The most common distance, the smallest of several, and its share."""
    found, counts = np.unique(distances, return_counts=True)
    return int(found[counts.argmax()]), float(counts.max() / counts.sum())
