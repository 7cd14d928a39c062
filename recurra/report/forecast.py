"""A forecast as a picture: what was, what is forecast, how surely, and what came."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from numpy.typing import NDArray

from recurra import store
from recurra.errors import UsageError

__all__ = ["Panel", "draw_forecast"]

Floats = NDArray[np.float64]
FORECAST, SEEN, TRUTH = "#0b5fa5", "#555555", "#8a5a00"  # blue, grey and brown: apart in print and for colour-blind readers
MOST = 6  # panels in one picture


class Panel(NamedTuple):
    """One column of one series; NaN among values is what nobody saw.

    Shapes: times and history (T,), ahead, forecast and truth (T'), band (T', 2). Times are datetime64, or the numbers of rows.
    """

    name: str
    times: NDArray[Any]
    history: Floats
    ahead: NDArray[Any]
    forecast: Floats
    band: Floats | None = None
    truth: Floats | None = None

    @property
    def error(self) -> float | None:
        """Mean absolute error over the truth that is there; None without any."""
        if self.truth is None or np.isnan(self.truth).all():
            return None
        return float(np.nanmean(np.abs(self.truth - self.forecast)))

    @property
    def title(self) -> str:
        """The name, with the error where the truth is known."""
        return self.name if self.error is None else f"{self.name}: mean absolute error {self.error:.4g}"


def draw_forecast(path: Path, panels: Sequence[Panel], *, level: float = 0.9, title: str = "") -> Path:
    """Draw at most six panels into an SVG or PNG, by the suffix of `path`; all their data lie beside it as JSON.

    Args:
        path: where to; an existing file is replaced.
        panels: one for each column, the first six of them drawn.
        level: the share of truth that the bands are meant to hold, for the legend.
        title: a line above all panels.
    """
    kind = path.suffix[1:].lower()
    if kind not in {"svg", "png"}:
        raise UsageError(f"{path}: a picture of kind {kind!r}; wanted .svg or .png")
    if not panels:
        raise UsageError(f"{path}: no panel came; wanted at least one")
    content = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a name in letters that the font has not: boxes, as good as it gets
        _figure(panels, level, title).savefig(content, format=kind, metadata=metadata, dpi=120)
    store.write_bytes(path, content.getvalue())
    store.write_json(path.with_suffix(".json"), {"title": title, "level": level, "panels": [_data(panel) for panel in panels]})
    return path


def _figure(panels: Sequence[Panel], level: float, title: str) -> Figure:
    shown = panels[:MOST]
    columns = 1 if len(shown) < 4 else 2
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(8.0 * (1 if columns == 1 else 1.4), 3.6 if rows == 1 else 2.4 * rows), layout="constrained")
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, panel in zip(places, shown, strict=False):
        _draw(axes, panel, level)
    for axes in places[len(shown) :]:
        axes.set_axis_off()
    labels = {label: drawn for axes in places for drawn, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(labels.values(), labels.keys(), loc="outside upper right", ncols=len(labels), fontsize=8, frameon=False)
    more = f"{MOST} of {len(panels)} shown" if len(panels) > MOST else ""
    if said := ", ".join(filter(None, (title, more))):
        figure.suptitle(said, x=0.01, ha="left", fontsize=11, parse_math=False)
    return figure


def _draw(axes: Axes, panel: Panel, level: float) -> None:
    axes.plot(panel.times, panel.history, color=SEEN, linewidth=1.1, label="seen")
    if panel.band is not None:
        low, high = panel.band[:, 0], panel.band[:, 1]
        axes.fill_between(panel.ahead, low, high, color=FORECAST, alpha=0.2, linewidth=0, label=f"{100 * level:g} % band")
    if panel.truth is not None:
        axes.plot(panel.ahead, panel.truth, color=TRUTH, linewidth=1.1, linestyle="--", label="truth")
    mark = "o" if len(panel.ahead) < 2 else None  # one point makes no line
    axes.plot(panel.ahead, panel.forecast, color=FORECAST, linewidth=1.6, marker=mark, label="forecast")
    if np.issubdtype(np.asarray(panel.ahead).dtype, np.datetime64):
        locator = AutoDateLocator(maxticks=8)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    else:
        axes.set_xlabel("row", fontsize=8)
    axes.set_title(panel.title, loc="left", fontsize=9, parse_math=False)
    axes.tick_params(labelsize=8)
    axes.xaxis.get_offset_text().set_fontsize(8)
    axes.margins(x=0.01)
    axes.spines[["top", "right"]].set_visible(False)


def _data(panel: Panel) -> dict[str, Any]:
    data: dict[str, Any] = {"name": panel.name, "error": panel.error}
    for name in ("times", "history", "ahead", "forecast", "band", "truth"):
        part = getattr(panel, name)
        data[name] = None if part is None else _plain(np.asarray(part))
    return data


def _plain(part: NDArray[Any]) -> Any:
    if np.issubdtype(part.dtype, np.datetime64):
        return np.datetime_as_string(part, unit="auto").tolist()
    if np.issubdtype(part.dtype, np.floating):
        plain = part.astype(object)
        plain[~np.isfinite(part)] = None
        return plain.tolist()
    return part.tolist()
