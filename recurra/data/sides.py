"""Pairs of texts from one file: parallel files, columns, JSON lines, or the commands of SCAN."""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, dropwhile
from pathlib import Path
from typing import Any

from recurra.data.columns import fields, find_columns, lines_of
from recurra.data.corpus import as_written
from recurra.data.counts import told_count
from recurra.data.json_lines import objects
from recurra.errors import DataError, UsageError

__all__ = ["Sides", "read_sides"]

COMMAND = re.compile(r"\s*IN:(.*?)OUT:(.*)", re.DOTALL)
DEFAULTS = {("source", "target"), ("text", "summary"), ("path", "text")}  # what tasks ask for where nobody says anything
KINDS = ("csv", "jsonl", "ndjson", "tsv", "txt")
SEPARATORS = ",;\t|"


@dataclass(frozen=True)
class Sides:
    """Sources and targets side by side.

    Attributes:
        name: where they were read.
        sources: what is read.
        targets: what is to be written for each.
        lines: of the file, counted from 1: where each pair begins.
        notes: what was understood about the file.
        counted: what `lines` counts.
    """

    name: str
    sources: list[str]
    targets: list[str]
    lines: list[int]
    notes: tuple[str, ...] = ()
    counted: str = "line"

    def __len__(self) -> int:
        return len(self.sources)

    def take(self, places: Sequence[int]) -> "Sides":
        """Some of the pairs, in the order that is asked for."""
        sources, targets = ([side[k] for k in places] for side in (self.sources, self.targets))
        return replace(self, sources=sources, targets=targets, lines=[self.lines[k] for k in places])


def read_sides(path: Path, source: str = "source", target: str = "target", encoding: str = "utf-8") -> Sides:
    r"""All pairs of one file, none left out.

    What the file is follows from its name, without a last ``.gz``:

    - it ends in ``.SOURCE`` or ``.TARGET``: one of two parallel files, line by line; the other lies beside it;
    - ``.jsonl``, ``.ndjson``: an object on each line; `source` and `target` are keys of text, or of a list of texts;
    - ``.csv``, ``.tsv``: columns, called by their names in the first line or by their numbers from 1. The first line is one of
      names only where `source` or `target` is one of them. Without it the columns are 1 and 2, unless others are asked for.
      A ``.csv`` has quotes around fields, and commas unless its line of names shows other separators; in a ``.tsv`` a quote
      is a letter like any other;
    - any other name: lines ``IN: ... OUT: ...`` as in SCAN, or columns between tabs, as the first line tells.

    ``source=1,2`` joins columns or keys by a blank. Only line feeds, alone or after a carriage return, end a line (carriage
    returns, where there is no line feed at all). Blanks at the ends of a text are dropped; else it stays as it is written, in
    whatever normal form of Unicode.

    Raises:
        DataError: a file that cannot be read so, with the line; parallel files of unequal length; no pair.
        UsageError: the same `source` and `target`.
    """
    differ(source, target)
    for side, other in ((source, target), (target, source)):
        stem = stem_of(path.name, side)
        if stem is not None:
            partner = partner_of(path, stem, other)
            return _parallel(*((path, partner) if side == source else (partner, path)), path, encoding)
    kind = path.name.removesuffix(".gz").rpartition(".")[2].lower()
    lines = lines_of(as_written(path, encoding))
    first = next((line for line in lines if line.strip()), "")
    notes: tuple[str, ...] = ()
    if kind in {"jsonl", "ndjson"}:
        rows = _of_objects(path, lines, _pieces(source), _pieces(target))
    elif kind == "csv":
        sign = next((sign for sign in SEPARATORS if _named(_cells(first, sign), source, target)), ",")
        rows, notes = _columns(path, fields(path, lines, sign), source, target)
    elif kind != "tsv" and COMMAND.fullmatch(first):
        rows, notes = _commands(path, lines), ("lines IN: ... OUT: ... as in SCAN: the source is IN, the target OUT",)
    elif kind == "tsv" or "\t" in first:
        rows, notes = _columns(path, enumerate((line.split("\t") for line in lines), 1), source, target)
    elif first:
        parallel = f"parallel files (*.{source} and *.{target} as asked for)"
        wanted = f"columns between tabs, lines IN: ... OUT: ..., .csv, .jsonl, or {parallel}"
        raise DataError(f"{path}: no tab in its first line, so no pairs; wanted {wanted}")
    else:
        rows = iter(())
    found = list(rows)
    if not found:
        raise DataError(f"{path}: no pairs in it; wanted a source and a target on each line")
    numbers, sources, targets = (list(side) for side in zip(*found, strict=True))
    return Sides(str(path), sources, targets, numbers, notes)


