from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.data import Roles, Step, read_series
from recurra.errors import UsageError
from tests.data.reading import HOURS, Write, hourly, only, refused


class TestTimes:
    @pytest.mark.parametrize(
        ("cells", "wanted"),
        [
            (["2024-01-30", "2024-01-31", "2024-02-01"], "2024-01-30"),
            (["2024/1/30", "2024/1/31", "2024/2/1"], "2024-01-30"),
            (["30.1.2024", "31.1.2024", "1.2.2024"], "2024-01-30"),
            (["30/01/2024", "31/01/2024", "01/02/2024"], "2024-01-30"),
            (["01/30/2024", "01/31/2024", "02/1/2024"], "2024-01-30"),
            (["30-01-2024", "31-01-2024", "01-02-2024"], "2024-01-30"),
            (["Jan 30 2024", "Jan 31 2024", "Feb 1 2024"], "2024-01-30"),
            (["January 30, 2024", "January 31, 2024", "February 1, 2024"], "2024-01-30"),
            (["30 Jan 2024", "31 Jan 2024", "1 Feb 2024"], "2024-01-30"),
            (["30-Jan-2024", "31-Jan-2024", "01-Feb-2024"], "2024-01-30"),
            (["20240130", "20240131", "20240201"], "2024-01-30"),
            (["2024-01-30 14:00", "2024-01-31 14:00", "2024-02-01 14:00"], "2024-01-30T14:00"),
            (["2024-01-30T14:00:05", "2024-01-31T14:00:05", "2024-02-01T14:00:05"], "2024-01-30T14:00:05"),
            (["2024-01-30 14:00:05.25", "2024-01-31 14:00:05.250000", "2024-02-01 14:00:05.250"], "2024-01-30T14:00:05.25"),
            (["1/30/2024 2:05 PM", "1/31/2024 2:05 pm", "2/1/2024 2:05 PM"], "2024-01-30T14:05"),
            (["1/30/2024 12:05 AM", "1/31/2024 12:05 AM", "2/1/2024 12:05 AM"], "2024-01-30T00:05"),
            (["2024-01-30T14:00Z", "2024-01-31T14:00Z", "2024-02-01T14:00Z"], "2024-01-30T14:00"),
            (["1706623200", "1706709600", "1706796000"], "2024-01-30T14:00"),
            (["1706623200000", "1706709600000", "1706796000000"], "2024-01-30T14:00"),
        ],
    )
    def test_forms_of_days(self, write: Write, cells: list[str], wanted: str) -> None:
        path = write("timestamp;y\n" + "".join(f"{cell};{k * k}\n" for k, cell in enumerate(cells)))
        read = read_series(path)
        assert read.roles.time == "timestamp"
        assert read.series[0].times[0] == np.datetime64(wanted)
        assert read.step == Step(1, "day")

    @pytest.mark.parametrize(
        ("cells", "step"),
        [
            (["2024-01", "2024-02", "2024-03"], Step(1, "month")),
            (["Jan 2024", "Feb 2024", "Mar 2024"], Step(1, "month")),
            (["2023Q4", "2024Q1", "2024Q2"], Step(1, "quarter")),
            (["2023-Q4", "2024-Q1", "2024-Q2"], Step(1, "quarter")),
        ],
    )
    def test_forms_of_months(self, write: Write, cells: list[str], step: Step) -> None:
        read = read_series(write("when,y\n" + "".join(f"{cell},{k * k}\n" for k, cell in enumerate(cells))))
        assert read.step == step
        assert read.series[0].times[-1] == np.datetime64("2024-03" if step.unit == "month" else "2024-04")

    def test_years(self, write: Write) -> None:
        read = read_series(write("year,temp\n1880,1\n1881,5\n1882,2\n"))
        assert (read.step, read.roles.time) == (Step(1, "year"), "year")
        assert read.series[0].times[0] == np.datetime64("1880")

    @given(
        st.datetimes(datetime(1970, 1, 2), datetime(2090, 1, 1)),
        st.sampled_from(["%Y-%m-%d %H:%M:%S.%f", "%d.%m.%Y %I:%M:%S %p"]),
    )
    def test_any_moment(self, moment: datetime, form: str) -> None:
        moment = moment if "%f" in form else moment.replace(microsecond=0)
        texts = [(moment + k * timedelta(hours=1)).strftime(form) for k in range(3)]
        assert read_series({"t": texts, "y": [1, 2, 4]}, Roles(time="t")).series[0].times.tolist()[0] == moment

    def test_day_or_month_first_must_be_clear(self, write: Write) -> None:
        ambiguous = write("date,y\n01/02/2024,1\n02/02/2024,2\n")
        wanted = "day or month may stand first; wanted YYYY-MM-DD, or time=none to count rows"
        assert refused(ambiguous) == f"sales.csv, column date: {wanted}"
        clear = read_series(write("date,y\n12/01/2024,1\n13/01/2024,2\n"))
        assert "the day stands before the month" in clear.notes[-1]
        mixed = write("date,y\n01/13/2024,1\n13/01/2024,2\n")
        assert "neither day nor month stands first throughout" in refused(mixed)

    @pytest.mark.parametrize("cell", ["2024-13-01", "2024-02-30", "soon", "", "2024-01-02 25:00", "2024-01-02 10:60"])
    def test_where_it_is_no_time(self, write: Write, cell: str) -> None:
        path = write(f"date,y\n2024-01-01,1\n2024-01-02,1\n{cell},2\n2024-01-04,3\n")
        assert refused(path).startswith(
            f"sales.csv, line 4, column date: {cell or None!r} is no time; wanted YYYY-MM-DD hh:mm:ss"
        )

    def test_rows_are_steps(self, write: Write) -> None:
        path = write("y\n3\n1\n2\n")
        read = read_series(path)
        assert (read.step, read.roles.time, read.series[0].times.tolist()) == (Step(1, "row"), "none", [0, 1, 2])
        dated = write("date,y\n2024-01-01,1\n2024-01-02,2\n2024-01-09,5\n")
        assert read_series(dated, Roles(time="none")).series[0].times.tolist() == [0, 1, 2]

    def test_a_counter_named_like_a_time(self, write: Write) -> None:
        read = read_series(write("timestamp,value\n0,3\n2,1\n4,2\n"))
        assert (read.step, read.series[0].times.tolist()) == (Step(2, "row"), [0, 2, 4])

    def test_several_columns_make_a_time(self, write: Write) -> None:
        path = write("No,year,month,day,hour,pm\n" + "".join(f"{k},2024,12,31,{k},{k * k}\n" for k in range(20, 24)))
        read = read_series(path, Roles(("pm",)))
        assert (read.roles.time, read.step) == ("year,month,day,hour", Step(1, "hour"))
        assert read.series[0].times[-1] == np.datetime64("2024-12-31T23")
        path = write("day,hr,count\n" + "".join(f"30-12-2024,{k},{k * k}\n" for k in range(4)))
        read = read_series(path)
        assert (read.roles.time, read.roles.target, read.step) == ("day,hr", ("count",), Step(1, "hour"))

    @pytest.mark.parametrize("row", ["2024,13,1,0", "2024,2,30,0", "2024,2,1,24", "2024,,1,0", "2024,x,1,0"])
    def test_where_several_columns_make_no_time(self, write: Write, row: str) -> None:
        path = write(f"year,month,day,hour,y\n2024,1,30,0,1\n2024,1,31,0,2\n{row},3\n")
        message = refused(path, Roles(("y",), "year,month,day,hour"))
        assert message.startswith("sales.csv, line 4, column year,month,day,hour: ('2024', ")

    def test_the_hour_of_a_date_is_proposed(self, write: Write) -> None:
        path = write("day,hour,y\n" + "".join(f"2024-01-0{k // 3 + 1},{k % 3},{k * k}\n" for k in range(9)))
        assert refused(path, Roles(("y",), "day")).endswith("stands at line 2, too; say time=day,hour")

    def test_unsorted_rows_are_sorted_and_it_is_said(self, write: Write) -> None:
        read = read_series(write("date,y\n2024-01-02,2\n2024-01-03,3\n2024-01-01,1\n2024-01-04,4\n"))
        assert only(read).tolist() == [1, 2, 3, 4]
        assert "rows were not in the order of time, first at line 4: sorted" in read.notes

    def test_what_stands_twice(self, write: Write) -> None:
        path = write("date,y\n2024-01-01,1\n2024-01-02,2\n2024-01-02,3\n")
        wanted = "wanted one row for each time of a series, id=COLUMN where they are several, or resample=1d to take means"
        assert refused(path) == f"sales.csv, line 4: 2024-01-02 stands at line 3, too; {wanted}"

    def test_an_id_is_proposed(self, write: Write) -> None:
        lines = [f"2024-01-0{k},{shop},{k * k}\n" for shop in "ab" for k in range(1, 5)]
        path = write("date,shop,y\n" + "".join(lines))
        wanted = "if column shop tells the series apart, say id=shop"
        assert refused(path) == f"sales.csv, line 6: 2024-01-01 stands at line 2, too; {wanted}"

    def test_two_series_under_one_id(self, write: Write) -> None:
        lines = [f"2024-01-0{k},{shop},{article},{k * k}\n" for shop in "ab" for article in "xyz" for k in range(1, 5)]
        path = write("date,shop,article,y\n" + "".join(lines))
        wanted = "in the series a; if column article tells the series apart, say id=shop,article"
        assert refused(path, Roles(id="shop")) == f"sales.csv, line 6: 2024-01-01 stands at line 2, too, {wanted}"
        read = read_series(path, Roles(id="shop,article"))
        assert [one.name for one in read.series] == ["a/x", "a/y", "a/z", "b/x", "b/y", "b/z"]


