"""Text whose columns are separated by commas or the like: every byte is looked at once before anything is made of it."""

import codecs
import csv
import gzip
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.data.counts import told_count
from recurra.errors import DataError

__all__ = ["Separated", "stream", "too_many"]

CHUNK = 1 << 22  # bytes that are looked at together
HEADER = 1 << 26  # bytes that the first line may have
SEPARATORS = "\t;|,"  # a comma may also be part of a number, so that it is the last to be thought of
NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?")
DAY = re.compile(r"\d{1,4}[-/.]\d{1,2}([-/.]\d{1,4})?([T ]\d{1,2}:\d{2}.*)?")


class Rows(NamedTuple):
    """Some rows: the line on which each begins, its fields, and whether nothing stands in it."""

    lines: NDArray[np.int64]
    fields: NDArray[np.int64]
    blank: NDArray[np.bool_]


@dataclass(frozen=True)
class Separated:
    """A file of separated columns that was found to be in order.

    Attributes:
        path: where it lies.
        content: the path again, or a stream of its bytes as UTF-8 where it is written otherwise.
        separator: between two columns.
        names: of the columns.
        headed: whether the names stand in the first line.
        blank: rows in which nothing stands, counted below the names; of a single column only those at the end.
    """

    path: Path
    content: Any
    separator: str
    names: tuple[str, ...]
    headed: bool
    blank: NDArray[np.int64]

    @classmethod
    def open(cls, path: Path, encoding: str, columns: int) -> "Separated":
        """Look at all of a file; `DataError` where it is no text, has rows of unequal length or more than `columns`."""
        raw = _recoded(path, encoding)
        record = _first(path, raw, encoding)
        if not record.strip():
            raise DataError(f"{path}, line 1: nothing stands there; wanted the names of the columns")
        bare = re.sub(r'"[^"]*"', "", record)
        separator = "\t" if ".tsv" in path.suffixes else next((sign for sign in SEPARATORS if sign in bare), ",")
        try:
            names = [name.strip() for name in next(csv.reader(io.StringIO(record, newline=""), delimiter=separator))]
        except (csv.Error, StopIteration) as error:
            raise DataError(f"{path}, line 1: {error or 'empty'}; wanted the names of the columns") from None
        too_many(str(path), len(names), columns)
        headed = not all(NUMBER.fullmatch(name) or DAY.fullmatch(name) for name in names)
        names = [name if name and headed else f"column_{k}" for k, name in enumerate(names, 1)]
        twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
        if twice is not None:
            raise DataError(f"{path}, line 1: two columns are called {twice}; wanted names that differ")
        count, blank = 0, [np.zeros(0, np.int64)]
        for rows in _rows(path, raw, separator, encoding):
            wrong = (rows.fields != len(names)) & ~rows.blank
            if wrong.any():
                line, found = rows.lines[wrong][0], rows.fields[wrong][0]
                raise DataError(f"{path}, line {line}: {told_count(int(found), 'field')}; wanted {len(names):,}, as in line 1")
            blank.append(count - headed + np.flatnonzero(rows.blank))
            count += len(rows.lines)
        empty = np.concatenate(blank)
        if len(names) == 1:
            empty = empty[empty - len(empty) + np.arange(len(empty), 0, -1) == count - headed - len(empty)]
        if count - headed == len(empty):
            raise DataError(f"{path}: no rows below the names of the columns; wanted one row for each time")
        return cls(path, path if raw is None else io.BytesIO(raw), separator, tuple(names), headed, empty)

    def line(self, row: int) -> int:
        """The line on which a row begins, both counted as people do: the first line is 1, the first row below the names 0."""
        raw = None if self.content is self.path else self.content.getvalue()
        wanted = row + self.headed
        for rows in _rows(self.path, raw, self.separator, "utf-8"):
            lines = rows.lines if len(self.names) == 1 else rows.lines[~rows.blank]
            if wanted < len(lines):
                return int(lines[wanted])
            wanted -= len(lines)
        raise IndexError(row)


