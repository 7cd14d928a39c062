"""What gradients, gates and units of a run do, as pictures."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from recurra.report.style import COLOURS, LINES, MARKERS, Picture, small
from recurra.train.flow import Flow, LayerFlow

__all__ = ["flow_pictures"]

LEAST = 3  # steps back that make a curve
DEEPEST = 1e-9  # share of the gradient that is drawn
LOW, BETWEEN, HIGH = "#0072b2", "#e3e3e3", "#e69f00"


def flow_pictures(flow: Flow, start: Flow | None = None) -> list[Picture]:
    """The pictures of a trained model, beside what it was before training."""
    pictures = []
    if any(len(layer.travel.mean) >= LEAST and layer.travel.mean[0] for layer in flow.layers):
        words = (
            "How much of the last step's loss gradient is left k steps back, mean over rows; shaded: eight rows of ten. "
            + ("Thin: before training. " if start else "")
            + "Where a line crosses 1 %, the memory that can be learnt ends."
        )
        pictures.append(Picture("travel", "How far the gradient travels back", words, travel_figure(flow, start)))
    if any(layer.jacobian or layer.maps for layer in flow.layers):
        words = (
            "Diamonds: the step as a whole, ds(t+1)/ds(t), at some steps and rows. Dots: the maps inside it. "
            "Right of 1 a state, and a gradient, can grow from step to step; far left of 1 it dies."
        )
        pictures.append(Picture("radii", "Spectral radius", words, radii_figure(flow)))
    if any(layer.eigenvalues for layer in flow.layers):
        words = "Of the step as a whole. Near the circle a direction lives long; at the centre it is forgotten at once."
        pictures.append(Picture("eigenvalues", "Eigenvalues of the state Jacobian", words, eigenvalue_figure(flow)))
    if any(layer.bends for layer in flow.layers):
        words = (
            "Share of values at the low end (a sigmoid below 0.05, shut; a tanh below -0.95) and at the high end (above 0.95). "
            "At either end hardly any gradient passes."
        )
        pictures.append(Picture("gates", "Gates and tanhs at their ends", words, gates_figure(flow)))
    if flow.layers:
        words = "Standard deviation of each unit's output over the data, the liveliest first; crosses at the bottom are dead."
        pictures.append(Picture("units", "How much units move", words, units_figure(flow)))
    return pictures


def travel_figure(flow: Flow, start: Flow | None = None) -> Figure:
    """The norm of the gradient over the steps that it travelled back, as a share of its norm at the last step."""
    figure, axes = small("steps back from the last one", "share of the gradient left", height=3.3)
    lowest = 0.003
    for k, layer in enumerate(flow.layers):
        before = next((each for each in start.layers if each.path == layer.path), None) if start else None
        if before is not None:
            lowest = min(lowest, _line(axes, before, k, thin=True))
        lowest = min(lowest, _line(axes, layer, k))
    axes.axhline(0.01, color="#555555", linewidth=0.8, linestyle=":")
    axes.text(1.0, 0.01, "1 % left", transform=axes.get_yaxis_transform(), ha="right", va="bottom", fontsize=8, color="#333333")
    axes.set_yscale("log")
    axes.set_ylim(bottom=max(DEEPEST, lowest) / 2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.02)
    figure.legend(loc="outside lower center", ncols=min(2, len(flow.layers)), fontsize=8, frameon=False)
    return figure


def radii_figure(flow: Flow) -> Figure:
    """A row for the state Jacobian of each layer and for each square part of its maps."""
    rows = [
        (k, f"{layer.name}: {name}", values, marker)
        for k, layer in enumerate(flow.layers)
        for name, values, marker in (
            ("whole step", layer.jacobian, "D"),
            *((name, (radius,), "o") for name, radius in layer.maps.items()),
        )
        if values
    ]
    figure, axes = small("largest absolute eigenvalue", "", height=1.0 + 0.24 * max(4, len(rows)))
    for place, (k, _, values, marker) in enumerate(rows):
        finite = [value for value in values if math.isfinite(value)]
        axes.plot(finite, [place] * len(finite), marker, color=COLOURS[k % len(COLOURS)], markersize=5, alpha=0.85)
    axes.axvline(1, color="#555555", linewidth=1.0, linestyle=":")
    axes.set_yticks(range(len(rows)), [name for _, name, _, _ in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.grid(axis="y", color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure


def eigenvalue_figure(flow: Flow) -> Figure:
    """All eigenvalues in the complex plane, beside the unit circle."""
    figure, axes = small("real part", "imaginary part", height=4.0)
    turns = [math.tau * k / 180 for k in range(181)]
    axes.plot([math.cos(turn) for turn in turns], [math.sin(turn) for turn in turns], color="#555555", linewidth=0.8)
    for k, layer in enumerate(flow.layers):
        if layer.eigenvalues:
            real, imaginary = zip(*layer.eigenvalues, strict=True)
            marker, colour = MARKERS[k % len(MARKERS)], COLOURS[k % len(COLOURS)]
            axes.scatter(real, imaginary, s=9, alpha=0.55, linewidths=0, label=layer.name, marker=marker, color=colour)
    axes.set_aspect("equal", adjustable="datalim")
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False, markerscale=1.8)
    return figure


def gates_figure(flow: Flow) -> Figure:
    """A bar for every sigmoid and tanh: its values at the low end, between, and at the high end."""
    rows = [(f"{layer.name}: {bend.name} ({bend.kind})", bend) for layer in flow.layers for bend in layer.bends]
    figure, axes = small("share of values", "", height=1.1 + 0.26 * len(rows))
    for place, (_, bend) in enumerate(rows):
        between = 1 - bend.low - bend.high
        parts = ((bend.low, LOW, ""), (between, BETWEEN, ""), (bend.high, HIGH, "////"))
        left = 0.0
        for label, (share, colour, hatch) in zip(("low end", "between", "high end"), parts, strict=True):
            name = label if place == 0 else None
            axes.barh(place, share, left=left, color=colour, hatch=hatch, edgecolor="white", linewidth=0.4, label=name)
            left += share
    axes.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def units_figure(flow: Flow) -> Figure:
    """The standard deviation of each unit's output, sorted, layer by layer."""
    figure, axes = small("units, the liveliest first", "standard deviation", height=3.1)
    for k, layer in enumerate(flow.layers):
        ordered, dead = sorted(layer.units.deviations, reverse=True), len(layer.units.silent) + len(layer.units.still)
        places = [100 * (n + 0.5) / len(ordered) for n in range(len(ordered))]
        colour, style, label = COLOURS[k % len(COLOURS)], LINES[k % len(LINES)], f"{layer.name}: {dead} of {len(ordered)} dead"
        axes.plot(places, ordered, color=colour, linestyle=style, linewidth=1.6, label=label)
        if dead:
            axes.plot(places[-dead:], ordered[-dead:], "x", color=colour, markersize=5, clip_on=False)
    axes.set(ylim=(0, None), xlim=(0, 100))
    axes.xaxis.set_major_formatter(PercentFormatter(100, decimals=0))
    figure.legend(loc="outside lower center", ncols=min(2, len(flow.layers)), fontsize=8, frameon=False)
    return figure


def _line(axes: Axes, layer: LayerFlow, k: int, *, thin: bool = False) -> float:
    """Draw one layer's travel; gives back the lowest share that it came to."""
    travel, first = layer.travel, layer.travel.mean[0]
    if len(travel.mean) < LEAST or not first:
        return 1.0
    steps = range(len(travel.mean))
    share = [value / first for value in travel.mean]
    colour, style = COLOURS[k % len(COLOURS)], LINES[k % len(LINES)]
    if thin:
        axes.plot(steps, share, color=colour, linestyle=style, linewidth=0.7, alpha=0.6)
        return 1.0
    low, high = ([max(value / first, DEEPEST / 10) for value in part] for part in (travel.low, travel.high))
    axes.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
    factor = "" if travel.factor is None else f", times {travel.factor:.2f} a step"
    axes.plot(steps, share, color=colour, linestyle=style, linewidth=1.8, label=f"{layer.name}{factor}")
    return min(value for value in share if value > 0)
