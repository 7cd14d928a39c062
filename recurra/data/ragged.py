"""Many sequences of symbols, or of vectors, end to end in one array."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ragged"]


class Ragged(NamedTuple):
    """Sequences of unequal length: sequence k is ``flat[starts[k] : starts[k + 1]]``; one step of 0 stands behind them all.

    A step is a symbol, or a vector of C numbers: then all that has shape (T,) or (B, T) below has (T, C) or (B, T, C).

    Example:
        >>> rows = Ragged.of([[5, 6], [], [7, 8, 9]])
        >>> rows.lengths, rows.padded(np.array([2, 0]))
        (array([2, 0, 3]), array([[7, 8, 9],
               [5, 6, 0]]))
    """

    flat: NDArray[Any]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Iterable[Sequence[int] | NDArray[np.int64]]) -> "Ragged":
        """From one sequence of symbols after the other."""
        return cls._joined([np.asarray(row, np.int32) for row in rows], np.zeros(1, np.int32))

    @classmethod
    def of_vectors(cls, rows: Iterable[NDArray[Any]], size: int) -> "Ragged":
        """From one sequence (T, size) after the other.

        Example:
            >>> Ragged.of_vectors([np.ones((2, 3)), np.ones((1, 3))], 3).padded(np.array([1, 0])).shape
            (2, 2, 3)
        """
        return cls._joined([np.asarray(row, np.float32) for row in rows], np.zeros((1, size), np.float32))

    @classmethod
    def _joined(cls, parts: list[NDArray[Any]], end: NDArray[Any]) -> "Ragged":
        starts = np.fromiter(chain([0], map(len, parts)), np.int64, len(parts) + 1).cumsum()
        return cls(np.concatenate([*parts, end]), starts)

    @property
    def rows(self) -> int:
        """N, how many sequences there are."""
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(N,) how many steps each has."""
        return np.diff(self.starts)

    def row(self, place: int) -> NDArray[Any]:
        """(T,) one sequence."""
        return _wide(self.flat[self.starts[place] : self.starts[place + 1]])

    def take(self, places: NDArray[np.int64]) -> "Ragged":
        """Some of the sequences, in the order that is asked for."""
        return self._of(self.starts[places], self.lengths[places])

    def cut(self, most: int, last: bool = False) -> "Ragged":
        """At most so many steps of each sequence, the first or the last ones.

        Example:
            >>> Ragged.of([[5, 6], [7, 8, 9]]).cut(2, last=True).row(1)
            array([8, 9])
        """
        lengths = np.minimum(self.lengths, most)
        return self._of(self.starts[1:] - lengths if last else self.starts[:-1], lengths)

    def _of(self, begins: NDArray[np.int64], lengths: NDArray[np.int64]) -> "Ragged":
        """Pieces that begin there and are so long."""
        starts = np.append(0, lengths.cumsum())
        inside = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
        return Ragged(self.flat[np.append(np.repeat(begins, lengths) + inside, -1)], starts)

    def padded(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """(B, T) some of the sequences, 0 behind the end of each; T is the longest length, but at least 1."""
        starts, ends = self.starts[places][:, None], self.starts[places + 1][:, None]
        inside = starts + np.arange(max(1, (ends - starts).max(initial=0)))
        return _wide(self.flat[np.where(inside < ends, inside, -1)])


def _wide(steps: NDArray[Any]) -> NDArray[Any]:
    """Symbols as torch wants to index by them, vectors as they are."""
    return steps.astype(np.int64) if steps.dtype == np.int32 else steps
