from calendar import monthrange
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recurra.data.calendar import Step, detect, features
from recurra.errors import UsageError

MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(lambda moment: moment.replace(microsecond=0))
UNITS = ["second", "minute", "hour", "day", "week", "month", "quarter", "year"]


def stamps(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[us]")


def one(times: np.ndarray) -> Step | None:
    return detect(times, np.arange(len(times)) == 0)


class TestStep:
    @pytest.mark.parametrize(
        ("text", "step", "told", "season"),
        [
            ("10s", Step(10, "second"), "10 seconds", 1),
            ("1min", Step(1, "minute"), "1 minute", 1440),
            ("15min", Step(15, "minute"), "15 minutes", 96),
            ("30 minutes", Step(30, "minute"), "30 minutes", 48),
            ("1h", Step(1, "hour"), "1 hour", 24),
            ("3h", Step(3, "hour"), "3 hours", 8),
            ("5h", Step(5, "hour"), "5 hours", 1),
            ("1d", Step(1, "day"), "1 day", 7),
            ("1w", Step(1, "week"), "1 week", 52),
            ("1mo", Step(1, "month"), "1 month", 12),
            ("2mo", Step(2, "month"), "2 months", 6),
            ("1q", Step(1, "quarter"), "1 quarter", 4),
            ("1y", Step(1, "year"), "1 year", 1),
        ],
    )
    def test_words(self, text: str, step: Step, told: str, season: int) -> None:
        assert Step.of(text) == step
        assert (str(step), step.season) == (told, season)

    @pytest.mark.parametrize("text", ["", "h", "0h", "-1h", "1m", "1.5h", "1 row", "1 business day", "1fortnight"])
    def test_no_step(self, text: str) -> None:
        with pytest.raises(UsageError, match=r"wanted a number and a unit"):
            Step.of(text)

    def test_others(self) -> None:
        assert (Step(1, "business day").season, Step(1, "row").season) == (5, 1)

    @given(MOMENTS, st.integers(1, 50), st.sampled_from(UNITS[:5]))
    def test_fixed_steps_ahead_are_sums(self, moment: datetime, count: int, unit: str) -> None:
        ahead = Step(count, unit).ahead(np.datetime64(moment), 3)
        assert [time.item() for time in ahead] == [moment + k * timedelta(**{unit + "s": count}) for k in (1, 2, 3)]

    @given(MOMENTS, st.integers(1, 30))
    def test_months_ahead_keep_the_day_as_far_as_the_month_has_it(self, moment: datetime, count: int) -> None:
        at_end = moment.day == monthrange(moment.year, moment.month)[1]
        for k, time in enumerate(Step(count, "month").ahead(np.datetime64(moment), 4), 1):
            year, month = divmod(moment.year * 12 + moment.month - 1 + k * count, 12)
            last = monthrange(year, month + 1)[1]
            assert time.item() == moment.replace(year=year, month=month + 1, day=last if at_end else min(moment.day, last))

    def test_business_days_ahead(self) -> None:
        friday = np.datetime64("2024-03-01T17:30")
        assert Step(1, "business day").ahead(friday, 2).tolist() == [datetime(2024, 3, 4, 17, 30), datetime(2024, 3, 5, 17, 30)]

    def test_rows_ahead(self) -> None:
        assert Step(2, "row").ahead(7, 3).tolist() == [9, 11, 13]

    @given(MOMENTS, st.integers(1, 12), st.sampled_from([*UNITS, "row"]), st.lists(st.integers(0, 200), min_size=1))
    def test_places_undo_at(self, moment: datetime, count: int, unit: str, places: list[int]) -> None:
        step, wanted = Step(count, unit), np.array(places)
        first = 5 if unit == "row" else np.datetime64(moment, "us")
        assert step.places(step.at(first, wanted), first).tolist() == places

    @pytest.mark.parametrize(
        ("text", "floor"),
        [
            ("15min", "2024-05-15T13:45"),
            ("1h", "2024-05-15T13:00"),
            ("6h", "2024-05-15T12:00"),
            ("1d", "2024-05-15"),
            ("1w", "2024-05-13"),
            ("1mo", "2024-05-01"),
            ("1q", "2024-04-01"),
            ("1y", "2024-01-01"),
        ],
    )
    def test_floor(self, text: str, floor: str) -> None:
        wednesday = stamps("2024-05-15T13:47:11.5", floor)
        assert (Step.of(text).floor(wednesday) == np.datetime64(floor)).all()

    def test_floor_before_1970(self) -> None:
        assert Step.of("1w").floor(stamps("1949-01-01")) == np.datetime64("1948-12-27")


class TestDetect:
    @given(MOMENTS, st.integers(1, 6), st.sampled_from(UNITS), st.integers(3, 40))
    @example(datetime(2000, 9, 28), 5, "month", 3)  # February's 28th is a last day, too
    @example(datetime(2000, 1, 30), 1, "month", 3)  # 30 days apart, both times
    def test_finds_what_was_made(self, moment: datetime, count: int, unit: str, length: int) -> None:
        step = Step(count, unit)
        found = one(step.at(np.datetime64(moment, "us"), np.arange(length)))
        assert found is not None
        assert (
            found.at(np.datetime64(moment, "us"), np.arange(9)).tolist()
            == step.at(np.datetime64(moment, "us"), np.arange(9)).tolist()
        )

    @pytest.mark.parametrize(
        ("times", "step"),
        [
            (np.arange("2024-01", "2025-01", dtype="datetime64[M]"), Step(1, "month")),
            (np.arange("2000", "2025", dtype="datetime64[Y]"), Step(1, "year")),
            (np.arange("2000-01", "2010-01", 3, dtype="datetime64[M]"), Step(1, "quarter")),
            (np.arange("2000-01", "2010-01", 6, dtype="datetime64[M]"), Step(2, "quarter")),
            (np.arange("2024-01-01", "2024-06-01", dtype="datetime64[D]"), Step(1, "day")),
            (np.arange("2024-01-01", "2024-06-01", 7, dtype="datetime64[D]"), Step(1, "week")),
            (np.arange("2024-01-01", "2024-06-01", 14, dtype="datetime64[D]"), Step(2, "week")),
            (np.arange("2024-01-01", "2024-06-01", 10, dtype="datetime64[D]"), Step(10, "day")),
            (np.arange("2024-02", "2025-06", dtype="datetime64[M]").astype("datetime64[D]") - 1, Step(1, "month")),
            (stamps("2024-01-31", "2024-02-29", "2024-03-29", "2024-04-30", "2024-05-31", "2024-06-28"), Step(1, "month")),
            (stamps("2024-01-01T00:00", "2024-01-01T00:30", "2024-01-01T01:00"), Step(30, "minute")),
            (stamps("2024-01-01T00:00:00", "2024-01-01T00:00:00.250", "2024-01-01T00:00:00.500"), Step(250, "millisecond")),
            (np.array([3, 5, 7, 9]), Step(2, "row")),
        ],
    )
    def test_calendar(self, times: np.ndarray, step: Step) -> None:
        times = times if times.dtype == np.int64 else times.astype("datetime64[us]")
        assert one(times) == step

    def test_business_days(self) -> None:
        days = np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]")
        assert one(days[np.is_busday(days)].astype("datetime64[us]")) == Step(1, "business day")
        assert one(days[np.is_busday(days)][:5].astype("datetime64[us]")) == Step(1, "day")

    def test_gaps_do_not_hide_the_step(self) -> None:
        hours = np.arange("2024-01-01", "2024-01-05", dtype="datetime64[h]").astype("datetime64[us]")
        assert one(np.delete(hours, [5, 6, 20, 50])) == Step(1, "hour")
        months = np.arange("2020-01", "2024-01", dtype="datetime64[M]").astype("datetime64[us]")
        assert one(np.delete(months, [5, 20])) == Step(1, "month")

    def test_distance_between_series_counts_for_nothing(self) -> None:
        days = stamps("2024-01-01", "2024-01-02", "2024-01-03")
        both = np.concatenate([days, days + np.timedelta64(1, "h")])
        assert detect(both, np.arange(6) % 3 == 0) == Step(1, "day")
        assert detect(days, np.ones(3, np.bool_)) is None


