import math

import numpy as np
import pytest
from numpy.typing import NDArray

from recurra.errors import UsageError
from recurra.metrics import diebold_mariano, no_skill
from recurra.metrics.compare import widening
from recurra.metrics.student import student_quantile

Floats = NDArray[np.float64]


def smooth(random: np.random.Generator, n: int, overlap: int) -> Floats:
    return np.convolve(random.normal(size=n + overlap - 1), np.ones(overlap), "valid") / overlap


def test_one_step_ahead_is_the_paired_t_interval() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 31))
    d = a - b
    half = 2.042272 * d.std(ddof=1) / math.sqrt(31)
    assert diebold_mariano(a, b, 1) == pytest.approx((d.mean(), d.mean() - half, d.mean() + half), rel=1e-4)


def test_by_the_formula() -> None:
    random = np.random.default_rng(1)
    n, h = 40, 3
    d = smooth(random, n, h)
    c = d - d.mean()
    shares = [sum(c[t] * c[t - k] for t in range(k, n)) / n for k in range(h)]
    variance = shares[0] + 2 * (2 / 3 * shares[1] + 1 / 3 * shares[2])
    kept = (1 + 2 * (4 / 9 + 1 / 9)) / 3
    harvey = (n + 1 - 2 * h + h * (h - 1) / n) / n
    half = 2.178813 * math.sqrt(variance / kept / n / harvey)  # 40 // 3 - 1 = 12 degrees of freedom
    assert diebold_mariano(d, np.zeros(n), h) == pytest.approx((d.mean(), d.mean() - half, d.mean() + half), rel=1e-5)


@pytest.mark.parametrize(("n", "overlap"), [(200, 1), (400, 10), (2000, 48), (100, 20), (25, 12)])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(n: int, overlap: int) -> None:
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        difference = diebold_mariano(smooth(random, n, overlap), np.zeros(n), overlap)
        covered += difference.low <= 0 <= difference.high
    assert 0.91 <= covered / 300 <= 0.985


def test_losses_that_alternate_have_an_interval() -> None:
    d = np.tile([1.0, -1.0], 20)  # the sum of their autocovariances alone is negative
    difference = diebold_mariano(d, np.zeros(40), 2)
    assert difference.low < 0 < difference.high


def test_the_same_losses_do_not_differ() -> None:
    losses = np.random.default_rng(0).normal(size=50)
    assert diebold_mariano(losses, losses, 5) == (0, 0, 0)
    assert "no skill: the difference from x is +0" in no_skill(losses, {"x": losses}, 5)


def test_origins_without_truth_are_left_out_of_both() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 30))
    holes = a.copy()
    holes[[3, 7]] = np.nan
    there = ~np.isnan(holes)
    assert diebold_mariano(holes, b, 2) == diebold_mariano(a[there], b[there], 2)


@pytest.mark.parametrize(("n", "overlap"), [(0, 1), (1, 1), (3, 1), (19, 10)])
def test_few_origins_say_nothing(n: int, overlap: int) -> None:
    difference = diebold_mariano(np.zeros(n), np.ones(n), overlap)
    assert math.isnan(difference.low)
    assert math.isnan(difference.high)
    assert "too few origins" in str(difference)
    zeros, ones = np.zeros(n), np.ones(n)
    assert no_skill(zeros, {"drift": ones}, overlap).startswith("skill cannot be judged: the difference from drift")
    assert not n or no_skill(ones, {"drift": zeros}, overlap).startswith("no skill: the difference from drift is +1")


def test_the_strongest_baseline_decides() -> None:
    noise = 0.01 * np.random.default_rng(0).normal(size=100)
    naive = {"weak": np.full(100, 3.0), "strong": np.full(100, 1.0), "middle": np.full(100, 2.0)}
    assert no_skill(noise + 0.9, naive, 4) == ""
    assert no_skill(noise + 1.0, naive, 4).startswith("no skill: the difference from strong is ")
    worse = no_skill(noise + 1.5, naive, 4)
    assert worse.startswith("no skill: the difference from strong is +0.5")


def test_a_baseline_without_losses_does_not_hide_the_others() -> None:
    noise = 0.01 * np.random.default_rng(0).normal(size=100)
    naive = {"none": np.full(100, np.nan), "strong": np.full(100, 1.0)}
    assert no_skill(noise + 0.9, naive, 4) == ""
    assert "strong" in no_skill(noise + 1.1, naive, 4)


@pytest.mark.parametrize(("freedom", "wanted"), [(4, 2.776445), (5, 2.570582), (10, 2.228139), (100, 1.983972)])
def test_printed_tables_ofstudent_quantile(freedom: int, wanted: float) -> None:
    assert student_quantile(freedom, 0.975) == pytest.approx(wanted, rel=1e-3)


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match=r"losses are \(3,\) and \(4,\)"):
        diebold_mariano(np.zeros(3), np.zeros(4), 1)
    with pytest.raises(UsageError, match="overlap is 0"):
        diebold_mariano(np.zeros(3), np.zeros(3), 0)
    with pytest.raises(UsageError, match="no baseline came"):
        no_skill(np.zeros(3), {}, 1)


def test_many_independent_origins_need_no_widening() -> None:
    assert widening(100_000, 1, 1) == pytest.approx(1, abs=1e-3)
    assert widening(100_000, 10, 1000) == pytest.approx(1, abs=0.01)
    assert widening(100, 10, 10) > widening(1000, 10, 10) > math.sqrt(3 / 2 * 0.99)
