"""Lines of a file as fields, and which of them an option means."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from recurra.errors import DataError, UsageError, near_miss

__all__ = ["fields", "find_columns", "lines_of"]


def lines_of(text: str) -> list[str]:
    """The lines of a text as it was written: line feeds end them, or carriage returns where there is no line feed."""
    lines = text.split("\n") if "\n" in text else text.split("\r")
    return lines[:-1] if not lines[-1] else lines


def fields(path: Path, lines: Iterable[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """The fields between separators, each row with its line; quotes may stand around some, and hold line feeds.

    Raises:
        DataError: quotes that do not fit, with the line.
    """
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=separator, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(f"{path}, line {number}: {error}; wanted quotes around whole fields, or none") from None


def find_columns(place: str, header: Sequence[str] | None, option: str) -> list[int]:
    """Where the columns stand that an option means: names of the header, or numbers from 1, commas between them.

    Example:
        >>> find_columns("a.csv, line 1", ["id", "text", "label"], "text,1")
        [1, 0]
    """
    if header and option in header:
        return [header.index(option)]
    found = []
    for piece in (piece.strip() for piece in option.split(",")):
        if piece.isdecimal() and int(piece):
            found.append(int(piece) - 1)
        elif header and piece in header:
            found.append(header.index(piece))
        elif piece.isdecimal() or not piece:
            raise UsageError(f"{option}: columns are counted from 1; wanted 1,2 or names, for example")
        else:
            tail = near_miss(piece, header) if header else "no names stand there; wanted numbers from 1"
            raise DataError(f"{place}: no column {piece}; {tail}")
    return found
