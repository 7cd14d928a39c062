import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.metrics import KneserNey
from tests.places import dataset

Gram = tuple[int, ...]
SEQUENCES = st.lists(st.integers(0, 3), min_size=1, max_size=60)


class Slow:
    """Interpolated Kneser-Ney as in the textbook: dictionaries of tuples, one probability at a time."""

    def __init__(self, ids: list[int], symbols: int, order: int) -> None:
        self.symbols = symbols
        grams = [Counter(tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)) for n in range(1, order + 1)]
        self.raw = [dict(counter) for counter in grams]
        self.continuation: list[dict[Gram, int]] = []
        for n in range(order):
            before: dict[Gram, set[int]] = defaultdict(set)
            for gram in grams[n + 1] if n + 1 < order else ():
                before[gram[1:]].add(gram[0])
            self.continuation.append({gram: len(heads) for gram, heads in before.items()})

    def probability(self, context: Gram, symbol: int) -> float:
        """The order of the n-gram is that of the context, plus one."""
        return self._mixed(self.raw[len(context)], context, symbol)

    def _mixed(self, counts: dict[Gram, int], context: Gram, symbol: int) -> float:
        lower = self._lower(context, symbol)
        after = {gram: count for gram, count in counts.items() if gram[:-1] == context}
        if not after:
            return lower
        once, twice = (sum(count == k for count in counts.values()) for k in (1, 2))
        discount = once / (once + 2 * twice) if once else 0.5
        total = sum(after.values())
        seen = after.get((*context, symbol), 0)
        return max(seen - discount, 0) / total + discount * len(after) / total * lower

    def _lower(self, context: Gram, symbol: int) -> float:
        if not context:
            return 1 / self.symbols
        return self._mixed(self.continuation[len(context) - 1], context[1:], symbol)


@given(SEQUENCES, st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(1, 4))
@settings(deadline=None)
def test_it_says_what_the_textbook_says(learnt: list[int], read: list[int], order: int) -> None:
    fast = KneserNey(np.array(learnt), 5, order).nats(np.array(read))
    slow = Slow(learnt, 5, order)
    for n in range(1, order + 1):
        for t, symbol in enumerate(read):
            context = tuple(read[max(0, t - n + 1) : t])
            if len(context) == n - 1:
                assert fast[n - 1, t] == pytest.approx(-math.log(slow.probability(context, symbol)), abs=1e-9)


@given(SEQUENCES, st.lists(st.integers(0, 4), max_size=6), st.integers(1, 6))
@settings(deadline=None)
def test_probabilities_add_up_to_one(learnt: list[int], context: list[int], order: int) -> None:
    model = KneserNey(np.array(learnt), 5, order)
    last = np.stack([model.nats(np.array([*context, symbol]))[:, -1] for symbol in range(5)])
    assert np.exp(-last).sum(0) == pytest.approx(np.ones(order))


@pytest.mark.parametrize("learnt", [[], [1], [1, 0], [2] * 50])
def test_almost_nothing_learnt(learnt: list[int]) -> None:
    nats = KneserNey(np.array(learnt, np.int64), 3, 8).nats(np.array([2, 1, 0, 2, 2]))
    assert nats.shape == (8, 5)
    assert np.isfinite(nats).all()
    assert (nats >= 0).all()


def test_nothing_read() -> None:
    assert KneserNey(np.array([0, 1, 0]), 2, 3).nats(np.array([], np.int64)).shape == (3, 0)


def test_a_long_repetition_is_known_by_heart() -> None:
    nats = KneserNey(np.tile(np.arange(10), 100), 10, 3).nats(np.tile(np.arange(10), 2))
    assert nats[0].mean() == pytest.approx(math.log(10), abs=1e-3)
    assert nats[1:, 2:].max() < 0.01


@pytest.mark.data
@pytest.mark.slow
def test_tinyshakespeare() -> None:
    text = (dataset("tinyshakespeare") / "input.txt").read_text("utf-8")
    letters, ids = np.unique(list(text), return_inverse=True)
    at = round(0.9 * len(ids))
    nats = KneserNey(ids[:at], len(letters), 8).nats(ids[at:]).mean(1)
    assert nats == pytest.approx([3.347, 2.484, 2.045, 1.729, 1.579, 1.558, 1.565, 1.574], abs=0.001)
