import math

import numpy as np
import pytest

from recurra.errors import UsageError
from recurra.metrics import CalibrationTotals, fit_temperature, log_softmax


def test_the_error_is_the_mean_gap_over_bins() -> None:
    totals = CalibrationTotals()
    totals.add([0.95, 0.95, 0.95, 0.95, 0.62, 0.62, 1.0], [True, True, False, False, True, True, True])
    gaps = [4 * abs(0.5 - 0.95), 2 * abs(1 - 0.62), 0.0]
    gaps[0] = abs(3 - (4 * 0.95 + 1.0))  # the last bin holds 1, too
    assert totals.figures()["calibration error"] == pytest.approx((gaps[0] + gaps[1]) / 7)
    low, high = totals.interval("calibration error")
    assert 0 <= low < high


def test_what_is_said_truly_has_almost_none() -> None:
    draw = np.random.default_rng(0)
    said = draw.uniform(0.2, 1, 20_000)
    totals = CalibrationTotals()
    totals.add(said.tolist(), (draw.uniform(size=20_000) < said).tolist())
    assert totals.figures()["calibration error"] < 0.015


def test_the_interval_is_around_the_error_although_drawing_anew_adds_to_it() -> None:
    draw = np.random.default_rng(0)
    said = draw.uniform(0.2, 1, 300)
    totals = CalibrationTotals()
    totals.add(said.tolist(), (draw.uniform(size=300) < said).tolist())
    low, high = totals.interval("calibration error")
    assert 0 < low < totals.figures()["calibration error"] < high < 0.15


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_is_found_again(true: float) -> None:
    draw = np.random.default_rng(0)
    logits = draw.normal(size=(20_000, 4)) * 3
    gumbel = draw.gumbel(size=logits.shape)
    assert fit_temperature(logits, (logits / true + gumbel).argmax(1)) == pytest.approx(true, rel=0.04)


def test_few_that_are_all_right_do_not_make_it_sure() -> None:
    logits = np.array([[2.0, 0.0], [0.0, 2.0]] * 5)
    found = fit_temperature(logits, np.array([0, 1] * 5))
    assert 0.6 < found < 1
    assert math.isclose(fit_temperature(np.zeros((0, 2)), np.zeros(0, np.int64)), 1)
    assert fit_temperature(np.full((1, 2), np.nan), np.zeros(1, np.int64)) == 1


def test_logarithms_of_large_numbers() -> None:
    np.testing.assert_allclose(log_softmax(np.array([[1000.0, 0.0]])), [[0.0, -1000.0]])
    np.testing.assert_allclose(np.exp(log_softmax(np.array([[3.0, 1.0, 0.0]]), 2.0)).sum(), 1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1, 1.1])
def test_what_is_no_probability(value: float) -> None:
    with pytest.raises(UsageError, match=r"^outputs are no probabilities; wanted numbers from 0 to 1$"):
        CalibrationTotals().add([0.5, value], [True, False])


def test_shapes() -> None:
    with pytest.raises(UsageError, match=r"wanted \(N, K\) and \(N,\)"):
        fit_temperature(np.zeros((3, 2)), np.zeros(2, np.int64))
