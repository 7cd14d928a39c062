"""Which column is what: named by the user, or guessed and said."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data import stamps
from recurra.data.table import Table
from recurra.errors import DataError, UsageError, near_miss

__all__ = ["HOURS", "NONE", "Roles", "few", "ids", "resolve", "split", "times"]

NONE = "none"
"""The time column where rows are steps."""

HOURS = ("hour", "hr")
"""What a column of hours is called."""

PARTS = (("year",), ("month", "mnth"), ("day",), HOURS, ("minute",))
"""What the parts of a time are called that has several columns."""

ALL = ("all",)
INDEXES = ("", "index", "unnamed: 0")


class Roles(NamedTuple):
    """Names of columns; what is empty is guessed (time, target) or not there (all others).

    Attributes:
        target: what is forecast; ``("all",)`` is every column of numbers that has no other role.
        time: a column of dates or times, several that make one (``"date,hour"``, ``"year,month,day,hour"``), or ``"none"``
            where rows are steps.
        id: the column that tells one series from another; several are joined: ``"shop,article"``.
        past: covariates known up to now.
        known: covariates known ahead as well, as prices or holidays.
        static: covariates that do not change along a series.
    """

    target: tuple[str, ...] = ()
    time: str = ""
    id: str = ""
    past: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()


def resolve(table: Table, roles: Roles) -> Roles:
    """The roles with nothing left to guess; every name in them is a column."""
    given = _given(table, roles)
    twice = next((name for name in given if given.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice}: one column, two roles; wanted one role for each column")
    time = roles.time or _time(table, given, several=bool(roles.id))
    used = {*given, *split(table, time)}
    if roles.target and (roles.target != ALL or ALL[0] in table.names):
        return roles._replace(time=time)
    free = [name for name in table.names if table.kinds[name] == "number" and name not in used and not _counter(table, name)]
    if roles.target == ALL:
        if not free:
            raise DataError(f"{table.source}: target=all: no column of numbers without another role")
        return roles._replace(time=time, target=tuple(free))
    full = [name for name in free if not table.is_empty(name)] or free
    if len(full) != 1:
        rest = [name for name in table.names if name not in used]
        if not full and len(rest) == 1:
            return roles._replace(time=time, target=(rest[0],))
        found = f"may be any of {few(full)}" if full else "no column of numbers is left"
        raise DataError(f"{table.source}: target: {found}; say target=NAME, target=A,B or target=all")
    table.notes.append(f"target: {full[0]}, the only column of numbers" + (" left" if used else ""))
    return roles._replace(time=time, target=tuple(full))


def split(table: Table, names: str) -> list[str]:
    """The columns that a word names: one, or several with commas between."""
    if names in {"", NONE} and names not in table.kinds:
        return []
    return [names] if names in table.kinds else names.split(",")


def ids(table: Table, roles: Roles, count: int) -> tuple[list[str], NDArray[np.int64]]:
    """Names of the series in the order in which they come, and (T,) the number of the series of each of `count` rows."""
    columns = split(table, roles.id)
    if not columns:
        return [""], np.zeros(count, np.int64)
    frame = table.raw(columns).select(pl.col(name).cast(pl.String) for name in columns)
    for name in columns:
        if frame[name].null_count():
            raise DataError(f"{table.place(frame[name].is_null().arg_max() or 0, name)}: no id; wanted the name of a series")
    joined = frame.select(pl.concat_str(pl.all(), separator="/")).to_series()
    names = joined.unique(maintain_order=True)
    numbers = pl.DataFrame({"name": names, "number": np.arange(len(names))})
    codes = joined.alias("name").to_frame().join(numbers, on="name", how="left", maintain_order="left")["number"]
    return names.to_list(), codes.to_numpy()


def times(table: Table, roles: Roles) -> stamps.Stamps | None:
    """The times of all rows; None where rows are steps."""
    columns = split(table, roles.time)
    if not columns:
        return None
    frame = table.raw(columns)
    found = stamps.join(frame.get_columns()) if len(columns) > 1 else stamps.read_stamps(frame[columns[0]])
    if found.wrong is None:
        return found
    if found.note:
        raise DataError(f"{table.source}, column {columns[0]}: {found.note}; wanted YYYY-MM-DD, or time=none to count rows")
    cell = frame[columns[0]][found.wrong] if len(columns) == 1 else frame.row(found.wrong)
    where = table.place(found.wrong, ",".join(columns))
    raise DataError(
        f"{where}: {cell!r} is no time; wanted YYYY-MM-DD hh:mm:ss or another common form, or time=none to count rows"
    )


def _given(table: Table, roles: Roles) -> list[str]:
    """Every name that the roles give, if there are such columns."""
    target = () if roles.target == ALL and ALL[0] not in table.kinds else roles.target
    named = {
        "target": list(target),
        "time": split(table, roles.time),
        "id": split(table, roles.id),
        "past": list(roles.past),
        "known": list(roles.known),
        "static": list(roles.static),
    }
    for role, names in named.items():
        for name in names:
            if name not in table.kinds:
                raise DataError(f"{table.source}: {role}={name}: no such column; {near_miss(name, table.names)}")
    return [name for names in named.values() for name in names]


def _time(table: Table, given: Sequence[str], *, several: bool) -> str:
    """The first column that holds times, alone or with its hours beside it; or parts of a time in several columns."""
    free = [name for name in table.names if name not in given]
    by_part = [next((name for name in free if name.lower() in names), "") for names in PARTS]
    single = next((name for name in free if stamps.is_time(table.sample[name])), "")
    parts = by_part[: by_part.index("")] if "" in by_part else by_part
    if single and single not in parts:
        hour = by_part[PARTS.index(HOURS)]
        if hour and not several and table.sample[single].is_duplicated().any() and _whole(table, hour, 23):
            return f"{single},{hour}"
        return single
    if len(parts) >= 2 and stamps.join([table.sample[name] for name in parts]).wrong is None:
        return ",".join(parts)
    if single and (several or not table.sample[single].is_duplicated().any()):
        return single
    named = next((name for name in free if stamps.NAMES.fullmatch(name) and table.kinds[name] == "text"), "")
    if named and ("date" in named.lower() or "time" in named.lower()):
        return named
    table.notes.append("time: no column of dates or times, so rows are steps")
    return NONE


def _whole(table: Table, name: str, most: int) -> bool:
    values = table.sample[name].cast(pl.Float64, strict=False)
    return not values.null_count() and bool(((values >= 0) & (values <= most) & (values == values.floor())).all())


def _counter(table: Table, name: str) -> bool:
    """Whether a column only counts the rows, as the index does that pandas writes."""
    place = table.names.index(name)
    if place or not (name.lower() in INDEXES or name == "column_1") or len(table.names) == 1:
        return False
    values = table.sample[name].cast(pl.Int64, strict=False)
    return not values.null_count() and bool((values.diff().drop_nulls() == 1).all())


def few(names: Sequence[str]) -> str:
    """Names with commas between, the first ten of them."""
    return ", ".join(names[:10]) + (f" and {len(names) - 10:,} more" if len(names) > 10 else "")
