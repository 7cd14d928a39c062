"""CoNLL files: a word on each line, its tag in another column, an empty line behind each sentence."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from recurra.data.counts import told_count
from recurra.data.schemes import entities, scheme_of, strange_places
from recurra.data.sentences import Sentence, of_words
from recurra.errors import DataError

__all__ = ["Block", "blocks", "has_columns", "read_conll", "token_column"]

DOCUMENT = "-DOCSTART-"
BLANKS = re.compile(r"[ \t]+")
TAG = re.compile(r"O|[BIESLUMW](-.+)?")
SAID = {"iob1": "IOB1", "iob2": "IOB2", "iobes": "IOBES", "words": "no scheme, each word has a label of its own"}


class Block(NamedTuple):
    """The lines of one sentence: their numbers, and the columns of each."""

    numbers: list[int]
    rows: list[list[str]]


def read_conll(path: Path, lines: Iterable[str], token: int = 0, tag: int = 0) -> tuple[list[Sentence], str, list[str]]:
    """The sentences of a CoNLL file, the scheme of its tags, and notes of what was understood.

    Columns have tabs between them if the first line has one, else blanks or tabs. Lines ``-DOCSTART-`` are passed over, and so
    are those that begin with ``#`` and have another number of columns than the first.

    Args:
        path: named in messages.
        lines: of the file.
        token: the column of the words, counted from 1; 0 takes the first that is no running number.
        tag: the column of the tags; 0 takes the last in which all are ``O`` or have a prefix (``B-``, ``I-``, ...), and the
            last of all where there is none such.

    Raises:
        DataError: a line with another number of columns, an empty tag, a column that is not there, or tags of which only some
            have a prefix, with its line.
    """
    notes = list[str]()
    found = list(blocks(path, lines, notes, least=2))
    if not found:
        return [], "iob2", notes
    width = len(found[0].rows[0])
    for name, column in (("token", token), ("tag", tag)):
        if column > width:
            raise DataError(f"{path}, line {found[0].numbers[0]}: {told_count(width, 'column')}; {name}={column} is not there")
    words, marks = _chosen(found, width, token, tag)
    if words == marks:
        raise DataError(
            f"{path}: column {words + 1} would be words and tags; wanted two columns at least, or say token= and tag="
        )
    tags = [[row[marks] for row in block.rows] for block in found]
    scheme, told = _scheme(path, found, tags, marks)
    name = Path(path).name
    notes.append(f"{name}: words in column {words + 1}, tags in column {marks + 1} of {width}: {told}")
    sentences = [
        of_words([row[words] for row in block.rows], entities(own, scheme), block.numbers[0])
        for block, own in zip(found, tags, strict=True)
    ]
    return sentences, scheme, notes


def blocks(path: Path, lines: Iterable[str], notes: list[str] | None = None, least: int = 1) -> Iterator[Block]:
    """The sentences of a CoNLL file as columns, `least` or more, one after the other; notes come behind the last.

    Raises:
        DataError: a line with another number of columns than the first, or an empty one.
    """
    block, first, tabs, mixed, comments = Block([], []), 0, False, list[int](), list[int]()
    width = 0
    for number, text in enumerate(lines, 1):
        line = text.rstrip("\r\n")
        if not line.strip(" \t"):
            if block.rows:
                yield block
                block = Block([], [])
            continue
        if not first:
            tabs = "\t" in line
        cells = line.strip(" ").split("\t") if tabs else BLANKS.split(line.strip(" \t"))
        if cells[0] == DOCUMENT:
            if block.rows:
                yield block
                block = Block([], [])
            continue
        if not first:
            if line.startswith("#") and not tabs and len(cells) > 1 and cells[0] == "#":
                comments.append(number)
                continue
            if len(cells) < least:
                wanted = "wanted a word and its tag, with tabs or blanks between them"
                raise DataError(f"{path}, line {number}: 1 column; {wanted}")
            first, width = number, len(cells)
        if len(cells) != width:
            if line.startswith("#"):
                comments.append(number)
                continue
            sign = "tabs" if tabs else "blanks"
            wanted = f"wanted {width}, with {sign} between them, as in line {first}"
            raise DataError(f"{path}, line {number}: {told_count(len(cells), 'column')}; {wanted}")
        if tabs:
            cells = [cell.strip(" ") for cell in cells]
            if "" in cells:
                raise DataError(f"{path}, line {number}: column {cells.index('') + 1} is empty; wanted text")
        elif "\t" in line:
            mixed.append(number)
        block.numbers.append(number)
        block.rows.append(cells)
    if block.rows:
        yield block
    if notes is not None:
        name = Path(path).name
        for places, what in (
            (mixed, "with tabs, others with blanks: both were read"),
            (comments, "with # in front: passed over"),
        ):
            if places:
                notes.append(f"{name}: {told_count(len(places), 'line')} (the first is {places[0]}) {what}")


def _chosen(found: Sequence[Block], width: int, token: int, tag: int) -> tuple[int, int]:
    """The columns of words and tags, counted from 0."""
    marks = tag - 1
    if not tag:
        seen = [{row[k] for block in found for row in block.rows} for k in range(width)]
        fits = [k for k in range(width) if all(map(TAG.fullmatch, seen[k]))]
        own = [k for k in fits if k or width == 1]
        marks = own[-1] if own else width - 1
    return token_column([row for block in found[:100] for row in block.rows], token, marks), marks


def has_columns(line: str) -> bool:
    r"""Whether a first line shows that a file has columns: a document begins, or a tag stands behind a tab.

    Example:
        >>> has_columns("-DOCSTART- -X- O O"), has_columns("Rome\tB-LOC"), has_columns("My blood is O")
        (True, True, False)
    """
    return line.startswith(DOCUMENT) or ("\t" in line and TAG.fullmatch(line.rpartition("\t")[2].strip()) is not None)


def token_column(rows: Sequence[Sequence[str]], token: int = 0, marks: int = -1) -> int:
    """The column of the words, counted from 0: the one that is named, else the first that is no running number, nor `marks`."""
    free = [token - 1] if token else [k for k in range(len(rows[0])) if k != marks] or [0]
    return next((k for k in free if not all(row[k].isdecimal() for row in rows)), free[0])


def _scheme(path: Path, found: Sequence[Block], tags: list[list[str]], column: int) -> tuple[str, str]:
    """The scheme of the tags, and what to say of it."""
    scheme = scheme_of(tags)
    counts = Counter(tag for own in tags for tag in own)
    if scheme == "words":
        return scheme, f"{SAID[scheme]}, {len(counts):,} different ones"
    for block, own in zip(found, tags, strict=True):
        for number, tag in zip(block.numbers, own, strict=True):
            if not TAG.fullmatch(tag):
                wanted = "O, or a prefix and a label, as B-PER, like the others"
                raise DataError(f"{path}, line {number}: tag {tag!r} in column {column + 1}; wanted {wanted}, or say tag=")
    told = (
        "BILOU" if any(tag[0] in "LU" for tag in counts) else "BMES" if any(tag[0] in "MW" for tag in counts) else SAID[scheme]
    )
    strange = strange_places(tags, scheme)
    if not strange:
        return scheme, told
    place, word = strange[0]
    some = f"{told_count(len(strange), 'tag')} {'is' if len(strange) == 1 else 'are'}"
    where = f"the first in line {found[place].numbers[word]}" if len(strange) > 1 else f"line {found[place].numbers[word]}"
    return scheme, f"{told}, in which {some} impossible ({where}): read as conlleval reads them"
