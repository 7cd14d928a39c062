"""How the pictures of a report look: small enough for a phone, told apart in print and by colour-blind people."""

import io
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["COLOURS", "LINES", "MAIN", "MARK", "MARKERS", "Picture", "percent", "shown", "small"]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
"""Colours that colour-blind people tell apart (Okabe & Ito 2008)."""
LINES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))
"""Lines that print tells apart."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""Points that print tells apart."""
MAIN = "#0b5fa5"
"""Dark blue: what a picture is about."""
MARK = "#8a5a00"
"""Brown: what is marked in it."""


@dataclass(frozen=True)
class Picture:
    """A figure, the name of its files, its title, and what it shows in a sentence or two."""

    name: str
    title: str
    caption: str
    figure: Figure

    @cached_property
    def svg(self) -> bytes:
        """The bytes of an SVG file; no two pictures on a page share a name inside it."""
        with mpl.rc_context({"svg.hashsalt": self.name}):
            return self._drawn("svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})

    @cached_property
    def png(self) -> bytes:
        """The bytes of a PNG file."""
        return self._drawn("png", dpi=160)

    def _drawn(self, kind: str, **how: Any) -> bytes:
        content = io.BytesIO()
        self.figure.savefig(content, format=kind, **how)
        return content.getvalue()


def percent(share: float) -> str:
    """A share in words.

    >>> percent(0.45)
    '45 %'
    """
    return f"{100 * share:.0f} %"


def shown(symbol: str) -> str:
    r"""A symbol so that it can be seen, and is not read as mathematics; the empty one is an end.

    >>> shown("$"), shown(" "), shown("")
    ('\\$', '·', 'end')
    """
    return (symbol.strip() or ("\u00b7" if symbol else "end")).replace("$", r"\$")


def small(x: str, y: str, *, rows: int = 1, height: float = 2.9) -> tuple[Figure, Axes]:
    """An empty figure and its (uppermost) axes; a second row below is lower."""
    figure = Figure(figsize=(4.8, height), layout="constrained")
    places = figure.subplots(rows, 1, squeeze=False, sharex=True, height_ratios=(2.2, 1)[:rows])[:, 0]
    for axes in places:
        axes.tick_params(labelsize=8)
        axes.yaxis.get_offset_text().set_fontsize(8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.label.set_fontsize(9)
        axes.yaxis.label.set_fontsize(9)
    places[0].set(xlabel=x, ylabel=y)
    first: Axes = places[0]
    return figure, first
