"""Tables from files, data frames and arrays: columns by name, read only when somebody asks for them."""

import gzip
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import narwhals as nw
import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.separated import Separated, stream, too_many
from recurra.errors import DataError

__all__ = ["Kind", "Table", "open_table"]

Kind = Literal["number", "text", "time", "other"]
"""What a column holds, as far as its first rows tell."""

MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "?")
"""What stands for a number that is not there, in small letters."""

COLUMNS = 20_000
"""More than these are not read: such a table has its series in columns, and wants them in rows."""

ROW = "\0"  # no column of a file is called so
SAMPLE = 1000  # rows that tell what a column holds
FILES = {".csv", ".tsv", ".txt", ".data", ".dat", ".psv", ".ssv"}
LINES = {".jsonl", ".ndjson"}


@dataclass(frozen=True)
class Table:
    """Named columns of equal length.

    Attributes:
        source: what messages call it.
        kinds: what each column holds, in the order of the columns.
        frame: some columns, lazily.
        row: what messages call a row, counted from 0.
        comma: whether a comma may be a decimal sign.
        notes: what was understood about the whole.
    """

    source: str
    kinds: Mapping[str, Kind]
    sample: pl.DataFrame
    frame: Callable[[Sequence[str]], pl.LazyFrame]
    row: Callable[[int], str]
    comma: bool = False
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        source: str,
        frame: Callable[[Sequence[str]], pl.LazyFrame],
        names: Sequence[str],
        row: Callable[[int], str] = lambda row: f"row {row} (counted from 0)",
        *,
        comma: bool = False,
        notes: Sequence[str] = (),
    ) -> "Table":
        """A table whose columns tell by their first rows what they hold."""
        too_many(source, len(names), COLUMNS)
        if not names:
            raise DataError(f"{source}: no columns; wanted a column of numbers")
        sample = _collect(source, frame(names).head(SAMPLE))
        if not sample.height:
            raise DataError(f"{source}: no rows below the names of the columns; wanted one row for each time")
        return cls(source, _kinds(sample, comma=comma), sample, frame, row, comma, [*notes])

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns."""
        return tuple(self.kinds)

    @property
    def rows(self) -> int:
        """How many there are."""
        return int(_collect(self.source, self.frame(self.names[:1]).select(pl.len())).item())

    def place(self, row: int, column: str = "") -> str:
        """What messages call a row, or a cell."""
        return f"{self.source}, {self.row(row)}" + (f", column {column}" if column else "")

    def raw(self, names: Sequence[str]) -> pl.DataFrame:
        """Some columns as they are."""
        return _collect(self.source, self.frame(names))

    def numbers(self, names: Sequence[str]) -> NDArray[np.float64]:
        """(T, C) some columns as numbers, NaN where there is none; `DataError` with the place of what is no number."""
        for name in names:
            if self.kinds[name] in {"time", "other"}:
                raise DataError(f"{self.source}, column {name}: {self.sample[name].dtype}; wanted numbers")
        if not names:
            return np.zeros((self.rows, 0))
        values = _collect(self.source, self._as_numbers(names, comma=False))
        if self.comma and any(column.null_count() for column in values.get_columns()):
            other = _collect(self.source, self._as_numbers(names, comma=True))
            repaired = [name for name in names if values[name].null_count() and not other[name].null_count()]
            if repaired:
                self.notes.append(f"decimal commas: column {', '.join(repaired)}")
            values = values.with_columns(other[name] for name in repaired)
        wrong = {name: values[name].is_null().arg_max() for name in names if values[name].null_count()}
        infinite = {name: values[name].is_infinite().arg_max() for name in names if values[name].is_infinite().any()}
        for kind, places in (("a number", wrong), ("a finite number", infinite)):
            if places:
                name = min(places, key=lambda name: places[name] or 0)
                found = self.raw([name])[name][places[name] or 0]  # not by a slice: polars counts blank lines of JSON there
                where = self.place(places[name] or 0, name)
                wanted = "digits, or nothing where a value is missing"
                if self.kinds[name] == "text":
                    wanted = "numbers; words may be past=, known= or static="
                raise DataError(f"{where}: {_quoted(found)} is not {kind}; wanted {wanted}")
        return values.to_numpy().astype(np.float64, copy=False)

    def words(self, name: str, most: int) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        """A column as places (T,) in its words, which are sorted; NaN where there is none. `DataError` above `most` words."""
        if self.kinds[name] in {"time", "other"}:
            raise DataError(f"{self.source}, column {name}: {self.sample[name].dtype}; wanted words or numbers")
        column = pl.col(name)
        if self.sample[name].dtype.is_numeric():
            whole = column.cast(pl.Int64, strict=False)
            column = pl.when(whole.cast(pl.Float64) == column).then(whole.cast(pl.String)).otherwise(column.cast(pl.String))
        text = column.cast(pl.String).str.strip_chars()
        plain = pl.when(text.str.to_lowercase().is_in(MISSING)).then(None).otherwise(text).alias(name)
        values = _collect(self.source, self.frame([name]).select(plain))[name]
        found = values.drop_nulls().unique().sort()
        if len(found) > most:
            where = f"{self.source}, column {name}: {len(found):,} different words"
            raise DataError(f"{where}; wanted at most {most:,} categories: group them, or leave the column out")
        words = tuple(found.to_list())
        places = values.replace_strict(words, np.arange(len(words), dtype=np.float64), default=None, return_dtype=pl.Float64)
        return places.fill_null(float("nan")).to_numpy(), words

    def is_empty(self, name: str) -> bool:
        """Whether the first rows of a column of numbers hold none."""
        text = self.sample[name].dtype == pl.String
        values = self.sample.select(_number(name, comma=self.comma) if text else pl.col(name).cast(pl.Float64)).to_series()
        return bool((values.is_null() | values.is_nan()).all()) and not (text and values.null_count())

    def _as_numbers(self, names: Sequence[str], *, comma: bool) -> pl.LazyFrame:
        """NaN where a value is missing, null where it is no number."""
        text = {name for name in names if self.sample[name].dtype == pl.String}
        plain = [pl.col(name).cast(pl.Float64).fill_null(float("nan")) for name in names if name not in text]
        return self.frame(names).select([*plain, *(_number(name, comma=comma) for name in names if name in text)]).select(names)


def open_table(source: Any, encoding: str = "utf-8") -> Table:
    """The table that a path, a data frame, a dict of columns or an array is."""
    if isinstance(source, str | Path):
        return _file(Path(source), encoding)
    if isinstance(source, Mapping):
        try:
            source = pl.DataFrame({str(name): _column(values) for name, values in source.items()}, strict=False)
        except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
            raise DataError(f"columns: {_first_line(error)}; wanted a dict of columns of equal length") from None
        return _of_polars("columns", source.lazy())
    if isinstance(source, np.ndarray):
        return _array(source)
    return _frame(source)


def _column(values: Any) -> Any:
    """What polars makes a column of; it knows few of numpy's units of time, and no masks."""
    if isinstance(values, np.ma.MaskedArray) or (isinstance(values, np.ndarray) and values.dtype.kind not in "biufM"):
        return values.tolist()
    if isinstance(values, np.ndarray):
        return values.astype("datetime64[us]") if values.dtype.kind == "M" else values
    return values if isinstance(values, pl.Series) else list(values)


