"""What is decided from the data, and that nothing but the learning part decides it."""

import numpy as np
import pytest

from recurra.data import Collection, read_series
from recurra.errors import UsageError
from recurra.tasks.options import Forecast
from recurra.tasks.plan import Plan, decide

RANDOM = np.random.default_rng(0)
HOURS = np.arange(24 * 7 * 8)


def hourly(values: np.ndarray) -> Collection:
    times = np.datetime64("2024-01-01T00") + np.arange(len(values)).astype("timedelta64[h]")
    return read_series({"time": times, "load": values})


WAVE = 50 + 10 * np.sin(2 * np.pi * HOURS / 24) + RANDOM.normal(size=len(HOURS))
WALK = RANDOM.normal(size=len(HOURS)).cumsum()


@pytest.mark.parametrize(
    ("season", "seasons", "measured"),
    [("", (24, 168), 24), (168, (24, 168), 168), ("24,168", (24, 168), 24), ("36", (24, 36, 168), 36), (1, (), 1)],
)
def test_a_season_says_what_it_means(season: int | str, seasons: tuple[int, ...], measured: int) -> None:
    """It changes what stands beside the run, and neither how far it looks ahead nor how it reads."""
    plan, _ = decide(Forecast(season=season), hourly(WAVE))
    assert (plan.horizon, plan.segment, plan.seasons, plan.season) == (24, 24, seasons, measured)
    assert plan.window == (168 if season != 1 else 96)


def test_where_the_calendar_knows_none_the_shortest_given_takes_its_place() -> None:
    rows = read_series(WAVE)
    assert decide(Forecast(), rows)[0][:3] == (48, 12, 6)
    assert decide(Forecast(season="48,24"), rows)[0][:3] == (96, 24, 24)


def test_a_week_needs_two() -> None:
    plan, _ = decide(Forecast(), hourly(WAVE[: 24 * 16]))
    assert plan.seasons == (24,)


def test_no_season_is_told_with_a_hint() -> None:
    bare = "rows have no season: only naive forecasts without one stand beside the run"
    _, notes = decide(Forecast(), read_series(WAVE))
    assert notes[1] == f"{bare}; it repeats most after 24 rows: if that means something, say season=24"
    _, notes = decide(Forecast(), read_series(WALK))
    assert notes[1] == bare
    assert not any("season" in note for note in decide(Forecast(season=1), read_series(WALK))[1])


def test_normalisation_is_measured() -> None:
    assert decide(Forecast(), hourly(WAVE))[0].normalisation == "mean"
    assert decide(Forecast(), hourly(WALK))[0].normalisation == "last"
    assert decide(Forecast(normalise="last"), hourly(WAVE))[0].normalisation == "last"
    with pytest.raises(UsageError, match=r"^normalise=mean: wanted level or auto with loss=negative-binomial"):
        decide(Forecast(loss="negative-binomial", normalise="mean"), hourly(WAVE))


def test_the_future_decides_nothing() -> None:
    later = np.arange(len(WAVE)) >= round(0.7 * len(WAVE))
    mine, theirs = (decide(Forecast(), hourly(values)) for values in (WAVE, np.where(later, 1e3 * WALK, WAVE)))
    assert mine == theirs


def test_kept() -> None:
    plan = Plan(48, 12, 12, 12, "last", (12,))
    assert Plan.kept(plan._asdict() | {"seasons": [12]}) == plan
    facts = {name: value for name, value in plan._asdict().items() if name != "seasons"}
    assert Plan.kept(facts) == plan  # of runs before there were several
