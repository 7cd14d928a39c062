import csv
import gzip
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recurra.errors import UsageError
from recurra.metrics import (
    Baseline,
    ForecastTotals,
    Scales,
    baselines,
    carried,
    drift,
    repeat_last,
    seasonal_growth,
    seasonal_mean,
    seasonal_naive,
)
from tests.places import dataset

Floats = NDArray[np.float64]
PASSENGERS = """
    112 118 132 129 121 135 148 148 136 119 104 118 115 126 141 135 125 149 170 170 158 133 114 140
    145 150 178 163 172 178 199 199 184 162 146 166 171 180 193 181 183 218 230 242 209 191 172 194
    196 196 236 235 229 243 264 272 237 211 180 201 204 188 235 227 234 264 302 293 259 229 203 229
    242 233 267 269 270 315 364 347 312 274 237 278 284 277 317 313 318 374 413 405 355 306 271 306
    315 301 356 348 355 422 465 467 404 347 305 336 340 318 362 348 363 435 491 505 404 359 310 337
    360 342 406 396 420 472 548 559 463 407 362 405 417 391 419 461 472 535 622 606 508 461 390 432
"""  # thousands a month, 1949-1960: Box & Jenkins 1976, series G
SEASONAL = baselines(3, seasons=2)


def column(*values: float) -> Floats:
    return np.array(values)[:, None]


def slow(name: str, history: list[float], horizon: int, m: int, seasons: int) -> list[float]:
    """The textbook, one number at a time."""
    last, n = history[-1], len(history)
    out = []
    for h in range(horizon):
        place = n - m + h % m
        if name == "repeat last":
            out.append(last)
        elif name == "mean so far":
            out.append(sum(history) / n)
        elif name == "drift":
            out.append(last + (h + 1) * (last - history[0]) / max(n - 1, 1))
        else:
            count = seasons if name.startswith("mean") else 1
            found = [history[place - j * m] for j in range(count) if place - j * m >= 0]
            base = sum(found) / len(found) if found else last
            if name.endswith("growth") and n > m and last > 0 and history[-1 - m] > 0:
                base *= min(max(last / history[-1 - m], 0.5), 2.0) ** (1 + h // m)
            out.append(base)
    return out


@pytest.mark.parametrize("name", SEASONAL)
@given(values=st.lists(st.floats(-100, 100), min_size=1, max_size=25), horizon=st.integers(1, 11), data=st.data())
def test_they_say_what_the_textbook_says(name: str, values: list[float], horizon: int, data: st.DataObject) -> None:
    origins = data.draw(st.lists(st.integers(1, len(values)), min_size=1, max_size=4))
    got = SEASONAL[name](column(*values), origins, horizon)
    assert got.shape == (len(origins), horizon, 1)
    for origin, row in zip(origins, got, strict=True):
        assert row[:, 0].tolist() == pytest.approx(slow(name, values[:origin], horizon, 3, 2), abs=1e-9)


@pytest.mark.parametrize("forecast", baselines(4).values(), ids=baselines(4))
def test_they_never_see_behind_the_origin(forecast: Baseline) -> None:
    values = np.random.default_rng(0).normal(5, 1, (40, 2))
    origins = [1, 4, 5, 17, 30]
    together = forecast(values, origins, 9)
    for origin, row in zip(origins, together, strict=True):
        changed = values.copy()
        changed[origin:] = np.nan
        assert np.array_equal(forecast(changed, [origin], 9)[0], row)
        assert np.array_equal(forecast(values[:origin], [origin], 9)[0], row)


@pytest.mark.parametrize("forecast", baselines(4).values(), ids=baselines(4))
def test_columns_do_not_mix_and_no_origins_are_no_rows(forecast: Baseline) -> None:
    values = np.random.default_rng(0).normal(5, 1, (40, 3))
    whole = forecast(values, [20, 30], 5)
    alone = [forecast(values[:, [k]], [20, 30], 5) for k in range(3)]
    assert np.array_equal(whole, np.concatenate(alone, axis=2))
    assert forecast(values, [], 5).shape == (0, 5, 3)


def test_gaps_are_left_out() -> None:
    nan = np.nan
    values = column(nan, nan, 1, 2, nan, 4)
    assert seasonal_mean(values, [6], 4, season=2, seasons=3)[0, :, 0].tolist() == [1, 3, 1, 3]
    assert seasonal_naive(values, [6], 2, season=2)[0, :, 0].tolist() == [4, 4]  # not seen: the last value
    assert drift(values, [6], 2)[0, :, 0].tolist() == [5, 6]
    assert seasonal_growth(values, [6], 1, season=2)[0, :, 0].tolist() == [8]


def test_carried_knows_only_the_past() -> None:
    values = np.arange(12.0).reshape(6, 2)
    observed = np.array([[1, 0], [0, 0], [1, 1], [0, 0], [0, 1], [0, 0]], np.bool_)
    nan = np.nan
    wanted = [[0, nan], [0, nan], [4, 5], [4, 5], [4, 9], [4, 9]]
    assert np.array_equal(carried(values, observed), np.array(wanted), equal_nan=True)


def test_names() -> None:
    assert list(baselines(1)) == ["repeat last", "drift", "mean so far"]
    assert "mean of 7 seasons of 24" in baselines(24)
    assert list(baselines(24, 168))[3:] == [*list(baselines(24))[3:], *list(baselines(168))[3:]]


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match="origins go from 0 to 3; wanted 1 to 5"):
        repeat_last(np.zeros((5, 1)), [3, 0], 2)
    with pytest.raises(UsageError, match="origins go from 6 to 6"):
        drift(np.zeros((5, 1)), [6], 2)
    with pytest.raises(UsageError, match=r"values are \(5,\); wanted \(T, C\)"):
        repeat_last(np.zeros(5), [3], 2)
    with pytest.raises(UsageError, match="season is 0"):
        seasonal_naive(np.zeros((5, 1)), [3], 2, season=0)


