"""Handwriting as it was written: strokes of pen points, from tables, JSON lines and UNIPEN files."""

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.data.corpus import as_written
from recurra.data.counts import told_count
from recurra.data.json_lines import objects
from recurra.errors import DataError

__all__ = ["INK", "Ink", "ink_features", "read_ink"]

INK = (".csv", ".jsonl", ".ndjson", ".unp", ".unipen")
"""Endings of files of pen points, before a ``.gz``."""

FEATURES = 5
FLAT = 0.1  # of its width, how high a piece of writing is taken to be at least
NAMES = ("text", "class", "label")
STROKES = ("strokes", "ink", "drawing")

Floats = NDArray[np.float32]
Stroke = NDArray[np.float64]


class Ink(NamedTuple):
    """One piece of writing: its strokes, (N, 2) points x and y each, what it says, and the line where it begins."""

    strokes: list[Stroke]
    text: str
    line: int


def read_ink(file: Path, text: str = "", encoding: str = "utf-8") -> list[Ink]:
    r"""Every piece of writing of a file.

    - ``.csv``: a line each; one column says the text, all others are numbers x, y, x, y, ... of one stroke, as far as they are
      filled. `text` names its column; else it is called text, class or label, or is the last one.
    - ``.jsonl``, ``.ndjson``: an object each, with ``strokes`` (or ``ink``, ``drawing``) and a key `text`. A stroke is a list
      of points ``[x, y]`` or ``{"x": 1, "y": 2}``, more numbers ignored; or lists of all x and all y.
    - ``.unp``, ``.unipen``: ``.SEGMENT ... "text"`` begins a piece; ``.PEN_DOWN`` a stroke, until ``.PEN_UP``.

    y grows downwards in none of them for certain; it is taken as it is. A last ``.gz`` is unpacked.

    Raises:
        DataError: a file that cannot be read so, coordinates that are no finite numbers, a piece without points; with the line.
    """
    kind = file.name.removesuffix(".gz").rpartition(".")[2].lower()
    lines = as_written(file, encoding).splitlines()
    if kind == "csv":
        found = _table(file, lines, text)
    elif kind in ("jsonl", "ndjson"):
        found = _of_objects(file, lines, text)
    elif kind in ("unp", "unipen"):
        found = _segments(file, lines)
    else:
        raise DataError(f"{file}: no file of pen points by its name; wanted {', '.join(INK)}")
    every = [Ink([stroke for stroke in strokes if len(stroke)], said, line) for strokes, said, line in found]
    for strokes, _, line in every:
        if not strokes:
            raise DataError(f"{file}, line {line}: no points; wanted at least one")
    if not every:
        raise DataError(f"{file}: nothing written in it; wanted pen points and texts")
    return every


def ink_features(strokes: Sequence[Stroke]) -> Floats:
    r"""(T, 5): each point as the pen's move to it, where it lies, and whether the pen came down there.

    .. math::
        \Big( \frac{x_t - x_{t-1}}{h}, \; \frac{y_t - y_{t-1}}{h}, \; \frac{x_t - x_\min}{m}, \;
        \frac{y_t - y_\min}{h}, \; d_t \Big)

    h is the height, a tenth of the width at least, m the larger of both. Points where the one before lies are left out.

    Example:
        >>> ink_features([np.array([[0.0, 0.0], [4.0, 2.0]]), np.array([[2.0, 2.0]])]).round(2).tolist()
        [[0.0, 0.0, 0.0, 0.0, 1.0], [2.0, 1.0, 1.0, 1.0, 0.0], [-1.0, 0.0, 0.5, 1.0, 1.0]]
    """
    points = np.concatenate(strokes)
    down = np.zeros(len(points))
    down[np.cumsum([0, *map(len, strokes[:-1])])] = 1
    moved = np.append(True, np.any(np.diff(points, axis=0), axis=1)) | (down == 1)
    points, down = points[moved], down[moved]
    least = points.min(0)
    width, height = (points - least).max(0)
    longest = max(width, height) or 1.0
    scale = max(height, FLAT * width) or 1.0
    moves = np.diff(points, axis=0, prepend=points[:1]) / scale
    lie = (points - least) / np.array([longest, scale])
    return np.hstack([moves, lie, down[:, None]]).astype(np.float32)


Piece = tuple[list[Stroke], str, int]