def _array(values: NDArray[Any]) -> Table:
    """(T,) is one column `value`; (T, C) are the columns `column_1` to `column_C`."""
    if values.ndim not in {1, 2} or values.dtype.kind not in "biuf":
        raise DataError(f"array: {values.dtype} of shape {values.shape}; wanted numbers of shape (T,) or (T, C)")
    too_many("array", 1 if values.ndim == 1 else values.shape[1], COLUMNS)
    columns = values[:, None] if values.ndim == 1 else values
    names = ["value"] if values.ndim == 1 else [f"column_{k + 1}" for k in range(columns.shape[1])]

    def frame(wanted: Sequence[str]) -> pl.LazyFrame:
        places = {name: place for place, name in enumerate(names)}
        taken = (columns[:, places[name]].astype(np.float64) for name in wanted)
        return pl.LazyFrame({name: np.ma.filled(one, np.nan) for name, one in zip(wanted, taken, strict=True)})

    return Table.of("array", frame, names)


def _frame(source: Any) -> Table:
    """Any data frame or column that narwhals knows."""
    try:
        frame = nw.from_native(source, allow_series=True)
        names = [str(frame.name or "value")] if isinstance(frame, nw.Series) else frame.collect_schema().names()
    except nw.exceptions.NarwhalsError as error:
        raise DataError(f"frame: {_first_line(error)}") from None
    except TypeError:
        wanted = "a path, a data frame, a dict of columns or a numpy array"
        raise DataError(f"data: {type(source).__name__} cannot be read; wanted {wanted}") from None
    if isinstance(frame, nw.Series):
        frame = frame.alias(names[0]).to_frame()
    if isinstance(frame, nw.LazyFrame) and not frame.implementation.is_polars():
        frame = nw.from_native(frame.collect("polars").to_native(), eager_only=True)
    native = frame.to_native()
    if isinstance(native, pl.DataFrame | pl.LazyFrame):
        return _of_polars("frame", native.lazy())
    assert isinstance(frame, nw.DataFrame)
    columns: dict[str, nw.Series[Any]] = {str(name): one for name, one in zip(names, frame.iter_columns(), strict=True)}
    index: Any = nw.maybe_get_index(frame)  # of pandas and its kin
    index = index.to_timestamp() if hasattr(index, "to_timestamp") else index
    if str(getattr(index, "dtype", "")).startswith("datetime"):
        columns = {str(index.name or "index"): nw.from_native(index.to_series(), series_only=True), **columns}

    def read(wanted: Sequence[str]) -> pl.LazyFrame:
        return pl.LazyFrame([_of_narwhals(columns[name]).alias(name) for name in wanted])

    too_many("frame", len(columns), COLUMNS)
    return Table.of("frame", read, list(columns))


