"""A comparison of variants as a picture."""

import io
import math
from pathlib import Path
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recurra import store
from recurra.tasks.compared import Compared, Variant

__all__ = ["comparison_figure", "draw_comparison"]

OURS, BASELINE = "#0b5fa5", "#8a5a00"  # dark blue and brown: apart in print and for colour-blind readers
GRID = "#e4e4e4"
APART = 0.06  # of the width, that labels of baselines are apart
ROOM = 0.4  # of the width of all means and intervals, within which baselines are shown


def draw_comparison(compared: Compared) -> Path:
    """Draw a comparison into ``comparison.svg`` of its folder; its data are ``comparison.json``."""
    path, content = compared.folder / "comparison.svg", io.BytesIO()
    comparison_figure(compared).savefig(content, format="svg", metadata={"Date": None})
    store.write_bytes(path, content.getvalue())
    return path


def comparison_figure(compared: Compared) -> Figure:
    """What each variant reaches, the best on top, beside what it costs."""
    rows = [row for row in compared.ranked if row.value is not None][::-1]
    figure = Figure(figsize=(11, 2.1 + 0.36 * len(rows)), layout="constrained")
    quality, speed, step, memory = figure.subplots(1, 4, width_ratios=(4, 1.5, 1.5, 2.2), sharey=True)
    _quality(quality, compared, rows)
    _costs(speed, "items/s in training", [row.mean("items_per_second") for row in rows])
    _costs(step, "ms a step, streamed", [1e3 * row.costs.step if row.costs and row.costs.step else None for row in rows])
    for length, fill in ((1_000, OURS), (10_000, "white")):
        sizes = [row.costs.memory.get(length) if row.costs else None for row in rows]
        _costs(
            memory, "MB in an update of one row", [size / 1e6 if size else None for size in sizes], fill, f"{length:,} steps"
        )
    if memory.get_lines():
        memory.set(xscale="log", xlim=(None, None))
        memory.margins(x=0.15)
        memory.legend(fontsize=8, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    quality.set_yticks(range(len(rows)), [row.name for row in rows])
    quality.set_ylim(-0.6, len(rows) - 0.4)
    return figure


def _quality(axes: Axes, compared: Compared, rows: list[Variant]) -> None:
    """Means with intervals, every seed beside them, and a line for each naive method that is near."""
    ends = [end for row in rows for end in (row.interval or ())] + [row.value for row in rows if row.value is not None]
    low, high = min(ends), max(ends)
    width = (high - low) or abs(low) or 1.0
    for place, row in enumerate(rows):
        seeds = [each.value for each in row.trainings.values()]
        axes.plot(seeds, [place - 0.22] * len(seeds), "|", color=OURS, markersize=7, markeredgewidth=1.1)
        if row.interval is not None:
            axes.plot(row.interval, [place, place], color=OURS, linewidth=1.8, solid_capstyle="butt")
        axes.plot([fmean(seeds)], [place], "o", color=OURS, markersize=6)
    shown = sorted(compared.baselines.items(), key=lambda item: item[1])
    near = [(name, value) for name, value in shown if low - ROOM * width <= value <= high + ROOM * width] or shown[:1]
    above, last = axes.get_xaxis_transform(), -math.inf
    for name, value in near:  # the best one is labelled, and others where there is room
        axes.axvline(value, color=BASELINE, linewidth=1, linestyle=":")
        if value - last > APART * (max(high, near[-1][1]) - min(low, near[0][1])):
            axes.text(value, 1.01, name, color=BASELINE, fontsize=8, rotation=30, ha="left", va="bottom", transform=above)
            last = value
    kind = f"over {len(compared.seeds)} seeds" if len(compared.seeds) > 1 else "of the measurement, one seed"
    axes.set_xlabel(f"{compared.figure}\nmean and 95 % interval {kind}; lower is better")
    axes.margins(x=0.06)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _costs(axes: Axes, label: str, values: list[float | None], fill: str = OURS, name: str = "") -> None:
    """A dot for each variant that has this number, along an axis from zero."""
    known = [(value, place) for place, value in enumerate(values) if value is not None]
    if known:
        axes.plot(*zip(*known, strict=True), "o", color=OURS, markerfacecolor=fill, markersize=6, label=name)
        axes.margins(x=0.25)
    for value, place in known:
        told = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
        axes.annotate(told, (value, place), (0, 6), textcoords="offset points", fontsize=7.5, ha="center")
    if not name:
        axes.set_xlim(0, None)
        axes.set_xticks([])
    axes.set_xlabel(label)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
