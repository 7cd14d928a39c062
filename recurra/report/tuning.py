"""A search for options as a picture."""

import io
from itertools import accumulate
from pathlib import Path

from matplotlib.figure import Figure

from recurra import store
from recurra.tasks.tuning import Tuned

__all__ = ["draw_tuning", "tuning_figure"]

DONE, ENDED, SHARE = "#0b5fa5", "#9db8cf", "#8a5a00"  # dark and light blue, brown: apart in print and for colour-blind readers


def draw_tuning(tuned: Tuned) -> Path:
    """Draw a search into ``tuning.svg`` of its folder; its data are ``trials.json``."""
    path, content = tuned.folder / "tuning.svg", io.BytesIO()
    tuning_figure(tuned).savefig(content, format="svg", metadata={"Date": None})
    store.write_bytes(path, content.getvalue())
    return path


def tuning_figure(tuned: Tuned) -> Figure:
    """The score of each trial with the best so far, and beside it how much each option mattered."""
    figure = Figure(figsize=(9.2, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    done = [(trial.number, trial.value) for trial in tuned.trials if trial.state == "complete" and trial.value is not None]
    ended = [(trial.number, trial.value) for trial in tuned.trials if trial.state != "complete" and trial.value is not None]
    if ended:
        left.scatter(*zip(*ended, strict=True), color=ENDED, s=18, marker="x", label="ended early")
    left.scatter(*zip(*done, strict=True), color=DONE, s=18, label="trained to the end")
    left.step([number for number, _ in done], list(accumulate((value for _, value in done), min)), DONE, where="post")
    highest, lowest = max(value for _, value in done), min(value for _, value in done)
    room = (highest - lowest) or abs(lowest) or 1.0
    left.set(xlabel="trial", ylabel="best held-out score", ylim=(lowest - 0.1 * room, highest + 0.3 * room))
    left.set_title(f"{len(tuned.trials)} trials, best {lowest:.4f}", loc="left", fontsize=10)
    left.legend(fontsize=8, frameon=False)
    shares = list(tuned.importances.items())[::-1]
    right.barh([name for name, _ in shares], [share for _, share in shares], color=SHARE, height=0.6)
    right.set(xlabel="share", xlim=(0, 1))
    right.set_title("what mattered" if shares else "what mattered: too few trials to say", loc="left", fontsize=10)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure
