"""Which n-grams a text has, as numbers: what linear baselines read."""

import re
from collections.abc import Sequence
from itertools import chain, repeat
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from recurra.errors import UsageError

__all__ = ["Bags", "NGrams"]

WORD = re.compile(r"\w+|[^\w\s]+")
Ints = NDArray[np.int64]


class Bags(NamedTuple):
    """The n-grams that each of N texts has, each once: those of text k are ``features[starts[k] : starts[k + 1]]``."""

    features: Ints
    starts: Ints

    @property
    def rows(self) -> Ints:
        """Which text each feature is of."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


@final
class NGrams:
    """N-grams of some texts, numbered.

    Texts of which at least half have more than one word are read as words and signs, lower-cased, with pairs of neighbours.
    Of others, if all have the same length (DNA around a place), letters and pairs of them are told apart by where they
    stand. All else is read as runs of one to four letters, with borders.

    Args:
        texts: N texts.
        most: how many n-grams are kept, the most frequent ones.

    Attributes:
        learnt: those of the texts.
        name: what they are, for tables.

    Example:
        >>> grams = NGrams(["a cat sat", "a cat"])
        >>> grams.name, grams.count, np.diff(grams.bags(["a cat", "cat cat", "no"]).starts)
        ('words and pairs', 5, array([3, 1, 0]))
    """

    def __init__(self, texts: Sequence[str], most: int = 5_000_000) -> None:
        if not len(texts) or most < 1:
            raise UsageError(f"{len(texts)} texts and most={most}; wanted at least one of both")
        lengths = {len(text) for text in texts}
        self._placed = False
        if 2 * sum(len(text.split(None, 1)) > 1 for text in texts) >= len(texts):
            self.name, self._cut, self._order = "words and pairs", _words, 2
        elif len(lengths) == 1 and len(texts[0]) > 1:
            self.name, self._cut, self._order, self._placed = "letters by place", _letters, 2, True
        else:
            self.name, self._cut, self._order = "letters", _bordered, 4
        cut = [self._cut(text) for text in texts]
        self._numbers = {piece: number for number, piece in enumerate(sorted(set(chain.from_iterable(cut))), 1)}
        self._base = len(self._numbers) + 1
        while self._base**self._order * max(lengths) >= 2**62:  # keys are whole numbers of 64 bits
            self._order -= 1
        keys, rows = self._keys(cut)
        self._known, places, times = np.unique(keys, return_inverse=True, return_counts=True)
        if len(times) > most:
            kept = np.sort(np.argsort(-times, kind="stable")[:most])
            self._known, numbers = self._known[kept], np.full(len(times), -1)
            numbers[kept] = np.arange(most)
            rows, places = rows[numbers[places] >= 0], numbers[places[numbers[places] >= 0]]
        self.learnt = self._once(rows, places, len(texts))
        self._asked, self._bags = list[str](), self._once(rows[:0], places[:0], 0)

    @property
    def count(self) -> int:
        """How many different n-grams the texts have."""
        return len(self._known)

    def bags(self, texts: Sequence[str]) -> Bags:
        """The known n-grams of other texts; the last ones are remembered, as several baselines are asked for the same."""
        if self._asked != list(texts):
            self._asked, self._bags = list(texts), self._found(texts)
        return self._bags

    def _found(self, texts: Sequence[str]) -> Bags:
        keys, rows = self._keys([self._cut(text) for text in texts])
        if not self.count:
            return self._once(rows[:0], keys[:0], len(texts))
        places = np.minimum(np.searchsorted(self._known, keys), self.count - 1)
        known = self._known[places] == keys
        return self._once(rows[known], places[known], len(texts))

    def _once(self, rows: Ints, places: Ints, count: int) -> Bags:
        both = np.sort(rows * self.count + places)  # np.unique hashes, and is far slower here
        both = both[np.diff(both, prepend=-1) > 0]
        rows, features = np.divmod(both, max(1, self.count))
        return Bags(features, np.append(0, np.bincount(rows, minlength=count).cumsum()))

    def _keys(self, cut: list[list[str]]) -> tuple[Ints, Ints]:
        """All n-grams as whole numbers to the base of the number of pieces, and which text each is of."""
        lengths = np.fromiter(map(len, cut), np.int64, len(cut))
        get = self._numbers.get
        flat = np.fromiter(map(get, chain.from_iterable(cut), repeat(0)), np.int64, int(lengths.sum()))
        rows = np.repeat(np.arange(len(cut)), lengths)
        where = np.arange(len(flat)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        keys, found = [], []
        key, whole = flat, flat > 0
        for size in range(1, self._order + 1):
            keys.append((key + where[: len(key)] * self._base**self._order if self._placed else key)[whole])
            found.append(rows[: len(key)][whole])
            after = flat[size:]
            whole = whole[: len(after)] & (after > 0) & (rows[: len(after)] == rows[size:])
            key = key[: len(after)] * self._base + after
        return np.concatenate(keys), np.concatenate(found)


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())


def _letters(text: str) -> list[str]:
    return list(text)


def _bordered(text: str) -> list[str]:
    return ["\x02", *text.lower(), "\x03"]
