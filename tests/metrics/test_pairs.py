import math
from itertools import permutations
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.errors import UsageError
from recurra.metrics import NumberTotals, PairedDifference, PairTotals, RougeTotals, SequenceTotals, wilson


def totals(outputs: list[str], references: list[str]) -> SequenceTotals:
    made = SequenceTotals()
    made.add(outputs, references)
    return made


def noisy(share: float, pairs: int, seed: int) -> SequenceTotals:
    """Pairs of which about a share is right."""
    right = np.random.default_rng(seed).random(pairs) < share
    return totals(["yes" if one else "nay" for one in right], ["yes"] * pairs)


@given(st.integers(0, 200), st.integers(0, 200), st.floats(0.5, 0.999))
def test_wilsons_ends_are_the_shares_that_just_cannot_be_refused(hits: int, misses: int, level: float) -> None:
    count = hits + misses
    if not count:
        assert all(math.isnan(end) for end in wilson(0, 0, level))
        return
    z, share = NormalDist().inv_cdf((1 + level) / 2), hits / count
    for end in wilson(hits, count, level):
        assert abs(share - end) == pytest.approx(z * math.sqrt(end * (1 - end) / count), abs=1e-9)
    assert wilson(hits, count, level)[0] <= share <= wilson(hits, count, level)[1]


def test_parts_merge_in_any_order_to_the_same_bits() -> None:
    lines = [("a b c", "a b d"), ("x", "y z"), ("the cat", "the cat sat")], [("m n", "m")], [("q r s t", "r q t s u")] * 3
    parts = []
    for pairs in lines:
        part = RougeTotals()
        part.add(*zip(*pairs, strict=True))
        parts.append(part)
    figures = []
    for order in permutations(parts):
        whole = RougeTotals()
        for part in order:
            whole += part
        figures.append(whole.figures())
        assert len(whole) == 7
    assert all(one == figures[0] for one in figures)


def test_pairs_are_weighed_and_not_parts() -> None:
    whole = totals(["a"] * 9, ["a"] * 9)
    whole += totals(["b"], ["a"])
    assert whole.figures()["exact match"] == 0.9


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(40):
        low, high = noisy(0.7, 150, seed).interval("error rate", 0.9)
        covered += low <= 0.3 <= high  # all three letters of nay are wrong
    assert 31 <= covered <= 39


def test_the_same_system_twice_differs_by_nothing() -> None:
    assert noisy(0.5, 50, 0).difference(noisy(0.5, 50, 0), "error rate") == (0.0, 0.0, 0.0)


def test_pairing_sees_what_two_intervals_hide() -> None:
    outputs, references = ["a" * 10 + "b" * k for k in range(100)], ["a" * 200] * 100
    one, other = totals(outputs, references), totals([f"{output}a" for output in outputs], references)
    difference = one.difference(other, "length ratio")
    assert (difference.low, difference.high) == pytest.approx((-1 / 200, -1 / 200))
    low, high = one.interval("length ratio")
    assert high - low > 0.02
    assert other.difference(one, "length ratio") == pytest.approx((-difference.value, -difference.high, -difference.low))


def test_intervals_are_always_the_same_and_grow_with_their_level() -> None:
    one = noisy(0.6, 80, 1)
    assert one.interval("error rate") == noisy(0.6, 80, 1).interval("error rate")
    (a, b), (c, d) = one.interval("error rate", 0.5), one.interval("error rate", 0.99)
    assert c < a < one.figures()["error rate"] < b < d


def test_nothing_has_no_figures() -> None:
    empty = totals([], [])
    assert len(empty) == 0
    assert all(math.isnan(value) for value in empty.figures().values())
    assert all(math.isnan(end) for name in empty.names for end in empty.interval(name))
    assert math.isnan(empty.difference(totals([], []), "error rate").value)


def test_one_pair_has_no_resampled_interval() -> None:
    assert all(math.isnan(end) for end in totals(["a"], ["b"]).interval("error rate"))
    assert str(totals(["a"], ["b"]).difference(totals(["b"], ["b"]), "error rate")) == "+1 (too few pairs for an interval)"


def test_draws_without_a_figure_do_not_count() -> None:
    few, none = NumberTotals(), NumberTotals()
    few.add([1.0, 1.0, 2.5], [1.0, 1.0, 2.0])  # R2 of draws of the first two alone is not defined
    none.add([1.0, 1.0], [1.0, 1.0])
    low, high = few.interval("R2")
    assert low < few.figures()["R2"] <= high
    assert few.difference(few, "R2") == (0.0, 0.0, 0.0)
    assert all(math.isnan(end) for end in none.interval("R2"))


def test_a_difference_reads_as_a_sentence() -> None:
    assert str(PairedDifference(1.25, 0.5, 2.0)) == "+1.25 (95 % interval +0.5 to +2)"


def test_what_is_refused() -> None:
    one = totals(["a"], ["a"])
    with pytest.raises(UsageError, match=r"^2 outputs and 1 references; wanted as many of both$"):
        one.add(["a", "b"], ["a"])
    with pytest.raises(UsageError, match=r"^outputs is one text, 'abc'; wanted a list of them$"):
        one.add("abc", ["a", "b", "c"])
    with pytest.raises(UsageError, match=r"^figure 'exact' is not kept; did you mean exact match\?$"):
        one.interval("exact")
    with pytest.raises(UsageError, match=r"of 1 pairs and SequenceTotals of 2; wanted the same pairs"):
        one.difference(totals(["a", "b"], ["a", "b"]), "error rate")
    other: PairTotals = RougeTotals()
    with pytest.raises(UsageError, match=r"^RougeTotals came; wanted SequenceTotals"):
        one += other  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="wanted 0 <= hits <= count"):
        wilson(3, 2)
