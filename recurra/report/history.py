"""The log of a run: how it learnt, in numbers and pictures."""

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from recurra.report.style import MAIN, MARK, Picture, percent, small
from recurra.tasks.runs import Run

__all__ = ["History", "history_pictures"]

WIDE = 20  # times as much: such a curve has a logarithmic axis


class History(NamedTuple):
    """A number for each look of a run; NaN where it was not finite. Losses, norms and shares: since the look before."""

    metric: str = "score"
    step: tuple[int, ...] = ()
    loss: tuple[float, ...] = ()
    score: tuple[float, ...] = ()
    lr: tuple[float, ...] = ()
    norm: tuple[float, ...] = ()
    clipped: tuple[float, ...] = ()
    skipped: tuple[int, ...] = ()
    steps: int = 0  # that the training is meant to have

    @classmethod
    def of(cls, run: Run) -> "History":
        """The log of a run; empty where there is none."""
        path = run.folder / "log.jsonl"
        lines = [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
        if not lines:
            return cls()
        metric = next(iter(lines[0]["metrics"]), "score")
        found: dict[str, tuple[Any, ...]] = {
            name: tuple(math.nan if line.get(name) is None else line[name] for line in lines)
            for name in ("step", "loss", "lr", "norm", "clipped", "skipped")
        }
        score = tuple(math.nan if (value := line["metrics"].get(metric)) is None else value for line in lines)
        return cls(metric=metric.replace("/", " per "), score=score, steps=lines[-1]["steps"], **found)

    @property
    def best(self) -> int | None:
        """The place of the best score; None where no look was finite."""
        return min((k for k, score in enumerate(self.score) if math.isfinite(score)), key=self.score.__getitem__, default=None)

    def as_json(self) -> dict[str, Any]:
        """All of it as one object, None for what was not finite."""
        return {name: _plain(part) if isinstance(part, tuple) else part for name, part in self._asdict().items()}


def history_pictures(history: History, clip: float, baselines: Mapping[str, float]) -> list[Picture]:
    """The learning curves: score beside its baselines, loss, gradient with the share that was clipped, rate."""
    if not history.step:
        return []
    return [
        Picture("score", "Held-out score", f"{_best(history)} Lower is better.", _score(history, baselines)),
        Picture("loss", "Training loss", "Mean loss of the updates between two looks.", _loss(history)),
        Picture("norm", "Gradient norm", _norm_words(history, clip), _norm(history, clip)),
        Picture("rate", "Learning rate", "As the schedule moved it.", _rate(history)),
    ]


def _score(history: History, baselines: Mapping[str, float]) -> Figure:
    figure, axes = small("updates", history.metric)
    _curve(axes, history.step, history.score)
    axes.margins(y=0.13)  # room for a word below the best
    shown = [score for score in history.score if math.isfinite(score)]
    if history.best is not None:
        best = history.score[history.best]
        axes.plot([history.step[history.best]], [best], color=MARK, marker="D", markersize=6, linestyle="none")
        axes.annotate(
            f"best {best:.4g}",
            (history.step[history.best], best),
            xytext=(0, -13),
            textcoords="offset points",
            ha="right" if history.best > len(history.step) / 2 else "left",
            va="center",
            fontsize=8.5,
            color=MARK,
        )
        room = max(shown) - best or abs(best) or 1.0
        last = math.inf
        for name, value in sorted(baselines.items(), key=lambda item: -item[1]):
            if best - 0.8 * room <= value <= max(shown) and last - value > 0.09 * room:
                axes.axhline(value, color="#555555", linewidth=0.8, linestyle=":")
                axes.text(1.0, value, name, transform=axes.get_yaxis_transform(), va="bottom", ha="right", fontsize=7.5)
                last = value
    return figure


def _loss(history: History) -> Figure:
    figure, axes = small("updates", "loss")
    _curve(axes, history.step, history.loss)
    return figure


def _norm(history: History, clip: float) -> Figure:
    figure, axes = small("", "norm of the gradient", rows=2)
    finite = [norm for norm in history.norm if math.isfinite(norm) and norm > 0]
    _curve(axes, history.step, history.norm)
    if clip and finite and clip < 4 * max(finite):
        axes.axhline(clip, color=MARK, linewidth=1.0, linestyle="--")
        axes.text(
            1, clip, f"clip={clip:g}", transform=axes.get_yaxis_transform(), ha="right", va="bottom", color=MARK, fontsize=8
        )
    below = figure.axes[1]
    width = 0.8 * min((b - a for a, b in zip((0, *history.step), history.step, strict=False)), default=1)
    below.bar(history.step, history.clipped, width=width, color=MARK)
    below.set(ylim=(0, 1), xlabel="updates", ylabel="clipped")
    below.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    below.yaxis.set_major_locator(MaxNLocator(2))
    return figure


def _rate(history: History) -> Figure:
    figure, axes = small("updates", "learning rate")
    axes.plot(history.step, history.lr, color=MAIN, linewidth=1.8)
    axes.set_ylim(bottom=0)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 4))
    return figure


def _curve(axes: Axes, steps: tuple[int, ...], values: tuple[float, ...]) -> None:
    axes.plot(steps, values, color=MAIN, linewidth=1.8, marker="o", markersize=2.5)
    finite = [value for value in values if math.isfinite(value)]
    if finite and max(finite) > WIDE * min(finite) > 0:
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _best(history: History) -> str:
    if history.best is None:
        return "No look was finite."
    return f"Best {history.score[history.best]:.4g} after {history.step[history.best]:,} updates (diamond)."


def _norm_words(history: History, clip: float) -> str:
    finite = [share for share in history.clipped if math.isfinite(share)]
    share = sum(finite) / len(finite) if finite else 0.0
    skipped = sum(history.skipped)
    bound = f"{percent(share)} of the updates were clipped" if clip else "No bound was set"
    return f"{bound}; {skipped} not applied, as they were not finite." if skipped else f"{bound}."


def _plain(part: tuple[Any, ...]) -> list[Any]:
    return [None if isinstance(value, float) and not math.isfinite(value) else value for value in part]
