import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from recurra.data.ink import read_ink
from recurra.data.scribbles import scribbles
from recurra.errors import UsageError
from recurra.report import drawings, drawings_figure, keep_drawings
from recurra.report.drawings import drawing_pictures
from recurra.tasks.options import Text, Write
from recurra.tasks.write import Looked

SOME = scribbles(6)


def test_a_line_for_each_stroke_with_y_downwards() -> None:
    figure = drawings_figure(SOME)
    drawn = [axes for axes in figure.axes if axes.lines]
    assert len(drawn) == 6
    assert [len(axes.lines) for axes in drawn] == [len(one.strokes()) for one in SOME]
    assert all(low > high for low, high in (axes.get_ylim() for axes in drawn))


@pytest.mark.parametrize(("name", "first"), [("a.svg", b"<svg"), ("a", b"<svg"), ("a.png", b"\x89PNG"), ("a.jsonl", b'{"str')])
def test_kinds(name: str, first: bytes, tmp_path: Path) -> None:
    path = keep_drawings(SOME, tmp_path / name)
    assert path.read_bytes().startswith(first)
    assert path.suffix


def test_what_is_kept_as_strokes_can_be_read_again(tmp_path: Path) -> None:
    found = read_ink(keep_drawings(SOME, tmp_path / "a.jsonl"))
    assert [one.text for one in found] == [one.text for one in SOME]
    assert np.allclose(found[0].strokes[0], SOME[0].strokes()[0], atol=1e-3)


def test_other_kinds(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.gif: of a kind that is not drawn; wanted \.svg, \.png, \.jsonl$"):
        keep_drawings(SOME, tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())


def test_what_a_run_draws_and_where_it_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = Looked(SOME[0], np.eye(20, len(SOME[0].text), dtype=np.float32))
    monkeypatch.setattr(drawings, "looked", lambda _: [looked])
    run: Any = SimpleNamespace(options=Write(), generate=lambda **_: SOME, read=lambda _: {"told": "text"})
    first, window = drawing_pictures(run, [])
    assert first.caption == f"Told: {', '.join(one.text for one in SOME)}."
    assert [label.get_text() for label in window.figure.axes[0].get_yticklabels()] == list(SOME[0].text)
    run.options = Text()
    assert drawing_pictures(run, []) == []
    assert json.dumps([one.text for one in SOME])
