"""Pictures of a run: ratios over B and H, and the roofline."""

import io
import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from recurra.bench.options import CELLS
from recurra.bench.page import several
from recurra.bench.results import Contender, Measure, Result, Roofs

__all__ = ["pictures", "ratios", "roofline"]

OURS, PEER = "#0b5fa5", "#8a5a00"  # dark blue and brown: apart in print and for colour-blind readers
MARKS = dict(zip(CELLS, "osv", strict=True))
WAYS = ("training", "inference")


def pictures(result: Result) -> dict[str, bytes]:
    """Every picture that the run has data for, as SVG by file name."""
    drawn = {}
    for threads, roofs in result.roofs.items():
        found = [measure for measure in result.measures if measure.threads == threads and _compared(measure)]
        grid = [measure for measure in found if measure.part == "grid"]
        for steps in sorted({measure.shape.steps for measure in grid}):
            own = [measure for measure in grid if measure.shape.steps == steps]
            drawn[f"ratio-{steps}-steps-{threads}-threads.svg"] = _svg(ratios(own))
        if found:
            drawn[f"roofline-{threads}-threads.svg"] = _svg(roofline(found, roofs))
    return drawn


def ratios(measures: Sequence[Measure]) -> Figure:
    """torch.nn's time over ours, for every cell and way, over B and H: violet where ours is faster, else orange."""
    cells = list(dict.fromkeys(measure.subject for measure in measures))
    rows = sorted({measure.shape.batch for measure in measures})
    units = sorted({measure.shape.units for measure in measures})
    width = max(5.0, 0.9 + (0.75 * len(rows) + 0.5) * len(cells))
    figure = Figure(figsize=(width, 1.4 + 0.9 * len(units)), layout="constrained")
    panels = figure.subplots(len(WAYS), len(cells), squeeze=False, sharex=True, sharey=True)
    for line, way in zip(panels, WAYS, strict=True):
        for axes, cell in zip(line, cells, strict=True):
            table = np.full((len(units), len(rows)), np.nan)
            for measure in measures:
                if (measure.subject, measure.way) == (cell, way):
                    place = units.index(measure.shape.units), rows.index(measure.shape.batch)
                    table[place] = measure.ratio(Contender.NN)
            image = axes.imshow(table, norm=LogNorm(1 / 8, 8), cmap="PuOr", origin="lower", aspect="auto")
            for (y, x), value in np.ndenumerate(table):
                if np.isfinite(value):
                    text, colour = f"{value:.{2 if value < 10 else 1}f}", "black" if 1 / 3 < value < 3 else "white"
                    axes.text(x, y, text, ha="center", va="center", fontsize=8, color=colour)
            axes.set_title(f"{cell}, {way}", loc="left", fontsize=9)
            axes.set_xticks(range(len(rows)), [str(each) for each in rows])
            axes.set_yticks(range(len(units)), [str(each) for each in units])
            axes.tick_params(length=0, labelsize=8)
            axes.spines[:].set_visible(False)
    for axes in panels[-1]:
        axes.set_xlabel("B", fontsize=9)
    for axes in panels[:, 0]:
        axes.set_ylabel("H", fontsize=9)
    [shape] = {(measure.shape.steps, measure.threads) for measure in measures}
    figure.suptitle(f"torch.nn's time over ours, T = {shape[0]}, {several(shape[1], 'thread')}", fontsize=10, x=0.01, ha="left")
    figure.colorbar(image, ax=panels, ticks=[1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8], format="{x:g}x", shrink=0.7).minorticks_off()
    return figure


def roofline(measures: Sequence[Measure], roofs: Roofs) -> Figure:
    """Speed over arithmetic intensity, ours and torch's, below what this run's machine can do."""
    figure = Figure(figsize=(9.6, 4.4), layout="constrained")
    panels = figure.subplots(1, len(WAYS), sharex=True, sharey=True)
    intensities = [measure.work / measure.traffic for measure in measures]
    x = np.geomspace(min(intensities) / 4, max(intensities) * 2)
    for axes, way in zip(panels, WAYS, strict=True):
        axes.set(xscale="log", yscale="log", xlabel="FLOP per byte that a step moves")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_title(way, loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        _draw_roofs(axes, x, roofs)
        for measure in measures:
            if measure.way == way:
                for who, colour in ((Contender.NN, PEER), (Contender.OURS, OURS)):
                    speed = measure.work / measure.seconds[who] / 1e9
                    mark = MARKS[measure.subject]
                    axes.plot(measure.work / measure.traffic, speed, mark, color=colour, markersize=4, alpha=0.8, mew=0)
    panels[0].set_ylabel("GFLOP/s")
    for cell, mark in MARKS.items():
        panels[1].plot([], [], mark, color=OURS, markersize=4, label=f"{cell}, recurra")
        panels[1].plot([], [], mark, color=PEER, markersize=4, label=f"{cell}, torch.nn")
    panels[1].legend(frameon=False, fontsize=8, loc="lower right", ncols=1)
    return figure


def _draw_roofs(axes: Axes, x: np.ndarray, roofs: Roofs) -> None:
    for name, speed, style in (("memory", roofs.memory, "-"), ("cache", roofs.cache, "--")):
        height = np.minimum(x * speed, roofs.product) / 1e9
        axes.plot(x, height, style, color="0.45", linewidth=1)
        slope = math.degrees(math.atan2(height[0], x[0]))
        label = axes.text(x[0], 1.1 * height[0], f"{name}, {speed / 1e9:.0f} GB/s", fontsize=8, color="0.35", rotation=slope)
        label.set(rotation_mode="anchor", transform_rotates_text=True)
    axes.text(x[-1], 1.08 * roofs.product / 1e9, f"A @ A, {roofs.product / 1e9:.0f}", fontsize=8, color="0.35", ha="right")


def _compared(measure: Measure) -> bool:
    beside_torch = measure.part in ("shapes", "grid")
    return beside_torch and {Contender.OURS, Contender.NN} <= set(measure.seconds)


def _svg(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()
