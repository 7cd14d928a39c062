"""Files that have a text, or a series, and a label in each row: columns, JSON lines, lines that begin with their label."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.data.columns import fields, find_columns, lines_of
from recurra.data.corpus import as_written
from recurra.data.counts import told_count
from recurra.data.json_lines import objects
from recurra.data.labels import Labelled, bare
from recurra.data.time_series_files import ABSENT, label_text, nested, series, values
from recurra.errors import DataError, near_miss

__all__ = [
    "FINE",
    "MARK",
    "SEEN",
    "Entry",
    "entries",
    "marked",
    "read_columns",
    "read_objects",
    "read_plain",
    "read_steps",
    "texts_of_columns",
    "without_marks",
]

TEXTS = ("text", "sentence", "sequence")
LABELS = ("label", "class", "target")
SERIES = ("series", "values", "inputs", "x")
IDS = ("id", "series_id", "sequence_id")
TIMES = ("time", "timestamp", "date", "step", "t")
SEPARATORS = ",;\t|"
MARK = "__label__"
"""What stands before a label in the lines of fastText."""
BLANK = re.compile(r"[ \t]")
FIRST = re.compile(r"[^\W\d]")  # of a name, and of no number
NAME = re.compile(r"[^\W\d]\w*")  # what may be called so: a word alone
FINE = re.compile(r"[^\s:]+:[^\s:]+")
"""A label of two parts, as NUM:dist."""
SEEN = 1000
"""Rows that tell what the columns of a file are."""

Row = tuple[int, list[str]]


class Entry(NamedTuple):
    """An object of a file of JSON lines: its line, all that stands in it, its text or series, and the names of its channels."""

    line: int
    found: dict[str, Any]
    value: Any
    channels: tuple[str, ...]


class _Columns(NamedTuple):
    """Which columns of a file are what, by their places."""

    header: list[str] | None
    width: int
    texts: list[int]
    marks: list[int]
    notes: list[str]


def read_plain(path: Path, label: str = "", encoding: str = "utf-8", known: Collection[str] | None = None) -> Labelled:
    """The lines of a text file, each with its label in front: ``label text``, or ``__label__x text`` as fastText has them.

    Labels such as ``NUM:dist`` (in every line) are cut at the colon, unless `label` is ``fine``. Where `known` labels are
    given, and a line begins with none of them, there are no labels: every line is a text.
    """
    lines = [(number, line.strip()) for number, line in enumerate(_lines(as_written(path, encoding)), 1)]
    filled = [(number, line) for number, line in lines if line]
    if filled and all(marked(line) for _, line in filled):
        return _marked(path, filled)
    heads = [line.split(None, 1)[0] for _, line in filled]
    fine = bool(heads) and all(FINE.fullmatch(head) for head in heads) and label != "fine"
    labels = [head.partition(":")[0] if fine else head for head in heads]
    if known is not None and not set(labels) <= set(known):
        return Labelled(str(path), [line for _, line in lines], [""] * len(lines), [number for number, _ in lines])
    notes = ["labels of two parts, as NUM:dist: the first is the label; say label=fine for both"] if fine else []
    texts = ["".join(line.split(None, 1)[1:]) for _, line in filled]
    return Labelled(str(path), texts, labels, [number for number, _ in filled], notes=tuple(notes))


def _marked(path: Path, lines: Sequence[tuple[int, str]]) -> Labelled:
    texts, labels, several = list[str](), list[str](), 0
    for _, line in lines:
        marks = [word for word in BLANK.split(line) if word.startswith(MARK)]
        several += len(marks) > 1
        labels.append(marks[0].removeprefix(MARK))
        texts.append(without_marks(line))
    notes = [f"{path.name}: {told_count(several, 'line')} with several labels: the first is the label"] if several else []
    return Labelled(str(path), texts, labels, [number for number, _ in lines], notes=tuple(notes))


def marked(line: str) -> bool:
    """Whether a label of fastText stands in a line."""
    return any(word.startswith(MARK) for word in BLANK.split(line))


def without_marks(line: str) -> str:
    """The text of a line of fastText.

    Example:
        >>> without_marks("__label__good a fine film")
        'a fine film'
    """
    return " ".join(word for word in BLANK.split(line) if not word.startswith(MARK)).strip()


def read_objects(path: Path, text: str = "", label: str = "", encoding: str = "utf-8") -> Labelled:
    """The objects of a file of JSON lines, with a text or a series each.

    A series is a list of numbers, a list of lists (T, C), or an object with a list of numbers for each channel. A list of
    words is a text.
    """
    read = list(entries(path, _lines(as_written(path, encoding)), text))
    mark = label or next(filter(None, ("".join(_first(one.found, (*LABELS, "y"))) for one in read)), "")
    labels = [label_text(f"{path}, line {one.line}, key {mark}", one.found.get(mark)) if mark else "" for one in read]
    if label and read and not any(labels):
        raise DataError(f"{path}: no key {label} in it; say label=KEY")
    made = Labelled(str(path), [one.value for one in read], labels, [one.line for one in read])
    return series(made, read[0].channels) if read and read[0].channels else made


def entries(path: Path, lines: Iterable[str], text: str = "") -> Iterator[Entry]:
    """The objects of lines, one after the other, each with its text or series; lines of blanks are passed over.

    Raises:
        DataError: a line that is no JSON object, has no such key, or is not of the kind of the first.
    """
    keys, first = tuple(piece.strip() for piece in text.split(",") if text), None
    for number, found in objects(path, lines, '{"text": "a fine film", "label": "good"}'):
        place = f"{path}, line {number}"
        keys = keys or _first(found, (*TEXTS, *SERIES))
        if not keys:
            there = ", ".join(sorted(found)) or "none"
            raise DataError(f"{place}: the keys are {there}; wanted text or series: say text=KEY")
        value, channels = _input(place, found, keys), tuple[str, ...]()
        if not isinstance(value, str):
            value, channels = nested(f"{place}, key {keys[0]}", value)
        read = Entry(number, found, value, channels)
        first = first or read
        if channels != first.channels:
            came, wanted = (", ".join(side) or "text" for side in (channels, first.channels))
            raise DataError(f"{place}: {came}; wanted {wanted}, as in line {first.line}")
        yield read


def _first(found: Collection[str], names: Sequence[str]) -> tuple[str, ...]:
    """The first of some names that is there, whatever its case."""
    small = {name.strip().lower(): name for name in reversed(list(found))}
    return next(((small[name],) for name in names if name in small), ())


def _input(place: str, found: dict[str, Any], keys: Sequence[str]) -> Any:
    parts = []
    for key in keys:
        if key not in found:
            raise DataError(f"{place}: no key {key}; {near_miss(key, found)}")
        value = found[key]
        if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
            value = " ".join(value)
        parts.append("" if value is None else value)
    if len(parts) > 1 and not all(isinstance(part, str) for part in parts):
        raise DataError(f"{place}: {', '.join(keys)}; wanted one key of series, or several of text")
    return " ".join(part.strip() for part in parts).strip() if isinstance(parts[0], str) else parts[0]


def read_columns(
    path: Path, text: str = "", label: str = "", encoding: str = "utf-8", known: Collection[str] | None = None
) -> Labelled:
    """The rows of a ``.csv`` or ``.tsv`` file.

    Columns are called by their names in the first line, or by their numbers from 1 (``text=2,3`` joins two by a blank).
    Where none is called text, sentence or sequence, and there are several beside the label, they are numbers: rows of equal
    ``id`` are the steps of a series, with a channel in each column; without a column ``id`` a row is a series of one channel.
    Where `known` labels are given, the label need not be there, and of two columns without names it is the one that holds them.
    """
    rows = list(_rows(path, _lines(as_written(path, encoding)), text, label))
    if not rows:
        return Labelled(str(path), [], [], [])
    of = _columns(path, rows[:SEEN], text, label, known)
    rows = rows[of.header is not None :]
    least = max([*of.texts, *of.marks]) + 1 if of.texts else of.width
    for number, cells in rows:
        if len(cells) < least or (not of.texts and len(cells) > least):
            raise _narrow(path, number, cells, f"{'at least ' if of.texts else ''}{least}")
        if of.texts:
            _check_width(path, number, cells, of)
    labels = [" ".join(cells[k].strip() for k in of.marks) for _, cells in rows]
    labels = ["" if found == "?" else found for found in labels]
    if of.texts:
        inputs = [_joined(cells, of.texts) for _, cells in rows]
        return Labelled(str(path), inputs, labels, [number for number, _ in rows], notes=tuple(of.notes))
    return _numbers(path, of.header or [f"column_{k + 1}" for k in range(of.width)], rows, labels, set(of.marks), of.notes)


def texts_of_columns(
    path: Path, lines: Iterable[str], text: str = "", label: str = "", known: Collection[str] = ()
) -> Iterator[tuple[int, str]] | None:
    """The texts of columns that `read_columns` reads, one after the other, each with its line; None where there are none.

    The label need not be there; of two columns without names it is the one that holds `known` labels.

    Raises:
        DataError: a row without a text, with its line.
    """
    rows = _rows(path, lines, text, label)
    first = list(islice(rows, SEEN))
    if not first:
        return None
    of = _columns(path, first, text, label, known)
    begun = first[of.header is not None :]
    return _texts(path, chain(begun, rows), of) if of.texts and begun else None


def _texts(path: Path, rows: Iterable[Row], of: _Columns) -> Iterator[tuple[int, str]]:
    least = max(of.texts) + 1
    for number, cells in rows:
        if len(cells) < least:
            raise _narrow(path, number, cells, f"at least {least}")
        _check_width(path, number, cells, of)
        yield number, _joined(cells, of.texts)


def _check_width(path: Path, number: int, cells: Sequence[str], of: _Columns) -> None:
    """Refuse a row with more cells than the first, where one is likely a piece of a text."""
    if any(map(str.strip, cells[of.width :])) and (of.header or bare(path.name).lower().endswith(".csv")):
        wanted = f"{of.width}, as in its first line; quotes go around a text that holds the separator"
        raise DataError(f"{path}, line {number}: {told_count(len(cells), 'column')}; wanted {wanted}")


def _joined(cells: Sequence[str], places: Sequence[int]) -> str:
    return " ".join(part for part in (cells[k].strip() for k in places) if part)


def _narrow(path: Path, number: int, cells: Sequence[str], wanted: str) -> DataError:
    tabs = "" if _named(path) else ", with tabs between them, as in its first line"
    return DataError(f"{path}, line {number}: {told_count(len(cells), 'column')}; wanted {wanted}{tabs}")


def _columns(path: Path, rows: Sequence[Row], text: str, label: str, known: Collection[str] | None) -> _Columns:
    """What the first rows of a file tell of its columns; with `known` labels, that of the label need not be there."""
    first = [" ".join(cell.split()) for cell in rows[0][1]]
    if known is not None and label not in first:
        label = label if all(piece.isdecimal() or piece in first for piece in map(str.strip, label.split(","))) else ""
    asked = {piece.strip() for option in (text, label) for piece in option.split(",")}
    asked = {piece for piece in asked if piece and not piece.isdecimal()}  # a 2 in the first row is no name
    headed = bool(asked & set(first)) or bool(_first(first, (*TEXTS, *LABELS, *IDS)))
    header, place, notes = first if headed else None, f"{path}, line {rows[0][0]}", list[str]()
    marks = _chosen(place, header, label or ("".join(_first(first, LABELS)) if headed else ""))
    texts = _chosen(place, header, text or ("".join(_first(first, TEXTS)) if headed else ""))
    alone = len(first) == 1 < len(rows) and _named(path)
    if alone and not text and not headed and known is not None and NAME.fullmatch(first[0]):
        wanted = "text there, as its name, or the texts in a .txt file"
        raise DataError(f"{place}: one column, of which {first[0]!r} may be the name or a text; wanted {wanted}")
    if not texts and not headed and not marks and len(first) == 2:
        marks, notes = _fewer(rows, known or ())
    if not texts:
        others = [k for k in range(len(first)) if k not in marks]
        texts = others if len(others) == 1 else []  # one number is no series
    if not texts and not headed and not marks:
        there = f"{', '.join(cell[:20] for cell in first[:5])}{' ...' * (len(first) > 5)}"
        raise DataError(f"{place}: no column is called text or label; there are {there}: say text=NAME label=NAME, or numbers")
    return _Columns(header, len(first), texts, marks, notes)


def _fewer(rows: Sequence[Row], known: Collection[str]) -> tuple[list[int], list[str]]:
    """Which of two columns is the label, with a note."""
    different = [{cells[k].strip() for _, cells in rows if len(cells) > k} for k in (0, 1)]
    ours = [k for k in (0, 1) if different[k] <= set(known)]
    if len(ours) == 1:
        return ours, []
    few = [len(each) for each in different]
    mark = 0 if few[0] < few[1] else 1
    name = ("first", "second")[mark]
    return [mark], [f"no column is called text or label: the {name}, of fewer different words, is the label"]


def _numbers(
    path: Path, header: list[str], rows: Sequence[Row], labels: list[str], marks: set[int], notes: list[str]
) -> Labelled:
    """Series in long form, or one in each row."""
    ids = [header.index(name) for name in _first(header, IDS)]
    times = [k for k, name in enumerate(header) if name.lower() in TIMES and k not in marks] if ids else []
    if times:
        notes.append(f"{path.name}: column {', '.join(header[k] for k in times)} is not read: steps stand in their order")
    chosen = [k for k in range(len(header)) if k not in {*marks, *ids, *times}]
    if not chosen:
        raise DataError(f"{path}: no column of numbers beside {', '.join(header)}; wanted one for each channel")
    found = [_row(path, number, header, cells, chosen) for number, cells in rows]
    if not ids or (len({cells[ids[0]] for _, cells in rows}) == len(rows) and len(chosen) > 1):  # a row each is no long form
        read = Labelled(str(path), [one[:, None] for one in found], labels, [number for number, _ in rows], notes=tuple(notes))
        return series(read, ("value",))
    steps: dict[str, list[int]] = {}
    for k, (_, cells) in enumerate(rows):
        steps.setdefault(cells[ids[0]].strip(), []).append(k)
    for places in steps.values():
        odd = next((k for k in places if labels[k] != labels[places[0]]), None)
        if odd is not None:
            name = rows[odd][1][ids[0]].strip()
            two = f"label {labels[odd]!r}, {labels[places[0]]!r} in line {rows[places[0]][0]}"
            raise DataError(f"{path}, line {rows[odd][0]}: {header[ids[0]]} {name} has {two}; wanted one label a series")
    inputs = [np.stack([found[k] for k in places]) for places in steps.values()]
    firsts = [places[0] for places in steps.values()]
    read = Labelled(str(path), inputs, [labels[k] for k in firsts], [rows[k][0] for k in firsts], notes=tuple(notes))
    return series(read, tuple(header[k] for k in chosen))


def read_steps(path: Path, encoding: str = "utf-8") -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """One series (T, C) from a file of columns, a step in each row, and the names of its channels."""
    rows = list(_rows(path, _lines(as_written(path, encoding)), "", ""))
    if not rows:
        raise DataError(f"{path}: nothing in it; wanted numbers, a step in each line")
    first = [" ".join(cell.split()) for cell in rows[0][1]]
    headed = any(FIRST.match(cell) and cell.lower() not in ABSENT for cell in first)
    names = first if headed else [f"channel_{k}" for k in range(1, len(first) + 1)]
    chosen = [k for k, name in enumerate(names) if name.lower() not in TIMES]
    if not chosen:
        raise DataError(f"{path}: no column of numbers beside {', '.join(names)}; wanted one for each channel")
    odd = next((row for row in rows if len(row[1]) != len(first)), None)
    if odd is not None:
        came = told_count(len(odd[1]), "column")
        raise DataError(f"{path}, line {odd[0]}: {came}; wanted {len(first)}, as in line {rows[0][0]}")
    steps = [_row(path, number, names, cells, chosen) for number, cells in rows[headed:]]
    return np.array(steps, np.float32).reshape(-1, len(chosen)), tuple(names[k] for k in chosen)


def _row(path: Path, number: int, header: list[str], cells: list[str], chosen: list[int]) -> Any:
    try:
        return values("", [cells[k] for k in chosen])
    except DataError:
        for k in chosen:
            try:
                values("", [cells[k]])
            except DataError as error:
                wrong = str(error).partition(": ")[2].partition(";")[0]
                wanted = "numbers in every column but id and label; of texts, say text=COLUMN"
                raise DataError(f"{path}, line {number}, column {header[k]}: {wrong}; wanted {wanted}") from None
        raise


def _chosen(place: str, header: list[str] | None, option: str) -> list[int]:
    """Where the columns of an option stand; nowhere, if it is not given."""
    return find_columns(place, header, option) if option else []


def _rows(path: Path, lines: Iterable[str], text: str, label: str) -> Iterator[Row]:
    """The rows in which something stands."""
    left, begun = iter(lines), list[str]()
    for line in left:
        begun.append(line)
        if line.strip():
            break
    whole = chain(begun, left)
    if not bare(path.name).lower().endswith(".csv"):
        rows: Iterator[Row] = ((number, line.split("\t")) for number, line in enumerate(whole, 1))
    else:
        options = (piece.strip().lower() for option in (text, label) for piece in option.split(","))
        names = {*TEXTS, *LABELS, *IDS, *options} - {""}
        first = begun[-1] if begun else ""
        named = (sign for sign in SEPARATORS if len(first.split(sign)) > 1 and names & _words(first, sign))
        rows = fields(path, whole, next(named, ","))
    return (row for row in rows if any(cell.strip() for cell in row[1]))


def _named(path: Path) -> bool:
    """Whether a name says that a file has columns."""
    return bare(path.name).lower().endswith((".csv", ".tsv"))


def _words(line: str, sign: str) -> set[str]:
    return {cell.strip().strip('"').lower() for cell in line.split(sign)}


def _lines(text: str) -> list[str]:
    return [line.removesuffix("\r") for line in lines_of(text)]
