"""One row for each step: order, step, rows that are not there, means over longer steps."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.calendar import MONTHS, SHORT, Step, detect
from recurra.data.counts import told_count
from recurra.data.roles import HOURS, NONE, Roles, split, times
from recurra.data.table import Table
from recurra.errors import DataError, UsageError

__all__ = ["Part", "fill", "rows", "told", "too_short"]

CALENDAR = {"day", "business day", "week", *MONTHS}  # steps that follow the clock on the wall
SPARSE = 10  # times as many rows may be missing as are there
DENSE = 100  # times as many steps as there were rows, for resampling
MANY = 0.1  # share of rows whose times repeat that resampling does not hide
HOLIDAYS = 0.1  # of the business days at most, and
CLOSED = 10  # days on end at most, have no row because it was a holiday


class Part(NamedTuple):
    """One series of n steps: number of the series, times (n,), values (n, C), and the rows (n,) of the table, or -1."""

    code: int
    times: NDArray[Any]
    values: NDArray[np.float64]
    rows: NDArray[np.int64]


class Sorted(NamedTuple):
    """All rows, series by series, ascending in time: the row of the table, its time, its series, and where that begins."""

    rows: NDArray[np.int64]
    times: NDArray[Any]
    codes: NDArray[np.int64]
    fresh: NDArray[np.bool_]

    @property
    def start(self) -> NDArray[Any]:
        """The first time of the series of each row."""
        begins = np.flatnonzero(self.fresh)
        return self.times[np.repeat(begins, np.diff(np.append(begins, len(self.rows))))]


def rows(
    table: Table,
    roles: Roles,
    values: NDArray[np.float64],
    codes: NDArray[np.int64],
    names: Sequence[str],
    *,
    missing: str,
    resample: Step | None,
) -> tuple[Step, list[Part]]:
    """The step, and every series with one row for each."""
    found = times(table, roles)
    if found is None:
        if resample:
            raise UsageError(f"resample={resample}: rows have no times; name their column with time=NAME")
        line = _sorted(_counted(codes), codes)
        return Step(1, "row"), list(_parts(line, values, line.times, Step(1, "row")))
    if resample and found.times.dtype == np.int64:
        raise UsageError(f"resample={resample}: column {roles.time} counts rows; wanted a column of dates or times")
    _disorder(table, found.times, codes)
    line, zone = _sorted(found.times, codes), "" if found.local is None else " (UTC)"
    again = (line.times[1:] == line.times[:-1]) & ~line.fresh[1:]
    if again.any():
        row = int(again.argmax()) + 1
        between = "" if resample and again.mean() < MANY else _separating(table, roles, line)
        if between or not resample:
            raise _repeated(table, roles, line, row, names[line.codes[row]], between, zoned=found.local is not None)
        table.notes.append(f"{told_count(int(again.sum()), 'row')} at a time that stands there already: one mean of each time")
    step = resample or detect(line.times, line.fresh)
    if found.local is not None:
        wall = _sorted(found.local, codes)
        days = resample or detect(wall.times, wall.fresh)
        if days and days.unit in CALENDAR and (resample or np.array_equal(wall.rows, line.rows)):
            line, step, zone = wall, days, " (local time)"
    if step is None:
        raise too_short(table, names)
    if resample:
        line, values, places = _means(table, line, values, step)
    else:
        line, places = _placed(table, line, step, missing, zoned=found.local is not None)
    span = f"{told(line.times.min(), step.unit)} to {told(line.times.max(), step.unit)}{zone}"
    how = f", {found.note}" if found.note else ""
    table.notes.append(f"time: column {roles.time}{how}, {span}, step {step}")
    made = list(_parts(line, values, places, step))
    return step, [part._replace(rows=np.full(len(part.rows), -1)) for part in made] if resample else made


def too_short(table: Table, names: Sequence[str]) -> DataError:
    """No series has two rows."""
    each = " in each series" if len(names) > 1 else ""
    return DataError(f"{table.source}: 1 row{each}; wanted at least 2, and many more to learn from")


def fill(values: NDArray[np.float64], how: str) -> NDArray[np.float64]:
    """(T, C) without NaN: ``linear`` between neighbours, or the ``last`` value; before the first stands the first.

    Example:
        >>> fill(np.array([[np.nan], [1.0], [np.nan], [2.0]]), "linear")[:, 0]
        array([1. , 1. , 1.5, 2. ])
    """
    filled = values.copy()
    for column in filled.T:
        there = np.flatnonzero(~np.isnan(column))
        if len(there) == len(column) or not len(there):
            continue
        if how == "linear":
            column[:] = np.interp(np.arange(len(column)), there, column[there])
        else:
            column[:] = column[there[np.maximum(np.searchsorted(there, np.arange(len(column)), "right") - 1, 0)]]
    return filled


def told(time: Any, unit: str = "") -> str:
    """A time as people write it: without a clock where it shows midnight, as a month or a year where such are steps."""
    if not isinstance(time, np.datetime64):
        return str(time)
    first = time == time.astype("datetime64[M]")
    if first and unit in MONTHS:
        return str(time.astype("datetime64[Y]" if unit == "year" and time == time.astype("datetime64[Y]") else "datetime64[M]"))
    text = str(time.astype("datetime64[ms]")).replace("T", " ")
    return text.removesuffix(" 00:00:00.000").removesuffix(".000").removesuffix(":00")


def _counted(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of each row inside its series."""
    order = np.argsort(codes, kind="stable")
    begins = np.flatnonzero(np.diff(codes[order], prepend=-1))
    lengths = np.diff(np.append(begins, len(codes)))
    counted = np.empty(len(codes), np.int64)
    counted[order] = np.arange(len(codes)) - np.repeat(begins, lengths)
    return counted


