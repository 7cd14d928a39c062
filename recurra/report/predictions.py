"""What a run of the task `forecast` predicts, as a picture beside its history."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from recurra.data import Collection, Series
from recurra.report.forecast import Panel, draw_forecast
from recurra.tasks import forecast
from recurra.tasks.runs import Run

__all__ = ["draw_predictions"]

BEFORE = 4
"""How many times as long as the forecast the history in a picture is."""


def draw_predictions(run: Run, items: Sequence[Mapping[str, Any]], data: Any = None, out: Path | None = None) -> Path | None:
    """Draw what ``run.predict(data)`` gave, one panel for each series and target: ``forecast.svg`` in the run, or beside `out`.

    Scores and sampled paths have no such picture: None. Where `data` are a collection, as ``run.predict(data).collection``
    is, nothing is read again.
    """
    if not items or "forecast" not in items[0]:
        return None
    own = run.folder / "forecast.svg"
    path = own if out is None else out.with_name(f"{out.stem}{'-picture' if out.suffix == '.json' else ''}.svg")
    collection = data if isinstance(data, Collection) else forecast.read(run, data)
    series, targets = {each.name: each for each in collection.series}, collection.roles.target

    def column(item: Mapping[str, Any]) -> tuple[str, str]:
        return item["series"], item["target"]

    panels = []
    for (name, target), rows in groupby(sorted(items, key=column), key=column):
        title = target if len(series) == 1 else f"{name}: {target}" if len(targets) > 1 else name
        panels.append(_panel(title, series[name], targets.index(target), list(rows)))
    return draw_forecast(path, panels, level=run.options.model_dump()["band"], title=run.folder.name)


def _panel(title: str, series: Series, column: int, rows: Sequence[Mapping[str, Any]]) -> Panel:
    dated = series.times.dtype.kind == "M"
    ahead = np.array([row["time"] for row in rows], series.times.dtype if dated else np.int64)
    history = np.where(series.observed[:, column], series.values[:, column], np.nan)
    times = series.times[: len(history)]
    before = times < ahead[0]
    kept = BEFORE * len(rows)
    truth = [row.get("true") for row in rows]
    return Panel(
        name=title,
        times=times[before][-kept:],
        history=history[before][-kept:],
        ahead=ahead,
        forecast=np.array([row["forecast"] for row in rows]),
        band=np.array([[row["lower"], row["upper"]] for row in rows]),
        truth=np.array(truth, np.float64) if any(value is not None for value in truth) else None,
    )