def _of_narwhals(column: "nw.Series[Any]") -> pl.Series:
    """A column of another library, without asking for that library's bridge to polars."""
    kind = column.dtype
    if kind.is_numeric() or kind == nw.Boolean:
        return pl.Series(column.cast(nw.Float64).to_numpy())
    if isinstance(kind, nw.Datetime) and kind.time_zone:
        naive = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")
        return pl.Series(naive).dt.replace_time_zone("UTC").dt.convert_time_zone(kind.time_zone)
    if kind == nw.Datetime:
        return pl.Series(column.to_numpy().astype("datetime64[us]"))
    values = [None if missing else value for value, missing in zip(column.to_list(), column.is_null().to_list(), strict=True)]
    return pl.Series(values if kind == nw.Date else [None if value is None else str(value) for value in values])


def _of_polars(source: str, frame: pl.LazyFrame, row: Callable[[int], str] | None = None) -> Table:
    try:
        names = frame.collect_schema().names()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{source}: cannot be read ({_first_line(error)})") from None
    return Table.of(source, frame.select, names, *([row] if row else []))


def parquet(source: Any) -> bytes:
    """A data frame, a dict of columns or an array as the bytes of a Parquet file, which reads the same."""
    table, content = open_table(source), io.BytesIO()
    table.raw(table.names).write_parquet(content)
    return content.getvalue()


def _file(path: Path, encoding: str) -> Table:
    kinds = [suffix for suffix in path.suffixes[-2:] if suffix != ".gz"]
    suffix = kinds[-1].lower() if kinds else ""
    if not path.exists():
        raise DataError(f"{path}: no such file")
    if path.is_dir():
        raise DataError(f"{path}: a folder; wanted a file")
    try:
        if suffix in {".parquet", ".pq"}:
            return _of_polars(str(path), pl.scan_parquet(path))
        if suffix in FILES:
            return _of_text(Separated.open(path, encoding, COLUMNS))
        if suffix in LINES:
            return _json_lines(path)
    except gzip.BadGzipFile:
        raise DataError(f"{path}: not compressed by gzip, as its name says") from None
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or _first_line(error)})") from None
    raise DataError(f"{path}: of a kind that is not read; wanted .csv, .tsv, .txt, .csv.gz, .jsonl, .ndjson or .parquet")


