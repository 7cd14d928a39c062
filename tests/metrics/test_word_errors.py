import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.metrics import TranscriptTotals, alignment, edit_distance, side_by_side, wilson

texts = st.text("abc ", max_size=8)


@given(texts, texts)
def test_alignments_are_as_short_as_can_be_and_spell_both_sides(output: str, reference: str) -> None:
    edits = alignment(output, reference)
    assert "".join(edit.wanted or "" for edit in edits) == reference
    assert "".join(edit.came or "" for edit in edits) == output
    assert sum(edit.wanted != edit.came for edit in edits) == edit_distance(output, reference)
    assert all(edit != (None, None) for edit in edits)


def test_substitutions_before_gaps() -> None:
    assert alignment("ba", "ab") == [("a", "b"), ("b", "a")]  # not a deletion and an insertion, which are as many


@given(st.lists(st.tuples(texts, texts), max_size=6), st.integers(0, 6))
def test_figures_are_those_counted_by_hand_and_merge(pairs: list[tuple[str, str]], cut: int) -> None:
    totals, rest = TranscriptTotals(), TranscriptTotals()
    totals.add(*([pair[k] for pair in pairs[:cut]] for k in (0, 1)))
    rest.add(*([pair[k] for pair in pairs[cut:]] for k in (0, 1)))
    totals += rest
    found = totals.figures()
    words = sum(len(reference.split()) for _, reference in pairs)
    edits = sum(edit_distance(output.split(), reference.split()) for output, reference in pairs)
    letters = sum(edit_distance(output, reference) for output, reference in pairs)
    assert found["word error rate"] == pytest.approx(edits / words if words else math.nan, nan_ok=True)
    parts = [found[f"words {kind}"] for kind in ("substituted", "deleted", "inserted")]
    assert sum(parts) == pytest.approx(found["word error rate"], nan_ok=True)
    whole = sum(len(reference) for _, reference in pairs)
    assert found["character error rate"] == pytest.approx(letters / whole if whole else math.nan, nan_ok=True)


def test_gaps_are_counted_on_the_side_where_they_are() -> None:
    totals = TranscriptTotals()
    totals.add(["a b x c", "a c"], ["a b c", "a b c"])
    found = totals.figures()
    assert (found["words inserted"], found["words deleted"], found["words substituted"]) == (1 / 6, 1 / 6, 0)


def test_intervals() -> None:
    totals, random = TranscriptTotals(), np.random.default_rng(0)
    wrong = random.random(200) < 0.2
    totals.add(["no" if each else "yes" for each in wrong], ["yes"] * 200)
    low, high = totals.interval("word error rate")
    assert low < wrong.mean() < high
    assert (low, high) == pytest.approx(wilson(int(wrong.sum()), 200), abs=0.02)
    assert totals.interval("exact lines") == wilson(int((~wrong).sum()), 200)


def test_two_lines() -> None:
    assert side_by_side("zwei drei", "eins zwei drei") == "wanted  eins zwei drei\ncame    **** zwei drei"
    assert side_by_side("", "") == "wanted\ncame"
