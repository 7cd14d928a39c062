"""Windows of series: where parts end, and that no window sees what comes after its history."""

from typing import Any

import numpy as np
import pytest

from recurra.data import Part, Scale, Series, Windows, parts, scales
from recurra.errors import DataError


def line(steps: int, name: str = "a", ahead: int = 0, **changed: Any) -> Series:
    """Values that say where they stand."""
    values = np.arange(steps, dtype=np.float64)[:, None] + np.array([[0.0, 1000.0]])
    known = np.arange(steps + ahead, dtype=np.float64)[:, None]
    whole = Series(name, np.arange(steps + ahead), values, np.ones((steps, 2), bool), values[:, :1] + 0.5, known, np.ones(1))
    return whole._replace(**changed)


def unit(series: Series) -> Scale:
    return Scale(np.zeros(2), np.ones(2))


class TestParts:
    def test_they_follow_each_other(self) -> None:
        assert parts(line(100), 0.1, 0.2, 5, 0) == (Part(0, 70), Part(70, 80), Part(80, 100))
        assert parts(line(100), 30, 20, 5, 3) == (Part(0, 44), Part(47, 77), Part(80, 100))

    def test_each_has_room_for_a_forecast(self) -> None:
        assert parts(line(100), 0.01, 0.01, 12, 0) == (Part(0, 76), Part(76, 88), Part(88, 100))

    def test_too_short(self) -> None:
        with pytest.raises(DataError) as caught:
            parts(line(15), 0.1, 0.2, 5, 0)
        assert str(caught.value) == (
            "a: 15 steps leave 5 to learn from beside validation=5, test=5 and gap=0; wanted more than horizon=5: "
            "bring more, or lower horizon, validation, test"
        )


class TestScales:
    def test_of_the_part_alone(self) -> None:
        scale = scales(line(100), Part(0, 5))
        assert scale.centre.tolist() == [2.0, 1002.0]
        np.testing.assert_allclose(scale.spread, np.std(np.arange(5)))

    def test_what_comes_later_does_not_matter(self) -> None:
        series = line(50)
        changed = series._replace(values=np.where(np.arange(50)[:, None] < 30, series.values, 1e6))
        for mine, theirs in zip(scales(series, Part(0, 30)), scales(changed, Part(0, 30)), strict=True):
            np.testing.assert_array_equal(mine, theirs)

    def test_only_what_was_observed(self) -> None:
        seen = np.ones((10, 2), bool)
        seen[3:, 1] = False
        assert scales(line(10, observed=seen), Part(0, 10)).centre.tolist() == [4.5, 1001.0]

    def test_a_constant_has_spread_1(self) -> None:
        assert scales(line(10, values=np.full((10, 2), 7.0)), Part(0, 10)).spread.tolist() == [1.0, 1.0]


class TestWindows:
    def test_history_ends_where_the_forecast_begins(self) -> None:
        series = [line(20, "a"), line(12, "b")]
        windows = Windows(series, [Part(10, 20), Part(6, 12)], [unit(each) for each in series], window=4, horizon=3)
        batch = windows.at(np.arange(len(windows)))
        assert windows.origins.tolist() == [10, 11, 12, 13, 14, 15, 16, 17, 6, 7, 8, 9]
        assert windows.of.tolist() == [0] * 8 + [1] * 4
        np.testing.assert_array_equal(batch.x[:, -1, 0], windows.origins - 1)
        np.testing.assert_array_equal(batch.x[:, 0, 1], windows.origins - 4 + 1000)
        np.testing.assert_array_equal(batch.y[:, :, 0], windows.origins[:, None] + np.arange(3))
        np.testing.assert_array_equal(batch.past[:, -1, 0], windows.origins - 0.5)
        np.testing.assert_array_equal(batch.known[:, :, 0], windows.origins[:, None] + np.arange(-4, 3))

    def test_no_window_sees_what_comes_after_it(self) -> None:
        """Whatever is changed from a step on, windows whose forecast begins there or before read the same."""
        series = line(40)
        windows = Windows([series], [Part(0, 40)], [unit(series)], window=8, horizon=4)
        for cut in (9, 20, 33):
            changed = np.where(np.arange(40)[:, None] < cut, series.values, -1.0)
            hidden = series._replace(
                values=changed, past=changed[:, :1] + 0.5, observed=np.arange(40)[:, None] * np.ones((1, 2)) < cut
            )
            others = Windows([hidden], [Part(0, 40)], [unit(series)], window=8, horizon=4)
            before = np.flatnonzero(windows.origins <= cut)
            mine, theirs = windows.at(before), others.at(before)
            for name in ("x", "seen", "past", "known"):
                np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
            later = np.flatnonzero(windows.origins > cut)
            assert (windows.at(later).x != others.at(later).x).any()

    def test_windows_of_what_is_learnt_end_in_it(self) -> None:
        series = line(100)
        learnt, looked, tested = parts(series, 0.1, 0.2, 5, 2)
        ends = {}
        for name, part in (("learnt", learnt), ("looked", looked), ("tested", tested)):
            windows = Windows([series], [part], [unit(series)], window=8, horizon=5)
            y = windows.at(np.arange(len(windows))).y[:, :, 0]
            ends[name] = int(y.min()), int(y.max())
        assert ends == {"learnt": (8, 65), "looked": (68, 77), "tested": (80, 99)}

    def test_before_the_beginning(self) -> None:
        series = line(6)
        windows = Windows([series], [Part(0, 6)], [unit(series)], window=8, horizon=3)
        batch = windows.at(np.arange(len(windows)))
        assert windows.origins.tolist() == [3]
        assert batch.x[0, :, 0].tolist() == [0, 0, 0, 0, 0, 0, 1, 2]
        assert batch.seen[0, :, 0].tolist() == [False] * 5 + [True] * 3

    def test_behind_the_end(self) -> None:
        series = line(6, ahead=3)
        windows = Windows([series], [Part(6, 9)], [unit(series)], window=2, horizon=3)
        batch = windows.at(np.arange(len(windows)))
        assert windows.origins.tolist() == [6]
        assert batch.x[0, :, 0].tolist() == [4, 5]
        assert not batch.true.any()
        assert batch.known[0, :, 0].tolist() == [4, 5, 6, 7, 8]

    def test_stride(self) -> None:
        series = line(30)
        windows = Windows([series], [Part(10, 30)], [unit(series)], window=4, horizon=3, stride=5)
        assert windows.origins.tolist() == [10, 15, 20, 25]
