"""Where a run that transcribes finds what it writes, drawn below what it read."""

from matplotlib.figure import Figure

from recurra.errors import RecurraError
from recurra.report.style import Picture, shown
from recurra.tasks.options import TranscriptOptions
from recurra.tasks.placed import Placed
from recurra.tasks.runs import Run

__all__ = ["PLACED", "placed_pictures"]

PLACED = 4
"""Inputs that are drawn."""
TALLEST = 40  # symbols that are drawn of one
SYMBOL = 0.17  # inches that one takes
FEW = 8  # channels up to which an input is drawn as lines


def placed_pictures(run: Run, missing: list[str]) -> tuple[list[Picture], list[Placed]]:
    """A picture for each of some inputs that the run was measured on, and what is drawn; of what cannot be had, why not.

    Of a run that writes no texts there is nothing.
    """
    if not isinstance(run.options, TranscriptOptions) or run.options.output != "text":
        return [], []
    try:
        found: list[Placed] = run.placed(PLACED)
    except RecurraError as error:
        missing.append(f"no places of symbols: {error}")
        return [], []
    return [_picture(number, one, run.options.decoder == "attention") for number, one in enumerate(found, 1)], found


def _picture(number: int, one: Placed, attends: bool) -> Picture:
    written = "".join(one.symbols)
    said = "Above what was read, below a row for each symbol that was written, the first on top: dark is "
    said += "where attention looked for it, and the last row is the end." if attends else "the frame that says it."
    said += f" Only the first {TALLEST} of {len(one.symbols)} are drawn." if len(one.symbols) > TALLEST else ""
    title = written if written == one.wanted else f"{written}, truly {one.wanted}"
    return Picture(f"placed-{number}", title, said, _figure(one))


def _figure(one: Placed) -> Figure:
    symbols, weights = one.symbols[:TALLEST], one.weights[:TALLEST]
    low = 0.5 + SYMBOL * len(symbols)
    figure = Figure(figsize=(5.6, 1.2 + low), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.2, low))
    if one.looks.shape[1] <= FEW:
        steps = [(k + 0.5) / len(one.looks) * one.length for k in range(len(one.looks))]
        for channel, name in zip(one.looks.T, ("across", "down"), strict=False):
            above.plot(steps, channel, linewidth=1, label=name, linestyle="-" if name == "across" else "--")
        above.legend(fontsize=7, frameon=False)
    else:
        height = one.looks.shape[1]
        origin = "lower" if one.unit == "seconds" else "upper"
        above.imshow(one.looks.T, cmap="Greys", aspect="auto", origin=origin, extent=(0, one.length, *_ends(origin, height)))
    below.imshow(
        weights, cmap="Blues", vmin=0, vmax=max(1e-9, weights.max()), aspect="auto", extent=(0, one.length, len(symbols), 0)
    )
    below.set_yticks([k + 0.5 for k in range(len(symbols))], [shown(symbol) for symbol in symbols], fontsize=7)
    below.set_xlabel(one.unit, fontsize=9)
    above.set_yticks([])
    for axes in (above, below):
        axes.tick_params(length=0, labelsize=7)
        axes.spines[:].set_visible(False)
    return figure


def _ends(origin: str, height: int) -> tuple[float, float]:
    """Where the lower and the upper edge of a picture lie."""
    return (0, height) if origin == "lower" else (height, 0)
