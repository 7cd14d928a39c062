import numpy as np
import pytest

from recurra.data import Ragged, Sides, usable
from recurra.data.filters import measurable, sound
from recurra.errors import DataError


def sides(*pairs: tuple[str, str]) -> Sides:
    sources, targets = zip(*pairs, strict=True)
    return Sides("data/t.en", list(sources), list(targets), list(range(11, 11 + len(pairs))))


class TestSound:
    def test_empty_sides_are_left_out(self) -> None:
        kept, notes = sound(sides(("a", "b"), ("", "c"), ("d", ""), ("", ""), ("e", "f")))
        assert (kept.sources, kept.targets, kept.lines) == (["a", "e"], ["b", "f"], [11, 15])
        assert notes == ["t.en: 3 pairs with an empty side (the first in line 12): left out"]

    def test_what_is_kept_and_told(self) -> None:
        given = sides(("a", "b"), ("x", "x"), ("a", "b"), ("a", "c"), ("e\u0301", "é"), ("a", "b"))
        kept, notes = sound(given)
        assert kept == given
        assert notes == [
            "t.en: 1 pair of identical source and target (line 12): kept",
            "t.en: 2 pairs that stand there before (the first in line 13): kept",
            "t.en: 1 pair not in Unicode's normal form C (line 15): kept",
        ]

    def test_nothing_to_tell(self) -> None:
        assert sound(sides(("a", "b")))[1] == []


class TestMeasurable:
    def test_only_empty_targets_are_left_out(self) -> None:
        kept, notes = measurable(sides(("a", "b"), ("", "c"), ("d", ""), ("x", "x"), ("x", "x")))
        assert kept.sources == ["a", "", "x", "x"]
        assert notes == [
            "t.en: 1 pair with an empty target (line 13): left out",
            "t.en: 1 pair with an empty source (line 12): kept",
        ]


class TestUsable:
    LENGTHS = ((1, 1), (5, 5), (6, 1), (2, 4), (2, 5), (100_000, 3))

    def asked(self, **limits: float) -> tuple[list[int], list[str]]:
        pairs = sides(*[("s", "t")] * len(self.LENGTHS))
        sources, targets = (Ragged.of(np.ones(pair[side], np.int64) for pair in self.LENGTHS) for side in (0, 1))
        kept, notes = usable(pairs, sources, targets, **limits)  # type: ignore[arg-type]
        return kept.tolist(), notes

    def test_without_limits_all(self) -> None:
        assert self.asked() == ([0, 1, 2, 3, 4, 5], [])

    def test_longest(self) -> None:
        assert self.asked(longest=5) == (
            [0, 1, 3, 4],
            ["t.en: 2 pairs longer than longest=5 symbols (the first in line 13): left out"],
        )

    def test_ratio(self) -> None:
        what = "with one side more than ratio=2 times as long as the other"
        assert self.asked(ratio=2.0) == ([0, 1, 3], [f"t.en: 3 pairs {what} (the first in line 13): left out"])

    def test_a_pair_is_counted_once(self) -> None:
        kept, notes = self.asked(longest=5, ratio=2.4)
        assert kept == [0, 1, 3]
        assert [note.split()[1] for note in notes] == ["2", "1"]

    def test_nothing_left(self) -> None:
        with pytest.raises(DataError, match=r"6 pairs longer than longest=0 symbols .*: nothing is left to learn from$"):
            self.asked(longest=0)
