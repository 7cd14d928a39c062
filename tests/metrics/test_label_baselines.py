import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from recurra.data import read_labelled
from recurra.errors import UsageError
from recurra.metrics import NaiveBayes, NGrams, WeightedRegression, label_baselines, number_baselines
from tests.places import dataset

TEXTS = ["good film", "a good good film", "bad film", "a bad plot", "bad"]
LABELS = ["+", "+", "-", "-", "-"]


def waves(count: int, seed: int) -> tuple[list[Any], list[str]]:
    """Sines of three frequencies and any length and phase, a little noisy."""
    random = np.random.default_rng(seed)
    inputs, labels = [], []
    for k in range(count):
        phase, steps = random.random(), np.linspace(0, 1, int(random.integers(20, 40)))
        one = np.sin(2 * np.pi * ((k % 3 + 1) * steps + 0.1 * phase)) + 0.1 * random.normal(size=len(steps))
        inputs.append(np.stack([one, np.ones_like(one)], axis=1).astype(np.float32))
        labels.append(str(k % 3))
    return inputs, labels


def share(told: Sequence[str], true: Sequence[str]) -> float:
    return sum(one == other for one, other in zip(told, true, strict=True)) / len(true)


def test_naive_bayes_by_hand() -> None:
    def pieces(text: str) -> set[str]:
        words = text.split()
        return {*words, *map(" ".join, pairwise(words))}

    known = set().union(*map(pieces, TEXTS))
    counts = {label: Counter[str]() for label in "+-"}
    for text, label in zip(TEXTS, LABELS, strict=True):
        counts[label].update(pieces(text))
    bayes = NaiveBayes(NGrams(TEXTS), LABELS)
    for asked in ("good plot", "a bad good film", "plot film", "nothing known", ""):
        totals = {}
        for label, times in counts.items():
            below = sum(times.values()) + len(known)
            likely = sum(math.log((times[piece] + 1) / below) for piece in pieces(asked) & known)
            totals[label] = math.log(LABELS.count(label) / 5) + likely
        assert bayes([asked]) == [max(totals, key=lambda label: totals[label])]


def test_weighted_regression_of_two_classes_and_of_three() -> None:
    texts = [f"{word} film {k}" for word in ("good", "bad", "odd") for k in range(8)]
    labels = [word for word in ("good", "bad", "odd") for _ in range(8)]
    assert WeightedRegression(NGrams(texts), labels)(["good", "a bad one", "odd film"]) == ["good", "bad", "odd"]
    assert WeightedRegression(NGrams(texts[:16]), labels[:16])(["good", "a bad one"]) == ["good", "bad"]


def test_series() -> None:
    inputs, labels = waves(90, 0)
    asked, wanted = waves(60, 1)
    found = label_baselines(inputs, labels)
    assert list(found) == ["most frequent class", "ridge regression", "nearest neighbour"]
    told = {name: share(baseline(asked), wanted) for name, baseline in found.items()}
    assert told["most frequent class"] == pytest.approx(1 / 3)
    assert told["ridge regression"] > 0.9
    assert told["nearest neighbour"] > 0.9
    assert found["nearest neighbour"](inputs) == labels
    empty = np.zeros((0, 2), np.float32)
    assert all(len(baseline([empty, inputs[0]])) == 2 for baseline in found.values())


def test_numbers() -> None:
    inputs = [np.full((5, 1), k / 10, np.float32) for k in range(20)]
    found = number_baselines(inputs, [3.0 * k + 1 for k in range(20)])
    assert found["mean"](inputs[:2]) == [29.5, 29.5]
    assert found["ridge regression"]([np.full((9, 1), 0.55)]) == pytest.approx([17.5], abs=0.5)
    texts = [f"{'very ' * (k % 3)}good" if k % 2 else f"{'very ' * (k % 3)}bad" for k in range(60)]
    told = number_baselines(texts, [float(k % 2) for k in range(60)])["ridge regression of words and pairs"](
        ["good", "very bad"]
    )
    assert told[0] > 0.7
    assert told[1] < 0.3


def test_bad_calls() -> None:
    with pytest.raises(UsageError, match="2 inputs and 1 labels; wanted as many of both, at least one"):
        label_baselines(["a", "b"], ["x"])
    with pytest.raises(UsageError, match="0 inputs and 0 labels"):
        number_baselines([], [])


@pytest.mark.data
class TestPublished:
    def test_sentences(self) -> None:
        read = read_labelled(dataset("sentence_classification/stsa.binary.train.gz"))
        found = label_baselines(read.learnt.inputs, read.learnt.labels)
        told = {name: share(baseline(read.test.inputs), read.test.labels) for name, baseline in found.items()}
        assert told["naive Bayes of words and pairs"] == pytest.approx(0.825, abs=0.01)
        assert told["weighted regression of words and pairs"] == pytest.approx(0.818, abs=0.01)

    @pytest.mark.parametrize(("name", "published"), [("ArrowHead", 0.80), ("GunPoint", 0.913), ("ItalyPowerDemand", 0.955)])
    def test_the_nearest_neighbour_of_the_archive(self, name: str, published: float) -> None:
        read = read_labelled(dataset(f"ucr_small/{name}_TRAIN.ts"))
        inputs, labels = (
            one + other
            for one, other in ((read.learnt.inputs, read.validation.inputs), (read.learnt.labels, read.validation.labels))
        )
        told = label_baselines(inputs, labels)["nearest neighbour"](read.test.inputs)
        assert share(told, read.test.labels) == pytest.approx(published, abs=0.001)

    def test_ridge_on_vowels(self) -> None:
        read = read_labelled(dataset("ucr_small/JapaneseVowels_TRAIN.ts.gz"))
        told = label_baselines(read.learnt.inputs, read.learnt.labels)["ridge regression"](read.test.inputs)
        assert share(told, read.test.labels) > 0.975
