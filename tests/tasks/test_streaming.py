"""A forecast fed one observation at a time says what `predict` says of the whole."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import recurra
from recurra import state as states
from recurra.errors import DataError, UsageError
from recurra.tasks.streaming import Stream
from tests.tasks.test_forecast import SMALL, table


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    folder = tmp_path_factory.mktemp("stream")
    run: recurra.Run = recurra.Forecast(**SMALL).fit(table(folder / "sales.csv"), out=folder / "run", show=False)
    return run


def values(run: recurra.Run) -> np.ndarray[Any, Any]:
    lines = Path(run.source).read_text().splitlines()[1:]
    return np.array([float(line.split(",")[1]) for line in lines])


def test_as_the_whole_at_once(made: recurra.Run) -> None:
    stream, known = made.stream(), values(made)
    state = stream.initial("2023-07-16", known[:-3])
    for value in known[-3:]:
        ahead, state = stream(value, state)
    rows = list(made.predict())
    assert [str(time)[:10] for time in ahead.times] == [row["time"] for row in rows]
    for name in ("forecast", "lower", "upper"):
        np.testing.assert_allclose(getattr(ahead, name)[:, 0], [row[name] for row in rows], rtol=1e-5)


def test_a_short_history_is_filled_with_its_first_value(made: recurra.Run) -> None:
    stream = made.stream()
    state = stream.initial("2023-01-03", [50.0, 60.0, np.nan])
    assert state.x[0, :, 0].tolist() == [50.0] * 12 + [60.0, 60.0]
    assert state.seen[0, :, 0].tolist() == [False] * 11 + [True, True, False]


def test_the_state_is_a_value(made: recurra.Run) -> None:
    stream, known = made.stream(), values(made)
    state = stream.initial("2023-07-18", known[:-1])
    before = states.map(lambda part: part.clone(), state)
    first, _ = stream(known[-1], state)
    again, _ = stream(known[-1], state)
    np.testing.assert_array_equal(first.forecast, again.forecast)
    for mine, theirs in zip(state, before, strict=True):
        assert (mine == theirs).all()
    assert list(states.named(state)) == ["x", "seen", "at"]


def test_what_is_missing_is_the_last_value_again(made: recurra.Run) -> None:
    stream, known = made.stream(), values(made)
    state = stream.initial("2023-07-18", known)
    _, after = stream(np.nan, state)
    assert after.x[0, -1] == after.x[0, -2]
    assert not after.seen[0, -1]


def test_logarithms(tmp_path: Path) -> None:
    options = recurra.Forecast(**SMALL | {"steps": 4, "check": 4}, log=True)
    run = options.fit(table(tmp_path / "sales.csv"), out=tmp_path / "run", show=False)
    stream, known = run.stream(), values(run)
    ahead = stream.ahead(stream.initial("2023-07-19", known))
    np.testing.assert_allclose(ahead.forecast[:, 0], [row["forecast"] for row in run.predict()], rtol=1e-5)
    with pytest.raises(DataError, match="wanted finite numbers above 0, or NaN"):
        stream(-1.0, stream.initial("2023-07-19", known))


def test_wrong_observations(made: recurra.Run) -> None:
    stream: Stream = made.stream()
    state = stream.initial("2023-07-19", [1.0, 2.0])
    with pytest.raises(UsageError, match=r"^observation is \(2,\); wanted \(1,\), one number for each target"):
        stream([1.0, 2.0], state)
    with pytest.raises(UsageError, match=r"^history is \(2, 3\); wanted \(T, 1\), one row at least"):
        stream.initial("2023-07-19", np.zeros((2, 3)))
    with pytest.raises(DataError, match="begins with a missing value"):
        stream.initial("2023-07-19", [np.nan, 1.0])
    with pytest.raises(UsageError, match=r"^series=other: choose from"):
        made.stream(series="other")


def test_a_text_run_has_no_stream(trained: recurra.Run) -> None:
    with pytest.raises(UsageError, match="the task text does not stream"):
        trained.stream()
