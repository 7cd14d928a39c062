"""Music as pictures: rolls, and what a run foresaw of a piece."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from recurra import store
from recurra.data.music import WRITTEN, write_piece
from recurra.data.pieces import LOWEST, Piece, pitch_name
from recurra.errors import RecurraError, UsageError
from recurra.report.style import MAIN, MARK, Picture
from recurra.tasks.compose import Foreseen, foreseen, gone_on
from recurra.tasks.options import Compose
from recurra.tasks.runs import Run

__all__ = ["draw_piece", "keep_piece", "music_pictures", "piece_figure"]

DRAWN = (".png", ".svg")
SHORTEST = 8.0  # inches that a roll is wide at least


def piece_figure(piece: Piece, known: float = 0.0) -> Figure:
    """A piece as a piano roll: bars of notes over time, those that begin within the first `known` seconds in another colour."""
    figure = Figure(figsize=(min(24.0, max(SHORTEST, piece.seconds / 2.5)), 3.6), layout="constrained")
    axes: Axes = figure.subplots()
    for start, end, pitch, velocity in zip(piece.start, piece.end, piece.pitch, piece.velocity, strict=True):
        first, last = start / piece.rate, end / piece.rate
        colour = MARK if first < known else MAIN
        axes.add_patch(
            Rectangle((first, pitch - 0.4), last - first, 0.8, color=colour, alpha=0.35 + 0.65 * velocity / 127, lw=0)
        )
    low, high = (int(piece.pitch.min()), int(piece.pitch.max())) if len(piece) else (59, 61)
    axes.set(xlim=(0, max(piece.seconds, 1 / piece.rate)), ylim=(low - 2, high + 2), xlabel="seconds")
    _keys(axes, low, high)
    return figure


def draw_piece(piece: Piece, path: str | Path) -> Path:
    """Write the picture of a piece, as PNG or SVG by what the name ends in."""
    path = Path(path)
    if path.suffix.lower() not in DRAWN:
        raise UsageError(f"{path}: of a kind that is not drawn; wanted {', '.join(DRAWN)}")
    picture = Picture(path.stem, path.stem, "", piece_figure(piece))
    store.write_bytes(path, picture.svg if path.suffix.lower() == ".svg" else picture.png)
    return path


def keep_piece(piece: Piece, path: Path) -> tuple[list[Path], list[str]]:
    """Write a piece where a name says, or in all kinds where it ends in none; and of what could not be written, why not."""
    kinds = [path.suffix.lower()] if path.suffix.lower() in (*WRITTEN, *DRAWN) else [".mid", ".wav", ".png"]
    made, missing = list[Path](), list[str]()
    for kind in kinds:
        file = path if len(kinds) == 1 else path.with_name(path.name + kind)
        try:
            if kind in DRAWN:
                draw_piece(piece, file)
            else:
                write_piece(piece, file)
            made.append(file)
        except UsageError as error:
            if len(kinds) == 1:
                raise
            missing.append(f"{file}: not written: {error}")
    return made, missing


def music_pictures(run: Run, missing: list[str]) -> list[Picture]:
    """What a run foresaw of the beginning of a piece, and how it went on from it; of what cannot be had, why not."""
    if not isinstance(run.options, Compose):
        return []
    pictures = list[Picture]()
    try:
        if run.options.output != "events":
            pictures.append(_foreseen(foreseen(run)))
        [known, own, true] = gone_on(run)
    except RecurraError as error:
        missing.append(f"no music: {error}")
        return pictures
    said = f"Brown is the opening, the first {known:.3g} seconds of a piece that was measured on; "
    pictures.append(Picture("music-own", "How it goes on", said + "blue is drawn by the run.", piece_figure(own, known)))
    pictures.append(Picture("music-true", "How the piece goes on", said + "blue is the piece.", piece_figure(true, known)))
    return pictures


def _foreseen(found: Foreseen) -> Picture:
    sounds = np.flatnonzero(found.roll.any(0))
    low, high = (int(sounds.min()), int(sounds.max())) if len(sounds) else (38, 40)
    figure = Figure(figsize=(SHORTEST, 3.6), layout="constrained")
    axes: Axes = figure.subplots()
    steps = len(found.roll)
    axes.imshow(
        found.probable.T,
        cmap="Blues",
        vmin=0,
        vmax=1,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(0, steps, LOWEST - 0.5, LOWEST + found.roll.shape[1] - 0.5),
    )
    for step, key in zip(*np.nonzero(found.roll), strict=True):
        axes.plot([step + 0.1, step + 0.9], [key + LOWEST] * 2, color=MARK, lw=1.6)
    axes.set(xlabel="steps", ylim=(low + LOWEST - 3, high + LOWEST + 3))
    _keys(axes, low + LOWEST, high + LOWEST)
    said = "Brown are the notes of a piece that was measured on, blue is how probable the run held each key a step before."
    return Picture("music-foreseen", "What it foresees", said, figure)


def _keys(axes: Axes, low: int, high: int) -> None:
    """Names of the keys at the side: each C and G, or all where there are few."""
    marked: Sequence[int] = [pitch for pitch in range(low - 2, high + 3) if pitch % 12 in (0, 7) or high - low < 8]
    axes.set_yticks(marked, [pitch_name(pitch) for pitch in marked], fontsize=8)
    axes.grid(axis="y", lw=0.3)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
