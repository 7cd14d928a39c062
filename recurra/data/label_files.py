"""Files that have a text, or a series, and a label in each row: columns, JSON lines, lines that begin with their label."""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.columns import fields, find_columns, lines_of
from recurra.data.corpus import as_written
from recurra.data.labels import Labelled, bare
from recurra.data.time_series_files import ABSENT, label_text, nested, series, values
from recurra.errors import DataError, near_miss

__all__ = ["MARK", "read_columns", "read_objects", "read_plain", "read_steps"]

TEXTS = ("text", "sentence", "sequence")
LABELS = ("label", "class", "target")
SERIES = ("series", "values", "inputs", "x")
IDS = ("id", "series_id", "sequence_id")
TIMES = ("time", "timestamp", "date", "step", "t")
SEPARATORS = ",;\t|"
MARK = "__label__"
"""What stands before a label in the lines of fastText."""
FIRST = re.compile(r"[^\W\d]")  # of a name, and of no number
FINE = re.compile(r"[^\s:]+:[^\s:]+")

Row = tuple[int, list[str]]


def read_plain(path: Path, label: str = "", encoding: str = "utf-8", known: Collection[str] | None = None) -> Labelled:
    """The lines of a text file, each with its label in front: ``label text``, or ``__label__x text`` as fastText has them.

    Labels such as ``NUM:dist`` (in every line) are cut at the colon, unless `label` is ``fine``. Where `known` labels are
    given, and a line begins with none of them, there are no labels: every line is a text.
    """
    lines = [(number, line.strip()) for number, line in enumerate(_lines(as_written(path, encoding)), 1)]
    filled = [(number, line) for number, line in lines if line]
    if filled and all(f" {MARK}" in f" {line}" for _, line in filled):
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
        words = line.split(" ")
        marks = [word for word in words if word.startswith(MARK)]
        several += len(marks) > 1
        labels.append(marks[0].removeprefix(MARK))
        texts.append(" ".join(word for word in words if not word.startswith(MARK)).strip())
    notes = [f"{path.name}: {several:,} lines with several labels: the first is the label"] if several else []
    return Labelled(str(path), texts, labels, [number for number, _ in lines], notes=tuple(notes))


