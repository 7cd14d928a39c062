"""Time series from tables: which column is what, one row for each step, and what is not there."""

import hashlib
import json
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.data import regular
from recurra.data.calendar import Step
from recurra.data.counts import told_count
from recurra.data.regular import fill, told, too_short
from recurra.data.roles import NONE, Roles, few, ids, resolve
from recurra.data.room import fits
from recurra.data.table import Table, open_table
from recurra.errors import DataError, UsageError, near_miss

__all__ = ["Collection", "Roles", "Series", "read_series"]

FILLS = ("refuse", "linear", "last", "mask")
CATEGORIES = 1000
"""More different words in a covariate are refused."""
NAMED = 20  # more words than these must come twice each, on average, to be categories and not names or free text


class Series(NamedTuple):
    """One series of T rows, and F rows ahead of which only the known covariates are there.

    Attributes:
        name: its id; empty where there is no id column.
        times: (T + F,) datetime64[us], in UTC where the data have a zone; int64 where rows are steps.
        values: (T, C) targets, filled where missing.
        observed: (T, C) what was there; the rest is filled.
        past: (T, P) covariates known up to now.
        known: (T + F, K) covariates known ahead.
        static: (S,) covariates that do not change.
    """

    name: str
    times: NDArray[Any]
    values: NDArray[np.float64]
    observed: NDArray[np.bool_]
    past: NDArray[np.floating]
    known: NDArray[np.floating]
    static: NDArray[np.floating]


class Collection(NamedTuple):
    """One or many series of the same columns and the same step.

    Attributes:
        series: in the order in which the data name them first.
        step: from one row to the next.
        roles: as resolved; the same roles read more data of the kind.
        source: what messages call the data.
        fingerprint: SHA-256 over all of the above but the source.
        notes: what was detected or done, one line each.
        categories: the words of each covariate that holds words: its values are their places.
    """

    series: tuple[Series, ...]
    step: Step
    roles: Roles
    source: str
    fingerprint: str
    notes: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]] = {}


def read_series(
    source: str | Path | Any,
    roles: Roles = Roles(),  # noqa: B008 - a value
    *,
    encoding: str = "utf-8",
    missing: str = "refuse",
    resample: str = "",
    categories: Container[str] = (),
) -> Collection:
    """Read time series from a file, a data frame, a dict of columns or an array.

    Args:
        source: path of a .csv, .tsv, .txt, .csv.gz, .jsonl, .ndjson or .parquet file; any data frame that narwhals knows; a
            dict of columns; an array (T,) or (T, C).
        roles: what the columns are; what is left empty is guessed, and the guess is noted.
        encoding: of text files.
        missing: ``refuse`` values that are not there, or fill them: ``linear`` between neighbours, or with the ``last``
            value. ``mask`` fills as ``last``, for models that see what was observed.
        resample: a step as ``15min`` or ``1h``: each row becomes the mean of what lies in it. Empty: refuse what is irregular.
        categories: covariates whose numbers are names; those of words are always taken so.

    Raises:
        DataError: what cannot be read or used, with its place.
        UsageError: an option that does not exist.

    Example:
        >>> import numpy as np
        >>> hours = np.arange("2024-01-01", "2024-01-03", dtype="datetime64[h]")
        >>> read = read_series({"time": hours, "load": np.sin(np.arange(48))})
        >>> str(read.step), read.roles.target, read.series[0].values.shape
        ('1 hour', ('load',), (48, 1))
    """
    if missing not in FILLS:
        raise UsageError(f"missing={missing}: {near_miss(missing, FILLS)}")
    wanted = Step.of(resample) if resample else None
    table = open_table(source, encoding)
    wide = _wide(table, roles)
    roles = wide or resolve(table, roles)
    used = len(table.names) if wide else sum(map(len, (roles.target, roles.past, roles.known, roles.static)))
    fits(table.source, table.rows, used)
    if wide:
        names, step, parts = _one_in_each_row(table, wide)
        words = dict[str, tuple[str, ...]]()
        static = np.zeros((len(names), 0))
    else:
        values, words = _values(table, roles, categories)
        if wanted and (odd := [name for name in words if name not in roles.static]):
            raise DataError(f"{table.source}, column {odd[0]}: resample={resample} takes no means of words; leave it out")
        names, codes = ids(table, roles, len(values))
        moving = values.shape[1] - len(roles.static)
        static = _static(table, roles, values[:, moving:], codes, names, words)
        step, parts = regular.rows(table, roles, values[:, :moving], codes, names, missing=missing, resample=wanted)
    long = [part for part in parts if len(part.times) > 1]
    if not long:
        raise too_short(table, names)
    if len(long) < len(parts):
        table.notes.append(f"{len(parts) - len(long):,} of {len(parts):,} series have one row: left out")
    series = tuple(_series(table, roles, names[part.code], part, static[part.code], missing, words) for part in long)
    absent = 0 if wanted else sum(int((part.rows < 0).sum()) for part in long)
    _say(table, roles, series, long, absent)
    fingerprint = _fingerprint(series, step, roles, words)
    return Collection(series, step, roles, table.source, fingerprint, tuple(table.notes), words)


