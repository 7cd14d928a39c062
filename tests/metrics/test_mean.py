import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.metrics import Mean

VALUES = st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=40)


@given(VALUES, st.integers(1, 50))
def test_the_value_is_the_mean(items: list[float], block: int) -> None:
    mean = Mean.of(np.array(items), block)
    assert mean.value == pytest.approx(math.fsum(items) / len(items), rel=1e-9, abs=1e-3)
    assert mean.count == len(items)


@given(st.lists(VALUES, min_size=2, max_size=4), st.integers(1, 7))
def test_parts_merge_in_any_order_to_the_same_bits(parts: list[list[float]], block: int) -> None:
    means = [Mean.of(np.array(part), block) for part in parts]
    values = set()
    for order in permutations(means):
        whole = order[0]
        for part in order[1:]:
            whole += part
        values.add(whole.value)
    nested = means[0] + (means[1] + means[-1]) if len(means) == 3 else None
    assert len(values) == 1
    assert nested is None or nested.value in values


def test_items_are_weighed_and_not_parts() -> None:
    assert (Mean.of(np.zeros(9), 3) + Mean.of(np.array([10.0]), 3)).value == 1.0


@pytest.mark.parametrize(
    ("items", "block", "counts"),
    [(10, 4, (4, 4, 2)), (8, 4, (4, 4)), (3, 500, (3,)), (0, 5, ()), (3, 1, (1, 1, 1))],
)
def test_blocks(items: int, block: int, counts: tuple[int, ...]) -> None:
    mean = Mean.of(np.arange(items, dtype=np.float32), block)
    assert mean.counts == counts
    assert mean.sums == tuple(float(sum(range(k, min(items, k + block)))) for k in range(0, items, block))


def test_nothing_has_no_mean() -> None:
    mean = Mean.of(np.zeros(0), 5)
    assert math.isnan(mean.value)
    assert all(math.isnan(end) for end in mean.interval())


def test_one_block_has_no_interval() -> None:
    assert all(math.isnan(end) for end in Mean.of(np.arange(5.0), 5).interval())


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        low, high = Mean.of(random.gamma(2.0, 3.0, 2000), 20).interval(0.9)
        covered += low <= 6.0 <= high
    assert 80 <= covered <= 97


def test_blocks_respect_dependence() -> None:
    steps = np.repeat(np.random.default_rng(0).normal(size=50), 100)  # 5000 items, but only 50 of them are news
    narrow, wide = (Mean.of(steps, block).interval() for block in (1, 100))
    assert wide[1] - wide[0] > 5 * (narrow[1] - narrow[0])


def test_the_interval_is_always_the_same_and_grows_with_its_level() -> None:
    mean = Mean.of(np.random.default_rng(1).normal(size=300), 10)
    assert mean.interval() == mean.interval()
    (a, b), (c, d) = mean.interval(0.5), mean.interval(0.99)
    assert c < a < mean.value < b < d