def differ(source: str, target: str) -> None:
    """Refuse to read both sides from one place."""
    if source == target:
        raise UsageError(f"source={source} target={target}: the same; wanted two that differ")


def stem_of(name: str, suffix: str) -> str | None:
    """``train`` of ``train.en`` and of ``train.en.gz``; None where a name ends otherwise."""
    bare = name.removesuffix(".gz")
    return bare.removesuffix(f".{suffix}") if bare.endswith(f".{suffix}") else None


def partner_of(path: Path, stem: str, suffix: str) -> Path:
    """The file beside `path` that holds the other side, packed or not."""
    names = [f"{stem}.{suffix}", f"{stem}.{suffix}.gz"]
    names = names[::-1] if path.suffix == ".gz" else names
    found = next((path.with_name(name) for name in names if path.with_name(name).exists()), None)
    if found is None and path.exists():
        raise DataError(f"{path}: no {names[0]} beside it; wanted the other side of each line there")
    return found or path


def _parallel(source: Path, target: Path, path: Path, encoding: str) -> Sides:
    sides = [[line.strip() for line in lines_of(as_written(file, encoding))] for file in (source, target)]
    if len(sides[0]) != len(sides[1]):
        counts = (f"{file}: {told_count(len(side), 'line')}" for file, side in zip((source, target), sides, strict=True))
        raise DataError(f"{', '.join(counts)}; wanted as many in both, line by line the same")
    if not sides[0]:
        raise DataError(f"{path}: no pairs in it; wanted a source and a target on each line")
    return Sides(str(path), sides[0], sides[1], list(range(1, len(sides[0]) + 1)))


def _pieces(option: str) -> list[str]:
    return [piece.strip() for piece in option.split(",")]


def _named(cells: list[str], source: str, target: str) -> bool:
    """Whether a first line holds a name that is asked for."""
    there = {cell.strip() for cell in cells}
    asked = {source, target, *_pieces(source), *_pieces(target)}
    return any(piece in there and not piece.isdecimal() for piece in asked)


Row = tuple[int, list[str]]
Pair = tuple[int, str, str]


def _columns(path: Path, rows: Iterator[Row], source: str, target: str) -> tuple[Iterator[Pair], tuple[str, ...]]:
    rows = dropwhile(lambda row: not any(map(str.strip, row[1])), rows)
    first = next(rows, None)
    if first is None:
        return iter(()), ()
    header, place = [cell.strip() for cell in first[1]], f"{path}, line {first[0]}"
    if _named(header, source, target):
        return _joined(path, rows, find_columns(place, header, source), find_columns(place, header, target)), ()
    note: tuple[str, ...] = ()
    if (source, target) in DEFAULTS:
        note = (f"no column is called {source} or {target}: the first is the {source}, the second the {target}",)
        source, target = "1", "2"
    return _joined(path, chain([first], rows), find_columns(place, None, source), find_columns(place, None, target)), note


def _joined(path: Path, rows: Iterator[Row], source: list[int], target: list[int]) -> Iterator[Pair]:
    least = max(*source, *target) + 1
    for number, cells in rows:
        if len(cells) >= least:
            yield number, _text(cells[k] for k in source), _text(cells[k] for k in target)
        elif any(cell.strip() for cell in cells):
            raise DataError(f"{path}, line {number}: {told_count(len(cells), 'column')}; wanted at least {least}")
        else:
            yield number, "", ""


def _text(parts: Iterator[str]) -> str:
    return " ".join(part for part in map(str.strip, parts) if part)


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator))
    except csv.Error:
        return []


def _commands(path: Path, lines: list[str]) -> Iterator[Pair]:
    for number, line in enumerate(lines, 1):
        found = COMMAND.fullmatch(line)
        if found:
            yield number, found[1].strip(), found[2].strip()
        elif line.strip():
            raise DataError(f"{path}, line {number}: {line[:40]!r}; wanted IN: ... OUT: ..., as in the lines before")
        else:
            yield number, "", ""


def _of_objects(path: Path, lines: list[str], source: list[str], target: list[str]) -> Iterator[Pair]:
    for number, found in objects(path, lines, '{"source": "one", "target": "eins"}'):
        sides = (_text(_value(path, number, found, key) for key in keys) for keys in (source, target))
        yield number, next(sides), next(sides)


def _value(path: Path, number: int, found: dict[str, Any], key: str) -> str:
    if key not in found:
        there = ", ".join(sorted(found)) or "none"
        raise DataError(f"{path}, line {number}: no key {key}; there are {there}: say source=KEY target=KEY")
    value = found[key]
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return _text(iter(value))
    if value is not None and not isinstance(value, str):
        raise DataError(f"{path}, line {number}, key {key}: {json.dumps(value)[:40]}; wanted text")
    return value or ""