def _of_text(text: Separated) -> Table:
    scan = pl.scan_csv(
        text.content,
        separator=text.separator,
        has_header=False,
        skip_rows=int(text.headed),
        schema=dict.fromkeys(text.names, pl.String),
    )

    def frame(names: Sequence[str]) -> pl.LazyFrame:
        if not len(text.blank):
            return scan.select(names)
        return scan.with_row_index(ROW).filter(~pl.col(ROW).is_in(text.blank.tolist())).select(names)

    return Table.of(
        str(text.path),
        frame,
        text.names,
        lambda row: f"line {text.line(row)}",
        comma=text.separator != ",",
        notes=[] if text.headed else [f"no line of names at the top: columns are called {text.names[0]} ..."],
    )


def _json_lines(path: Path) -> Table:
    with stream(path) as lines:
        first = next((line for line in lines if line.strip()), b"null")
    try:
        found = json.loads(first)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _no_json(path) or DataError(f"{path}: nothing in it; wanted a JSON object on each line")
    too_many(str(path), len(found), COLUMNS)

    def row(wanted: int) -> str:
        with stream(path) as lines:
            written = (number for number, line in enumerate(lines, 1) if line.strip())
            return f"line {next(islice(written, wanted, None))}"

    try:
        return _of_polars(str(path), pl.scan_ndjson(path, infer_schema_length=None), row)
    except DataError as error:
        raise _no_json(path) or error from None


def _no_json(path: Path) -> DataError | None:
    """The first line of a file that is no JSON object of plain values."""

    def refuse(word: str) -> None:
        raise ValueError(f"{word}, write null where a value is missing")

    with stream(path) as lines:
        for number, line in enumerate(lines, 1):
            try:
                found = json.loads(line, parse_constant=refuse) if line.strip() else {}
            except ValueError as error:
                return DataError(f"{path}, line {number}: no JSON ({error})")
            if not isinstance(found, dict):
                wanted = '{"time": "2024-01-01", "y": 1.5}'
                return DataError(f"{path}, line {number}: no JSON object; wanted one on each line, as {wanted}")
            if infinite := [name for name, value in found.items() if value in (math.inf, -math.inf)]:
                return DataError(f"{path}, line {number}, column {infinite[0]}: not a finite number; wanted one, or null")
    return None


def _kinds(sample: pl.DataFrame, *, comma: bool) -> dict[str, Kind]:
    """What columns hold; text is a number where most of it can be read as one, so that what cannot is an error."""
    text = [column.name for column in sample.get_columns() if column.dtype == pl.String]
    values = sample.lazy().select(_number(name, comma=comma) for name in text).collect()
    nulls, absent = values.null_count().rows(), values.select(pl.all().is_nan().sum()).rows()
    counts = {name: (wrong, missing) for name, wrong, missing in zip(text, *nulls, *absent, strict=True)} if text else {}
    kinds: dict[str, Kind] = {}
    for column in sample.get_columns():
        if column.dtype == pl.String:
            wrong, missing = counts[column.name]
            kinds[column.name] = "number" if wrong * 2 < len(column) - missing or wrong == 0 else "text"
        elif column.dtype.is_temporal():
            kinds[column.name] = "time"
        elif column.dtype.is_numeric() or column.dtype in {pl.Boolean, pl.Null}:
            kinds[column.name] = "number"
        else:
            kinds[column.name] = "text" if column.dtype in {pl.Categorical, pl.Enum} else "other"
    return kinds


def _number(name: str, *, comma: bool) -> pl.Expr:
    """Text as a number: NaN where it stands for none, null where it is something else."""
    text = pl.col(name).str.strip_chars()
    small = text.str.to_lowercase()
    number = (text.str.replace(",", ".", literal=True) if comma else text).cast(pl.Float64, strict=False)
    return (
        pl.when(text.is_null() | small.is_in(MISSING))
        .then(float("nan"))
        .when(small.is_in(["true", "false"]))
        .then((small == "true").cast(pl.Float64))
        .otherwise(number)
        .alias(name)
    )


def _collect(source: str, frame: pl.LazyFrame) -> pl.DataFrame:
    try:
        return frame.collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{source}: cannot be read ({_first_line(error)})") from None


def _quoted(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(value)


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]