def _values(table: Table, roles: Roles, categories: Container[str]) -> tuple[NDArray[np.float64], dict[str, tuple[str, ...]]]:
    """(T, C) the columns of all roles, and the words of those that hold words."""
    covariates = [*roles.past, *roles.known, *roles.static]
    coded = [name for name in covariates if table.kinds[name] == "text" or name in categories]
    columns = [*roles.target, *covariates]
    if not coded:
        return table.numbers(columns), {}
    words = {}
    numbers = [name for name in columns if name not in coded]
    plain = table.numbers(numbers)
    values = np.empty((len(plain), len(columns)))
    values[:, [columns.index(name) for name in numbers]] = plain
    for name in coded:
        places, words[name] = table.words(name, CATEGORIES)
        there = int((~np.isnan(places)).sum())
        if name not in roles.static and len(words[name]) > max(NAMED, there / 2):
            where = f"{table.source}, column {name}: {len(words[name]):,} different words in {there:,} rows"
            raise DataError(f"{where}, a name or free text; wanted a category that comes again, or leave the column out")
        values[:, columns.index(name)] = places
        table.notes.append(f"covariate {name}: {len(words[name]):,} categories: {few(words[name])}")
    return values, words


def _series(
    table: Table,
    roles: Roles,
    name: str,
    part: regular.Part,
    static: NDArray[np.float64],
    missing: str,
    words: Container[str],
) -> Series:
    """Cut off what stands before the first target and behind the last, and fill what is missing between."""
    columns, count = [*roles.target, *roles.past, *roles.known], len(roles.target)
    own = slice(count, len(columns) - len(roles.known))
    there = ~np.isnan(part.values)
    rows = np.flatnonzero(there[:, :count].any(1))
    first, end = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
    if len(empty := np.flatnonzero(~there[first:end].any(axis=0))):
        where = f"{_called(table, name)}, column {columns[empty[0]]}"
        raise DataError(f"{where}: no value in it; wanted numbers, or leave the column out")
    complete = there[end:, own.stop :].all(1) if roles.known else np.zeros(0, np.bool_)
    future = int(np.argmin(np.append(complete, False)))
    times, values = part.times[first : end + future], part.values[first:end]
    gaps = ~there[first:end]
    if missing == "refuse" and gaps.any():
        row, place = (int(k) for k in np.argwhere(gaps)[0])
        line = int(part.rows[first + row])
        where = table.place(line) if line >= 0 else f"{_called(table, name)}, {told(times[row])}"
        raise DataError(f"{where}, column {columns[place]}: no value; say missing=linear, last or mask to fill such gaps")
    filled = fill(values, "linear" if missing == "linear" else "last")
    coded = [place for place, column in enumerate(columns) if column in words]
    filled[:, coded] = fill(values[:, coded], "last")
    known = np.concatenate([filled[:, own.stop :], part.values[end : end + future, own.stop :]])
    return Series(name, times, filled[:, :count].copy(), ~gaps[:, :count], filled[:, own].copy(), known, static)


