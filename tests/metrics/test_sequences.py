import math

import pytest

from recurra.errors import UsageError
from recurra.metrics import DistinctTotals, LengthRow, SequenceTotals, exact_by_length, wilson


def figures(outputs: list[str] | list[list[str]], references: list[str] | list[list[str]]) -> dict[str, float]:
    totals = SequenceTotals()
    totals.add(outputs, references)
    return totals.figures()


def test_by_hand() -> None:
    found = figures(["kitten", "abc", ""], ["sitting", "abc", "xy"])
    assert found == {"exact match": 1 / 3, "error rate": (3 + 0 + 2) / 12, "length ratio": 9 / 12}


def test_words_instead_of_characters() -> None:
    assert figures([["jump", "twice"]], [["jump", "thrice", "left"]])["error rate"] == 2 / 3


def test_an_output_may_be_wrong_in_more_places_than_there_are() -> None:
    assert figures(["abcdef"], ["x"])["error rate"] == 6


def test_empty_references_have_no_error_rate() -> None:
    found = figures(["", "a"], ["", ""])
    assert found["exact match"] == 0.5
    assert math.isnan(found["error rate"])
    assert math.isnan(found["length ratio"])


def test_the_interval_of_exact_match_is_wilsons() -> None:
    totals = SequenceTotals()
    totals.add(["a"] * 20, ["a"] * 19 + ["b"])
    assert totals.interval("exact match", 0.9) == wilson(19, 20, 0.9)


class TestByLength:
    def test_rows(self) -> None:
        outputs = ["", "a", "abcde", "abcdef", "x" * 10, "y"]
        rows = exact_by_length(outputs, ["", "a", "abcde", "abcdeX", "x" * 10, "z" * 31], width=5)
        assert [row[:4] for row in rows] == [(0, 0, 1, 1), (1, 5, 2, 2), (6, 10, 1, 2), (31, 35, 0, 1)]
        assert rows[2] == LengthRow(6, 10, 1, 2, 0.5, *wilson(1, 2))

    def test_by_the_lengths_of_the_sources(self) -> None:
        rows = exact_by_length(["a", "b"], ["a", "c"], lengths=[7, 8], width=1)
        assert [row[:4] for row in rows] == [(7, 7, 1, 1), (8, 8, 0, 1)]

    def test_a_list_and_a_tuple_of_the_same_are_the_same(self) -> None:
        assert exact_by_length([[1, 2]], [(1, 2)])[0].hits == 1

    def test_nothing_has_no_rows(self) -> None:
        assert exact_by_length([], []) == ()

    def test_what_is_refused(self) -> None:
        with pytest.raises(UsageError, match=r"^1 outputs, 2 references and 2 lengths; wanted as many of each$"):
            exact_by_length(["a"], ["a", "b"])
        with pytest.raises(UsageError, match=r"^width is 0; wanted 1 or more$"):
            exact_by_length(["a"], ["a"], width=0)


class TestDistinct:
    def test_by_hand_and_merged(self) -> None:
        outputs = ["a b a b", "a c", ""]
        whole, part, other = DistinctTotals(), DistinctTotals(), DistinctTotals()
        whole.add(outputs)
        part.add(outputs[:1])
        other.add([line.split() for line in outputs[1:]])
        part += other
        assert whole.figures() == part.figures() == {"distinct-1": 3 / 6, "distinct-2": 3 / 6}  # ab, ba, ac

    def test_pairs_do_not_reach_over_the_end_of_an_output(self) -> None:
        totals = DistinctTotals()
        totals.add(["a", "b"])
        assert totals.figures() == {"distinct-1": 1.0, "distinct-2": 0.0}

    def test_nothing_has_none(self) -> None:
        assert all(math.isnan(value) for value in DistinctTotals().figures().values())
