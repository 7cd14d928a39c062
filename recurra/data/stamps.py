"""Dates and times as people write them, read column by column."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["Stamps", "is_time", "join", "read_stamps"]

NAMES = re.compile(r"(?i)(.*(date|time|stamp|epoch).*|ds|t|year|month|day|hour)")
"""What columns of times are called."""

WORDS = r"[A-Za-z]{3,9}"
DAYS = {  # how days are written, and what the calendar of strptime calls it; "?" is month or day, which the column decides
    r"(\d{4})-(\d{1,2})-(\d{1,2})": "%Y-%m-%d",
    r"(\d{4})/(\d{1,2})/(\d{1,2})": "%Y-%m-%d",
    r"(\d{1,2})\.(\d{1,2})\.(\d{4})": "%d-%m-%Y",
    r"(\d{1,2})/(\d{1,2})/(\d{4})": "?",
    r"(\d{1,2})-(\d{1,2})-(\d{4})": "?",
    rf"({WORDS})\.? (\d{{1,2}}),? (\d{{4}})": "%B-%d-%Y",
    rf"(\d{{1,2}})[ -]({WORDS})\.?[ -](\d{{4}})": "%d-%B-%Y",
    r"(\d{4})-(\d{2})()": "%Y-%m-%d",
    r"(\d{4})[- ]?(Q[1-4])()": "%Y-%m-%d",
    rf"()({WORDS})[ -](\d{{4}})": "%d-%B-%Y",
    r"((?:19|20)\d{2})(\d{2})(\d{2})": "%Y-%m-%d",
}
CLOCK = r"(?:T| +)(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?: ?([AaPp])[Mm])?"
ZONE = r" ?(Z|UTC|[+-]\d{2}(?::?\d{2})?)"
EPOCHS = ((10**8, 10**11, 10**6), (10**11, 10**14, 10**3), (10**14, 10**17, 1))  # from, below, microseconds each
SECOND = 10**6  # microseconds
DAY = 86400  # seconds
SAMPLE = 1000


class Stamps(NamedTuple):
    """A column of times.

    Attributes:
        times: (T,) datetime64[us], in UTC where the column has a zone; int64 where it counts rows.
        local: (T,) what the clock on the wall showed; None without a zone.
        wrong: the first row that holds no time, or None.
        note: what was understood, if that was a choice; or why nothing was.
    """

    times: NDArray[Any]
    local: NDArray[Any] | None = None
    wrong: int | None = None
    note: str = ""


def is_time(sample: pl.Series) -> bool:
    """Whether a column holds times, to judge by its first values and, where those are only numbers, by its name."""
    if sample.dtype.is_temporal():
        return sample.dtype not in {pl.Duration, pl.Time}
    values = sample.drop_nulls()
    if not len(values):
        return False
    if values.dtype == pl.String:
        values = values.str.strip_chars()
        if _day_pattern(values, plain=bool(NAMES.fullmatch(sample.name))):
            return True
        values = values.cast(pl.Int64, strict=False)
    if not NAMES.fullmatch(sample.name) or values.null_count() or not (values.dtype.is_integer()):
        return False
    return _unit(values, sample.name) != "row" or _counts(values)


def read_stamps(column: pl.Series) -> Stamps:
    """The times of a whole column: of a temporal type, in text, or as numbers."""
    if column.dtype.is_temporal():
        return _temporal(column)
    if column.dtype == pl.String:
        text = column.str.strip_chars()
        pattern = _day_pattern(text.head(SAMPLE).drop_nulls(), plain=bool(NAMES.fullmatch(column.name)))
        if pattern:
            return _written(text, pattern)
        column = text.cast(pl.Int64, strict=False).alias(column.name)
    if not column.dtype.is_numeric() or column.null_count() == len(column):
        return Stamps(np.zeros(0, np.int64), wrong=0)
    whole = column.cast(pl.Int64, strict=False)
    wrong = whole.is_null() | (whole.cast(pl.Float64) != column.cast(pl.Float64))
    if wrong.any():
        return Stamps(np.zeros(0, np.int64), wrong=wrong.arg_max())
    return _numbers(whole)


def join(columns: Sequence[pl.Series]) -> Stamps:
    """One time from several columns: a date and an hour, or year, month, day and hour, each going on from the one before."""
    first, *rest = columns
    parts = [part.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False) for part in rest]
    year = first.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
    if year.null_count() or not year.is_between(1000, 2999).all():
        read, lowest, highest, sizes = read_stamps(first), [0, 0, 0], [23, 59, 59], [3600, 60, 1]
        if read.wrong is not None:
            return read
        times = read.times
    else:
        lowest, highest, sizes = [1, 1, 0, 0, 0], [12, 31, 23, 59, 59], [0, DAY, 3600, 60, 1]
        times = ((year.to_numpy() - 1970) * 12).astype("datetime64[M]")
    month = None
    for part, low, high, size in zip(parts, lowest, highest, sizes, strict=False):
        wrong = ~part.is_between(low, high).fill_null(value=False)
        if wrong.any():
            return Stamps(np.zeros(0, np.int64), wrong=wrong.arg_max())
        steps = part.to_numpy() - low
        month = times if size == DAY else month
        times = times.astype("datetime64[us]") + (steps * size * SECOND).astype("timedelta64[us]") if size else times + steps
    if month is not None and (over := times.astype("datetime64[M]") != month).any():
        return Stamps(np.zeros(0, np.int64), wrong=int(over.argmax()))  # a 30th of February
    return Stamps(times.astype("datetime64[us]"))


def _temporal(column: pl.Series) -> Stamps:
    if column.null_count():
        return Stamps(np.zeros(0, np.int64), wrong=column.is_null().arg_max())
    zone = getattr(column.dtype, "time_zone", None)
    times = (column.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if zone else column).cast(pl.Datetime("us"))
    local = column.dt.replace_time_zone(None).cast(pl.Datetime("us")).to_numpy() if zone else None
    return Stamps(times.to_numpy(), local)


def _numbers(whole: pl.Series) -> Stamps:
    values = whole.to_numpy()
    unit = _unit(whole, whole.name)
    if unit == "row":
        return Stamps(values)
    if unit == "year":
        return Stamps((values - 1970).astype("datetime64[Y]").astype("datetime64[us]"))
    scale = next(scale for low, high, scale in EPOCHS if str(low) == unit)
    name = {1: "microseconds", 1000: "milliseconds", SECOND: "seconds"}[scale]
    return Stamps((values * scale).astype("datetime64[us]"), note=f"{name} since 1970")


def _unit(values: pl.Series, name: str) -> str:
    """What whole numbers count: years, parts of seconds since 1970 (named by where their range begins), or rows."""
    low, high = int(values.min()), int(values.max())  # type: ignore[arg-type]
    if "year" in name.lower() and 1000 <= low <= high < 3000:
        return "year"
    return next((str(start) for start, end, _ in EPOCHS if start <= low <= high < end), "row")


def _counts(values: pl.Series) -> bool:
    """Whether whole numbers go up in equal steps."""
    steps = values.cast(pl.Int64).diff().drop_nulls()
    return len(steps) > 0 and bool((steps == steps[0]).all()) and int(steps[0]) > 0


def _day_pattern(values: pl.Series, *, plain: bool) -> str | None:
    """The way most of the values are written, or None; eight digits without signs only where that is `plain`."""
    for pattern in DAYS:
        if pattern.startswith("((?:19") and not plain:
            continue
        if len(values) and int(values.str.contains(_whole(pattern)).sum()) * 2 > len(values):
            return pattern
    return None


def _whole(pattern: str) -> str:
    return f"^{pattern}(?:{CLOCK})?(?:{ZONE})?$"


def _written(text: pl.Series, pattern: str) -> Stamps:
    found = text.str.extract_groups(_whole(pattern)).struct
    first, second, third, hour, minute, second_of, fraction, half, zone = (found[k] for k in range(9))
    form, note = DAYS[pattern], ""
    if form == "?":
        form, note = _order(first, second)
        if not form:
            return Stamps(np.zeros(0, np.int64), note=note, wrong=0)
    if "Q" in pattern:
        second = (second.str.slice(1).cast(pl.Int64, strict=False) * 3 - 2).cast(pl.String)
    first, third = first.replace("", "1"), third.replace("", "1")
    day = (first + "-" + second + "-" + third).str.to_date(form, strict=False)
    hours = _whole_number(hour)
    bad = day.is_null() | (hours > 23) | (_whole_number(minute) > 59) | (_whole_number(second_of) > 59)
    bad = bad | (half.is_not_null() & ((hours > 12) | (hours < 1))) | (zone.is_null() != zone.is_null()[0])
    if bad.any():
        return Stamps(np.zeros(0, np.int64), wrong=bad.arg_max())
    hours = pl.select(
        pl.when(half.is_null()).then(hours).otherwise(hours % 12 + 12 * half.str.to_lowercase().eq("p").cast(pl.Int64))
    ).to_series()
    micro = _whole_number(fraction.str.slice(0, 6).str.pad_end(6, "0"))
    passed = ((hours * 60 + _whole_number(minute)) * 60 + _whole_number(second_of)) * SECOND + micro
    local = day.cast(pl.Datetime("us")).to_numpy() + passed.to_numpy().astype("timedelta64[us]")
    if zone[0] is None:
        return Stamps(local, note=note)
    digits = zone.str.replace_all(r"[Z:UTC]", "").str.pad_end(5, "0")
    minutes = digits.str.slice(1, 2).cast(pl.Int64) * 60 + digits.str.slice(3, 2).cast(pl.Int64)
    signs = np.where(digits.str.starts_with("-").to_numpy(), -1, 1)
    offset = (signs * minutes.to_numpy() * 60 * SECOND).astype("timedelta64[us]")
    return Stamps(local - offset, local, note=note)


def _whole_number(digits: pl.Series) -> pl.Series:
    return digits.cast(pl.Int64, strict=False).fill_null(0)


def _order(first: pl.Series, second: pl.Series) -> tuple[str, str]:
    """Whether day or month stands first; what decides is the column: some number must be above twelve."""
    one, two = (int(_whole_number(part).to_numpy().max()) for part in (first, second))
    if one > 12 >= two:
        return "%d-%m-%Y", "the day stands before the month"
    if two > 12 >= one:
        return "%m-%d-%Y", "the month stands before the day"
    return "", "day or month may stand first" if two <= 12 else "neither day nor month stands first throughout"