def _static(
    table: Table,
    roles: Roles,
    values: NDArray[np.float64],
    codes: NDArray[np.int64],
    names: list[str],
    words: Mapping[str, Sequence[str]],
) -> NDArray[np.float64]:
    """(number of series, S): the one value that each series has."""
    order = np.argsort(codes, kind="stable")
    begins = np.flatnonzero(np.diff(codes[order], prepend=-1))
    for place, column in enumerate(roles.static):
        ordered = values[order, place]
        first = np.repeat(ordered[begins], np.diff(np.append(begins, len(order))))
        if (odd := ordered != first).any():  # NaN, too
            row = int(order[odd.argmax()])
            found = [values[row, place], first[odd.argmax()]]
            called = [words[column][int(one)] if column in words and not np.isnan(one) else f"{one:g}" for one in found]
            what = "no value" if np.isnan(found[0]) else " after ".join(called)
            series = f" in the series {names[codes[row]]}" if names[codes[row]] else ""
            raise DataError(f"{table.place(row, column)}: {what}{series}; wanted one value throughout, or past={column}")
    return values[order][begins]


def _wide(table: Table, roles: Roles) -> Roles | None:
    """The roles of a table of the M4 competition's form: columns V1, V2, V3 ..., one series in each row, its id in V1."""
    named = len(table.names) > 2 and all(name == f"V{k}" for k, name in enumerate(table.names, 1))
    own = Roles(("value",), NONE, "V1")
    return own if named and table.kinds["V1"] == "text" and roles in {Roles(), own, Roles(("value",))} else None


def _one_in_each_row(table: Table, roles: Roles) -> tuple[list[str], Step, list[regular.Part]]:
    values = table.numbers(table.names[1:])
    names, codes = ids(table, roles, len(values))
    if len(names) < len(codes):
        row = int(np.flatnonzero(np.diff(codes) != 1)[0]) + 1
        raise DataError(f"{table.place(row)}: two series are called {names[codes[row]]}; wanted one row for each")
    ends = values.shape[1] - np.argmax(~np.isnan(values[:, ::-1]), axis=1)
    table.notes.append(f"one series in each row: {len(names):,} of {ends.min():,} to {ends.max():,} values, names in V1")
    rows = [row[:end, None] for row, end in zip(values, ends, strict=True)]
    return (
        names,
        Step(1, "row"),
        [regular.Part(k, np.arange(len(row)), row, np.full(len(row), k)) for k, row in enumerate(rows)],
    )


def _say(table: Table, roles: Roles, series: tuple[Series, ...], parts: list[regular.Part], absent: int) -> None:
    """Note what was cut off, filled and found constant; refuse targets that never change."""
    for place, column in enumerate(roles.target):
        still = [one for one in series if np.ptp(one.values[:, place]) == 0]
        if len(still) == len(series):
            where = f"{table.source}, column {column}"
            raise DataError(f"{where}: {still[0].values[0, place]:g} in every row; there is nothing to forecast")
        if still:
            table.notes.append(f"{column} never changes in {len(still):,} of {len(series):,} series, as in {still[0].name}")
    for kind in ("past", "known"):
        for place, column in enumerate(getattr(roles, kind)):
            if all(np.ptp(getattr(one, kind)[:, place]) == 0 for one in series):
                table.notes.append(f"{kind} covariate {column} never changes: it tells nothing")
    filled = sum(int((~one.observed).sum()) for one in series)
    if filled:
        rows = f", {told_count(absent, 'row')} of them not there at all" if absent else ""
        table.notes.append(f"{filled:,} of {sum(one.values.size for one in series):,} target values are missing{rows}: filled")
    ahead = sum(len(one.times) - len(one.values) for one in series)
    if ahead:
        table.notes.append(f"{told_count(ahead, 'row')} at the end without target: known covariates ahead")
    cut = sum(len(part.times) for part in parts) - sum(len(one.times) for one in series)
    if cut:
        table.notes.append(f"{told_count(cut, 'row')} before the first or behind the last target: left out")
    if len(series) > 1:
        lengths = [len(one.values) for one in series]
        table.notes.append(f"{len(series):,} series of {min(lengths):,} to {max(lengths):,} rows")


def _called(table: Table, name: str) -> str:
    return f"{table.source}, series {name}" if name else table.source


def _fingerprint(series: tuple[Series, ...], step: Step, roles: Roles, words: Mapping[str, Sequence[str]]) -> str:
    digest = hashlib.sha256(json.dumps([step, roles, *([words] if words else [])]).encode())
    for one in series:
        parts = [one.times, one.values, one.observed, one.past, one.known, one.static]
        for data in (one.name.encode("utf-8", "surrogatepass"), *(np.ascontiguousarray(part).tobytes() for part in parts)):
            digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()
