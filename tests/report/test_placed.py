from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from recurra.report import placed, style
from recurra.report.placed import placed_pictures
from recurra.tasks.options import Read, Transcribe
from recurra.tasks.placed import Placed


def made(unit: str, channels: int, symbols: str) -> Placed:
    draw = np.random.default_rng(0)
    weights = np.eye(len(symbols), 2 * len(symbols))
    return Placed(draw.normal(size=(30, channels)), 3.0, unit, "cab", tuple(symbols), weights)


def finished(options: Read | Transcribe, found: list[Placed]) -> Any:
    """A run that finds what it is told."""
    return SimpleNamespace(options=options, placed=lambda count: found[:count])


def test_the_middle_of_its_weights_is_where_a_symbol_lies() -> None:
    one = made("seconds", 12, "cab")
    assert one.centres == pytest.approx([0.25, 0.75, 1.25])
    assert one._replace(weights=np.zeros((3, 6))).centres == [0, 0, 0]


@pytest.mark.parametrize(("unit", "channels"), [("seconds", 12), ("columns", 24), ("points", 2)])
def test_a_picture_has_a_row_for_each_symbol(unit: str, channels: int) -> None:
    [picture], _ = placed_pictures(finished(Read(), [made(unit, channels, "ca$")]), [])
    assert (picture.name, picture.title) == ("placed-1", "ca$, truly cab")
    above, below = picture.figure.axes
    assert [label.get_text() for label in below.get_yticklabels()] == ["c", "a", r"\$"]
    assert below.get_xlabel() == unit
    assert len(above.lines) == (2 if unit == "points" else 0)
    assert below.get_xlim() == pytest.approx(above.get_xlim())
    assert len(picture.png) > 1000


def test_the_end_and_what_is_too_long_are_said() -> None:
    one = made("seconds", 12, "cab")
    end = one._replace(symbols=(*one.symbols, ""), weights=np.eye(4, 8))
    [picture], _ = placed_pictures(finished(Transcribe(decoder="attention"), [end]), [])
    assert picture.title == "cab"
    assert "the last row is the end" in picture.caption
    assert picture.figure.axes[1].get_yticklabels()[-1].get_text() == "end"
    [picture], _ = placed_pictures(finished(Transcribe(), [made("seconds", 12, "a" * 50)]), [])
    assert picture.caption.endswith(f"Only the first {placed.TALLEST} of 50 are drawn.")
    assert isinstance(picture, style.Picture)


def test_labels_lie_nowhere() -> None:
    assert placed_pictures(finished(Transcribe(output="label"), [made("seconds", 12, "cab")]), []) == ([], [])
