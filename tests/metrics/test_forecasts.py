import math
from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from recurra.errors import UsageError
from recurra.metrics import ForecastTotals, Mean, Scales, block_interval

Floats = NDArray[np.float64]
LEVELS = (0.1, 0.5, 0.9)
N, T, C = 23, 4, 3


class Case:
    """Random forecasts of three columns, the last of which no scale is known of, with holes."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self.truth = random.normal(size=(N, T, C))
        self.truth[0, 0] = 0.0
        self.quantiles = np.sort(random.normal(size=(N, T, C, 3)), axis=-1)
        self.quantiles[0, 0, :, 1] = 0.0
        self.forecast = self.quantiles[..., 1]
        self.observed = random.random((N, T, C)) < 0.8
        self.observed[0, 0] = True
        self.observed[5] = False
        self.scales = Scales(np.array([0.5, 2.0, np.nan]), np.array([3.0, 0.1, np.nan]))

    def totals(self, rows: slice = slice(None)) -> ForecastTotals:
        totals = ForecastTotals(LEVELS)
        truth = np.where(self.observed, self.truth, np.nan)  # what is not observed must not matter
        totals.add(self.forecast[rows], truth[rows], self.scales, observed=self.observed[rows], quantiles=self.quantiles[rows])
        return totals


def test_every_figure_by_hand() -> None:
    case = Case()
    sums: dict[str, list[float]] = {}
    for n, h, c in np.argwhere(case.observed):
        y, (low, f, high) = float(case.truth[n, h, c]), case.quantiles[n, h, c].tolist()
        e = abs(y - f)
        pinballs = [max(p * (y - q), (p - 1) * (y - q)) for p, q in zip(LEVELS, (low, f, high), strict=True)]
        parts = {"MAE": e, "RMSE": e * e, "sMAPE": 200 * e / (abs(y) + abs(f)) if e else 0.0}
        parts |= {"CRPS": 2 * sum(pinballs) / 3, "coverage 0.8": float(low <= y <= high), "width 0.8": high - low}
        parts |= {f"pinball {p:g}": value for p, value in zip(LEVELS, pinballs, strict=True)}
        if c < 2:
            m, s = case.scales.naive[c], case.scales.deviation[c]
            parts |= {"MASE": e / m, "scaled MSE": (e / s) ** 2, "scaled MAE": e / s}
        for name, value in parts.items():
            sums.setdefault(name, []).append(value)
    wanted = {name: math.fsum(values) / len(values) for name, values in sums.items()}
    wanted["RMSE"] **= 0.5
    figures = case.totals().figures()
    assert figures == pytest.approx(wanted, rel=1e-12)
    assert set(figures) == set(wanted)


def test_batches_merge_in_any_order_to_the_same_bits() -> None:
    case = Case()
    whole = case.totals().figures()
    cuts = [slice(0, 1), slice(1, 9), slice(9, 20), slice(20, N)]
    for order in permutations(cuts):
        merged = ForecastTotals(LEVELS)
        for rows in order:
            merged += case.totals(rows)
        assert merged.figures() == whole


def test_losses_by_origin() -> None:
    case = Case()
    losses = case.totals().losses("MAE")
    assert losses.shape == (N,)
    assert np.isnan(losses).tolist() == [n == 5 for n in range(N)]
    seen = case.observed[7]
    assert losses[7] == pytest.approx(np.abs(case.truth - case.forecast)[7][seen].mean())


def test_each_origin_may_have_its_own_scale() -> None:
    ones = np.ones((2, 3, 1))
    totals = ForecastTotals()
    totals.add(0 * ones, ones, Scales(np.array([[1.0], [4.0]]), np.array([[2.0], [np.nan]])))
    assert totals.losses("MASE").tolist() == [1.0, 0.25]
    assert totals.figures()["scaled MAE"] == 0.5


def test_scales_come_from_what_was_observed() -> None:
    values = np.array([[1.0, 5.0, 0.1], [2.0, 9.0, 0.1], [99.0, 9.0, 0.1], [4.0, 1.0, 0.1], [6.0, 9.0, 0.1]])
    observed = np.ones((5, 3), np.bool_)
    observed[2, 0] = False
    naive, deviation = Scales.of(values, observed, 2)
    assert naive[:2].tolist() == [2.0, (4 + 8 + 0) / 3]  # column 0: only rows 1 and 3
    assert deviation[:2].tolist() == pytest.approx([np.std([1, 2, 4, 6]), np.std(values[:, 1])])
    assert np.isnan([naive[2], deviation[2]]).all()  # constant
    assert np.isnan(Scales.of(values, observed, 5).naive).all()  # shorter than a season
    assert np.isnan(Scales.of(values, observed, 50).naive).all()
    assert np.isnan(np.array(Scales.of(values, np.zeros((5, 3), np.bool_), 1))).all()


def test_nothing_has_no_figures() -> None:
    figures = ForecastTotals(LEVELS).figures()
    assert len(figures) == 12
    assert all(math.isnan(value) for value in figures.values())


def test_huge_errors_stay_numbers() -> None:
    totals = ForecastTotals()
    totals.add(np.full((1, 1, 1), 1e100), np.zeros((1, 1, 1)), Scales(np.ones(1), np.ones(1)))
    assert totals.figures()["sMAPE"] == 200.0
    assert totals.figures()["RMSE"] == pytest.approx(1e100)


def smooth(random: np.random.Generator, n: int, overlap: int) -> Floats:
    """Losses of origins that share truth: moving means of white noise, of mean 0."""
    return np.convolve(random.normal(size=n + overlap - 1), np.ones(overlap), "valid") / overlap


@pytest.mark.parametrize(("n", "overlap"), [(400, 10), (48, 12), (60, 1)])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(n: int, overlap: int) -> None:
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(150):
        low, high = block_interval(Mean.of(smooth(random, n, overlap), 1), overlap)
        covered += low <= 0 <= high
    assert 0.89 <= covered / 150 <= 0.99


def test_blocks_respect_overlap() -> None:
    mean = Mean.of(smooth(np.random.default_rng(0), 400, 10), 1)
    (a, b), (c, d) = block_interval(mean, 1), block_interval(mean, 10)
    assert d - c > 2 * (b - a)


def test_the_interval_is_always_the_same_and_grows_with_its_level() -> None:
    mean = Mean.of(np.random.default_rng(1).normal(size=100), 1)
    assert block_interval(mean, 7) == block_interval(mean, 7)
    (a, b), (c, d) = block_interval(mean, 7, 0.5), block_interval(mean, 7, 0.99)
    assert c < a < mean.value < b < d


@pytest.mark.parametrize("origins", [0, 1, 13])
def test_few_origins_have_no_interval(origins: int) -> None:
    assert all(math.isnan(end) for end in block_interval(Mean.of(np.ones(origins), 1), 7))


def test_very_many_origins_are_no_burden() -> None:
    low, high = block_interval(Mean.of(np.random.default_rng(0).normal(size=200_000), 1), 1)
    assert high - low == pytest.approx(2 * 1.96 / math.sqrt(200_000), rel=0.15)


def test_intervals_of_figures() -> None:
    case = Case()
    totals = case.totals()
    for name, value in totals.figures().items():
        low, high = totals.interval(name, 2)
        assert low <= value <= high


def test_intervals_stay_within_what_a_figure_can_be() -> None:
    totals, ones = ForecastTotals(LEVELS), np.ones((12, 1, 1))
    size = np.where(np.arange(12) == 5, 9.0, 0.0)[:, None, None]  # one origin is all wrong, and outside of the band
    band = np.stack([-ones, 0 * ones, ones], axis=-1)
    totals.add(0 * ones, size, Scales(np.ones(1), np.ones(1)), quantiles=band)
    low, high = block_interval(totals.mean("MSE"), 4)
    assert low < 0
    assert totals.interval("RMSE", 4) == (0.0, math.sqrt(high))
    for name in totals.figures():
        assert totals.interval(name, 4)[0] >= 0
    assert block_interval(totals.mean("coverage 0.8"), 4)[1] > 1
    assert totals.interval("coverage 0.8", 4)[1] == 1
    assert all(math.isnan(end) for end in totals.interval("RMSE", 7))
    crossed = ForecastTotals(LEVELS)
    crossed.add(0 * ones, 0 * ones, Scales(np.ones(1), np.ones(1)), quantiles=band[..., ::-1])
    assert crossed.interval("width 0.8", 4) == (-2.0, -2.0)


def test_what_is_refused() -> None:
    case, totals = Case(), ForecastTotals(LEVELS)
    with pytest.raises(UsageError, match=r"quantiles are None; wanted \(23, 4, 3, 3\)"):
        totals.add(case.forecast, case.truth, case.scales)
    with pytest.raises(UsageError, match=r"quantiles are \(23, 4, 3, 3\); wanted None"):
        ForecastTotals().add(case.forecast, case.truth, case.scales, quantiles=case.quantiles)
    with pytest.raises(UsageError, match=r"forecast is \(4, 3\) and truth \(4, 3\); wanted both"):
        ForecastTotals().add(case.forecast[0], case.truth[0], case.scales)
    with pytest.raises(UsageError, match="figure 'MAPE' is not kept; choose from"):
        totals.losses("MAPE")
    with pytest.raises(UsageError, match="levels are"):
        totals += ForecastTotals()
    with pytest.raises(UsageError, match="season is 0"):
        Scales.of(np.zeros((3, 1)), np.ones((3, 1), np.bool_), 0)
