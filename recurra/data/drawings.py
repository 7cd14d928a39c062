"""Drawings as moves of a pen, with what they say: from files of ink and of sketches, in three parts."""

import hashlib
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.data.counts import told_count
from recurra.data.ink import INK, read_ink
from recurra.data.labels import bare
from recurra.data.parts import Parts, check_share, counted, divided, part_of
from recurra.errors import DataError

__all__ = ["Drawing", "DrawingParts", "all_drawings", "move_scale", "read_drawings", "split_drawings"]

ENDINGS = (*INK, ".npz")
WANTED = f"wanted {', '.join(ENDINGS)}, or a folder of such files"
LONGEST = 100_000
"""Points that a drawing may have."""

Moves = NDArray[np.float32]


class Drawing(NamedTuple):
    """The moves of a pen (N, 3), dx, dy and 1 where it is lifted behind the point, and what the drawing says, or shows."""

    moves: Moves
    text: str = ""

    @classmethod
    def of_strokes(cls, strokes: Iterable[NDArray[Any]], text: str = "") -> "Drawing":
        """From the points (n, 2) of each stroke; the first point of all is where the pen begins, and no move.

        Example:
            >>> Drawing.of_strokes([np.array([[0, 0], [3, 0]]), np.array([[3, 5], [4, 5]])]).moves.tolist()
            [[3.0, 0.0, 1.0], [0.0, 5.0, 0.0], [1.0, 0.0, 1.0]]
        """
        parts = [np.asarray(stroke, np.float64) for stroke in strokes if len(stroke)]
        if not parts:
            return cls(np.zeros((0, 3), np.float32), text)
        points = np.concatenate(parts)
        lifted = np.zeros(len(points))
        lifted[np.cumsum([len(part) for part in parts]) - 1] = 1
        moves = np.concatenate([np.diff(points, axis=0, prepend=points[:1]), lifted[:, None]], 1)
        return cls((moves if len(parts[0]) == 1 else moves[1:]).astype(np.float32), text)

    def strokes(self) -> list[NDArray[np.float64]]:
        """The points (n, 2) of each stroke, from where the pen begins, which is (0, 0)."""
        points = np.concatenate([np.zeros((1, 2)), self.moves[:, :2].astype(np.float64).cumsum(0)])
        ends = np.flatnonzero(self.moves[:, 2]) + 2
        return [each for each in np.split(points, ends) if len(each)]


DrawingParts = Parts[list[Drawing]]
"""Drawings in three parts."""


def read_drawings(path: Path, *, text: str = "", encoding: str = "utf-8", held_out: float = 0.1) -> DrawingParts:
    """Drawings to learn, to look at and to measure on, from a file or a folder and all below it.

    Ink (``.csv``, ``.jsonl``, ``.unp``: see `read_ink`) says what it says; sketches (``.npz``) have arrays ``points`` (all
    moves of all drawings) and ``offsets`` (where each begins), with the part before them, as ``train_points``; what they
    show is their file's name. Names of files and folders tell parts, too; one that is missing is split off by a hash of the
    drawings.

    Drawings of a single point, or of moves that are no numbers, are left out and told.

    Raises:
        DataError: nothing of the kind, or too few.
        UsageError: a `held_out` that is no share.
    """
    check_share(held_out)
    return _parted(str(path), _found(path, text, encoding), held_out)


def all_drawings(path: Path, *, text: str = "", encoding: str = "utf-8") -> list[Drawing]:
    """All drawings of a file or folder that are drawings; of what brings its split, those to measure on.

    Raises:
        DataError: nothing of the kind.
    """
    found = _found(path, text, encoding)
    drawings = [
        drawing for drawing in found.get("test", [each for part in found.values() for each in part]) if not _wrong(drawing)
    ]
    if not drawings:
        raise DataError(f"{path}: no drawing of two points or more in it")
    return drawings


def split_drawings(name: str, drawings: Sequence[Drawing], held_out: float = 0.1) -> DrawingParts:
    """Drawings that are there already, split as `read_drawings` splits those of files."""
    check_share(held_out)
    return _parted(name, {"train": list(drawings)}, held_out)


