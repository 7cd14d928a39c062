"""The learning curve of a run, beside what naive methods reach."""

import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from recurra import store
from recurra.tasks.runs import Run

__all__ = ["draw_curve", "learning_curve"]

LEARNT, BASELINE = "#0b5fa5", "#8a5a00"  # dark blue and brown: apart in print and for colour-blind readers


def draw_curve(run: Run) -> Path:
    """Draw the held-out score at every look of a finished run into ``curve.svg``; its data are ``log.jsonl``."""
    looks = [json.loads(line) for line in (run.folder / "log.jsonl").read_bytes().splitlines()]
    name = next(iter(looks[0]["metrics"]))
    looks = [look for look in looks if look["metrics"][name] is not None]  # a look that was not finite has no place
    scores = [look["metrics"][name] for look in looks]
    measured = run.read("evaluation.json")["metrics"]
    same = (metric["baselines"] for title, metric in measured.items() if title.startswith(name.replace("/", " per ")))
    figure = learning_curve([look["step"] for look in looks], scores, next(same, {}))
    [axes] = figure.axes
    axes.set(xlabel="updates", ylabel=name.replace("/", " per "))
    axes.set_title(f"{run.folder.name}: held-out score, best {min(scores, default=math.nan):.3f}", loc="left", fontsize=10)
    path, content = run.folder / "curve.svg", io.BytesIO()
    figure.savefig(content, format="svg", metadata={"Date": None})
    store.write_bytes(path, content.getvalue())
    return path


def learning_curve(x: Sequence[float], scores: Sequence[float], baselines: Mapping[str, float]) -> Figure:
    """Scores over x, lower is better, and a line for each baseline that fits.

    The best baseline is labelled, and every other one that the picture has room for.
    """
    figure = Figure(figsize=(7.6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    ordered = sorted(baselines.items(), key=lambda item: item[1])
    levels = [value for _, value in ordered]
    low = 0.97 * min([*scores, *levels[:1]], default=0.0)
    high = 1.02 * max([*scores[:1], *scores[-1:]] or levels or [1.0])
    last = -high
    for label, value in ordered:
        if value <= high:
            axes.axhline(value, color=BASELINE, linewidth=0.8, linestyle=":")
            if value - last > 0.035 * (high - low):
                place = axes.get_yaxis_transform()  # right of the frame, where no curve runs
                axes.text(1.01, value, f"{label} {value:.3f}", color=BASELINE, fontsize=8, va="center", transform=place)
                last = value
    axes.plot(x, scores, color=LEARNT, linewidth=1.8, marker="o", markersize=3)
    axes.set(ylim=(low, high), xlim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    return figure