def stream(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked where it is packed."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def too_many(source: str, count: int, most: int) -> None:
    """Refuse a table with very many columns before any of them is looked at."""
    if count > most:
        many = f"{count:,} columns; wanted at most {most:,}"
        raise DataError(f"{source}: {many}: give many series in long form, one below the other, with id=COLUMN")


def _recoded(path: Path, encoding: str) -> bytes | None:
    """The whole text as UTF-8 with line feeds; None where the file is that already."""
    try:
        codec = codecs.lookup(encoding).name
        "".encode(encoding)
    except (LookupError, ValueError):
        raise DataError(f"{path}: encoding={encoding} is unknown; wanted utf-8, latin-1, cp1252, utf-16, ...") from None
    with stream(path) as content:
        start = content.read(4096)
        if not start.strip():
            raise DataError(f"{path}: nothing in it; wanted a line of names and one row for each time")
        utf16 = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        if utf16 and not codec.startswith(("utf-16", "utf-32")):
            raise DataError(f"{path}: this is UTF-16, not {encoding}; say encoding=utf-16")
        if codec == "utf-8" and (b"\r" not in start or b"\n" in start):
            return None
        raw = start + content.read()
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise _strange(path, encoding, error, 0) from None
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace")


def _strange(path: Path, encoding: str, error: UnicodeDecodeError, lines: int) -> DataError:
    raw = error.object
    line = lines + raw.count(b"\n", 0, error.start) + 1
    column = error.start - raw.rfind(b"\n", 0, error.start)
    found = f"{path}, line {line}, byte {column}: 0x{raw[error.start]:02x} is not {encoding}"
    return DataError(f"{found}; say encoding=latin-1, or what it is")


def _chunks(path: Path, raw: bytes | None) -> Iterator[bytes]:
    with stream(path) if raw is None else io.BytesIO(raw) as content:
        chunk = content.read(CHUNK).removeprefix(codecs.BOM_UTF8)
        while chunk:
            yield chunk
            chunk = content.read(CHUNK)


def _first(path: Path, raw: bytes | None, encoding: str) -> str:
    """The first line; names in quotes may hold line feeds."""
    start = b""
    for chunk in _chunks(path, raw):
        start += chunk
        ends = (found.start() for found in re.finditer(rb"\n", start))
        end = next((end for end in ends if start.count(b'"', 0, end) % 2 == 0), None)
        if end is not None:
            start = start[:end]
            break
        if len(start) > HEADER:
            raise DataError(f"{path}: a first line of more than {HEADER:,} bytes; wanted the names of the columns")
    try:
        return start.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise _strange(path, encoding, error, 0) from None


def _rows(path: Path, raw: bytes | None, separator: str, encoding: str) -> Iterator[Rows]:
    """Every row of a text, a chunk at a time; a separator or line feed in quotes counts for nothing."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    lines, inside = 0, 0  # line feeds and the parity of quotes before the chunk
    begun, marks, length, before = 1, 0, 0, ord("\n")  # of the row that reaches into it: its line, separators, bytes, last byte
    for chunk in _chunks(path, raw):
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError as error:
            raise _strange(path, encoding, error, lines) from None
        if b"\0" in chunk:
            line = lines + chunk.count(b"\n", 0, chunk.index(0)) + 1
            raise DataError(f"{path}, line {line}: a byte that is 0, so this is no text in {encoding}; wanted a text file")
        letters = np.frombuffer(chunk, np.uint8)
        feeds, signs = np.flatnonzero(letters == ord("\n")), np.flatnonzero(letters == ord(separator))
        ends = feeds
        if inside or b'"' in chunk:
            quotes = np.flatnonzero(letters == ord('"'))
            opened = quotes[inside::2]
            odd = opened[
                ~np.isin(np.append(np.uint8(before), letters)[opened], [ord(separator), ord("\n"), ord("\r"), ord('"')])
            ]
            if len(odd):
                where = f"{path}, line {lines + int(np.searchsorted(feeds, odd[0])) + 1}"
                raise DataError(f"{where}: a quote in the middle of a field; wanted quotes around whole fields, or none")
            ends, signs = (found[(np.searchsorted(quotes, found) + inside) % 2 == 0] for found in (feeds, signs))
            inside = (inside + len(quotes)) % 2
        if len(ends):
            passed, fed = np.searchsorted(signs, ends), np.searchsorted(feeds, ends) + 1
            fields, lengths = np.diff(passed, prepend=0) + 1, np.diff(ends, prepend=-1) - 1
            fields[0] += marks
            lengths[0] += length
            last = np.where(ends > 0, letters[ends - 1], before)
            begins = np.append(begun, lines + fed[:-1] + 1)
            yield Rows(begins, fields, (lengths == 0) | ((lengths == 1) & (last == ord("\r"))))
            begun, marks, length = lines + int(fed[-1]) + 1, len(signs) - int(passed[-1]), len(letters) - 1 - int(ends[-1])
        else:
            marks, length = marks + len(signs), length + len(letters)
        lines, before = lines + len(feeds), int(letters[-1])
    if inside:
        raise DataError(f"{path}, line {begun}: a quote is opened and never closed; wanted it closed, or left out")
    if length and not (length == 1 and before == ord("\r")):
        yield Rows(np.array([begun]), np.array([marks + 1]), np.zeros(1, np.bool_))
