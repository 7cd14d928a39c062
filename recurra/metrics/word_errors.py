"""How far transcripts are from what was said: words and characters substituted, deleted and inserted."""

from collections.abc import Hashable, Sequence
from typing import Generic, NamedTuple, TypeVar, final

import numpy as np
from numpy.typing import NDArray

from recurra.metrics.edits import edit_distance
from recurra.metrics.pairs import PairTotals

__all__ = ["Edit", "TranscriptTotals", "alignment", "side_by_side"]

Floats = NDArray[np.float64]
Symbol = TypeVar("Symbol", bound=Hashable)


class Edit(NamedTuple, Generic[Symbol]):
    """One step of an alignment: what was wanted and what came; None on the side that has nothing there."""

    wanted: Symbol | None
    came: Symbol | None


def alignment(output: Sequence[Symbol], reference: Sequence[Symbol]) -> list[Edit[Symbol]]:
    """The fewest edits that make the reference the output, in order, and what they leave alone.

    Of several ways with as few edits one is taken that has the fewest insertions and deletions.

    Example:
        >>> for wanted, came in alignment("the red big cat".split(), "a red cat".split()):
        ...     print(wanted, came)
        a the
        red red
        None big
        cat cat
    """
    costs = _costs(output, reference)
    i, j, edits = len(reference), len(output), list[Edit[Symbol]]()
    while i or j:
        same = i and j and costs[i][j] == costs[i - 1][j - 1] + (PAIR if reference[i - 1] != output[j - 1] else 0)
        gone = not same and i and costs[i][j] == costs[i - 1][j] + GAP
        edits.append(Edit(reference[i - 1] if same or gone else None, None if gone else output[j - 1]))
        i, j = i - bool(same or gone), j - (not gone)
    return edits[::-1]


PAIR = 1_000_001  # an edit, and beside it: what decides among ways of as many edits
GAP = 1_000_002


def _costs(output: Sequence[Symbol], reference: Sequence[Symbol]) -> list[list[int]]:
    """(reference + 1) x (output + 1): what making each beginning of the one that of the other costs."""
    table = [[GAP * j for j in range(len(output) + 1)]]
    for i, wanted in enumerate(reference, 1):
        above, row = table[-1], [GAP * i]
        for j, came in enumerate(output, 1):
            row.append(min(above[j - 1] + (PAIR if wanted != came else 0), above[j] + GAP, row[-1] + GAP))
        table.append(row)
    return table


def side_by_side(output: str, reference: str) -> str:
    """Two lines, word under word: what was wanted, and what came; a row of stars where one of them has nothing.

    Example:
        >>> print(side_by_side("the red big cat", "a red cat"))
        wanted   a  red *** cat
        came    the red big cat
    """
    columns = []
    for wanted, came in alignment(output.split(), reference.split()):
        width = max(len(word or "") for word in (wanted, came))
        columns.append([f"{word or '*' * width:^{width}}" for word in (wanted, came)])
    lines = zip(*columns, strict=True) if columns else ((), ())
    return "\n".join(f"{name:<7} {' '.join(words)}".rstrip() for name, words in zip(("wanted", "came"), lines, strict=True))


@final
class TranscriptTotals(PairTotals):
    r"""Error rates of transcripts, and of how many every character is right.

    .. math::
        \text{word error rate} = \frac{\sum (S + D + I)}{\sum N} \qquad
        \text{character error rate} = \frac{\sum \mathrm{edits}(o, r)}{\sum |r|}

    with S words substituted, D deleted and I inserted, each a share of the N words of the references here, too. Words stand
    between blanks; nothing is folded or left out: what shall not count is taken from both sides before. A rate may be above 1.
    NaN where all references are empty. Intervals resample utterances.

    Example:
        >>> totals = TranscriptTotals()
        >>> totals.add(["the red big cat", "a dog"], ["a red cat", "a dog"])
        >>> {name: round(value, 3) for name, value in totals.figures().items()}
        ... # doctest: +NORMALIZE_WHITESPACE
        {'word error rate': 0.4, 'character error rate': 0.5, 'exact lines': 0.5,
         'words substituted': 0.2, 'words deleted': 0.0, 'words inserted': 0.2}
    """

    names = (
        *("word error rate", "character error rate", "exact lines"),
        *("words substituted", "words deleted", "words inserted"),
    )
    shares = ("exact lines",)

    def _measure(self, outputs: Sequence[str], references: Sequence[str]) -> list[list[int]]:
        rows = []
        for output, wanted in zip(outputs, references, strict=True):
            words = wanted.split()
            changed = [edit for edit in alignment(output.split(), words) if edit.wanted != edit.came]
            inserted, deleted = (
                (sum(side is None for side in sides) for sides in zip(*changed, strict=True)) if changed else (0, 0)
            )
            substituted = len(changed) - inserted - deleted
            letters = edit_distance(output, wanted)
            rows.append([1, output == wanted, letters, len(wanted), substituted, deleted, inserted, len(words)])
        return rows

    def _score(self, name: str, sums: Floats) -> Floats:
        count, exact, letters, characters, substituted, deleted, inserted, words = np.moveaxis(sums, -1, 0)
        above, below = {
            "word error rate": (substituted + deleted + inserted, words),
            "character error rate": (letters, characters),
            "exact lines": (exact, count),
            "words substituted": (substituted, words),
            "words deleted": (deleted, words),
            "words inserted": (inserted, words),
        }[name]
        score: Floats = np.divide(above, below, out=np.full_like(below, np.nan), where=below > 0)
        return score
