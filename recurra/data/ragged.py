"""Many sequences of symbols, end to end in one array."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ragged"]

END = np.zeros(1, np.int32)


class Ragged(NamedTuple):
    """Sequences of unequal length: sequence k is ``flat[starts[k] : starts[k + 1]]``; one 0 stands behind them all.

    Example:
        >>> rows = Ragged.of([[5, 6], [], [7, 8, 9]])
        >>> rows.lengths, rows.padded(np.array([2, 0]))
        (array([2, 0, 3]), array([[7, 8, 9],
               [5, 6, 0]]))
    """

    flat: NDArray[np.int32]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Iterable[Sequence[int] | NDArray[np.int64]]) -> "Ragged":
        """From one sequence after the other."""
        parts = [np.asarray(row, np.int32) for row in rows]
        starts = np.fromiter(chain([0], map(len, parts)), np.int64, len(parts) + 1).cumsum()
        return cls(np.concatenate([*parts, END]), starts)

    @property
    def rows(self) -> int:
        """N, how many sequences there are."""
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(N,) how many symbols each has."""
        return np.diff(self.starts)

    def row(self, place: int) -> NDArray[np.int64]:
        """(T,) one sequence."""
        return self.flat[self.starts[place] : self.starts[place + 1]].astype(np.int64)

    def take(self, places: NDArray[np.int64]) -> "Ragged":
        """Some of the sequences, in the order that is asked for."""
        lengths = self.lengths[places]
        starts = np.append(0, lengths.cumsum())
        inside = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
        return Ragged(np.append(self.flat[np.repeat(self.starts[places], lengths) + inside], END), starts)

    def cut(self, most: int, last: bool = False) -> "Ragged":
        """At most so many symbols of each sequence, the first or the last ones.

        Example:
            >>> Ragged.of([[5, 6], [7, 8, 9]]).cut(2, last=True).row(1)
            array([8, 9])
        """
        lengths = np.minimum(self.lengths, most)
        begins = self.starts[1:] - lengths if last else self.starts[:-1]
        starts = np.append(0, lengths.cumsum())
        inside = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
        return Ragged(np.append(self.flat[np.repeat(begins, lengths) + inside], END), starts)

    def padded(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """(B, T) some of the sequences, 0 behind the end of each; T is the longest length, but at least 1."""
        starts, ends = self.starts[places][:, None], self.starts[places + 1][:, None]
        inside = starts + np.arange(max(1, (ends - starts).max(initial=0)))
        return self.flat[np.where(inside < ends, inside, -1)].astype(np.int64)