def read_objects(path: Path, text: str = "", label: str = "", encoding: str = "utf-8") -> Labelled:
    """The objects of a file of JSON lines, with a text or a series each.

    A series is a list of numbers, a list of lists (T, C), or an object with a list of numbers for each channel. A list of
    words is a text.
    """
    inputs, labels, rows, names = list[Any](), list[str](), list[int](), tuple[str, ...]()
    keys, mark = tuple[str, ...](), label
    for number, line in enumerate(_lines(as_written(path, encoding)), 1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        found = _object(place, line)
        if not rows:
            keys = tuple(piece.strip() for piece in text.split(",")) if text else _first(found, (*TEXTS, *SERIES))
            mark = label or next(iter(_first(found, (*LABELS, "y"))), "")
            if not keys:
                there = ", ".join(sorted(found)) or "none"
                raise DataError(f"{place}: the keys are {there}; wanted text or series: say text=KEY")
        value = _input(place, found, keys)
        channels = tuple[str, ...]()
        if not isinstance(value, str):
            value, channels = nested(f"{place}, key {keys[0]}", value)
        if not rows:
            names = channels
        elif channels != names:
            came, wanted = (", ".join(side) or "text" for side in (channels, names))
            raise DataError(f"{place}: {came}; wanted {wanted}, as in line {rows[0]}")
        inputs.append(value)
        labels.append(label_text(f"{place}, key {mark}", found.get(mark)) if mark else "")
        rows.append(number)
    if label and rows and not any(labels):
        raise DataError(f"{path}: no key {label} in it; say label=KEY")
    read = Labelled(str(path), inputs, labels, rows)
    return series(read, names) if names else read


def _object(place: str, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: no JSON ({error})") from None
    if not isinstance(found, dict):
        wanted = '{"text": "a fine film", "label": "good"}'
        raise DataError(f"{place}: no JSON object; wanted one on each line, as {wanted}")
    return found


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


def read_columns(path: Path, text: str = "", label: str = "", encoding: str = "utf-8") -> Labelled:
    """The rows of a ``.csv`` or ``.tsv`` file.

    Columns are called by their names in the first line, or by their numbers from 1 (``text=2,3`` joins two by a blank).
    Where none is called text, sentence or sequence, and there are several beside the label, they are numbers: rows of equal
    ``id`` are the steps of a series, with a channel in each column; without a column ``id`` a row is a series of one channel.
    """
    rows = [row for row in _rows(path, encoding, text, label) if any(cell.strip() for cell in row[1])]
    if not rows:
        return Labelled(str(path), [], [], [])
    first = [" ".join(cell.split()) for cell in rows[0][1]]
    asked = {piece.strip() for option in (text, label) for piece in option.split(",")} - {""}
    headed = bool(asked & set(first)) or bool(_first(first, (*TEXTS, *LABELS, *IDS)))
    header, place = first if headed else None, f"{path}, line {rows[0][0]}"
    rows = rows[headed:]
    notes = list[str]()
    marks = _chosen(place, header, label or ("".join(_first(first, LABELS)) if headed else ""))
    texts = _chosen(place, header, text or ("".join(_first(first, TEXTS)) if headed else ""))
    if not texts and not headed and not marks and len(first) == 2:
        marks, notes = _fewer(rows)
    if not texts:
        others = [k for k in range(len(first)) if k not in marks]
        texts = others if len(others) == 1 else []  # one number is no series
    least = max([*texts, *marks, -1]) + 1 if texts else len(first)
    for number, cells in rows:
        if len(cells) < least or (not texts and len(cells) > least):
            counted = "1 column" if len(cells) == 1 else f"{len(cells)} columns"
            raise DataError(f"{path}, line {number}: {counted}; wanted {'at least ' if texts else ''}{least}")
    labels = [" ".join(cells[k].strip() for k in marks) for _, cells in rows]
    labels = ["" if found == "?" else found for found in labels]
    if texts:
        inputs = [" ".join(part for part in (cells[k].strip() for k in texts) if part) for _, cells in rows]
        return Labelled(str(path), inputs, labels, [number for number, _ in rows], notes=tuple(notes))
    if not headed and not marks:
        there = f"{', '.join(cell[:20] for cell in first[:5])}{' ...' * (len(first) > 5)}"
        raise DataError(f"{place}: no column is called text or label; there are {there}: say text=NAME label=NAME, or numbers")
    return _numbers(path, header or [f"column_{k + 1}" for k in range(len(first))], rows, labels, set(marks), notes)


def _fewer(rows: Sequence[Row]) -> tuple[list[int], list[str]]:
    """Which of two columns is the label, with a note."""
    few = [len({cells[k] for _, cells in rows if len(cells) > k}) for k in (0, 1)]
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
    rows = [row for row in _rows(path, encoding, "", "") if any(cell.strip() for cell in row[1])]
    if not rows:
        raise DataError(f"{path}: nothing in it; wanted numbers, a step in each line")
    first = [" ".join(cell.split()) for cell in rows[0][1]]
    headed = any(FIRST.match(cell) and cell.lower() not in ABSENT for cell in first)
    names = first if headed else [f"channel_{k}" for k in range(1, len(first) + 1)]
    chosen = [k for k, name in enumerate(names) if name.lower() not in TIMES]
    odd = next((row for row in rows if len(row[1]) != len(first)), None)
    if odd is not None:
        raise DataError(f"{path}, line {odd[0]}: {len(odd[1])} columns; wanted {len(first)}, as in line {rows[0][0]}")
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


def _rows(path: Path, encoding: str, text: str, label: str) -> Iterator[Row]:
    lines = _lines(as_written(path, encoding))
    if not bare(path.name).lower().endswith(".csv"):
        yield from ((number, line.split("\t")) for number, line in enumerate(lines, 1))
        return
    first = next((line for line in lines if line.strip()), "")
    names = {*TEXTS, *LABELS, *IDS, *(piece.strip().lower() for option in (text, label) for piece in option.split(","))}
    named = (sign for sign in SEPARATORS if len(first.split(sign)) > 1 and names & _words(first, sign))
    yield from fields(path, lines, next(named, ","))


def _words(line: str, sign: str) -> set[str]:
    return {cell.strip().strip('"').lower() for cell in line.split(sign)}


def _lines(text: str) -> list[str]:
    return [line.removesuffix("\r") for line in lines_of(text)]
