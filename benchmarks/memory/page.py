"""The section of docs/quality.md on memory, and its pictures: how the cells learn a task, beside chance."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure

__all__ = ["section"]

COLOURS = ("#0b5fa5", "#d55e00", "#009e73", "#cc79a7", "#8a5a00", "#56b4e9", "#000000")  # Okabe & Ito's, mostly
DASHES = ("-", "--", "-.", ":")

LANGUAGE = "learnt on words of 1 to 40 symbols, measured on 41 to 500, mean of the accuracies at each length; {}."
ABOUT = {
    "adding": "of T numbers two are marked, their sum is wanted; who always says 1 has an error of 1/6.",
    "copy": "ten symbols of eight, T steps later the same again; cross entropy in nats, mean over all T + 20 steps; who says "
    "the blanks rightly and guesses the symbols has 10 ln 8 / (T + 20).",
    "recall": "so many pairs of a letter and a digit, then one of the letters; wanted is its digit, of ten. Of eight pairs, "
    "who names the digit that came most often is right in 0.300 of cases, whatever the letter.",
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
        "from the lowest to the highest. Minutes are those of the updates, on so many threads. One run of your own: "
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
    lines += ["Options beside the defaults (`benchmarks/memory/options.py`):", ""]
    for (task, length, cell), group in groupby(result["runs"], lambda one: (one["task"], one["length"], one["cell"])):
        words = (f"{name}={value}" for name, value in next(group)["options"].items() if name not in ("cell", "seed"))
        lines.append(f"- {task}, {length}, {cell}: `{' '.join(words)}`")
    lines.append("")
    return "\n".join(lines)


def _curves(task: str, length: int, runs: Runs) -> Figure:
    """The figure at every look over the updates: a colour for each cell, a line for each seed, and chance."""
    figure = Figure(figsize=(7.6, 3.6), layout="constrained")
    axes = figure.add_subplot()
    name, chance, cells = runs[0]["figure"], runs[0]["chance"], list(dict.fromkeys(one["cell"] for one in runs))
    for one in runs:
        number, first = cells.index(one["cell"]), one["seed"] == min(r["seed"] for r in runs if r["cell"] == one["cell"])
        [line] = axes.plot(one["curve"]["updates"], one["curve"][name], linewidth=1.4, label=one["cell"] if first else None)
        line.set(color=COLOURS[number % len(COLOURS)], linestyle=DASHES[number % len(DASHES)])
    axes.axhline(chance, color="#555555", linewidth=0.8, linestyle=":", label="chance")
    if name == "accuracy":
        axes.set(ylim=(None, 1.02))
    else:
        axes.set(yscale="log", ylim=(None, 2 * chance))
    axes.set(xlabel="updates", ylabel=name, xlim=(0, None))
    axes.set_title(f"{task}, {length}", loc="left", fontsize=10)
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
