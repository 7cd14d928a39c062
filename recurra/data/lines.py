"""The lines of a file of any size, one after the other."""

import codecs
import gzip
import io
import lzma
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from recurra.errors import DataError

__all__ = ["STANDARD_INPUT", "lines", "readable"]

STANDARD_INPUT = Path("-")
"""Stands for what is typed, or comes through a pipe."""


def lines(file: Path, encoding: str = "utf-8") -> Iterator[str]:
    """The lines of a file, unpacked if it ends in ``.gz`` or ``.xz``; a line feed ends one, alone or after a carriage return.

    Of the file no more is held than a line. :data:`STANDARD_INPUT` is read as it comes.

    Raises:
        DataError: a file that cannot be read, or a line that is not in this encoding.
    """
    read = 0
    try:
        with readable(file), _opened(file) as raw, io.TextIOWrapper(raw, _marked(encoding), newline="\n") as text:
            for line in text:
                read += 1
                if "\0" in line:
                    wrong = f"{file}, line {read}: a character that is 0, so this is no text in {encoding}; wanted a text file"
                    raise DataError(wrong)
                yield line.removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        found = f"{file}, line {read + 1} or soon after: 0x{error.object[error.start]:02x} is not {encoding}"
        marked = not read and error.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        say = "utf-16" if marked else "latin-1, or what it is,"
        raise DataError(f"{found}; say encoding={say} in training") from None
    except LookupError:
        raise DataError(f"{file}: encoding={encoding}: no such encoding") from None


@contextmanager
def readable(file: Path) -> Iterator[None]:
    """What the system says of a file that cannot be opened, read or unpacked becomes a line for people."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{file}: no such file or folder") from None
    except (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError):
        kind = "xz" if file.suffix == ".xz" else "gzip"
        raise DataError(f"{file}: damaged, or not compressed by {kind} as its name says") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from None


def _opened(file: Path) -> BinaryIO:
    if file == STANDARD_INPUT:
        return cast("BinaryIO", io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False)))
    if file.suffix == ".xz":
        return cast("BinaryIO", lzma.open(file))
    return cast("BinaryIO", gzip.open(file) if file.suffix == ".gz" else file.open("rb"))


def _marked(encoding: str) -> str:
    """An encoding that passes over a byte order mark, too."""
    return "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