def _sorted(stamps: NDArray[Any], codes: NDArray[np.int64]) -> Sorted:
    order = np.lexsort((stamps, codes))
    return Sorted(order, stamps[order], codes[order], np.diff(codes[order], prepend=-1) != 0)


def _disorder(table: Table, stamps: NDArray[Any], codes: NDArray[np.int64]) -> None:
    """Say it where rows are not in the order of time; they are sorted then."""
    order = np.argsort(codes, kind="stable")
    back = (np.diff(stamps[order]).astype(np.int64) < 0) & (np.diff(codes[order]) == 0)
    if back.any():
        first = table.row(int(order[1:][back].min()))
        table.notes.append(f"rows were not in the order of time, first at {first}: sorted")


def _placed(table: Table, line: Sorted, step: Step, missing: str, *, zoned: bool) -> tuple[Sorted, NDArray[np.int64]]:
    """How many steps each row lies after the first of its series; refused where that is no whole number."""
    places = step.places(line.times, line.start)
    off = step.at(line.start, places) != line.times
    if off.any() and step.unit in MONTHS:
        loose = line._replace(times=Step(1, "month").floor(line.times))
        places = step.places(loose.times, loose.start)
        if (np.diff(places)[~line.fresh[1:]] > 0).all() and (step.at(loose.start, places) == loose.times).all():
            table.notes.append("stamps lie on different days of their months: each stands for its month")
            line, off = loose, np.zeros(len(off), np.bool_)
    if off.any():
        row = int(off.argmax())
        where = f"{table.place(int(line.rows[row]))}: {told(line.times[row])}"
        off_step = f"is no whole number of steps of {step} after the first row"
        raise DataError(
            f"{where} {off_step}; say resample={_word(step)} or the like to take means, or time={NONE} to count rows"
        )
    jumps = np.where(line.fresh[1:], 1, np.diff(places)) - 1
    absent = int(jumps.sum())
    far = absent > SPARSE * len(places)
    if absent and missing == "refuse" and step == Step(1, "business day") and _holidays(jumps, len(places)):
        days = f"{absent:,} of {absent + len(places):,} business days have no row"
        table.notes.append(f"{days}: taken for holidays, rows follow each other; missing=last would fill them")
        begins = np.flatnonzero(line.fresh)
        return line, np.arange(len(places)) - np.repeat(begins, np.diff(np.append(begins, len(places))))
    if absent and (missing == "refuse" or far):
        row = int((jumps > 0).argmax()) + 1
        where = f"{table.place(int(line.rows[row]))}: {told(line.times[row])} comes after {told(line.times[row - 1])}"
        gap = f"the step is {step}, {told_count(absent, 'row')} {'is' if absent == 1 else 'are'} not there"
        hint = "" if zoned else _daylight(line.times[row], step)
        advice = "resample=1d or another longer step to take means" if far else "missing=linear, last or mask to fill"
        raise DataError(f"{where}, {gap}{hint}; say {advice}, or time={NONE} to count rows")
    return line, places


def _holidays(jumps: NDArray[np.int64], rows: int) -> bool:
    """Whether the days without a row are so few, and so few on end, that they may be holidays."""
    return bool(jumps.max() <= CLOSED and jumps.sum() <= HOLIDAYS * rows)


