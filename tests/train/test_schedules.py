import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.train import Constant, Cosine, Exponential, OneCycle, Plateau, Schedule

STEPS = st.integers(1, 500)


def factors(schedule: Schedule, steps: int, scores: tuple[float, ...] = ()) -> list[float]:
    return [schedule.factor(k, scores) for k in range(steps)]


@given(STEPS, st.integers(0, 100))
def test_all_are_factors(steps: int, warmup: int) -> None:
    short = min(warmup, steps // 10)
    falling = Cosine(steps, short), Exponential(steps, short), OneCycle(steps)
    for schedule in (Constant(warmup), *falling, Plateau(warmup=warmup)):
        assert all(0 < factor <= 1 for factor in factors(schedule, steps))


@pytest.mark.parametrize("schedule", [Constant(10), Cosine(100, 10), Exponential(100, 10), Plateau(warmup=10)], ids=str)
def test_the_rise(schedule: Schedule) -> None:
    assert factors(schedule, 10) == pytest.approx([(k + 1) / 10 for k in range(10)])


def test_constant() -> None:
    assert factors(Constant(), 50) == [1.0] * 50
    assert factors(Constant(10), 50)[10:] == [1.0] * 40


@given(STEPS, st.integers(0, 50))
def test_cosine(steps: int, warmup: int) -> None:
    warmup = min(warmup, steps // 10)
    found = factors(Cosine(steps, warmup, floor=0.2), steps)[warmup:]
    assert found == sorted(found, reverse=True)
    assert found[0] == pytest.approx(1)
    if steps > warmup + 1:
        assert found[-1] == pytest.approx(0.2)
    middle = Cosine(steps, warmup, floor=0.2).factor(warmup, ())
    assert middle == pytest.approx(1)


def test_cosine_is_half_way_down_in_the_middle() -> None:
    assert Cosine(101, floor=0.0).factor(50, ()) == pytest.approx(0.5)
    assert Cosine(101, floor=0.0).factor(25, ()) == pytest.approx((1 + math.cos(math.pi / 4)) / 2)
    assert Cosine(101).factor(1000, ()) == pytest.approx(0.01)


@given(STEPS, st.integers(0, 50), st.sampled_from([0.01, 0.2]))
def test_exponential(steps: int, warmup: int, floor: float) -> None:
    warmup = min(warmup, steps // 10)
    found = factors(Exponential(steps, warmup, floor), steps)[warmup:]
    assert found[0] == pytest.approx(1)
    if len(found) > 1:
        assert found[-1] == pytest.approx(floor)
        shares = [after / before for before, after in pairwise(found)]
        assert shares == pytest.approx([floor ** (1 / (len(found) - 1))] * len(shares))
    assert Exponential(steps, warmup, floor).factor(10 * steps + 1, ()) == pytest.approx(floor)


def test_one_cycle() -> None:
    found = factors(OneCycle(100), 100)
    assert found[0] == pytest.approx(1 / 25)
    assert found.index(max(found)) == 30
    assert max(found) == pytest.approx(1)
    assert found[:31] == sorted(found[:31])
    assert found[30:] == sorted(found[30:], reverse=True)
    assert found[-1] == pytest.approx(1e-4)


@pytest.mark.parametrize(
    ("scores", "cuts"),
    [
        ((), 0),
        ((3.0,), 0),
        ((3.0, 4.0), 0),
        ((3.0, 4.0, 5.0), 1),
        ((3.0, 3.0, 3.0), 1),  # no better is not better
        ((3.0, 4.0, 2.0, 3.0), 0),
        ((3.0, 4.0, 5.0, 6.0), 1),
        ((3.0, 4.0, 5.0, 6.0, 7.0), 2),
        ((3.0, 4.0, 5.0, 2.0, 3.0, 4.0), 2),
        ((3.0, 4.0, 5.0, 3.5, 3.2), 2),  # the best of all counts
    ],
)
def test_plateau(scores: tuple[float, ...], cuts: int) -> None:
    assert Plateau(patience=2, cut=0.5).factor(1000, scores) == 0.5**cuts