def test_the_passengers_of_1957_to_1960_one_month_ahead() -> None:
    values, origins = column(*map(float, PASSENGERS.split())), np.arange(96, 144)
    assert len(values) == 144
    reached = {
        name: float(np.sqrt(np.mean((forecast(values, origins, 1)[:, 0] - values[96:]) ** 2)))
        for name, forecast in baselines(12).items()
    }
    assert reached["repeat last"] == pytest.approx(48.0, abs=0.05)
    assert reached["seasonal naive 12"] == pytest.approx(41.9, abs=0.05)
    assert reached["seasonal naive 12 x growth"] == pytest.approx(15.6, abs=0.05)


def scaled_mse(values: Floats, learning: int, start: int, horizon: int, forecast: Baseline) -> float:
    """As the papers on long horizons: every window of the test part, stride 1, in batches."""
    scales = Scales.of(values[:learning], np.ones((learning, values.shape[1]), np.bool_), 1)
    totals = ForecastTotals()
    for origins in np.array_split(np.arange(start, len(values) - horizon + 1), 12):
        truth = values[origins[:, None] + np.arange(horizon)]
        totals.add(forecast(values, origins, horizon), truth, scales)
    return totals.figures()["scaled MSE"]


HOURLY = pytest.mark.parametrize(
    ("horizon", "week", "last"),
    [
        (96, 0.400, 1.294),
        (192, 0.446, 1.325),
        pytest.param(336, 0.469, 1.330, marks=pytest.mark.slow),
        pytest.param(720, 0.451, 1.335, marks=pytest.mark.slow),
    ],
)


@pytest.mark.data
@HOURLY
def test_transformer_oil(horizon: int, week: float, last: float) -> None:
    with gzip.open(dataset("ett_small") / "ETTh1.csv.gz", "rt") as file:
        values = np.loadtxt(file, delimiter=",", skiprows=1, usecols=range(1, 8), max_rows=14400)
    known = baselines(24)
    reached = [scaled_mse(values, 8640, 11520, horizon, known[name]) for name in ("mean of 7 seasons of 24", "repeat last")]
    assert reached == pytest.approx([week, last], abs=0.0006)


@pytest.mark.data
@pytest.mark.parametrize(
    ("horizon", "last"),
    [
        (96, 0.081),
        (192, 0.167),
        pytest.param(336, 0.306, marks=pytest.mark.slow),
        pytest.param(720, 0.810, marks=pytest.mark.slow),
    ],
)
def test_exchange_rates(horizon: int, last: float) -> None:
    with gzip.open(dataset("exchange_rate") / "exchange_rate.txt.gz", "rt") as file:
        values = np.loadtxt(file, delimiter=",")
    learning, test = int(0.7 * len(values)), int(0.2 * len(values))
    assert scaled_mse(values, learning, len(values) - test, horizon, repeat_last) == pytest.approx(last, abs=0.0006)


def m4(part: str) -> list[Floats]:
    text = gzip.decompress((dataset("m4_hourly_weekly") / f"Hourly-{part}.csv.gz").read_bytes()).decode()
    rows = list(csv.reader(io.StringIO(text)))[1:]
    return [np.array([cell for cell in row[1:] if cell], np.float64)[:, None] for row in rows]


@pytest.mark.data
@pytest.mark.parametrize(("forecast", "smape", "mase"), [("seasonal naive 24", 13.912, 1.193), ("repeat last", 43.003, 11.61)])
def test_m4_hourly(forecast: str, smape: float, mase: float) -> None:
    totals = ForecastTotals()
    for learning, truth in zip(m4("train"), m4("test"), strict=True):
        scales = Scales.of(learning, np.ones(learning.shape, np.bool_), 24)
        totals.add(baselines(24)[forecast](learning, [len(learning)], 48), truth[None], scales)
    figures = totals.figures()
    assert len(totals.losses("MAE")) == 414
    assert figures["sMAPE"] == pytest.approx(smape, abs=0.0006)
    assert figures["MASE"] == pytest.approx(mase, abs=0.006 if mase > 5 else 0.0006)
