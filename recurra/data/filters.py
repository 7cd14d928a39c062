"""What is left out of pairs before anything is learnt from them, each time with the count and the first line."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recurra.data.counts import told_count
from recurra.data.ragged import Ragged
from recurra.data.sides import Sides
from recurra.errors import DataError

__all__ = ["measurable", "sound", "usable"]


def sound(sides: Sides) -> tuple[Sides, list[str]]:
    """Pairs to learn from, without those that have an empty side; notes of what was left out, and of what was not.

    Kept, but told: pairs whose source is their target, as many of them teach copying; pairs that stand there before; texts
    that are not in the normal form C of Unicode, whose accents are symbols of their own.
    """
    pairs = list(zip(sides.sources, sides.targets, strict=True))
    notes = _left_out(sides, "with an empty side", [k for k, pair in enumerate(pairs) if not all(pair)])
    kept = [k for k, pair in enumerate(pairs) if all(pair)]
    first: dict[tuple[str, str], int] = {}
    again = [k for k in kept if first.setdefault(pairs[k], k) != k]
    notes += _kept(sides, "of identical source and target", [k for k in kept if pairs[k][0] == pairs[k][1]])
    notes += _kept(sides, "that stand there before", again)
    composed = [
        unicodedata.is_normalized("NFC", source) and unicodedata.is_normalized("NFC", target) for source, target in pairs
    ]
    notes += _kept(sides, "not in Unicode's normal form C", [k for k in kept if not composed[k]])
    return sides.take(kept), notes


def measurable(sides: Sides) -> tuple[Sides, list[str]]:
    """Pairs to measure on, without those that have an empty target: there is nothing to compare with.

    An empty source is kept, as it was asked for, and told.
    """
    kept = [k for k, target in enumerate(sides.targets) if target]
    notes = _left_out(sides, "with an empty target", [k for k, target in enumerate(sides.targets) if not target])
    notes += _kept(sides, "with an empty source", [k for k in kept if not sides.sources[k]])
    return sides.take(kept), notes


def usable(
    sides: Sides, sources: Ragged, targets: Ragged, *, longest: int | None = None, ratio: float | None = None
) -> tuple[NDArray[np.int64], list[str]]:
    """Places of the pairs that are short and even enough to learn from, and notes of the others.

    Args:
        sides: the pairs.
        sources: their sources as symbols.
        targets: their targets as symbols.
        longest: symbols that a side may have.
        ratio: how many times as long as the other a side may be.

    Raises:
        DataError: none is left.

    Example:
        >>> sides = Sides("a.tsv", ["a", "abcd"], ["b", "c"], [1, 2])
        >>> sources, targets = Ragged.of([[1], [1, 2, 3, 4]]), Ragged.of([[2], [3]])
        >>> usable(sides, sources, targets, ratio=3.0)
        (array([0]), ['a.tsv: 1 pair with one side more than ratio=3 times as long as the other (line 2): left out'])
    """
    shorter, longer = np.sort([sources.lengths, targets.lengths], axis=0)
    kept, notes = np.ones(len(sides), bool), list[str]()
    if longest is not None:
        kept = longer <= longest
        notes += _left_out(sides, f"longer than longest={longest:,} symbols", np.flatnonzero(~kept).tolist())
    if ratio is not None:
        uneven = kept & (longer > ratio * shorter)
        what = f"with one side more than ratio={ratio:g} times as long as the other"
        notes += _left_out(sides, what, np.flatnonzero(uneven).tolist())
        kept &= ~uneven
    if not kept.any():
        raise DataError(f"{sides.name}: {'; '.join(notes) or 'no pairs'}: nothing is left to learn from")
    return np.flatnonzero(kept), notes


def _left_out(sides: Sides, what: str, places: Sequence[int]) -> list[str]:
    return _note(sides, what, places, "left out")


def _kept(sides: Sides, what: str, places: Sequence[int]) -> list[str]:
    return _note(sides, what, places, "kept")


def _note(sides: Sides, what: str, places: Sequence[int], done: str) -> list[str]:
    if not len(places):
        return []
    line = sides.lines[places[0]]
    where = f"{sides.counted} {line}"
    where = where if len(places) == 1 else f"the first in {where}"
    return [f"{Path(sides.name).name}: {told_count(len(places), 'pair')} {what} ({where}): {done}"]
