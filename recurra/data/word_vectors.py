"""Vectors of words that somebody else learnt, from the text format of word2vec and GloVe."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.data.counts import told_count
from recurra.data.lines import lines
from recurra.errors import DataError

__all__ = ["WordVectors", "read_word_vectors"]


class WordVectors(NamedTuple):
    """Vectors of some words.

    Attributes:
        matrix: (V, D), a row for each word that was asked for; 0 where there is none.
        found: (V,) which words have a vector.
        notes: what was understood, and found strange.
    """

    matrix: NDArray[np.float32]
    found: NDArray[np.bool_]
    notes: tuple[str, ...]

    @property
    def coverage(self) -> float:
        """The share of the words that have a vector; NaN without words."""
        return float(self.found.mean()) if len(self.found) else float("nan")


def read_word_vectors(path: Path, words: Sequence[str], encoding: str = "utf-8") -> WordVectors:
    r"""The vectors of some words from a file with ``word 0.1 0.2 ...`` on each line, packed by gzip or not.

    A first line of two numbers, as word2vec writes it, says how many words there are and how long vectors are; without it
    (GloVe) the first line of a vector says that. Only one line at a time is held. A word that is not there as it is written
    gets the vector of its small letters; of a word that stands there twice the first counts.

    Args:
        path: the file.
        words: V different words.
        encoding: of the file.

    Raises:
        DataError: a line of another length than the first, or what is no finite number, with its line; no line at all.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder) / "vectors.txt"
        ...     _ = file.write_text("2 3\ncat 1 2 3\ndog 4 5 6\n")
        ...     vectors = read_word_vectors(file, ["Dog", "mouse"])
        >>> vectors.matrix.tolist(), vectors.coverage
        ([[4.0, 5.0, 6.0], [0.0, 0.0, 0.0]], 0.5)
    """
    wanted = {word.lower() for word in words} | set(words)
    vectors: dict[str, NDArray[np.float32]] = {}
    said, size, count, again = -1, 0, 0, 0
    for number, line in enumerate(lines(path, encoding), 1):
        text = line.rstrip(" ")
        if number == 1 and _is_header(text):
            said, size = map(int, text.split())
        elif text:
            size = size or _fields(text)
            count += 1
            if size < 1 or _fields(text) < size:
                raise _wrong(path, number, _fields(text), size)
            word = text.rsplit(" ", size)[0]
            if " " in word and _is_number(word.rpartition(" ")[2]):  # words with blanks there are, but none that end so
                raise _wrong(path, number, _fields(text), size)
            if word in vectors:
                again += 1
            elif word in wanted:
                vectors[word] = _vector(path, number, text.rsplit(" ", size)[1:])
    if not count:
        raise DataError(f"{path}: no vectors in it; wanted a word and its numbers on each line")
    matrix, found, folded = np.zeros((len(words), size), np.float32), np.zeros(len(words), np.bool_), 0
    for k, word in enumerate(words):
        vector = vectors.get(word, vectors.get(word.lower()))
        if vector is not None:
            matrix[k], found[k] = vector, True
            folded += word not in vectors
    told = f"{told_count(count, 'word')} with vectors of {size}, {int(found.sum()):,} of the {len(words):,} asked for"
    notes = [f"{path.name}: {told}"]
    if said not in {-1, count}:
        notes.append(f"{path.name}: its first line says {told_count(said, 'word')}, {count:,} came")
    if again:
        notes.append(f"{path.name}: {told_count(again, 'line')} of words that stand there before: the first counts")
    if folded:
        notes.append(f"{path.name}: {told_count(folded, 'word')} with the vector of small letters")
    return WordVectors(matrix, found, tuple(notes))


def _is_header(text: str) -> bool:
    parts = text.split()
    return len(parts) == 2 and all(part.isdecimal() for part in parts)


def _fields(text: str) -> int:
    return text.count(" ")


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _vector(path: Path, number: int, cells: Sequence[str]) -> NDArray[np.float32]:
    try:
        vector = np.array(cells, np.float32)
    except ValueError:
        odd = next(cell for cell in cells if not _is_number(cell))
        raise DataError(f"{path}, line {number}: {odd[:40]!r} is no number; wanted one") from None
    if not np.isfinite(vector).all():
        raise DataError(f"{path}, line {number}: a number that is not finite; wanted finite ones")
    return vector


def _wrong(path: Path, number: int, came: int, size: int) -> DataError:
    there = told_count(came, "number")
    return DataError(f"{path}, line {number}: {there} behind the word; wanted {max(size, 1)}, as in the lines before")
