"""Where a run looked in its sources, drawn as maps."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recurra.errors import RecurraError, UsageError
from recurra.report.style import Picture, shown
from recurra.tasks.attention import Looked, attention
from recurra.tasks.runs import Run

__all__ = ["MAPS", "attention_pictures"]

MAPS = 4
"""Sources that are drawn where nobody names any."""
WIDEST, TALLEST = 60, 40  # symbols that are drawn of a source and of a target
SYMBOL = 0.19  # inches that one takes


def attention_pictures(run: Run, sources: Sequence[str], missing: list[str]) -> list[Picture]:
    """A map for each source, or for some of those that the run was measured on; of what cannot be had, why not.

    Raises:
        UsageError: sources for a run that looks at none.
    """
    if not run.reads_sources:
        if sources:
            raise UsageError(f"{run.folder}: the task {run.options.task} has no attention to a sentence; leave --sentence out")
        return []
    try:
        looked = attention(run, sources or run.examples()[:MAPS])
    except RecurraError as error:
        missing.append(f"no maps of attention: {error}")
        return []
    return [_picture(number, each) for number, each in enumerate(looked, 1)]


def _picture(number: int, looked: Looked) -> Picture:
    said = "".join(looked.target)
    cut = len(looked.source) > WIDEST or len(looked.target) > TALLEST
    caption = "Each row is a symbol that was written, from above; dark is where it looked, and the last row is the end."
    caption += f" Only the first {WIDEST} symbols of the source and {TALLEST} of what was written are drawn." if cut else ""
    return Picture(f"attention-{number}", f"{''.join(looked.source)} → {said}", caption, _figure(looked))


def _figure(looked: Looked) -> Figure:
    source, target = looked.source[:WIDEST], looked.target[:TALLEST]
    weights = looked.weights[: len(target), : len(source)]
    width, height = 1.2 + SYMBOL * max(8, len(source)), 1.0 + SYMBOL * len(target)
    figure = Figure(figsize=(width, height), layout="constrained")
    axes: Axes = figure.subplots()
    axes.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    upright = all(len(piece.strip()) <= 1 for piece in source)
    axes.set_xticks(range(len(source)), [shown(piece or " ") for piece in source], rotation=0 if upright else 90, fontsize=8)
    axes.set_yticks(range(len(target)), [shown(piece) for piece in target], fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure
