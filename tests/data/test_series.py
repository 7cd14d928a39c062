from contextlib import suppress
from datetime import date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.data import AIR_PASSENGERS, Roles, Step, air_passengers, read_series, room
from recurra.data.regular import fill
from recurra.errors import DataError, UsageError
from tests.data.reading import HOURS, NOTHING, Write, hourly, only, refused
from tests.places import dataset


class TestRoles:
    def test_guessed_and_said(self, write: Write) -> None:
        read = read_series(write("when,load\n2024-01-01 00:00,1\n2024-01-01 00:30,2\n2024-01-01 01:00,4\n"))
        assert read.roles == Roles(("load",), "when")
        assert read.step == Step(30, "minute")
        assert read.notes == (
            "target: load, the only column of numbers left",
            "time: column when, 2024-01-01 to 2024-01-01 01:00, step 30 minutes",
        )
        (one,) = read.series
        assert one.name == ""
        assert one.times.tolist() == [datetime(2024, 1, 1, 0, 0), datetime(2024, 1, 1, 0, 30), datetime(2024, 1, 1, 1, 0)]
        assert one.values.tolist() == [[1], [2], [4]]
        assert one.observed.all()
        assert (one.past.shape, one.known.shape, one.static.shape) == ((3, 0), (3, 0), (0,))

    def test_resolved_roles_read_the_same(self, write: Write) -> None:
        path = write("when,load,x\n2024-01-01,1,5\n2024-01-02,2,6\n2024-01-03,4,5\n")
        read = read_series(path, Roles(("load",), past=("x",)))
        assert read_series(path, read.roles).fingerprint == read.fingerprint

    def test_several_may_be_meant(self, write: Write) -> None:
        path = write("date,a,b,c\n2024-01-01,1,5,x\n2024-01-02,2,6,y\n")
        assert refused(path) == "sales.csv: target: may be any of a, b; say target=NAME, target=A,B or target=all"
        assert read_series(path, Roles(("all",))).roles.target == ("a", "b")
        assert read_series(path, Roles(("all",), past=("a",))).roles.target == ("b",)
        assert read_series(path, Roles(past=("a",))).roles.target == ("b",)
        assert read_series(path, Roles(("b", "a"))).series[0].values.tolist() == [[5, 1], [6, 2]]

    def test_a_name_that_is_not_there(self, write: Write) -> None:
        path = write("date,sales\n2024-01-01,1\n2024-01-02,2\n")
        assert refused(path, Roles(("sale",))) == "sales.csv: target=sale: no such column; did you mean sales?"
        assert refused(path, Roles(time="day")) == "sales.csv: time=day: no such column; choose from date, sales"
        assert refused(path, Roles(id="shop")).startswith("sales.csv: id=shop: no such column")
        assert refused(path, Roles(("sales",), known=("price",))).startswith("sales.csv: known=price: no such column")

    def test_one_column_two_roles(self, write: Write) -> None:
        path = write("date,sales\n2024-01-01,1\n2024-01-02,2\n")
        wanted = "sales: one column, two roles; wanted one role for each column"
        assert refused(path, Roles(("sales",), past=("sales",)), UsageError) == wanted

    def test_no_numbers(self, write: Write) -> None:
        path = write("date,a,b\n2024-01-01,x,u\n2024-01-02,y,v\n")
        assert refused(path) == "sales.csv: target: no column of numbers is left; say target=NAME, target=A,B or target=all"
        message = "sales.csv, line 2, column a: 'x' is not a number; wanted numbers; words may be past=, known= or static="
        assert refused(path, Roles(("a",))) == message

    def test_the_index_of_pandas_is_no_target(self, write: Write) -> None:
        assert read_series(write(",date,y\n0,2024-01-01,1\n1,2024-01-02,2\n")).roles.target == ("y",)

    def test_text_in_the_only_column_is_found(self, write: Write) -> None:
        assert refused(write("date,y\n2024-01-01,1\n2024-01-02,x\n2024-01-03,3\n")).startswith(
            "sales.csv, line 3, column y: 'x'"
        )

    def test_covariates(self) -> None:
        data = hourly(y=np.arange(48.0) ** 2, wind=np.arange(48) % 7, price=np.arange(48) % 5, area=np.full(48, 3))
        (one,) = read_series(data, Roles(("y",), past=("wind",), known=("price",), static=("area",))).series
        assert one.past[:, 0].tolist() == (np.arange(48) % 7).tolist()
        assert one.known[:, 0].tolist() == (np.arange(48) % 5).tolist()
        assert one.static.tolist() == [3]

    def test_words(self) -> None:
        """Places in the sorted words; gaps take the last, on a line, too, for there is nothing between two words."""
        wind = ["NW", "cv", None, "SE"] * 12
        data = hourly(y=np.arange(48.0) ** 2) | {"wind": wind, "shop": ["a"] * 48, "day": np.arange(48) // 24}
        roles = Roles(("y",), past=("wind",), known=("day",), static=("shop",))
        read = read_series(data, roles, missing="linear", categories=("day",))
        assert read.categories == {"wind": ("NW", "SE", "cv"), "day": ("0", "1"), "shop": ("a",)}
        assert read.series[0].past[:4, 0].tolist() == [0, 2, 2, 1]
        assert read.series[0].known[[0, 47], 0].tolist() == [0, 1]
        assert "covariate wind: 3 categories: NW, SE, cv" in read.notes
        other = read_series(data | {"wind": ["NW", "cv", None, "XX"] * 12}, roles, missing="linear", categories=("day",))
        assert other.fingerprint != read.fingerprint

    def test_words_that_are_no_categories(self) -> None:
        roles, y = Roles(("y",), past=("w",)), np.arange(3000.0) ** 2
        many = [f"w{k}" for k in range(3000)]
        wanted = "wanted at most 1,000 categories: group them, or leave the column out"
        assert refused({"y": y, "w": many}, roles) == f"columns, column w: 3,000 different words; {wanted}"
        message = refused({"y": y[:300], "w": many[:300]}, roles)
        assert message.startswith("columns, column w: 300 different words in 300 rows, a name or free text; wanted")
        text = hourly(y=np.arange(48)) | {"w": ["a", "b"] * 24}
        message = "columns, column w: resample=1d takes no means of words; leave it out"
        assert refused(text, roles, resample="1d") == message
        odd = hourly(y=np.arange(48)) | {"w": ["a"] * 40 + ["b"] * 8}
        assert "column w: b after a; wanted one value throughout, or past=w" in refused(odd, Roles(("y",), static=("w",)))

    def test_what_does_not_fit_into_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(room, "room", lambda: 100 * 160)
        assert len(read_series(np.arange(100.0) ** 2).series[0].values) == 100
        wanted = "wanted fewer rows, fewer columns, or more memory"
        told = "array: 101 rows of 1 column in use take about 0.0 GiB of memory, 0.0 GiB are free"
        assert refused(np.arange(101.0) ** 2) == f"{told}; {wanted}"

    def test_static_must_not_change(self) -> None:
        data = hourly(y=np.arange(48), area=np.arange(48) // 40)
        wanted = "columns, row 40 (counted from 0), column area: 1 after 0; wanted one value throughout, or past=area"
        assert refused(data, Roles(("y",), static=("area",))) == wanted

    def test_constant_covariates_are_noted(self) -> None:
        notes = read_series(hourly(y=np.arange(48), x=np.ones(48)), Roles(("y",), past=("x",))).notes
        assert "past covariate x never changes: it tells nothing" in notes


class TestMissing:
    def test_refused_with_the_first_place(self, write: Write) -> None:
        path = write("date,a,b\n2024-01-01,1,1\n2024-01-02,2,\n2024-01-03,NA,3\n2024-01-04,4,4\n")
        wanted = "no value; say missing=linear, last or mask to fill such gaps"
        assert refused(path, Roles(("a", "b"))) == f"sales.csv, line 3, column b: {wanted}"
        assert refused(path, Roles(("a",))) == f"sales.csv, line 4, column a: {wanted}"

    def test_filled(self, write: Write) -> None:
        path = write("date,a,b\n2024-01-01,1,1\n2024-01-02,,\n2024-01-03,NA,3\n2024-01-04,4,4\n")
        linear, last, mask = (read_series(path, Roles(("a", "b")), missing=how).series[0] for how in ("linear", "last", "mask"))
        assert linear.values.tolist() == [[1, 1], [2, 2], [3, 3], [4, 4]]
        assert last.values.tolist() == [[1, 1], [1, 1], [1, 3], [4, 4]]
        assert mask.values.tolist() == last.values.tolist()
        for one in (linear, last, mask):
            assert one.observed.tolist() == [[True, True], [False, False], [False, True], [True, True]]

    def test_covariates_are_filled_too(self) -> None:
        data = {"y": [1.0, 2, 3, 5], "x": [None, 1.0, None, 3]}
        roles = Roles(("y",), past=("x",))
        assert refused(data, roles).startswith("columns, row 0 (counted from 0), column x: no value")
        (one,) = read_series(data, roles, missing="linear").series
        assert one.past[:, 0].tolist() == [1, 1, 2, 3]
        assert one.observed.all()

    def test_unknown_way(self) -> None:
        assert refused(np.arange(3), kind=UsageError, missing="lienar") == "missing=lienar: did you mean linear?"

    def test_gaps_at_the_ends_are_cut_off(self, write: Write) -> None:
        read = read_series(write("date,y\n2024-01-01,\n2024-01-02,2\n2024-01-03,3\n2024-01-04,\n2024-01-05,\n"))
        assert only(read).tolist() == [2, 3]
        assert read.series[0].times[0] == np.datetime64("2024-01-02")
        assert "3 rows before the first or behind the last target: left out" in read.notes

    def test_a_target_that_begins_later(self) -> None:
        (one,) = read_series({"a": [None, 1.0, 2, 3], "b": [None, None, 5.0, 6]}, Roles(("a", "b")), missing="last").series
        assert one.values.tolist() == [[1, 5], [2, 5], [3, 6]]
        assert one.observed.tolist() == [[True, False], [True, True], [True, True]]

    def test_rows_ahead(self, write: Write) -> None:
        lines = ["2024-01-01,1,5", "2024-01-02,2,6", "2024-01-03,,7", "2024-01-04,,8", "2024-01-05,,"]
        read = read_series(write("date,y,price\n" + "\n".join(lines)), Roles(("y",), known=("price",)))
        (one,) = read.series
        assert (one.values[:, 0].tolist(), one.known[:, 0].tolist()) == ([1, 2], [5, 6, 7, 8])
        assert one.times.tolist() == [datetime(2024, 1, k) for k in range(1, 5)]
        assert "2 rows at the end without target: known covariates ahead" in read.notes
        assert "1 row before the first or behind the last target: left out" in read.notes

    @given(
        st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=2, max_size=40).filter(
            lambda v: any(x is not None for x in v)
        )
    )
    def test_fill_against_polars(self, values: list[float | None]) -> None:
        column = pl.Series(values, dtype=pl.Float64)
        ours = column.to_numpy()[:, None]
        np.testing.assert_array_equal(fill(ours, "last")[:, 0], column.forward_fill().backward_fill().to_numpy())
        linear = column.interpolate().forward_fill().backward_fill().to_numpy()
        np.testing.assert_allclose(fill(ours, "linear")[:, 0], linear, rtol=1e-9, atol=1e-6)


class TestMany:
    def test_long(self, write: Write) -> None:
        lines = [f"{shop},2024-01-0{k},{k * len(shop)},{len(shop)}\n" for k in range(1, 6) for shop in ("bb", "a", "ccc")]
        read = read_series(write("shop,date,y,size\n" + "".join(lines)), Roles(("y",), id="shop", static=("size",)))
        assert [one.name for one in read.series] == ["bb", "a", "ccc"]
        assert [one.values[:, 0].tolist() for one in read.series] == [[2, 4, 6, 8, 10], [1, 2, 3, 4, 5], [3, 6, 9, 12, 15]]
        assert [one.static.tolist() for one in read.series] == [[2], [1], [3]]
        assert read.notes[-1] == "3 series of 5 to 5 rows"

    def test_own_starts_and_numbers_as_ids(self) -> None:
        times = np.concatenate([HOURS[:10], HOURS[5:12] + np.timedelta64(30, "m")])
        read = read_series({"time": times, "shop": [7] * 10 + [3] * 7, "y": np.arange(17)}, Roles(("y",), id="shop"))
        assert [(one.name, len(one.values)) for one in read.series] == [("7", 10), ("3", 7)]
        assert read.series[1].times[0] == np.datetime64("2024-01-01T05:30")

    def test_rows_of_series_without_times(self) -> None:
        data = {"name": ["a", "b", "a", "b", "a"], "y": [1, 10, 2, 20, 3]}
        read = read_series(data, Roles(id="name"))
        assert [one.values[:, 0].tolist() for one in read.series] == [[1, 2, 3], [10, 20]]
        assert [one.times.tolist() for one in read.series] == [[0, 1, 2], [0, 1]]

    def test_a_row_without_id(self) -> None:
        data = {"name": ["a", None, "a"], "y": [1, 10, 2]}
        wanted = "columns, row 1 (counted from 0), column name: no id; wanted the name of a series"
        assert refused(data, Roles(id="name")) == wanted

    def test_series_of_one_row_are_left_out(self) -> None:
        read = read_series({"name": ["b", "a", "a"], "y": [10, 1, 2]}, Roles(id="name"))
        assert [one.name for one in read.series] == ["a"]
        assert "1 of 2 series have one row: left out" in read.notes
        assert refused({"name": ["a", "b"], "y": [1, 2]}, Roles(id="name")).startswith("columns: 1 row in each series; wanted")

    def test_a_series_that_never_changes_is_noted(self) -> None:
        read = read_series({"name": list("aabb"), "y": [1, 1, 2, 3]}, Roles(id="name"))
        assert "y never changes in 1 of 2 series, as in a" in read.notes

    def test_one_series_in_each_row(self, write: Write) -> None:
        read = read_series(write('"V1","V2","V3","V4"\n"H1","1","2","3"\n"H2","4","5",\n'))
        assert [(one.name, one.values[:, 0].tolist()) for one in read.series] == [("H1", [1, 2, 3]), ("H2", [4, 5])]
        assert (read.step, read.roles) == (Step(1, "row"), Roles(("value",), "none", "V1"))
        again = write('"V1","V2","V3"\n"H1","1","2"\n"H1","4","5"\n')
        assert refused(again, read.roles) == "sales.csv, line 3: two series are called H1; wanted one row for each"

    def test_ten_thousand_series(self) -> None:
        count, length = 10_000, 12
        data = pl.DataFrame(
            {
                "time": np.tile(np.arange("2024-01", "2025-01", dtype="datetime64[M]").astype("datetime64[us]"), count),
                "id": np.repeat(np.arange(count), length),
                "y": np.arange(count * length) % 17,
            }
        )
        assert len(read_series(data, Roles(("y",), id="id")).series) == count


class TestRefused:
    def test_one_row(self, write: Write) -> None:
        assert refused(write("date,y\n2024-01-01,1\n")) == "sales.csv: 1 row; wanted at least 2, and many more to learn from"
        assert refused(np.ones(1)) == "array: 1 row; wanted at least 2, and many more to learn from"

    def test_no_value(self, write: Write) -> None:
        path = write("date,a,b\n2024-01-01,1,\n2024-01-02,2,NaN\n")
        wanted = "no value in it; wanted numbers, or leave the column out"
        assert refused(path, Roles(("b",))) == f"sales.csv, column b: {wanted}"
        assert refused(path, Roles(("a",), past=("b",)), missing="last") == f"sales.csv, column b: {wanted}"
        assert read_series(path).roles.target == ("a",)
        data = {"y": [None, 1.0, 2.0, None], "x": [5.0, None, None, 6.0]}  # none where there are targets
        assert refused(data, Roles(("y",), past=("x",)), missing="last") == f"columns, column x: {wanted}"

    def test_nothing_to_forecast(self) -> None:
        assert refused(np.ones(20)) == "array, column value: 1 in every row; there is nothing to forecast"


class TestCollection:
    def test_fingerprint(self) -> None:
        base = hourly(y=np.arange(48.0), x=np.arange(48) % 5)
        roles = Roles(("y",), past=("x",))
        first = read_series(base, roles).fingerprint
        assert read_series(pl.DataFrame(base).lazy(), roles).fingerprint == first
        changed = [
            read_series({**base, "y": np.arange(48.0) + (np.arange(48) == 47)}, roles),
            read_series({**base, "x": np.arange(48) % 6}, roles),
            read_series({**base, "time": HOURS + np.timedelta64(1, "h")}, roles),
            read_series(base, Roles(("y",), known=("x",))),
            read_series({**base, "z": base["y"]}, Roles(("z",), past=("x",))),
        ]
        assert len({first, *(one.fingerprint for one in changed)}) == 6

    def test_the_form_of_the_source_does_not_matter(self, write: Write, tmp_path: Path) -> None:
        frame = pl.DataFrame({"date": [date(2024, 1, k) for k in range(1, 9)], "y": [1.5, 2, 0, 4, 4, 5, 0.25, 8]})
        frame.write_parquet(tmp_path / "a.parquet")
        frame.write_ndjson(tmp_path / "a.jsonl")
        frame.write_csv(tmp_path / "a.csv")
        sources = [
            frame,
            frame.lazy(),
            frame.to_dict(as_series=False),
            *(tmp_path / f"a.{kind}" for kind in ("parquet", "jsonl", "csv")),
        ]
        read = [read_series(source) for source in sources]
        assert len({one.fingerprint for one in read}) == 1
        assert len({one.roles for one in read}) == 1

    def test_air_passengers(self) -> None:
        air = air_passengers()
        assert (len(AIR_PASSENGERS), sum(AIR_PASSENGERS), max(AIR_PASSENGERS)) == (144, 40363, 622)
        assert air.step == Step(1, "month")
        assert air.series[0].times[[0, -1]].tolist() == [datetime(1949, 1, 1), datetime(1960, 12, 1)]


@pytest.mark.data
class TestReal:
    def test_air_passengers(self) -> None:
        read = read_series(dataset("classic_univariate/airline-passengers.csv"))
        assert tuple(only(read)) == AIR_PASSENGERS
        np.testing.assert_array_equal(read.series[0].times, air_passengers().series[0].times)

    def test_transformers(self) -> None:
        read = read_series(dataset("ett_small/ETTh1.csv.gz"), Roles(("all",)))
        assert (read.series[0].values.shape, read.step) == ((17420, 7), Step(1, "hour"))
        assert read.roles.target[-1] == "OT"
        assert read.series[0].values[1, -1] == 27.78700065612793

    def test_bicycles(self) -> None:
        path = dataset("bike_sharing/hour.csv.gz")
        roles = Roles(("count",), known=("temp", "holiday"))
        assert "not there" in refused(path, roles)
        read = read_series(path, roles, missing="mask")
        assert (read.roles.time, read.step, read.series[0].values.shape) == ("dateday,hour", Step(1, "hour"), (17544, 1))
        assert int(read.series[0].observed.sum()) == 17379

    def test_air_quality(self) -> None:
        path = dataset("beijing_pm25/pollution.csv.gz")
        roles = Roles(("pm2.5",), past=("TEMP", "Iws"))
        assert refused(path, roles).startswith("pollution.csv.gz, line")
        read = read_series(path, roles, missing="linear")
        (one,) = read.series
        assert (read.roles.time, read.step, one.times[0]) == (
            "year,month,day,hour",
            Step(1, "hour"),
            np.datetime64("2010-01-02"),
        )
        assert (len(one.values), int((~one.observed).sum())) == (43800, 2067 - 24)

    @pytest.mark.parametrize(("name", "count", "shortest", "longest"), [("Hourly", 414, 700, 960), ("Weekly", 359, 80, 2597)])
    def test_competition(self, name: str, count: int, shortest: int, longest: int) -> None:
        lengths = [len(one.values) for one in read_series(dataset(f"m4_hourly_weekly/{name}-train.csv.gz")).series]
        assert (len(lengths), min(lengths), max(lengths)) == (count, shortest, longest)

    def test_electricity(self) -> None:
        read = read_series(dataset("nsw_electricity/electricity.csv.gz"), Roles(("nswdemand",)))
        assert (read.step, len(read.series[0].values)) == (Step(1, "row"), 45312)

    def test_exchange_rates(self) -> None:
        read = read_series(dataset("exchange_rate/exchange_rate.txt.gz"), Roles(("all",)))
        assert (read.series[0].values.shape, read.step) == ((7588, 8), Step(1, "row"))
        assert read.roles.target[0] == "column_1"

    def test_shares(self) -> None:
        path = dataset("stocks/stocks.csv")
        assert "say id=symbol" in refused(path)
        read = read_series(path, Roles(id="symbol"))
        assert [one.name for one in read.series] == ["MSFT", "AMZN", "IBM", "GOOG", "AAPL"]
        assert read.step == Step(1, "month")

    @pytest.mark.parametrize(
        ("name", "step", "rows"),
        [
            ("taylor.csv", "1 row", 4032),
            ("us_gasoline.csv", "1 week", 1578),
            ("ausbeer.csv", "1 quarter", 211),
            ("global-temp.csv", "1 year", None),
            ("taxi_new_york_passengers.csv", "30 minutes", 10320),
            ("daily-max-temperatures.csv", "1 day", 3650),
            ("shampoo.csv", "1 row", 36),
            ("monthly-sunspots.csv", "1 month", 2820),
        ],
    )
    def test_classics(self, name: str, step: str, rows: int | None) -> None:
        read = read_series(dataset(f"classic_univariate/{name}"), missing="last")
        assert str(read.step) == step
        assert rows is None or abs(len(read.series[0].values) - rows) <= 3

    @pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
    def test_broken_files_answer(self, encoding: str) -> None:
        for path in dataset("noisy_inputs/csv").iterdir():
            for roles in (NOTHING, Roles(("all",))):
                with suppress(DataError, UsageError):  # anything else is wrong
                    read_series(path, roles, encoding=encoding, missing="last")