class TestIrregular:
    def test_rows_that_are_not_there(self, write: Write) -> None:
        path = write(
            "time,y\n2024-01-01 00:00,1\n2024-01-01 01:00,2\n2024-01-01 02:00,3\n2024-01-01 05:00,9\n2024-01-01 06:00,9\n"
        )
        gap = "2024-01-01 05:00 comes after 2024-01-01 02:00, the step is 1 hour, 2 rows are not there"
        assert (
            refused(path) == f"sales.csv, line 5: {gap}; say missing=linear, last or mask to fill, or time=none to count rows"
        )
        read = read_series(path, missing="linear")
        assert only(read).tolist() == [1, 2, 3, 5, 7, 9, 9]
        assert read.series[0].observed[:, 0].tolist() == [True] * 3 + [False] * 2 + [True] * 2
        assert np.diff(read.series[0].times).tolist() == [timedelta(hours=1)] * 6
        assert only(read_series(path, missing="last")).tolist() == [1, 2, 3, 3, 3, 9, 9]
        assert [note for note in read.notes if "filled" in note] == [
            "2 of 7 target values are missing, 2 rows of them not there at all: filled"
        ]

    def test_stamps_off_the_step(self, write: Write) -> None:
        path = write(
            "time,y\n2024-01-01 00:00,1\n2024-01-01 01:00,2\n2024-01-01 02:00,3\n2024-01-01 03:10,5\n2024-01-01 03:40,6\n"
        )
        off = "2024-01-01 03:10 is no whole number of steps of 1 hour after the first row"
        assert refused(path, missing="last").startswith(f"sales.csv, line 5: {off}; say resample=1h")
        read = read_series(path, resample="1h")
        assert only(read).tolist() == [1, 2, 3, 5.5]
        assert read.step == Step(1, "hour")
        assert "resampled to steps of 1 hour: 4 means of 5 rows, 0 steps without a row" in read.notes

    @given(st.lists(st.integers(0, 5000), min_size=2, max_size=60, unique=True), st.sampled_from(["1h", "1d", "30min"]))
    def test_resampling_is_the_mean_in_each_step(self, minutes: list[int], text: str) -> None:
        start = datetime(2024, 2, 28, 7, 11)
        moments = [start + timedelta(minutes=k) for k in minutes]
        values = np.random.default_rng(len(minutes)).normal(size=len(minutes))
        frame = pl.DataFrame({"time": moments, "y": values}).sort("time")
        wanted = frame.group_by_dynamic("time", every=text.replace("min", "m")).agg(pl.col("y").mean())
        if len(wanted) < 2:
            return
        (one,) = read_series(frame.sample(fraction=1, shuffle=True, seed=1), resample=text, missing="mask").series
        assert one.times[one.observed[:, 0]].tolist() == wanted["time"].to_list()
        np.testing.assert_allclose(one.values[one.observed], wanted["y"])

    def test_resampling_needs_times(self) -> None:
        assert refused(np.arange(5), kind=UsageError, resample="1h").startswith("resample=1 hour: rows have no times")
        assert refused(hourly(y=np.arange(48)), kind=UsageError, resample="1m").startswith("resample=1m: no step")

    def test_resampling_hides_no_series(self) -> None:
        data = {"time": np.tile(HOURS, 2), "shop": ["a"] * 48 + ["b"] * 48, "y": np.arange(96)}
        assert "if column shop tells the series apart, say id=shop" in refused(data, Roles(("y",)), resample="1d")
        assert only(read_series({**data, "shop": np.zeros(96)}, Roles(("y",)), resample="1d")).tolist() == [35.5, 59.5]

    def test_days_of_a_zone_are_its_own(self) -> None:
        times = TestZones.local("2024-03-30", 3)
        read = read_series(pl.DataFrame({"time": times, "y": np.arange(len(times))}), resample="1d")
        assert read.series[0].times.tolist() == [datetime(2024, 3, 30) + timedelta(days=k) for k in range(4)]
        assert only(read).tolist()[:2] == [np.arange(24).mean(), np.arange(24, 47).mean()]

    def test_too_short_steps(self) -> None:
        data = {"time": np.arange("2000", "2024", dtype="datetime64[Y]").astype("datetime64[D]"), "y": np.arange(24)}
        assert refused(data, resample="1s").startswith("columns: resample=1s makes 725,846,401 rows of 24")

    def test_resampling_leaves_gaps_to_missing(self) -> None:
        data = {"time": np.array(["2024-01-01", "2024-01-02", "2024-01-04"], "datetime64[D]"), "y": [1, 2, 4]}
        assert (
            refused(data, resample="1d")
            == "columns, 2024-01-03, column y: no value; say missing=linear, last or mask to fill such gaps"
        )
        assert only(read_series(data, resample="1d", missing="linear")).tolist() == [1, 2, 3, 4]

    def test_days_of_months_that_differ(self) -> None:
        days = np.array(["2024-01-31", "2024-02-29", "2024-03-29", "2024-04-30", "2024-05-31", "2024-06-28"], "datetime64[D]")
        read = read_series({"time": days, "y": np.arange(6)})
        assert read.step == Step(1, "month")
        assert read.series[0].times.tolist() == [datetime(2024, k, 1) for k in range(1, 7)]
        assert "stamps lie on different days of their months: each stands for its month" in read.notes

    def test_business_days(self) -> None:
        days = np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]")
        week = days[np.is_busday(days)]
        read = read_series({"time": week, "y": np.arange(len(week))})
        assert (read.step, len(read.series[0].times)) == (Step(1, "business day"), len(week))

    def test_far_too_few_rows(self) -> None:
        times = np.datetime64("2024-01-01", "us") + np.array([0, 1, 2, 500_000], "timedelta64[s]")
        assert "say resample=1d or another longer step" in refused({"time": times, "y": [1, 2, 3, 5]}, missing="last")


