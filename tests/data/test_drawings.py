import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurra.data.drawings import Drawing, all_drawings, move_scale, read_drawings, split_drawings
from recurra.data.scribbles import scribbles
from recurra.errors import DataError, UsageError
from tests.places import dataset

DRAWINGS = scribbles(60)


def ink(path: Path, drawings: list[Drawing]) -> Path:
    lines = ({"strokes": [stroke.tolist() for stroke in one.strokes()], "text": one.text} for one in drawings)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


class TestDrawing:
    def test_strokes_there_and_back(self) -> None:
        for drawing in DRAWINGS[:20]:
            again = Drawing.of_strokes(drawing.strokes())
            assert np.allclose(again.moves, drawing.moves, atol=1e-3)

    def test_a_first_stroke_of_one_point_stays_a_point(self) -> None:
        drawing = Drawing.of_strokes([np.array([[5, 5]]), np.array([[6, 5], [7, 5]])])
        assert drawing.moves.tolist() == [[0, 0, 1], [1, 0, 0], [1, 0, 1]]

    def test_nothing(self) -> None:
        assert Drawing.of_strokes([]).moves.shape == (0, 3)


class TestRead:
    def test_ink(self, tmp_path: Path) -> None:
        parts = read_drawings(ink(tmp_path / "a.jsonl", DRAWINGS), held_out=0.4)
        together = [*parts.learnt, *parts.validation, *parts.test]
        assert sorted(one.text for one in together) == sorted(one.text for one in DRAWINGS)
        assert all((parts.learnt, parts.validation, parts.test))
        assert parts.notes[0].startswith(f"drawings: {len(parts.learnt)} to learn from")

    def test_sketches_with_parts(self, tmp_path: Path) -> None:
        moves = [one.moves for one in DRAWINGS]
        arrays: dict[str, Any] = {}
        for part, some in (("train", moves[:40]), ("valid", moves[40:50]), ("test", moves[50:])):
            arrays |= {f"{part}_points": np.concatenate(some), f"{part}_offsets": np.cumsum([0, *map(len, some)])}
        np.savez(tmp_path / "numbers.npz", **arrays)
        parts = read_drawings(tmp_path / "numbers.npz")
        assert [len(part) for part in (parts.learnt, parts.validation, parts.test)] == [40, 10, 10]
        assert np.array_equal(parts.test[3].moves, moves[53])
        assert {one.text for one in parts.learnt} == {"numbers"}
        assert len(all_drawings(tmp_path / "numbers.npz")) == 10

    def test_folders_tell_parts_and_files_classes(self, tmp_path: Path) -> None:
        for part, some in (("train", DRAWINGS[:40]), ("test", DRAWINGS[40:])):
            (tmp_path / part).mkdir()
            ink(tmp_path / part / "ink.jsonl", some)
        parts = read_drawings(tmp_path, held_out=0.5)
        assert len(parts.test) == 20
        assert len(parts.learnt) + len(parts.validation) == 40

    def test_what_is_no_drawing_is_left_out_and_told(self, tmp_path: Path) -> None:
        arrays: dict[str, Any] = {
            "points": np.concatenate([one.moves for one in DRAWINGS]),
            "offsets": np.cumsum([0, *(len(o.moves) for o in DRAWINGS)]),
        }
        arrays["points"][0, 0] = np.nan
        start, end = arrays["offsets"][1:3]
        arrays["points"][start:end, :2] = 0
        np.savez(tmp_path / "numbers.npz", **arrays)
        parts = read_drawings(tmp_path / "numbers.npz", held_out=0.4)
        assert parts.notes[1:] == (
            "1 drawing with moves that are no numbers: left out",
            "1 drawing of a single point: left out",
        )
        assert len(all_drawings(tmp_path / "numbers.npz")) == len(DRAWINGS) - 2

    @pytest.mark.parametrize(
        ("arrays", "said"),
        [
            ({"points": np.zeros((4, 2)), "offsets": np.array([0, 4])}, r"array points: float64 of shape \(4, 2\); wanted"),
            ({"points": np.zeros((4, 3))}, "wanted .points, 3., and offsets"),
            (
                {"points": np.zeros((4, 3)), "offsets": np.array([0, 3, 2])},
                "array offsets: wanted whole numbers that do not fall",
            ),
            ({"points": np.zeros((4, 3)), "offsets": np.array([0, 9])}, "array offsets: wanted places from 0 to 4"),
            ({"x": np.zeros(3)}, "arrays x; wanted points and offsets"),
        ],
    )
    def test_other_arrays(self, arrays: dict[str, Any], said: str, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", **arrays)
        with pytest.raises(DataError, match=said):
            read_drawings(tmp_path / "a.npz")

    def test_nothing_to_read(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no drawings in it; wanted"):
            read_drawings(tmp_path)
        with pytest.raises(DataError, match="no such file"):
            read_drawings(tmp_path / "no.jsonl")
        (tmp_path / "a.npz").write_bytes(b"PK\x03\x04nothing")
        with pytest.raises(DataError, match="no arrays that can be read"):
            read_drawings(tmp_path / "a.npz")

    def test_the_fingerprint_knows_drawings_and_texts(self, tmp_path: Path) -> None:
        one, same = (read_drawings(ink(tmp_path / "a.jsonl", DRAWINGS), held_out=share) for share in (0.3, 0.5))
        other = read_drawings(ink(tmp_path / "a.jsonl", [DRAWINGS[0]._replace(text="x"), *DRAWINGS[1:]]))
        assert one.fingerprint == same.fingerprint
        assert one.fingerprint != other.fingerprint
        with pytest.raises(UsageError, match="held_out"):
            split_drawings("a", DRAWINGS, 1.0)

    @pytest.mark.data
    def test_the_sets_that_are_there(self) -> None:
        parts = read_drawings(dataset("sketch_strokes/short_kanji.npz"))
        assert [len(part) for part in (parts.learnt, parts.validation, parts.test)] == [10_000, 600, 500]


def test_the_scale_is_that_of_all_moves() -> None:
    moves = np.concatenate([one.moves[:, :2] for one in DRAWINGS])
    assert move_scale(DRAWINGS) == pytest.approx(moves.std(), rel=1e-5)
    assert move_scale([Drawing(np.zeros((2, 3), np.float32))]) == 1.0
