import gzip
import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.data import separated
from recurra.data.table import Table, open_table
from recurra.errors import DataError

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def file(content: str | bytes, name: str = "sales.csv") -> Path:
        path = tmp_path / name
        raw = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        return path

    return file


def refused(source: Any, encoding: str = "utf-8") -> str:
    with pytest.raises(DataError) as caught:
        open_table(source, encoding)
    text = str(caught.value)
    assert "\n" not in text
    return text.rpartition("/")[2]


def rows(table: Table) -> list[tuple[Any, ...]]:
    return table.raw(table.names).rows()


class TestSeparated:
    @pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    @pytest.mark.parametrize("last", [True, False])
    @pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.csv.gz"])
    def test_separators_and_ends(self, write: Write, separator: str, end: str, last: bool, name: str) -> None:
        lines = ["time,load,note", "2024-01-01,1.5,x", "2024-01-02,,y"]
        text = end.join(lines).replace(",", separator) + end * last
        table = open_table(write(text, name))
        assert table.names == ("time", "load", "note")
        assert rows(table) == [("2024-01-01", "1.5", "x"), ("2024-01-02", None, "y")]
        assert list(table.kinds.values()) == ["text", "number", "text"]
        assert [table.row(k) for k in range(2)] == ["line 2", "line 3"]

    def test_old_line_ends(self, write: Write) -> None:
        assert rows(open_table(write("a,b\r1,2\r3,4\r"))) == [("1", "2"), ("3", "4")]

    def test_quotes(self, write: Write) -> None:
        table = open_table(write('"a, b","c\nd"\n"1","2"\n"x\n""y"", z",4\n5,6\n'))
        assert table.names == ("a, b", "c\nd")
        assert rows(table) == [("1", "2"), ('x\n"y", z', "4"), ("5", "6")]
        assert [table.row(k) for k in range(3)] == ["line 3", "line 4", "line 6"]

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_blank_lines(self, write: Write, end: str) -> None:
        table = open_table(write("a,b\n1,2\n\n3,4\n\n\n".replace("\n", end)))
        assert rows(table) == [("1", "2"), ("3", "4")]
        assert [table.row(k) for k in range(2)] == ["line 2", "line 4"]

    def test_a_blank_line_of_one_column_is_a_missing_value(self, write: Write) -> None:
        table = open_table(write("a\n1\n\n3\n\n\n"))
        assert rows(table) == [("1",), (None,), ("3",)]
        assert table.row(2) == "line 4"

    def test_one_column_without_a_line_end(self, write: Write) -> None:
        assert rows(open_table(write("a\n1\n2"))) == [("1",), ("2",)]

    def test_without_names(self, write: Write) -> None:
        table = open_table(write("2016-07-01 00:00:00,1.5\n2016-07-01 01:00:00,2.5\n"))
        assert table.names == ("column_1", "column_2")
        assert rows(table)[0] == ("2016-07-01 00:00:00", "1.5")
        assert table.row(0) == "line 1"
        assert table.notes == ["no line of names at the top: columns are called column_1 ..."]

    def test_byte_order_mark(self, write: Write) -> None:
        assert open_table(write(b"\xef\xbb\xbfa,b\n1,2\n")).names == ("a", "b")
        assert rows(open_table(write(b'\xef\xbb\xbf"a",b\n1,2\n'))) == [("1", "2")]

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1", "cp1252", "utf-8"])
    def test_encodings(self, write: Write, encoding: str) -> None:
        path = write("Größe;Ort\r\n1;Köln\r\n".encode(encoding))
        table = open_table(path, encoding)
        assert table.names == ("Größe", "Ort")
        assert rows(table) == [("1", "Köln")]
        assert table.row(0) == "line 2"

    def test_wrong_encodings(self, write: Write) -> None:
        latin = write("a,b\n1,x\n2,K\u00f6ln\n".encode("latin-1"))
        assert refused(latin) == "sales.csv, line 3, byte 4: 0xf6 is not utf-8; say encoding=latin-1, or what it is"
        assert refused(write("Größe,b\n1,2\n".encode("latin-1"))).startswith("sales.csv, line 1, byte 3: 0xf6 is not utf-8")
        assert refused(write("a,b\n1,2\n".encode("utf-16"))) == "sales.csv: this is UTF-16, not utf-8; say encoding=utf-16"
        assert "a byte that is 0" in refused(write("a,b\n1,2\n".encode("utf-16-le")))
        assert refused(latin, "foo") == "sales.csv: encoding=foo is unknown; wanted utf-8, latin-1, cp1252, utf-16, ..."
        assert refused(latin, "hex").startswith("sales.csv: encoding=hex is unknown")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a,b\n1,2\n3\n", "line 3: 1 field; wanted 2, as in line 1"),
            ("a,b\n1,2\n3,4,5\n6\n", "line 3: 3 fields; wanted 2, as in line 1"),
            ("a,b\n1,2\n3,4,5", "line 3: 3 fields; wanted 2, as in line 1"),
            ('a,b\n"1\n2",2\n\n3,4,5\n', "line 5: 3 fields; wanted 2, as in line 1"),
            ('a,b\n1,2\n3,"4\n5,6\n', "line 3: a quote is opened and never closed; wanted it closed, or left out"),
            ("a,b\n1,2\n3,\0\n", "line 3: a byte that is 0, so this is no text in utf-8; wanted a text file"),
            ('a,b\n1,"2"\n3, "4"\n', "line 3: a quote in the middle of a field; wanted quotes around whole fields, or none"),
            ('a,b\n1,5" pipe\n3,4\n', "line 2: a quote in the middle of a field; wanted quotes around whole fields, or none"),
            ("\n\na,b\n1,2\n", "line 1: nothing stands there; wanted the names of the columns"),
            ("a,x,x\n1,2,3\n", "line 1: two columns are called x; wanted names that differ"),
        ],
    )
    def test_where_it_is_broken(self, write: Write, text: str, message: str) -> None:
        assert refused(write(text)) == f"sales.csv, {message}"

    def test_nothing(self, write: Write, tmp_path: Path) -> None:
        nothing = "nothing in it; wanted a line of names and one row for each time"
        assert refused(write("")) == f"sales.csv: {nothing}"
        assert refused(write("\n \n")) == f"sales.csv: {nothing}"
        only = "no rows below the names of the columns; wanted one row for each time"
        assert refused(write("time,y\n")) == f"sales.csv: {only}"
        assert refused(write("time,y")) == f"sales.csv: {only}"
        assert refused(tmp_path / "no.csv") == "no.csv: no such file"
        assert refused(tmp_path).endswith(": a folder; wanted a file")
        assert refused(write("a", "a.xlsx")).startswith("a.xlsx: of a kind that is not read; wanted .csv,")

    def test_broken_gzip(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv.gz"
        path.write_bytes(b"a,b\n1,2\n")
        assert refused(path) == "a.csv.gz: not compressed by gzip, as its name says"
        path.write_bytes(gzip.compress(b"a,b\n1,2\n" * 1000)[:40])
        assert refused(path).startswith("a.csv.gz: cannot be read (")

    def test_a_million_columns_are_refused_at_once(self, write: Write) -> None:
        path = write(",".join(f"c{k}" for k in range(1_000_000)) + "\n" + ",".join(["1"] * 1_000_000) + "\n")
        begin = perf_counter()
        assert refused(path).startswith("sales.csv: 1,000,000 columns; wanted at most 20,000: give many series in long form")
        assert refused(np.zeros((1, 1_000_000))).startswith("array: 1,000,000 columns")
        assert perf_counter() - begin < 10

    @given(
        st.lists(
            st.lists(st.sampled_from(["", "1", '"a,b"', '"x\ny"', '""""', "long" * 5]), min_size=3, max_size=3), min_size=1
        ),
        st.integers(1, 60),
    )
    def test_rows_are_those_of_polars_in_chunks_of_any_size(self, cells: list[list[str]], chunk: int) -> None:
        text = "a,b,c\n" + "".join(",".join(row) + "\n" for row in cells)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(separated, "CHUNK", chunk)
            found = list(separated._rows(Path("x"), text.encode(), ",", "utf-8"))
        lines = np.concatenate([rows.lines for rows in found])
        wanted, line = [], 1
        for row in [["a"], *cells]:
            wanted.append(line)
            line += 1 + sum(cell.count("\n") for cell in row)
        assert lines.tolist() == wanted
        assert {int(width) for rows in found for width in rows.fields} == {3}
        assert not any(rows.blank.any() for rows in found)


class TestNumbers:
    def test_missing_words(self, write: Write) -> None:
        words = ["", " ", "NA", "n/a", "NaN", "null", "None", "-", "?"]
        values = open_table(write("a,b\n1,1\n" + "".join(f"{word},1\n" for word in words))).numbers(["a"])
        assert values[:, 0].tolist()[:1] == [1.0]
        assert np.isnan(values[1:]).all()

    def test_forms(self, write: Write) -> None:
        values = open_table(write("a,b\n 1.5 ,1\n-2e3,1\n+3,1\n.5,1\nTrue,1\nfalse,1\n")).numbers(["a"])
        assert values[:, 0].tolist() == [1.5, -2000, 3, 0.5, 1, 0]

    def test_decimal_commas(self, write: Write) -> None:
        table = open_table(write("time;a;b\n2024;1,5;2\n2025;-2,25;3\n"))
        assert table.numbers(["a", "b"]).tolist() == [[1.5, 2], [-2.25, 3]]
        assert table.notes == ["decimal commas: column a"]

    @pytest.mark.parametrize(
        ("cell", "message"),
        [
            ("abc", "'abc' is not a number"),
            ("1.234,5", "'1.234,5' is not a number"),
            ("inf", "'inf' is not a finite number"),
            ("-Infinity", "'-Infinity' is not a finite number"),
            ("1e400", "'1e400' is not a finite number"),
        ],
    )
    def test_what_is_no_number(self, write: Write, cell: str, message: str) -> None:
        table = open_table(write(f"a;b\n1;2\n3;4\n5;{cell}\n6;{cell}\n7;8\n"))
        with pytest.raises(DataError) as caught:
            table.numbers(["a", "b"])
        assert str(caught.value).endswith(
            f"sales.csv, line 4, column b: {message}; wanted digits, or nothing where a value is missing"
        )

    def test_only_what_is_asked_for_is_made_numbers(self, write: Write) -> None:
        table = open_table(write("a,b\n1,x\n2,y\n"))
        assert table.numbers(["a"]).tolist() == [[1], [2]]
        assert table.numbers([]).shape == (2, 0)

    def test_many_columns(self, write: Write) -> None:
        names = [f"c{k}" for k in range(3000)]
        table = open_table(write(",".join(names) + "\n" + (",".join(["1"] * 3000) + "\n") * 5))
        assert table.numbers(["c7", "c2999"]).shape == (5, 2)


class TestOthers:
    def test_json_lines(self, write: Write) -> None:
        path = write(
            '{"time": "2024-01-01", "y": 1}\n{"time": "2024-01-02", "y": null}\n{"time": "2024-01-03", "y": 2.5}\n', "a.jsonl"
        )
        table = open_table(path)
        assert table.kinds == {"time": "text", "y": "number"}
        np.testing.assert_array_equal(table.numbers(["y"])[:, 0], [1, np.nan, 2.5])
        assert table.row(2) == "line 3"

    def test_json_lines_that_differ(self, write: Write) -> None:
        table = open_table(write('{"y": 1}\n\n{"x": 5}\n{"y": "a", "z": 2}\n{"y": 2}\n{"y": 2}\n', "a.jsonl"))
        assert set(table.names) == {"x", "y", "z"}
        assert np.isnan(table.numbers(["x"])[:, 0]).tolist() == [True, False, True, True, True]
        with pytest.raises(DataError, match=r"a.jsonl, line 4, column y: 'a' is not a number"):
            table.numbers(["y"])

    def test_broken_json_lines(self, write: Write) -> None:
        assert refused(write('{"y": 1}\n{"y": \n', "a.jsonl")).startswith("a.jsonl, line 2: no JSON")
        assert refused(write("[1]\n", "a.jsonl")).startswith("a.jsonl, line 1: no JSON object; wanted one on each line")
        assert refused(write("", "a.ndjson")).startswith("a.ndjson: nothing in it")
        assert refused(write('{"y": 1}\n[1]\n', "a.jsonl")).startswith("a.jsonl, line 2: no JSON object")
        nan = "a.jsonl, line 2: no JSON (NaN, write null where a value is missing)"
        assert refused(write('{"y": 1}\n{"y": NaN}\n', "a.jsonl")) == nan
        huge = "a.jsonl, line 3, column y: not a finite number; wanted one, or null"
        assert refused(write('{"y": 1}\n\n{"y": -1e400}\n', "a.jsonl")) == huge
        assert refused(write('{"y": 1, "n": "é"}\n'.encode("latin-1"), "a.jsonl")).startswith(
            "a.jsonl, line 1: no JSON ('utf-8'"
        )
        wide = json.dumps({f"c{k}": k for k in range(30_000)})
        assert refused(write(wide + "\n", "a.jsonl")).startswith("a.jsonl: 30,000 columns")

    def test_parquet(self, tmp_path: Path) -> None:
        path = tmp_path / "a.parquet"
        frame = pl.DataFrame({"time": pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 1, 3), eager=True), "y": [1, None, 3]})
        frame.write_parquet(path)
        table = open_table(path)
        assert table.kinds == {"time": "time", "y": "number"}
        np.testing.assert_array_equal(table.numbers(["y"])[:, 0], [1, np.nan, 3])
        assert table.row(0) == "row 0 (counted from 0)"
        path.write_bytes(b"PAR1 this is none")
        assert refused(path).startswith("a.parquet: cannot be read (")

    def test_arrays(self) -> None:
        assert open_table(np.arange(3)).names == ("value",)
        wide = open_table(np.arange(6.0).reshape(3, 2))
        assert wide.names == ("column_1", "column_2")
        assert wide.numbers(["column_2"])[:, 0].tolist() == [1, 3, 5]
        masked = open_table(np.ma.array([1, 2, 3], mask=[False, True, False])).numbers(["value"])
        np.testing.assert_array_equal(masked[:, 0], [1, np.nan, 3])
        assert refused(np.zeros((2, 2, 2))) == "array: float64 of shape (2, 2, 2); wanted numbers of shape (T,) or (T, C)"
        assert refused(np.array(["a"])).startswith("array: <U1 of shape (1,)")

    def test_dicts(self) -> None:
        table = open_table({"a": [1, None, 3], "b": np.arange(3), "c": ("x", "y", "z")})
        assert list(table.kinds.values()) == ["number", "number", "text"]
        mixed = open_table({"a": [1, 2.5, True], "b": np.array([1, None, 3], object), "c": ["x", 1, 2]})
        np.testing.assert_array_equal(mixed.numbers(["a", "b"]), [[1, 1], [2.5, np.nan], [1, 3]])
        with pytest.raises(DataError, match=r"columns, row 0 \(counted from 0\), column c: 'x' is not a number"):
            mixed.numbers(["c"])
        assert refused({"a": [1, 2], "b": [1]}).startswith("columns: ")
        assert refused({}) == "columns: no columns; wanted a column of numbers"

    @pytest.mark.parametrize("source", [7, None, object(), [1, 2]])
    def test_no_table(self, source: Any) -> None:
        assert refused(source).endswith("cannot be read; wanted a path, a data frame, a dict of columns or a numpy array")

    def test_polars(self) -> None:
        frame = pl.DataFrame({"y": [1.0, float("nan"), None]})
        for one in (frame, frame.lazy(), frame["y"]):
            assert np.isnan(open_table(one).numbers(["y"])[:, 0]).tolist() == [False, True, True]
        assert open_table(nw.from_native(frame)).names == ("y",)

    def test_lists_are_no_numbers(self) -> None:
        table = open_table(pl.DataFrame({"y": [[1, 2], [3]], "z": [1, 2]}))
        with pytest.raises(DataError, match=r"frame, column y: List\(Int64\); wanted numbers"):
            table.numbers(["y"])


