import math
from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.errors import UsageError
from recurra.metrics import ClassTotals, NumberTotals, ProbabilityTotals, wilson

CLASSES = ["a", "b", "c"]
TOLD = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcx")), min_size=1, max_size=30)


def made(pairs: list[tuple[str, str]]) -> ClassTotals:
    totals = ClassTotals(CLASSES)
    totals.add([told for told, _ in pairs], [true for _, true in pairs])
    return totals


@given(TOLD)
@settings(max_examples=40)
def test_figures_are_those_counted_by_hand(pairs: list[tuple[str, str]]) -> None:
    totals, times = made(pairs), Counter(pairs)
    true = [label if label in CLASSES else "other" for _, label in pairs]
    f1 = []
    for label in [*CLASSES, "other"]:
        hits = times[(label, label)]
        told, there = sum(one == label for one, _ in pairs), true.count(label)
        if told + there:
            precision, recall = hits / told if told else 0.0, hits / there if there else 0.0
            f1.append(2 * precision * recall / (precision + recall) if hits else 0.0)
    figures = totals.figures()
    assert figures["accuracy"] == pytest.approx(sum(one == other for one, other in pairs) / len(pairs))
    assert figures["macro F1"] == pytest.approx(sum(f1) / len(f1))
    assert totals.interval("accuracy") == wilson(sum(one == other for one, other in pairs), len(pairs))
    confusion = totals.confusion()
    assert confusion.shape == (4, 3)
    assert {(r, c): int(n) for (r, c), n in np.ndenumerate(confusion)} == {
        (r, c): sum(n for (told, label), n in times.items() if told == name and (label == row or (row == "x" and label == "x")))
        for r, row in enumerate("abcx")
        for c, name in enumerate("abc")
    }
    for k, row in enumerate(totals.rows()):
        assert row.support == confusion[k].sum()
        for share, below in ((row.precision, confusion[:, k].sum()), (row.recall, confusion[k].sum())):
            assert share == pytest.approx(confusion[k, k] / below) if below else math.isnan(share)


def test_parts_merge_in_any_order_and_only_with_their_like() -> None:
    parts = [made(pairs) for pairs in ([("a", "b")], [("c", "c"), ("a", "a")], [("b", "b")] * 5)]
    figures = []
    for order in permutations(parts):
        whole = ClassTotals(CLASSES)
        for part in order:
            whole += part
        figures.append((whole.figures(), whole.confusion().tolist()))
    assert all(one == figures[0] for one in figures)
    with pytest.raises(UsageError, match=r"^classes \('b', 'a', 'c'\) came; wanted \('a', 'b', 'c'\), to be merged"):
        whole += ClassTotals(["b", "a", "c"])


def test_the_interval_of_macro_f1_holds_it() -> None:
    random, low_misses = np.random.default_rng(0), 0
    for _ in range(12):
        true = random.choice(["a", "b"], 200)
        told = np.where(random.random(200) < 0.8, true, np.where(true == "a", "b", "a"))
        low, high = made(list(zip(told.tolist(), true.tolist(), strict=True))).interval("macro F1")
        low_misses += not low <= 0.8 <= high
        assert 0.05 < high - low < 0.2
    assert low_misses <= 3


def test_nothing_counted() -> None:
    totals = ClassTotals(CLASSES)
    assert all(math.isnan(value) for value in totals.figures().values())
    assert not totals.confusion().any()
    assert all(math.isnan(row.f1) and row.support == 0 for row in totals.rows())


def test_probabilities_against_closed_forms() -> None:
    random = np.random.default_rng(3)
    given = random.dirichlet(np.ones(3), 50)
    true = random.choice([*CLASSES, "never learnt"], 50)
    totals = ProbabilityTotals(CLASSES)
    totals.add(list(given[:20]), true[:20].tolist())
    totals.add(list(given[20:]), true[20:].tolist())
    loss, brier = 0.0, 0.0
    for row, label in zip(given, true, strict=True):
        right = row[CLASSES.index(label)] if label in CLASSES else 1e-15
        loss -= math.log(right) / 50
        brier += sum((p - (label == name)) ** 2 for p, name in zip(row, CLASSES, strict=True)) / 50
        brier += (label not in CLASSES) / 50
    assert totals.figures() == pytest.approx({"log loss": loss, "Brier score": brier})
    even = ProbabilityTotals(CLASSES)
    even.add(list(np.full((9, 3), 1 / 3)), ["a"] * 9)
    assert even.figures() == pytest.approx({"log loss": math.log(3), "Brier score": 2 / 3})
    assert totals.difference(totals, "log loss") == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)


def test_numbers_against_closed_forms() -> None:
    random = np.random.default_rng(5)
    true = random.normal(100, 5, 400)
    told = true + random.normal(1, 2, 400)
    totals = NumberTotals()
    totals.add(list(told[:7]), list(true[:7]))
    totals.add(list(told[7:]), list(true[7:]))
    error = told - true
    assert totals.figures() == pytest.approx(
        {
            "MAE": np.abs(error).mean(),
            "RMSE": (error**2).mean() ** 0.5,
            "R2": 1 - (error**2).sum() / ((true - true.mean()) ** 2).sum(),
        }
    )
    low, high = totals.interval("R2")
    assert low < totals.figures()["R2"] < high
    flat = NumberTotals()
    flat.add([1.0, 2.0], [3.0, 3.0])
    assert math.isnan(flat.figures()["R2"])


def test_bad_calls() -> None:
    with pytest.raises(UsageError, match="output 'd' is no class; choose from a, b, c"):
        made([("d", "a")])
    for classes in ([], ["a", "a"], "abc"):
        with pytest.raises(UsageError, match="wanted a list of different ones, at least one"):
            ClassTotals(classes)
    totals = ProbabilityTotals(CLASSES)
    with pytest.raises(UsageError, match=r"outputs are \(1, 2\); wanted \(N, 3\), a probability for each class"):
        totals.add([[0.5, 0.5]], ["a"])
    with pytest.raises(UsageError, match="outputs are no probabilities"):
        totals.add([[0.5, 0.5, 0.5]], ["a"])
