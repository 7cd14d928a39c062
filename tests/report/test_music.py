from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from recurra.data.cadences import cadences
from recurra.data.pieces import Piece
from recurra.errors import UsageError
from recurra.report import draw_piece, keep_piece, music, piece_figure
from recurra.report.music import music_pictures
from recurra.tasks.compose import Foreseen
from recurra.tasks.options import Compose, Text

[PIECE] = cadences(1)


class TestFigure:
    def test_a_bar_for_each_note(self) -> None:
        [axes] = piece_figure(PIECE).axes
        bars = axes.patches
        assert len(bars) == len(PIECE)
        first: Any = bars[0]
        assert first.get_width() * PIECE.rate == PIECE.end[0] - PIECE.start[0]
        assert axes.get_xlim() == (0, PIECE.seconds)

    def test_what_is_known_has_another_colour(self) -> None:
        [axes] = piece_figure(PIECE, known=2.0).axes
        colours = [bar.get_facecolor()[:3] for bar in axes.patches]
        known = int((PIECE.start / PIECE.rate < 2.0).sum())
        assert len(set(colours[:known])) == len(set(colours[known:])) == 1
        assert colours[0] != colours[-1]

    def test_nothing_to_draw(self) -> None:
        [axes] = piece_figure(Piece.of("a", [], steps=4, rate=4.0)).axes
        assert not axes.patches


class TestKeep:
    @pytest.mark.parametrize("kind", [".png", ".svg"])
    def test_pictures(self, kind: str, tmp_path: Path) -> None:
        path = draw_piece(PIECE, tmp_path / f"tune{kind}")
        assert path.stat().st_size > 1000

    def test_other_kinds(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"tune\.gif: of a kind that is not drawn; wanted \.png, \.svg$"):
            draw_piece(PIECE, tmp_path / "tune.gif")

    def test_several_where_the_name_has_no_ending(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        gone: Any = None
        monkeypatch.setitem(__import__("sys").modules, "symusic", gone)
        made, missing = keep_piece(PIECE, tmp_path / "a.first")
        assert [path.name for path in made] == ["a.first.wav", "a.first.png"]
        [said] = missing
        assert said.startswith(f"{tmp_path}/a.first.mid: not written: ")
        with pytest.raises(UsageError, match="recurra\\[music\\]"):
            keep_piece(PIECE, tmp_path / "tune.mid")

    def test_one_where_it_has(self, tmp_path: Path) -> None:
        made, _ = keep_piece(PIECE, tmp_path / "tune.JSON")
        assert [path.name for path in made] == ["tune.JSON"]


def test_what_was_foreseen_and_how_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Foreseen("a", PIECE.roll()[:20], np.full((20, 88), 0.1, np.float32), 4.0)
    monkeypatch.setattr(music, "foreseen", lambda _: found)
    monkeypatch.setattr(music, "gone_on", lambda _: (2.0, PIECE, PIECE))
    run: Any = SimpleNamespace(options=Compose())
    pictures = music_pictures(run, [])
    assert [picture.name for picture in pictures] == ["music-foreseen", "music-own", "music-true"]
    assert len(pictures[0].figure.axes[0].lines) == int(PIECE.roll()[:20].sum())
    assert "the first 2 seconds" in pictures[1].caption
    run.options = Text()
    assert music_pictures(run, []) == []