class TestZones:
    @staticmethod
    def local(start: str, count: int, zone: str = "Europe/Berlin", every: str = "1h") -> pl.Series:
        first = datetime.fromisoformat(start)
        end = first + timedelta(days=count)
        return pl.datetime_range(first, end, every, time_zone=zone, eager=True).alias("time")

    def test_hours_with_their_zone_go_through_the_change_of_clocks(self) -> None:
        for start in ("2024-03-30", "2024-10-26"):
            times = self.local(start, 2)
            read = read_series(pl.DataFrame({"time": times, "y": np.arange(len(times))}))
            assert read.step == Step(1, "hour")
            assert (np.diff(read.series[0].times) == np.timedelta64(1, "h")).all()
            assert "(UTC)" in read.notes[-1]

    def test_days_follow_the_clock_on_the_wall(self) -> None:
        times = self.local("2024-03-28", 6, every="1d")
        read = read_series(pl.DataFrame({"time": times, "y": np.arange(len(times))}))
        assert read.step == Step(1, "day")
        assert read.series[0].times.tolist() == [datetime(2024, 3, 28) + timedelta(days=k) for k in range(7)]

    def test_offsets_in_text(self, write: Write) -> None:
        times = self.local("2024-10-26", 2)
        text = "".join(f"{time.isoformat()},{k}\n" for k, time in enumerate(times))
        assert "+02:00" in text
        assert "+01:00" in text
        read = read_series(write("time,y\n" + text))
        assert read.series[0].times.tolist() == [time.replace(tzinfo=None) for time in times.dt.convert_time_zone("UTC")]

    def test_naive_hours_are_explained(self) -> None:
        for start in ("2024-03-30", "2024-10-26"):
            times = self.local(start, 2).dt.replace_time_zone(None)
            data = pl.DataFrame({"time": times, "y": np.arange(len(times)) ** 2})
            message = refused(data)
            assert "the night in which clocks are changed: write times with their offset" in message
            assert ("resample=1h" in message) == (start == "2024-10-26")
            read = read_series(data, resample="1h", missing="last")
            assert (np.diff(read.series[0].times) == np.timedelta64(1, "h")).all()


