import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurra.data.pieces import KEYS, LOWEST
from recurra.data.rolls import read_array_rolls, read_json_rolls, write_json_roll
from recurra.errors import DataError

STEPS = [[60, 64, 67], [], [60.0]]


def written(folder: Path, found: Any) -> Path:
    (path := folder / "music.json").write_text(json.dumps(found))
    return path


class TestJson:
    def test_parts_by_their_names(self, tmp_path: Path) -> None:
        read = read_json_rolls(written(tmp_path, {"train": [STEPS, STEPS], "valid": [STEPS], "test": []}), 8.0)
        assert {part: len(pieces) for part, pieces in read.items()} == {"train": 2, "validation": 1, "test": 0}
        piece = read["train"][0]
        assert np.flatnonzero(piece.roll()[0] + 0).tolist() == [39, 43, 46]
        assert piece.roll().sum(1).tolist() == [3, 0, 1]
        assert (piece.steps, piece.rate) == (3, 8.0)

    def test_a_list_is_to_be_learnt_from(self, tmp_path: Path) -> None:
        assert list(read_json_rolls(written(tmp_path, [STEPS]), 8.0)) == [""]

    def test_voices_with_silence_below_zero(self, tmp_path: Path) -> None:
        [piece] = read_json_rolls(written(tmp_path, [[[60, -1, 48, -1], [62, -1, -1, -1]]]), 8.0)[""]
        assert piece.pitch.tolist() == [48, 60, 62]

    def test_packed(self, tmp_path: Path) -> None:
        (path := tmp_path / "music.json.gz").write_bytes(gzip.compress(json.dumps([STEPS]).encode()))
        assert len(read_json_rolls(path, 8.0)[""]) == 1

    def test_there_and_back(self, tmp_path: Path) -> None:
        [piece] = read_json_rolls(written(tmp_path, [STEPS]), 8.0)[""]
        (path := tmp_path / "again.json").write_bytes(write_json_roll([piece]))
        [again] = read_json_rolls(path, 8.0)[""]
        assert (again.roll() == piece.roll()).all()

    @pytest.mark.parametrize(
        ("found", "said"),
        [
            (3, "int; wanted a list of pieces, or an object with one for each part"),
            ({"songs": [STEPS]}, "songs: no part of this name is known; wanted train, valid or test"),
            ({"train": {}}, "train: dict; wanted a list of pieces"),
            ([7], "piece 1: int; wanted a list of steps"),
            ([STEPS, [["C4"]]], "piece 2, step 1: C4; wanted pitches, which are whole numbers"),
            ([[[60.5]]], "piece 1, step 1: 60.5; wanted pitches, which are whole numbers"),
            ([[[True]]], "piece 1, step 1: True; wanted pitches, which are whole numbers"),
            ([[[60], [20]]], "piece 1, step 2: pitch 20; wanted 21 to 108, the keys of a piano"),
            ([[[float("nan")]]], "piece 1, step 1: nan; wanted pitches, which are whole numbers"),
        ],
    )
    def test_another_form(self, found: Any, said: str, tmp_path: Path) -> None:
        with pytest.raises(DataError) as caught:
            read_json_rolls(written(tmp_path, found), 8.0)
        assert str(caught.value).endswith(said)

    def test_no_json(self, tmp_path: Path) -> None:
        (path := tmp_path / "music.json").write_text("[[[60]")
        with pytest.raises(DataError, match=r"no JSON .*; wanted lists of pieces, of steps, of pitches$"):
            read_json_rolls(path, 8.0)

    def test_deep(self, tmp_path: Path) -> None:
        (path := tmp_path / "music.json").write_text("[" * 100_000)
        with pytest.raises(DataError, match="no JSON"):
            read_json_rolls(path, 8.0)


class TestArrays:
    def test_88_and_128_and_parts(self, tmp_path: Path) -> None:
        keys, pitches = np.zeros((4, KEYS)), np.zeros((3, 128), bool)
        keys[2, 0], pitches[1, LOWEST + 5] = 0.5, True
        np.savez(path := tmp_path / "a.npz", train_1=keys, valid_1=keys, test_1=pitches, other=keys)
        read = read_array_rolls(path, 4.0)
        assert {part: len(pieces) for part, pieces in read.items()} == {"train": 1, "validation": 1, "test": 1, "": 1}
        assert read["test"][0].pitch.tolist() == [LOWEST + 5]
        assert read["train"][0].start.tolist() == [2]

    @pytest.mark.parametrize(
        ("array", "said"),
        [
            (np.zeros(3), r"float64 of shape \(3,\); wanted numbers of shape \(steps, 88 or 128\)"),
            (np.zeros((3, 87)), r"shape \(3, 87\)"),
            (np.full((3, 88), "x"), "wanted numbers"),
            (np.eye(128), "pitch 0; wanted 21 to 108, the keys of a piano"),
            (np.full((3, 88), np.nan), "a number that is not finite, at step 1"),
        ],
    )
    def test_other_arrays(self, array: Any, said: str, tmp_path: Path) -> None:
        np.savez(path := tmp_path / "a.npz", array)
        with pytest.raises(DataError, match=said):
            read_array_rolls(path, 4.0)

    def test_objects_are_not_read(self, tmp_path: Path) -> None:
        np.savez(path := tmp_path / "a.npz", np.array([{}, 1], dtype=object))
        with pytest.raises(DataError, match="no arrays that can be read"):
            read_array_rolls(path, 4.0)

    def test_no_arrays(self, tmp_path: Path) -> None:
        (path := tmp_path / "a.npz").write_bytes(b"PK\x03\x04nothing")
        with pytest.raises(DataError, match="no arrays that can be read"):
            read_array_rolls(path, 4.0)
        with pytest.raises(DataError, match="no such file"):
            read_array_rolls(tmp_path / "b.npz", 4.0)
