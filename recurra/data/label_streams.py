"""Texts or series of a file, one after the other: for files of any size, of which labels are yet to be told."""

from collections.abc import Collection, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from recurra.data.columns import lines_of
from recurra.data.label_files import FINE, MARK, SEEN, entries, marked, texts_of_columns, without_marks
from recurra.data.labelled import COLUMNS, FASTA, OBJECTS, OTHERS, WHOLE, read_inputs, suffix_of
from recurra.data.lines import STANDARD_INPUT, lines

__all__ = ["stream_inputs"]

Inputs = Iterator[tuple[int, Any]]


def stream_inputs(
    path: Path, *, text: str = "", label: str = "", encoding: str = "utf-8", known: Collection[str] = ()
) -> tuple[tuple[str, ...], Inputs]:
    r"""The inputs of one file, each with its row, and the names of their channels, which texts have none of.

    Of lines, texts in columns and JSON lines no more is held than some rows; all else is read whole by `read_inputs`. Labels
    need not be there; in a file of plain lines a line is a text, unless every one of them begins with one of the `known` ones.

    Raises:
        DataError: what cannot be read, with its line.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "new.csv"
        ...     _ = path.write_text("id,text\n7,a fine film\n8,dull\n")
        ...     channels, inputs = stream_inputs(path)
        ...     print(channels, list(inputs))
        () [(2, 'a fine film'), (3, 'dull')]
    """
    if path == STANDARD_INPUT:
        return (), ((number, line.strip()) for number, line in enumerate(lines(path, encoding), 1))
    found = None if path.is_dir() else _streamed(path, text, label, encoding, known)
    if found is not None:
        return found
    read = read_inputs(path, text=text, label=label, encoding=encoding, known=known)
    return read.channels, zip(read.rows, read.inputs, strict=True)


def _streamed(
    path: Path, text: str, label: str, encoding: str, known: Collection[str]
) -> tuple[tuple[str, ...], Inputs] | None:
    """The same of what need not be held whole; None of all else."""
    suffix = suffix_of(path)
    if suffix in (*WHOLE, *FASTA, *OTHERS):
        return None
    first = next((line for line in lines(path, encoding) if line.strip()), "")
    if not first or first.startswith(">") or len(lines_of(first)) > 1:  # lines that carriage returns alone end
        return None
    if suffix in OBJECTS:
        read = entries(path, lines(path, encoding), text)
        begun = next(read)
        return begun.channels, ((one.line, one.value) for one in chain([begun], read))
    if suffix in COLUMNS or ("\t" in first and MARK not in first and _even(path, encoding)):
        texts = texts_of_columns(path, lines(path, encoding), text, label, known)
        return None if texts is None else ((), texts)
    return (), _plain(path, label, encoding, known)


def _even(path: Path, encoding: str) -> bool:
    """Whether the first lines have as many tabs each, as columns have."""
    filled = (line for line in lines(path, encoding) if line.strip())
    return len({line.count("\t") for line in islice(filled, SEEN)}) == 1


def _plain(path: Path, label: str, encoding: str, known: Collection[str]) -> Inputs:
    """Lines without the labels in front of them, if all have such."""
    labels, fine = set(known), label != "fine"
    all_marked = headed = headed_finely = True
    for line in lines(path, encoding):
        if not line.strip():
            continue
        head = line.split(None, 1)[0]
        all_marked = all_marked and marked(line.strip())
        headed = headed and head in labels
        headed_finely = headed_finely and fine and bool(FINE.fullmatch(head)) and head.partition(":")[0] in labels
        if not (all_marked or headed or headed_finely):
            break
    for number, line in enumerate(lines(path, encoding), 1):
        if all_marked:
            yield number, without_marks(line.strip())
        else:
            yield number, "".join(line.split(None, 1)[1:]) if headed or headed_finely else line.strip()