class TestFeatures:
    def test_hours_by_hand(self) -> None:
        quarter_past_week = stamps("2024-01-02T18:00")  # Tuesday, three quarters of the day, a quarter of the week
        found = features(quarter_past_week, Step(1, "hour"))[0]
        day, week = (0.75, 0.25)
        month, year = 1.75 / 31, 1.75 / 366
        wanted = [wave(2 * np.pi * part) for part in (day, week, month, year) for wave in (np.sin, np.cos)]
        np.testing.assert_allclose(found, wanted, atol=1e-6)

    @pytest.mark.parametrize(
        ("text", "width"), [("1s", 10), ("30min", 10), ("1h", 8), ("1d", 6), ("1w", 4), ("1mo", 2), ("1q", 2), ("1y", 0)]
    )
    def test_as_many_as_cycles_are_longer(self, text: str, width: int) -> None:
        times = np.arange("2024-01-01", "2024-01-11", dtype="datetime64[D]").astype("datetime64[us]")
        found = features(times, Step.of(text))
        assert found.shape == (10, width)
        assert found.dtype == np.float32
        assert features(times[:0], Step.of(text)).shape == (0, width)

    def test_rows_have_none(self) -> None:
        assert features(np.arange(5), Step(1, "row")).shape == (5, 0)

    @given(MOMENTS)
    def test_on_the_unit_circle_and_periodic(self, moment: datetime) -> None:
        time = np.datetime64(moment, "us")
        found = features(np.array([time, time + np.timedelta64(7, "D")]), Step(1, "minute"))
        np.testing.assert_allclose((found.reshape(2, 5, 2) ** 2).sum(2), 1, atol=1e-5)
        np.testing.assert_allclose(found[0, :6], found[1, :6], atol=1e-5)