class TestPandas:
    def test_frames(self) -> None:
        pandas = pytest.importorskip("pandas")
        frame = pandas.DataFrame(
            {
                "time": pandas.date_range("2024-03-30", periods=3, freq="D", tz="Europe/Berlin"),
                "y": [1.0, None, 3.0],
                "n": pandas.array([1, None, 3], dtype="Int64"),
                "flag": [True, False, True],
                "name": ["a", None, "c"],
            }
        )
        table = open_table(frame)
        assert list(table.kinds.values()) == ["time", "number", "number", "number", "text"]
        np.testing.assert_array_equal(table.numbers(["y", "n", "flag"]), [[1, 1, 1], [np.nan, np.nan, 0], [3, 3, 1]])
        assert table.raw(["time"])["time"].dtype == pl.Datetime("us", "Europe/Berlin")
        assert str(table.raw(["time"])["time"][2]) == "2024-04-01 00:00:00+02:00"
        assert table.raw(["name"])["name"].to_list() == ["a", None, "c"]

    def test_names_of_columns(self) -> None:
        pandas = pytest.importorskip("pandas")
        table = open_table(pandas.DataFrame([[1, 2], [3, 4]]))
        assert table.names == ("0", "1")
        assert table.numbers(["1"]).tolist() == [[2], [4]]
        assert refused(pandas.DataFrame([[1, 2]], columns=["a", "a"])).startswith("frame: Expected unique column names")

    def test_an_index_of_times_is_a_column(self) -> None:
        pandas = pytest.importorskip("pandas")
        days = pandas.date_range("2024-01-01", periods=3, name="day")
        for source in (pandas.DataFrame({"y": [1, 2, 3]}, days), pandas.Series([1, 2, 3], days, name="y")):
            table = open_table(source)
            assert table.names == ("day", "y")
            assert table.kinds["day"] == "time"

    def test_an_index_of_periods_too(self) -> None:
        pandas = pytest.importorskip("pandas")
        months = pandas.period_range("1949-01", periods=3, freq="M")
        table = open_table(pandas.DataFrame({"y": [1, 2, 3]}, months))
        assert table.raw(["index"])["index"].dt.month().to_list() == [1, 2, 3]
