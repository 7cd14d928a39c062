"""Figures of any generated sequences: exact matches, edits, lengths, variety."""

import math
from collections.abc import Hashable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple, Self, final

import numpy as np
from numpy.typing import NDArray

from recurra.errors import UsageError
from recurra.metrics.edits import edit_distance
from recurra.metrics.pairs import PairTotals, wilson

__all__ = ["DistinctTotals", "LengthRow", "SequenceTotals", "exact_by_length"]

Floats = NDArray[np.float64]


@final
class SequenceTotals(PairTotals):
    r"""Share of exact matches, error rate, and length of the outputs as a share of that of the references.

    .. math::
        \text{error rate} = \sum \mathrm{edits}(o, r) \Big/ \sum |r| \qquad
        \text{length ratio} = \sum |o| \Big/ \sum |r|

    A text is measured in characters; split it, and it is measured in words. The error rate may be above 1: an output can
    be wrong in more places than its reference has. NaN where all references are empty.

    Example:
        >>> totals = SequenceTotals()
        >>> totals.add(["gegangen", "gegeht"], ["gegangen", "gegeben"])
        >>> {name: round(value, 3) for name, value in totals.figures().items()}
        {'exact match': 0.5, 'error rate': 0.2, 'length ratio': 0.933}
        >>> [round(end, 3) for end in totals.interval("exact match")]
        [0.095, 0.905]
    """

    names = ("exact match", "error rate", "length ratio")
    shares = ("exact match",)

    def _measure(self, outputs: Sequence[Sequence[Hashable]], references: Sequence[Sequence[Hashable]]) -> list[list[int]]:
        rows = []
        for output, wanted in zip(outputs, references, strict=True):
            distance = edit_distance(output, wanted)
            rows.append([1, not distance, distance, len(output), len(wanted)])
        return rows

    def _score(self, name: str, sums: Floats) -> Floats:
        count, exact, distance, made, wanted = np.moveaxis(sums, -1, 0)
        above, below = {"exact match": (exact, count), "error rate": (distance, wanted), "length ratio": (made, wanted)}[name]
        score: Floats = np.divide(above, below, out=np.full_like(below, np.nan), where=below > 0)
        return score


class LengthRow(NamedTuple):
    """Exact matches among the pairs whose lengths lie between two ends, both included, and Wilson's interval."""

    shortest: int
    longest: int
    hits: int
    pairs: int
    share: float
    low: float
    high: float


def exact_by_length(
    outputs: Sequence[Sequence[Hashable]],
    references: Sequence[Sequence[Hashable]],
    *,
    lengths: Sequence[int] | None = None,
    width: int = 10,
    level: float = 0.95,
) -> tuple[LengthRow, ...]:
    """The share of exact matches as lengths grow: 1 to `width`, the next `width`, and so on; rows without pairs left out.

    Args:
        outputs: N sequences.
        references: N sequences.
        lengths: what to sort the pairs by, such as the lengths of the sources; else those of the references.
        width: how many lengths make a row; with 1, a length of 0 has its own.
        level: how often the interval holds the true share.

    Example:
        >>> for row in exact_by_length(["cba", "dcba", "abcdef"], ["cba", "dcba", "fedcba"], width=5):
        ...     print(row.shortest, row.longest, row.hits, row.pairs)
        1 5 2 2
        6 10 0 1
    """
    sizes = [len(wanted) for wanted in references] if lengths is None else lengths
    if not len(outputs) == len(references) == len(sizes):
        found = f"{len(outputs)} outputs, {len(references)} references and {len(sizes)} lengths"
        raise UsageError(f"{found}; wanted as many of each")
    if width < 1:
        raise UsageError(f"width is {width}; wanted 1 or more")
    table: dict[int, list[bool]] = {}
    for output, wanted, size in zip(outputs, references, sizes, strict=True):
        table.setdefault(-(-size // width), []).append(list(output) == list(wanted))
    rows = []
    for row, matches in sorted(table.items()):
        hits, count = sum(matches), len(matches)
        ends = max(0, (row - 1) * width + 1), row * width
        rows.append(LengthRow(*ends, hits, count, hits / count, *wilson(hits, count, level)))
    return tuple(rows)


@final
class DistinctTotals:
    r"""Distinct-1 and distinct-2: how many different words and pairs of neighbours there are among all words.

    .. math:: \text{distinct-}n = |\{\text{n-grams}\}| \, / \, \text{words}

    Longer text repeats more, so figures compare only over the same inputs, and mean little without those of the
    references. Some programs divide by the number of n-grams, which gives a higher distinct-2.
    Source: Li et al. 2016, arXiv:1510.03055.

    Example:
        >>> totals = DistinctTotals()
        >>> totals.add([["i", "do", "not", "know"], ["i", "do", "not"]])
        >>> {name: round(value, 3) for name, value in totals.figures().items()}
        {'distinct-1': 0.571, 'distinct-2': 0.429}
    """

    names = ("distinct-1", "distinct-2")

    def __init__(self) -> None:
        self.words = 0
        self._words: set[Hashable] = set()
        self._pairs: set[tuple[Hashable, Hashable]] = set()

    def add(self, outputs: Iterable[Sequence[Hashable]]) -> None:
        """Count outputs, each a list of words; a text is split at its blanks."""
        for output in outputs:
            words = output.split() if isinstance(output, str) else output
            self.words += len(words)
            self._words.update(words)
            self._pairs.update(pairwise(words))

    def __iadd__(self, other: "DistinctTotals") -> Self:
        """Take over the outputs of another."""
        self.words += other.words
        self._words |= other._words
        self._pairs |= other._pairs
        return self

    def figures(self) -> dict[str, float]:
        """Both figures by their names; NaN without words."""
        counts = (len(self._words), len(self._pairs))
        return {name: count / self.words if self.words else math.nan for name, count in zip(self.names, counts, strict=True)}
