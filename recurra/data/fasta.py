"""FASTA: sequences of bases or amino acids, each below a line that begins with ``>``."""

import re
from pathlib import Path

from recurra.data.corpus import as_written
from recurra.data.labels import Labelled, note
from recurra.errors import DataError

__all__ = ["read_fasta"]

BASES = frozenset("ACGTUNRYSWKMBDHV")
GAPS = re.compile(r"[-.\s]")
NAMED = re.compile(r"(?:^|[\s|;])(?:label|class)\s*[=:]\s*([^\s|;]+)", re.IGNORECASE)


def read_fasta(path: Path, table: dict[str, str] | None = None, encoding: str = "utf-8") -> Labelled:
    r"""The sequences of a FASTA file as texts of capital letters.

    The label stands in the header as ``label=EI`` or ``class=EI``; else it is the last word of a header of several words,
    or what stands behind its last ``|``. `table` gives labels by the name of a sequence (its first word) instead.

    Small letters (masked repeats) are read as capitals, gaps (``-`` and ``.``) are left out, N and the other letters for
    several bases stay letters of their own, and proteins are read like DNA: each time with a note.

    Raises:
        DataError: a sequence without a header above it, or what is no letter, with its line.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder) / "genes.fa"
        ...     _ = file.write_text(">one label=EI\nACG-\nTNN\n>two label=IE\nacgt\n")
        ...     read = read_fasta(file)
        >>> read.inputs, read.labels, read.rows
        (['ACGTNN', 'ACGT'], ['EI', 'IE'], [1, 4])
    """
    heads, pieces, rows = list[str](), list[list[str]](), list[int]()
    for number, line in enumerate(as_written(path, encoding).splitlines(), 1):
        if line.startswith(">"):
            heads.append(line[1:].strip())
            pieces.append([])
            rows.append(number)
        elif line.strip() and not line.startswith(";"):
            if not heads:
                raise DataError(f"{path}, line {number}: {line[:40]!r}; wanted a line > with a name before any sequence")
            letters = GAPS.sub("", line)
            wrong = next((sign for sign in letters if not (sign.isascii() and sign.isalpha()) and sign != "*"), None)
            if wrong is not None:
                raise DataError(f"{path}, line {number}: {wrong!r}; wanted letters of bases or amino acids, gaps as - or .")
            pieces[-1].append(line.strip())
    written = ["".join(parts) for parts in pieces]
    inputs = [GAPS.sub("", whole).rstrip("*").upper() for whole in written]
    labels = [_label(head) if table is None else table.get((head.split() or [""])[0], "") for head in heads]
    read = Labelled(str(path), inputs, labels, rows)
    return Labelled(str(path), inputs, labels, rows, notes=tuple(_notes(read, written)))


def _label(head: str) -> str:
    named = NAMED.search(head)
    if named:
        return named[1]
    words = head.rpartition("|")[2].split() if "|" in head else head.split()[1:]
    return words[-1] if words else ""


def _notes(read: Labelled, written: list[str]) -> list[str]:
    places = range(len(read))
    notes = note(read, "with small letters", [k for k in places if written[k] != written[k].upper()], "read as capitals")
    notes += note(read, "with gaps", [k for k in places if GAPS.search(written[k])], "the gaps are left out")
    plain = [set(text) <= set("ACGTU") for text in read.inputs]
    other = [k for k in places if not set(read.inputs[k]) <= BASES]
    if 2 * len(other) > len(read):
        return [*notes, f"{read.name.rpartition('/')[2]}: read as proteins"]
    notes += note(read, "with letters that are no bases, as of proteins", other, "kept")
    several = [k for k in places if not plain[k] and k not in set(other)]
    return notes + note(read, "with letters for several bases, as N", several, "kept as letters of their own")
