import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.metrics import RougeTotals, rouge_words

TEXT = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=8).map(" ".join)


def figures(output: str, reference: str) -> dict[str, float]:
    totals = RougeTotals()
    totals.add([output], [reference])
    return totals.figures()


@pytest.mark.parametrize(
    ("output", "share"),
    [("police kill the gunman", 3 / 4), ("the gunman kill police", 2 / 4), ("the gunman police killed", 2 / 4)],
)
def test_the_examples_of_the_paper(output: str, share: float) -> None:
    assert figures(output, "police killed the gunman")["ROUGE-L"] == pytest.approx(100 * share)


def test_by_hand() -> None:
    found = figures("the the the cat sat", "the cat sat on the mat")
    assert found["ROUGE-1 precision"] == pytest.approx(100 * 4 / 5)  # the twice, cat, sat: no more the than the reference has
    assert found["ROUGE-1 recall"] == pytest.approx(100 * 4 / 6)
    assert found["ROUGE-1"] == pytest.approx(100 * 8 / 11)
    assert found["ROUGE-2 precision"] == pytest.approx(100 * 2 / 4)  # the cat, cat sat
    assert found["ROUGE-2 recall"] == pytest.approx(100 * 2 / 5)
    assert found["ROUGE-L precision"] == pytest.approx(100 * 3 / 5)
    assert found["ROUGE-L recall"] == pytest.approx(100 * 3 / 6)


@given(TEXT, TEXT)
def test_laws(output: str, reference: str) -> None:
    found, back = figures(output, reference), figures(reference, output)
    for kind in ("ROUGE-1", "ROUGE-2", "ROUGE-L"):
        precision, recall = found[f"{kind} precision"], found[f"{kind} recall"]
        assert back[f"{kind} recall"] == precision
        assert found[kind] == pytest.approx(2 * precision * recall / (precision + recall) if precision else 0)
    assert found["ROUGE-L"] <= found["ROUGE-1"] + 1e-9
    if len(output.split()) > 1:
        assert set(figures(output, output).values()) == {100.0}


@pytest.mark.parametrize(("output", "reference"), [("", ""), ("", "a b"), ("a b", ""), ("...", "a"), ("a", "b")])
def test_nothing_shared_is_nothing(output: str, reference: str) -> None:
    assert set(figures(output, reference).values()) == {0.0}


def test_figures_are_means_over_pairs() -> None:
    totals = RougeTotals()
    totals.add(["a b c d e f", "x"], ["a b c d e f", "y"])
    assert totals.figures()["ROUGE-1"] == 50
    low, high = totals.interval("ROUGE-1")
    assert (low, high) == (0, 100)
    assert math.isnan(RougeTotals().figures()["ROUGE-2 recall"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't stop-me_now: 3.5%", ["don", "t", "stop", "me", "now", "3", "5"]),
        ("Grüße, ÉCOLE", ["grüße", "école"]),
        ("Мама мыла", ["мама", "мыла"]),
        ("机器翻译。好", ["机器翻译", "好"]),
        (" \n", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert rouge_words(text) == words