class TestHolidays:
    def days(self, *holes: slice) -> np.ndarray[Any, Any]:
        """Business days of half a year without those of some places."""
        days = np.arange("2024-01-01", "2024-07-01", dtype="datetime64[D]")
        days = days[np.is_busday(days)]
        return np.delete(days, np.concatenate([np.arange(len(days))[hole] for hole in holes]))

    def test_they_are_no_gap(self) -> None:
        days = self.days(slice(20, 21), slice(60, 62))
        read = read_series({"day": days, "y": np.arange(len(days)) ** 1.5})
        assert str(read.step) == "1 business day"
        assert (read.series[0].times == days).all()
        assert read.series[0].observed.all()
        assert read.notes[1].startswith("3 of 130 business days have no row: taken for holidays, rows follow each other")

    def test_unless_they_shall_be_filled(self) -> None:
        days = self.days(slice(20, 21), slice(60, 62))
        read = read_series({"day": days, "y": np.arange(len(days)) ** 1.5}, missing="last")
        assert len(read.series[0].values) == 130

    @pytest.mark.parametrize("hole", [slice(20, 31), slice(1, None, 7)])
    def test_a_gap_is_none(self, hole: slice) -> None:
        days = self.days(hole)
        assert "the step is 1 business day" in refused({"day": days, "y": np.arange(len(days)) ** 1.5})
