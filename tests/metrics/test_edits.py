from collections.abc import Hashable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.metrics import common_length, edit_distance

SEQUENCES = st.one_of(st.text("abc", max_size=90), st.lists(st.integers(0, 3), max_size=20))


def table(one: Sequence[Hashable], other: Sequence[Hashable]) -> tuple[int, int]:
    """(edit distance, length of the longest common subsequence), cell by cell."""
    edits = [[i + j if not i or not j else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    common = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, a in enumerate(one, 1):
        for j, b in enumerate(other, 1):
            edits[i][j] = min(edits[i - 1][j] + 1, edits[i][j - 1] + 1, edits[i - 1][j - 1] + (a != b))
            common[i][j] = common[i - 1][j - 1] + 1 if a == b else max(common[i - 1][j], common[i][j - 1])
    return edits[-1][-1], common[-1][-1]


@given(SEQUENCES, SEQUENCES)
def test_both_are_what_the_tables_say(one: Sequence[Hashable], other: Sequence[Hashable]) -> None:
    assert (edit_distance(one, other), common_length(one, other)) == table(one, other)


@pytest.mark.parametrize(
    ("one", "other", "edits", "common"),
    [("", "", 0, 0), ("", "abc", 3, 0), ("abc", "", 3, 0), ("intention", "execution", 5, 5), ("ab", "ba", 2, 1)],
)
def test_known_ones(one: str, other: str, edits: int, common: int) -> None:
    assert (edit_distance(one, other), common_length(one, other)) == (edits, common)


def test_long_ones_take_no_time() -> None:
    one = "ab" * 10_000
    assert edit_distance(one, one[1:] + "b") == 2
    assert common_length(one, one[1:]) == len(one) - 1
