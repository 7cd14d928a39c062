"""The learning-rate range test as a picture."""

import io
from pathlib import Path

from matplotlib.figure import Figure

from recurra import store
from recurra.train import RangeTest

__all__ = ["draw_range_test", "range_test_figure"]

LEARNT, RAW, MARK = "#0b5fa5", "#9db8cf", "#8a5a00"  # dark and light blue, brown: apart in print and for colour-blind readers


def draw_range_test(test: RangeTest, path: Path) -> Path:
    """Draw the loss over the rate into an SVG file, and write its data beside it as JSON; gives back the path of the data."""
    content, data = io.BytesIO(), path.with_suffix(".json")
    range_test_figure(test).savefig(content, format="svg", metadata={"Date": None})
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write_bytes(path, content.getvalue())
    store.write_json(data, test.as_json())
    return data


def range_test_figure(test: RangeTest) -> Figure:
    """The loss of each update over its rate, smoothed and as it came, with the rate of the lowest loss and the suggestion."""
    figure = Figure(figsize=(7.6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    low, level = min(test.smoothed), max(test.level, test.smoothed[0])
    room = max(level - low, test.spread) or 1.0
    axes.plot(test.rates, test.losses, color=RAW, linewidth=0.8)
    axes.plot(test.rates, test.smoothed, color=LEARNT, linewidth=1.8)
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss of an update", ylim=(low - 0.3 * room, level + 0.6 * room))
    place = axes.get_xaxis_transform()
    for rate, label in ((test.lowest, "lowest"), (test.suggestion, "suggestion")):
        if rate is not None:
            axes.axvline(rate, color=MARK, linewidth=0.8, linestyle=":")
            axes.text(rate, 1, f" {label} {rate:.2g}", transform=place, va="top", color=MARK, fontsize=8)
    said = "no suggestion" if test.suggestion is None else f"suggestion lr={test.suggestion:g}"
    axes.set_title(f"learning-rate range test: {said}", loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
