"""What a run draws, and where its window looks while it reads."""

import json
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recurra import store
from recurra.data.drawings import Drawing
from recurra.data.svg import svg_of
from recurra.errors import RecurraError, UsageError
from recurra.report.style import Picture, shown
from recurra.tasks.options import Write
from recurra.tasks.runs import Run
from recurra.tasks.write import Looked, looked

__all__ = ["drawing_pictures", "drawings_figure", "keep_drawings"]

KINDS = (".svg", ".png", ".jsonl")
COLUMNS = 4
SAMPLES = 12


def drawings_figure(drawings: Sequence[Drawing]) -> Figure:
    """Drawings side by side, y growing downwards."""
    rows = max(1, -(-len(drawings) // COLUMNS))
    figure = Figure(figsize=(8.0, 1.5 * rows), layout="constrained")
    places = figure.subplots(rows, COLUMNS, squeeze=False).flatten()
    for axes in places:
        axes.set_axis_off()
    for axes, drawing in zip(places, drawings, strict=False):
        for stroke in drawing.strokes():
            axes.plot(*stroke.T, color="black", linewidth=1.2, solid_capstyle="round", marker="" if len(stroke) > 1 else ".")
        axes.set_aspect("equal", "datalim")
        axes.invert_yaxis()
    return figure


def keep_drawings(drawings: Sequence[Drawing], path: Path, *, animated: bool = False) -> Path:
    """Write drawings where a name says: as SVG, as PNG, or as JSON lines of strokes, which can be learnt from again."""
    kind = path.suffix.lower()
    if not kind:
        path, kind = path.with_name(f"{path.name}.svg"), ".svg"
    if kind == ".svg":
        content = svg_of(drawings, animated=animated).encode()
    elif kind == ".png":
        content = Picture(path.stem, path.stem, "", drawings_figure(drawings)).png
    elif kind == ".jsonl":
        lines = ({"strokes": [stroke.round(3).tolist() for stroke in one.strokes()], "text": one.text} for one in drawings)
        content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    else:
        raise UsageError(f"{path}: of a kind that is not drawn; wanted {', '.join(KINDS)}")
    store.write_bytes(path, content)
    return path


def drawing_pictures(run: Run, missing: list[str]) -> list[Picture]:
    """What a run draws, and where its window looks; of what cannot be had, why not. Of other tasks there is nothing."""
    if not isinstance(run.options, Write):
        return []
    pictures = list[Picture]()
    try:
        made = run.generate(count=SAMPLES)
        said = ", ".join(one.text for one in made if one.text)
        pictures.append(Picture("drawn", "What it draws", f"Told: {said}." if said else "", drawings_figure(made)))
        if run.read("pen.json")["told"] == "text":
            pictures += [_window(number, one) for number, one in enumerate(looked(run), 1)]
    except RecurraError as error:
        missing.append(f"no drawings: {error}")
    return pictures


def _window(number: int, one: Looked) -> Picture:
    figure = Figure(figsize=(8.0, 0.6 + 0.28 * one.weights.shape[1]), layout="constrained")
    axes: Axes = figure.subplots()
    axes.imshow(one.weights.T, cmap="Blues", vmin=0, vmax=max(1e-9, float(one.weights.max())), aspect="auto")
    axes.set_yticks(range(len(one.drawing.text)), [shown(letter) for letter in one.drawing.text], fontsize=8)
    axes.set_xlabel("points")
    axes.tick_params(length=0, labelsize=8)
    axes.spines[:].set_visible(False)
    said = "Dark is how much of each letter the window shows before a point is foreseen; it only moves forwards."
    return Picture(f"window-{number}", f"Where it looks in {shown(one.drawing.text)}", said, figure)