def move_scale(drawings: Sequence[Drawing]) -> float:
    """The deviation of all moves, across and down together, by which they are divided before they are learnt."""
    moves = np.concatenate([drawing.moves[:, :2] for drawing in drawings]).astype(np.float64)
    return float(moves.std()) or 1.0


def _found(path: Path, text: str, encoding: str) -> dict[str, list[Drawing]]:
    """What there is of each part."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    files = [file for file in files if bare(file.name).lower().endswith(ENDINGS) and not file.name.startswith(".")]
    if not files:
        raise DataError(f"{path}: no drawings in it; {WANTED}")
    read: dict[str, list[Drawing]] = {}
    for file in files:
        words = file.relative_to(path).parts if path.is_dir() else (file.name,)
        part = next(filter(None, map(part_of, words)), "") if len(files) > 1 else ""
        if bare(file.name).lower().endswith(".npz"):
            for own, drawings in _sketches(file).items():
                read.setdefault(own or part or "train", []).extend(drawings)
        else:
            found = [Drawing.of_strokes(one.strokes, one.text) for one in read_ink(file, text, encoding)]
            read.setdefault(part or "train", []).extend(found)
    return read


def _sketches(file: Path) -> dict[str, list[Drawing]]:
    shown = file.name[: -len(".npz")]
    try:
        with file.open("rb") as raw, np.load(raw, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{file}: no arrays that can be read ({str(error).partition(chr(10))[0]}); wanted .npz") from None
    made: dict[str, list[Drawing]] = {}
    for name in (name for name in found if name.endswith("points")):
        points, starts = found[name], found.get(f"{name.removesuffix('points')}offsets")
        if starts is None or points.ndim != 2 or points.shape[1] != 3 or points.dtype.kind not in "iuf":
            raise DataError(f"{file}, array {name}: {points.dtype} of shape {points.shape}; wanted (points, 3), and offsets")
        if starts.ndim != 1 or starts.dtype.kind not in "iu" or (np.diff(starts.astype(np.int64)) < 0).any():
            raise DataError(f"{file}, array {name.removesuffix('points')}offsets: wanted whole numbers that do not fall")
        if len(starts) < 2 or starts[0] < 0 or starts[-1] > len(points):
            raise DataError(f"{file}, array {name.removesuffix('points')}offsets: wanted places from 0 to {len(points):,}")
        each = np.split(points.astype(np.float32), starts.astype(np.int64))[1 : len(starts)]
        made[part_of(name.removesuffix("points").strip("_")) or ""] = [Drawing(moves, shown) for moves in each]
    if not made:
        raise DataError(f"{file}: arrays {', '.join(found) or 'none'}; wanted points and offsets")
    return made


def _parted(name: str, read: dict[str, list[Drawing]], held_out: float) -> DrawingParts:
    fine, digest, wrong = dict[str, list[Drawing]](), hashlib.sha256(), Counter[str]()
    for part, drawings in sorted(read.items()):
        fine[part] = []
        for drawing in drawings:
            digest.update(drawing.moves.tobytes() + drawing.text.encode("utf-8", "surrogatepass") + b"\0")
            if what := _wrong(drawing):
                wrong[what] += 1
            else:
                fine[part].append(drawing)
    notes = [f"{told_count(count, 'drawing')} {what}: left out" for what, count in wrong.items()]
    parts = divided(fine, lambda drawing: drawing.moves.tobytes(), held_out)
    told = counted(name, "drawings", parts, "give more drawings, or a larger held_out")
    points = sum(len(drawing.moves) for drawing in parts["train"])
    return DrawingParts(
        name, parts["train"], parts["validation"], parts["test"], digest.hexdigest(), (f"{told}; {points:,} points", *notes)
    )


def _wrong(drawing: Drawing) -> str:
    """What keeps a drawing from being learnt."""
    moves = drawing.moves
    if not np.isfinite(moves).all():
        return "with moves that are no numbers"
    if not np.abs(moves[:, :2]).any():
        return "of a single point"
    return f"of more than {LONGEST:,} points" if len(moves) > LONGEST else ""
