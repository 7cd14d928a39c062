"""Drawings as SVG: pictures of lines, drawn at once or as a pen would draw them."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from recurra.data.drawings import Drawing

__all__ = ["svg_of"]

HIGH, MARGIN, GAP = 160.0, 12.0, 80.0  # pixels: of a drawing, around all, between two
WIDEST = 1000.0  # pixels of a row
PACE = 500.0  # pixels a second that a pen moves
PAUSE = 0.15  # seconds that it needs from one stroke to the next


def svg_of(drawings: Sequence[Drawing], *, animated: bool = False, line: float = 2.5) -> str:
    """The text of an SVG file that has all drawings, in rows, as high as any other or as wide as the page; y grows downwards.

    Args:
        drawings: what is drawn.
        animated: each stroke is drawn from its beginning to its end, one after the other.
        line: how wide lines are, in pixels.

    Example:
        >>> from recurra.data.scribbles import scribbles
        >>> text = svg_of(scribbles(2))
        >>> text.count("<path"), text.startswith("<svg")
        (6, True)
    """
    shapes, left, top, wide, begun = list[str](), MARGIN, MARGIN, 0.0, 0.0
    for drawing in drawings:
        strokes = drawing.strokes()
        points = np.concatenate(strokes)
        low, size = points.min(0), np.maximum(np.ptp(points, axis=0), 1e-9)
        scale = min(HIGH / size[1], (WIDEST - 2 * MARGIN) / size[0])
        if left + size[0] * scale > WIDEST - MARGIN and left > MARGIN:
            left, top = MARGIN, top + HIGH + GAP
        for stroke in strokes:
            places = (stroke - low) * scale + (left, top + (HIGH - size[1] * scale) / 2)
            length = float(np.linalg.norm(np.diff(places, axis=0), axis=1).sum()) + line
            shapes.append(_path(places, length, begun if animated else None))
            begun += length / PACE + PAUSE
        left += float(size[0] * scale) + GAP
        wide = max(wide, left - GAP + MARGIN)
    said = escape(" ".join(drawing.text for drawing in drawings), {'"': "&quot;"})
    box = f'viewBox="0 0 {wide:.0f} {top + HIGH + MARGIN:.0f}"'
    style = f'fill="none" stroke="#1a1a1a" stroke-width="{line:g}" stroke-linecap="round" stroke-linejoin="round"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" aria-label="{said}">'
    return "\n".join([head, f"<g {style}>", *shapes, "</g>", "</svg>", ""])


def _path(places: NDArray[np.float64], length: float, begun: float | None) -> str:
    moves = "L".join(f"{x:.1f} {y:.1f}" for x, y in places.tolist())
    path = f'd="M{moves}{"" if len(places) > 1 else f"L{places[0, 0]:.1f} {places[0, 1]:.1f}"}"'
    if begun is None:
        return f"<path {path}/>"
    dash = f'stroke-dasharray="{length:.1f}" stroke-dashoffset="{length:.1f}"'
    timing = f'begin="{begun:.2f}s" dur="{length / PACE:.2f}s" from="{length:.1f}" to="0" fill="freeze"'
    return f'<path {path} {dash}><animate attributeName="stroke-dashoffset" {timing}/></path>'
