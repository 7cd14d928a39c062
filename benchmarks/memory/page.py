"""The section of docs/quality.md on memory, and its pictures: how the cells learn a task, beside chance."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["section"]

COLOURS = ("#0b5fa5", "#d55e00", "#009e73", "#cc79a7", "#8a5a00", "#56b4e9", "#000000")  # Okabe & Ito's, mostly
DASHES = ("-", "--", "-.", (0, (6, 1, 1, 1, 1, 1)))  # dots are chance's

LANGUAGE = "learnt on words of 1 to 40 symbols, measured on 41 to 500, mean of the accuracies at each length; {}."
ABOUT = {
    "adding": "of T numbers two are marked, their sum is wanted; who always says 1 has an error of 1/6.",
    "copy": "ten symbols of eight, T steps later the same again; cross entropy in nats, mean over all T + 20 steps; who says "
    "the blanks rightly and guesses the symbols has 10 ln 8 / (T + 20).",
    "recall": "so many pairs of a letter and a digit, then one of the letters; wanted is its digit, of ten. Of eight pairs, "
    "who names the digit that came most often is right in 0.300 of cases, whatever the letter. With `queries` rows "
    "to learn from ask for more letters, one after the other; those to measure on never do.",
    "parity": LANGUAGE.format("whether ones are odd in number"),
    "even-pairs": LANGUAGE.format("whether unequal neighbours are odd in number"),
    "cycle-navigation": LANGUAGE.format("where a walk on a circle of five ends"),
    "modular-arithmetic": LANGUAGE.format("value modulo 5 of digits with plus, minus and times, no brackets"),
    "mnist-rows": "28 steps of 28 pixels; chance is always to say the commonest digit. The last 5,000 training images are not "
    "learnt from.",
    "mnist-pixels": "784 steps of a pixel.",
    "mnist-permuted": "784 steps of a pixel, in one random order for all.",
}
"""What each task asks for."""

Runs = Sequence[dict[str, Any]]


def section(result: dict[str, Any], images: Path) -> str:
    """The section; its pictures go into the folder `images`."""
    machine = result["machine"]
    lines = [
        f"## {result['title']}",
        "",
        f"`{result['command']}`: on {machine['cores']} cores of {machine['processor']}, torch {machine['torch']}. "
        "Each figure is that of the last weights on sequences made or kept for it alone. Of "
        "one seed the interval is that of the measurement, 95 %; of several the figure is their mean, and the interval goes "
        "from the lowest to the highest. Minutes are those of the updates, on so many threads"
        f"{'; other work ran beside, so that they are upper bounds' if result.get('beside') else ''}. One run of your own: "
        "`python -m benchmarks.memory adding cell=gru length=400`.",
        "",
        *(f"- {task}: {ABOUT[task]}" for task in dict.fromkeys(one["task"] for one in result["runs"])),
        "",
        "| task, length | cell | seeds | figure | value | interval | chance | updates | minutes | threads |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (task, length, cell), group in groupby(result["runs"], lambda one: (one["task"], one["length"], one["cell"])):
        runs = list(group)
        values, first = [one["value"] for one in runs], runs[0]
        low, high = first["interval"] if len(runs) == 1 else (min(values), max(values))
        numbers = f"**{fmean(values):.5g}** | {low:.5g} to {high:.5g} | {first['chance']:.4g}"
        minutes = fmean(one["seconds"] for one in runs) / 60
        updates = fmean(one["updates"] for one in runs)
        place = f"{task}, {length} | {cell} | {len(runs)} | {first['figure']}"
        lines.append(f"| {place} | {numbers} | {updates:.0f} | {minutes:.1f} | {first['threads']} |")
    lines.append("")
    images.mkdir(exist_ok=True)
    for (task, length), group in groupby(result["runs"], lambda one: (one["task"], one["length"])):
        name = f"memory-{task}-{length}.svg"
        _curves(task, length, list(group)).savefig(images / name, metadata={"Date": None})
        lines += [f"![{task}, {length}](images/{name})", ""]
    for (task, length), group in groupby(result["runs"], lambda one: (one["task"], one["length"])):
        if runs := [one for one in group if "travel" in one]:
            name = f"memory-{task}-{length}-gradient.svg"
            _travels(task, length, runs).savefig(images / name, metadata={"Date": None})
            lines += [*_told(task, length, runs), "", f"![{task}, {length}, the gradient](images/{name})", ""]
    lines += ["Options beside the defaults (`benchmarks/memory/options.py`):", ""]
    for (task, length, cell), group in groupby(result["runs"], lambda one: (one["task"], one["length"], one["cell"])):
        words = (f"{name}={value}" for name, value in next(group)["options"].items() if name not in ("cell", "seed", "travel"))
        lines.append(f"- {task}, {length}, {cell}: `{' '.join(words)}`")
    lines.append("")
    return "\n".join(lines)


def _told(task: str, length: int, runs: Runs) -> Iterator[str]:
    """What the gradient does in each cell, in words."""
    yield f"How far the gradient of the last step's loss travels back ({task}, {length}; thin before training, thick after):"
    yield ""
    for one in runs:
        before, after = (_far(one["travel"][when]) for when in ("before", "after"))
        yield f"- {one['cell']}: before training {before}; trained, {after}."


def _far(travel: dict[str, Any]) -> str:
    """Where a hundredth is left, or how much at the end."""
    shares = travel["shares"]
    if travel["horizon"] is not None:
        return f"less than 1 % is left after {travel['horizon']} steps"
    return f"{shares[-1]:.3g} times the gradient is left {len(shares) - 1} steps back"


def _travels(task: str, length: int, runs: Runs) -> Figure:
    """The share of the gradient that is left over the steps back: a colour for each cell."""
    figure, axes = _panel(f"{task}, {length}: the gradient", "steps back from the last one", "share of the gradient left")
    for number, one in enumerate(runs):
        for when, width in (("before", 0.8), ("after", 1.8)):
            name = one["cell"] if when == "after" else None
            axes.plot(one["travel"][when]["shares"], linewidth=width, label=name, **_look(number))
    axes.axhline(0.01, color="#555555", linewidth=0.8, linestyle=":", label="1 % left")
    axes.set(yscale="log", ylim=(1e-9, None))
    _end(axes)
    return figure


def _curves(task: str, length: int, runs: Runs) -> Figure:
    """The figure at every look over the updates: a colour for each cell, a line for each seed, and chance."""
    name, chance, cells = runs[0]["figure"], runs[0]["chance"], list(dict.fromkeys(one["cell"] for one in runs))
    figure, axes = _panel(f"{task}, {length}", "updates", name)
    for one in runs:
        first = one["seed"] == min(r["seed"] for r in runs if r["cell"] == one["cell"])
        label, curve = one["cell"] if first else None, one["curve"]
        axes.plot(curve["updates"], curve[name], linewidth=1.4, label=label, **_look(cells.index(one["cell"])))
    axes.axhline(chance, color="#555555", linewidth=0.8, linestyle=":", label="chance")
    if name == "accuracy":
        axes.set(ylim=(None, 1.02))
    else:
        axes.set(yscale="log", ylim=(None, 2 * chance))
    _end(axes)
    return figure


def _panel(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.6, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlabel=x, ylabel=y)
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _end(axes: Axes) -> None:
    """What comes once all lines are there."""
    axes.set(xlim=(0, None))
    axes.legend(fontsize=8, frameon=False)


def _look(number: int) -> dict[str, Any]:
    """How the lines of a cell are drawn."""
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number % len(DASHES)]}
