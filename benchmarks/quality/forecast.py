"""Forecasts of ETTh1, ETTh2, exchange rates, M4 hourly and weekly, air passengers, beside naive and published figures.

Run: scripts/quality forecast   (needs RECURRA_DATA; an hour). Some cases: python -m benchmarks.quality.forecast CASE ...
"""

import csv
import gzip
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import recurra
from benchmarks.machine import RESULTS, describe, write_result

NAME = "forecast"
ETT: dict[str, Any] = {
    "target": "all", "rows": 14_400, "validation": 2880, "test": 2880, "window": 336, "segment": 48, "calendar": False,
    "hidden": 256, "dropout": 0.5, "loss": "absolute", "batch": 128, "lr": 1e-3, "check": 66, "normalise": "last",
}  # fmt: skip
M4: dict[str, Any] = {"id": "series", "target": "value", "time": "none", "calendar": False, "loss": "squared"}


class Case(NamedTuple):
    """Series, options, the figures of interest, and what was measured or published elsewhere."""

    data: Callable[[Path, Path], Path | None]
    options: Mapping[str, Any]
    figures: tuple[str, ...]
    elsewhere: Mapping[str, Mapping[str, float]]


def _ett(name: str) -> Callable[[Path, Path], Path]:
    return lambda data, _: data / "ett_small" / f"{name}.csv.gz"


def _exchange(data: Path, folder: Path) -> Path:
    text = gzip.decompress((data / "exchange_rate" / "exchange_rate.txt.gz").read_bytes()).decode()
    path, columns = folder / "exchange.csv", len(text.partition("\n")[0].split(","))
    path.write_text(",".join(f"rate{k}" for k in range(columns)) + "\n" + text)
    return path


def _m4(name: str) -> Callable[[Path, Path], Path]:
    def made(data: Path, folder: Path) -> Path:
        path, whole = folder / f"{name}.csv", dict[str, list[str]]()
        for part in ("train", "test"):
            with gzip.open(data / "m4_hourly_weekly" / f"{name}-{part}.csv.gz", "rt", newline="") as file:
                for row in list(csv.reader(file))[1:]:
                    whole.setdefault(row[0], []).extend(value for value in row[1:] if value)
        with path.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["series", "value"])
            writer.writerows([series, value] for series, values in whole.items() for value in values)
        return path

    return made


SEGRNN = {
    "ETTh1": {96: 0.368, 192: 0.408, 336: 0.444, 720: 0.446},
    "ETTh2": {96: 0.278, 192: 0.338, 336: 0.373, 720: 0.383},
}
CASES: dict[str, Case] = {
    **{
        f"{name}-{horizon}": Case(
            _ett(name),
            ETT | {"horizon": horizon, "steps": 600 if name == "ETTh1" and horizon < 720 else 200},
            ("scaled MSE", "scaled MAE"),
            {"scaled MSE": {"SegRNN, as published": SEGRNN[name][horizon]}},
        )
        for name in ("ETTh1", "ETTh2")
        for horizon in (96, 192, 336, 720)
    },
    **{
        f"exchange-{horizon}": Case(
            _exchange,
            {
                "target": "all", "time": "none", "validation": 0.1, "test": 0.2, "horizon": horizon, "window": 96,
                "segment": 24, "hidden": 64, "dropout": 0.5, "loss": "absolute", "epochs": 4, "lr": 3e-4, "patience": 3,
                "batch": 128, "check": 20, "normalise": "last",
            },
            ("scaled MSE", "scaled MAE"),
            {"scaled MSE": {"DLinear, as published": {96: 0.081, 192: 0.157, 336: 0.305, 720: 0.643}[horizon]}},
        )
        for horizon in (96, 192, 336, 720)
    },
    "M4-hourly": Case(
        _m4("Hourly"),
        M4 | {
            "horizon": 48, "season": 24, "window": 336, "segment": 24, "validation": 48, "test": 48, "normalise": "mean",
            "hidden": 256, "steps": 4500, "batch": 128, "lr": 1e-3, "check": 500, "dropout": 0.1, "log": True,
        },
        ("sMAPE", "MASE"),
        {"sMAPE": {"ES-RNN": 9.328, "M4's RNN benchmark": 14.698}, "MASE": {"ES-RNN": 0.893}},
    ),
    "M4-weekly": Case(
        _m4("Weekly"),
        M4 | {
            "horizon": 13, "season": 1, "window": 52, "segment": 13, "validation": 13, "test": 13, "normalise": "mean",
            "hidden": 256, "steps": 3000, "batch": 128, "lr": 1e-3, "check": 500, "dropout": 0.1, "log": True,
        },
        ("sMAPE", "MASE"),
        {"sMAPE": {"ES-RNN": 7.817, "M4's RNN benchmark": 15.220, "Naive2": 9.161}},
    ),
    "air-passengers": Case(
        lambda *_: None,
        {"horizon": 1, "test": 48, "validation": 24, "window": 24, "segment": 12, "log": True, "loss": "gaussian", "seeds": 5},
        ("RMSE", "MASE"),
        {},
    ),
}  # fmt: skip


def main() -> None:
    """Train and measure the cases named, or all; figures of other cases stay as they were."""
    data = Path(os.environ.get("RECURRA_DATA", "../shared/data"))
    if not data.exists():
        sys.exit(f"{data}: not there; RECURRA_DATA names the folder of the data sets")
    kept = RESULTS / f"{NAME}.json"
    before = json.loads(kept.read_text()) if kept.exists() else {}
    cases = before.get("cases", {})
    for name in sys.argv[1:] or CASES:
        cases[name] = measure(name, CASES[name], data)
        ordered = {one: cases[one] for one in CASES if one in cases}
        facts = {"title": "Forecasts", "command": "scripts/quality forecast", "machine": describe()}
        write_result(NAME, before | facts | {"cases": ordered})


def measure(name: str, case: Case, data: Path) -> dict[str, Any]:
    """One case: train, test, and how long that took."""
    with tempfile.TemporaryDirectory() as folder:
        source = case.data(data, Path(folder))
        begun = time.perf_counter()
        run = recurra.Forecast(**case.options).fit(source, out=Path(folder) / name)
        seconds = time.perf_counter() - begun
        measured = run.read("evaluation.json")
    covered = next(key for key in measured["metrics"] if key.startswith("coverage"))
    return {
        "options": dict(case.options),
        "minutes": seconds / 60,
        "figures": {figure: measured["metrics"][figure] for figure in (*case.figures, covered)},
        "elsewhere": case.elsewhere,
        "notes": measured["notes"],
        "plan": run.facts["options"],
    }


if __name__ == "__main__":
    main()
