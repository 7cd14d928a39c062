import math
from statistics import NormalDist

import numpy as np
import pytest

from recurra.errors import UsageError
from recurra.metrics import few_mean, student_quantile


@pytest.mark.parametrize(
    ("freedom", "p", "quantile"),  # as printed tables have them
    [(1, 0.95, 6.314), (1, 0.995, 63.657), (2, 0.975, 4.303), (4, 0.9, 1.533), (5, 0.995, 4.032), (29, 0.975, 2.045)],
)
def test_the_table(freedom: int, p: float, quantile: float) -> None:
    assert student_quantile(freedom, p) == pytest.approx(quantile, abs=6e-4)
    assert student_quantile(freedom, 1 - p) == -student_quantile(freedom, p)


@pytest.mark.parametrize("freedom", [1, 2, 3, 6, 7])
def test_the_density_integrates_to_it(freedom: int) -> None:
    top = student_quantile(freedom, 0.97)
    t = np.linspace(0, top, 20_001)
    scale = math.gamma((freedom + 1) / 2) / math.sqrt(freedom * math.pi) / math.gamma(freedom / 2)
    density = scale * (1 + t**2 / freedom) ** (-(freedom + 1) / 2)
    assert float(np.trapezoid(density, t)) == pytest.approx(0.47, abs=1e-6)


def test_much_freedom_is_normal() -> None:
    assert student_quantile(5_000, 0.975) == pytest.approx(NormalDist().inv_cdf(0.975), rel=1e-3)
    assert student_quantile(7, 0.5) == 0


def test_the_interval_holds_the_mean_as_often_as_it_says() -> None:
    draws = np.random.default_rng(0).normal(3, 2, (4000, 3))
    held = [low <= 3 <= high for _, low, high in map(few_mean, draws.tolist())]
    assert np.mean(held) == pytest.approx(0.95, abs=0.01)


def test_a_single_number_has_no_interval() -> None:
    mean, low, high = few_mean([2.5])
    assert mean == 2.5
    assert math.isnan(low)
    assert math.isnan(high)


def test_bad() -> None:
    with pytest.raises(UsageError, match="no number came"):
        few_mean([])
    for freedom, p in ((0, 0.5), (3, 1.0)):
        with pytest.raises(UsageError, match="wanted 1 or more, and between 0 and 1"):
            student_quantile(freedom, p)