def _table(file: Path, lines: list[str], text: str) -> Iterator[Piece]:
    rows = csv.reader(lines)
    header = [cell.strip() for cell in next(rows, [])]
    if len(header) < 3:
        raise DataError(f"{file}, line 1: {told_count(len(header), 'column')}; wanted points x, y and a text")
    named = [name for name in header if name.lower() in NAMES] if not text else [text]
    if text and text not in header:
        raise DataError(f"{file}, line 1: no column {text}; there are {', '.join(header)}")
    place = header.index(named[0]) if named else len(header) - 1
    for cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        line = rows.line_num
        if len(cells) != len(header):
            raise DataError(f"{file}, line {line}: {told_count(len(cells), 'column')}; wanted {len(header)}, as in line 1")
        numbers = [cell for k, cell in enumerate(cells) if k != place]
        while numbers and not numbers[-1].strip():
            numbers.pop()
        if len(numbers) % 2:
            raise DataError(f"{file}, line {line}: {told_count(len(numbers), 'number')}; wanted pairs x, y")
        points = [(numbers[k], numbers[k + 1]) for k in range(0, len(numbers), 2)]
        yield [_points(file, line, points)], cells[place].strip(), line


def _of_objects(file: Path, lines: list[str], text: str) -> Iterator[Piece]:
    for line, found in objects(file, lines, '{"strokes": [[[1, 2], [3, 4]]], "text": "a"}'):
        key = next((name for name in STROKES if name in found), None)
        said = next((name for name in ((text,) if text else (*NAMES, "word")) if name in found), None)
        if key is None or not isinstance(found[key], list):
            raise DataError(
                f"{file}, line {line}: no list of {' or '.join(STROKES)}; there are {', '.join(sorted(found)) or 'none'}"
            )
        if text and said is None:
            raise DataError(f"{file}, line {line}: no key {text}; there are {', '.join(sorted(found))}")
        yield [_stroke(file, line, one) for one in found[key]], "" if said is None else str(found[said]).strip(), line


def _stroke(file: Path, line: int, told: Any) -> Stroke:
    if isinstance(told, dict) and all(isinstance(told.get(side), list) for side in "xy") and len(told["x"]) == len(told["y"]):
        return _points(file, line, zip(told["x"], told["y"], strict=True))
    if not isinstance(told, list):
        raise DataError(f"{file}, line {line}: a stroke is {json.dumps(told)[:30]}; wanted a list of points [x, y]")
    if told and all(isinstance(point, dict) for point in told):
        told = [[point.get("x"), point.get("y")] for point in told]
    elif _sides(told):
        told = list(zip(*told[:2], strict=True))
    return _points(file, line, told)


def _sides(told: list[Any]) -> bool:
    """Whether these are all x, and all y: two or three lists of equal length, which are no points themselves."""
    if len(told) not in (2, 3) or not all(isinstance(side, list) for side in told):
        return False
    sizes = {len(side) for side in told}
    return len(sizes) == 1 and (sizes.pop() > 3 or len(told[0]) == 1)


def _points(file: Path, line: int, told: Iterable[Any]) -> Stroke:
    found = []
    for number, point in enumerate(told, 1):
        try:
            x, y = (float(value) for value in tuple(point)[:2])
        except (TypeError, ValueError):
            raise DataError(f"{file}, line {line}, point {number}: {str(point)[:30]}; wanted two numbers, x and y") from None
        if not (math.isfinite(x) and math.isfinite(y)):
            raise DataError(f"{file}, line {line}, point {number}: {x:g}, {y:g}; wanted finite numbers")
        found.append((x, y))
    return np.array(found, np.float64).reshape(-1, 2)


def _segments(file: Path, lines: list[str]) -> Iterator[Piece]:
    said, begun, strokes = "", 1, list[Stroke]()
    points: list[list[str]] | None = None
    for line, content in enumerate(lines, 1):
        words = content.split()
        if not words:
            continue
        if words[0].startswith("."):
            if points is not None:
                strokes.append(_points(file, line, points))
            points = [] if words[0] == ".PEN_DOWN" else None
            if words[0] == ".SEGMENT":
                if strokes:
                    yield strokes, said, begun
                label = re.search(r'"(.*)"', content)
                said, begun, strokes = label[1] if label else words[-1], line, []
        elif points is not None:
            points.append(words)
    if points is not None:
        strokes.append(_points(file, len(lines), points))
    if strokes:
        yield strokes, said, begun