def _separating(table: Table, roles: Roles, line: Sorted) -> str:
    """A column that tells apart the rows of one time, as the name of a shop would; text is thought of first."""
    used = {*split(table, roles.time), *split(table, roles.id), *roles.target, *roles.past, *roles.known, *roles.static}
    free = sorted((name for name in table.names if name not in used), key=lambda name: table.kinds[name] != "text")
    for column in free[:20]:
        values = table.raw([column]).to_series().gather(line.rows).cast(pl.String, strict=False)
        rows = pl.DataFrame({"time": line.times, "series": line.codes, "value": values})
        if values.n_unique() * 2 <= len(values) and not rows.is_duplicated().any():
            return column
    return ""


def _repeated(table: Table, roles: Roles, line: Sorted, row: int, name: str, between: str, *, zoned: bool) -> DataError:
    """A time stands twice in one series: say where, and what may have been meant."""
    where = f"{table.place(int(line.rows[row]))}: {told(line.times[row])} stands at {table.row(int(line.rows[row - 1]))}, too"
    where += f", in the series {name}" if name else ""
    step = detect(line.times, line.fresh)
    if step and not zoned and (hint := _daylight(line.times[row], step)):
        return DataError(f"{where}{hint}, or say resample={_word(step)}")
    if between.lower() in HOURS and roles.time:
        return DataError(f"{where}; say time={roles.time},{between}")
    if between:
        return DataError(
            f"{where}; if column {between} tells the series apart, say id={','.join([*split(table, roles.id), between])}"
        )
    series = "" if name else " of a series, id=COLUMN where they are several"
    return DataError(f"{where}; wanted one row for each time{series}, or resample={_word(step)} to take means")


def _word(step: Step | None) -> str:
    return next((f"{step.count}{short}" for short, unit in SHORT.items() if step and unit == step.unit), "1h")


def _daylight(time: Any, step: Step) -> str:
    """What to say of a doubled or a missing hour in a night in which clocks are changed."""
    if step.unit not in {"minute", "hour"}:
        return ""
    day = time.astype("datetime64[D]")
    hour = (time - day).astype("timedelta64[h]").astype(int)
    month = day.astype("datetime64[M]").astype(int) % 12 + 1
    sunday = (day.astype(int) + 4) % 7 == 0
    if not (sunday and hour <= 3 and month in {3, 4, 9, 10, 11}):
        return ""
    return " (the night in which clocks are changed: write times with their offset, as 02:00+01:00)"


def _means(
    table: Table, line: Sorted, values: NDArray[np.float64], step: Step
) -> tuple[Sorted, NDArray[np.float64], NDArray[np.int64]]:
    """The mean of all rows in each step."""
    line = line._replace(times=step.floor(line.times))
    places = step.places(line.times, line.start)
    begins = np.flatnonzero(line.fresh)
    steps = int((places[np.append(begins[1:], len(places)) - 1] + 1).sum())
    if steps > DENSE * len(places) + 1000:
        raise DataError(f"{table.source}: resample={_word(step)} makes {steps:,} rows of {len(places):,}; wanted a longer step")
    first = np.flatnonzero(line.fresh | (np.diff(places, prepend=-1) != 0))
    ordered = values[line.rows]
    there = ~np.isnan(ordered)
    sums = np.add.reduceat(np.where(there, ordered, 0.0), first)
    counts = np.add.reduceat(there.astype(np.int64), first)
    with np.errstate(invalid="ignore"):
        means = sums / counts
    done = f"{told_count(len(first), 'mean')} of {told_count(len(places), 'row')}"
    empty = told_count(steps - len(first), "step")
    table.notes.append(f"resampled to steps of {step}: {done}, {empty} without a row")
    return Sorted(np.arange(len(first)), line.times[first], line.codes[first], line.fresh[first]), means, places[first]


def _parts(line: Sorted, values: NDArray[np.float64], places: NDArray[np.int64], step: Step) -> Iterator[Part]:
    begins = np.flatnonzero(line.fresh)
    for begin, end in zip(begins, np.append(begins[1:], len(line.rows)), strict=True):
        own = slice(begin, end)
        count = int(places[end - 1]) + 1
        numbers = np.full(count, -1, np.int64)
        numbers[places[own]] = line.rows[own]
        rows = np.full((count, values.shape[1]), np.nan)
        rows[places[own]] = values[line.rows[own]]
        grid = step.at(line.times[begin], np.arange(count))
        if count == end - begin:  # holidays are no steps
            grid = line.times[own].astype(grid.dtype)
        yield Part(int(line.codes[begin]), grid, rows, numbers)
