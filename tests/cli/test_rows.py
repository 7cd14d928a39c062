"""Rows keep every digit that counts."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurra.cli.rows import write_rows

NUMBERS = [1e-6, 0.7855, 17.3, 112.0, 16777217.0, 123456789.0, 1e-9, 3e38, 1e300]


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.parquet"])
def test_files_give_the_numbers_back(name: str, tmp_path: Path) -> None:
    single = [float(np.float32(value)) for value in NUMBERS[:-1]]
    write_rows([{"a": value} for value in [*NUMBERS, *single]], tmp_path / name, as_json=False)
    if name.endswith("parquet"):
        import polars

        found = polars.read_parquet(tmp_path / name)["a"].to_list()
    else:
        found = [
            float(row["a"])
            for row in csv.DictReader(
                (tmp_path / name).read_text().splitlines(), delimiter="," if name.endswith("csv") else "\t"
            )
        ]
    assert found[: len(NUMBERS)] == NUMBERS
    assert [np.float32(value) for value in found[len(NUMBERS) :]] == [np.float32(value) for value in single]


def test_the_fewest_digits(tmp_path: Path) -> None:
    write_rows(
        [{"a": float(np.float32(17.3)), "b": np.float64(0.1), "c": None, "d": "x"}], tmp_path / "rows.csv", as_json=False
    )
    assert (tmp_path / "rows.csv").read_text().splitlines() == ["a,b,c,d", "17.3,0.1,,x"]


def test_the_terminal_has_five_at_least(capsys: pytest.CaptureFixture[str]) -> None:
    values: dict[str, Any] = {"a": 1.23456789e-6, "b": 2.3456789, "c": 112.0, "d": 123456789.4, "e": 7}
    write_rows([values], None, as_json=False)
    assert capsys.readouterr().out.splitlines()[1].split("\t") == ["1.2346e-06", "2.3457", "112.0000", "123456789.4000", "7"]
    write_rows([values], None, as_json=True)
    assert json.loads(capsys.readouterr().out) == values
