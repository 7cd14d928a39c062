import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurra.data.cadences import cadences
from recurra.data.midi import midi_bytes
from recurra.data.music import read_music, read_pieces, split_music, write_piece
from recurra.data.pieces import Piece
from recurra.data.rolls import write_json_roll
from recurra.errors import DataError, UsageError
from tests.places import dataset

PIECES = cadences(40)


def rolls(path: Path, pieces: list[Piece]) -> Path:
    path.write_bytes(write_json_roll(pieces))
    return path


class TestParts:
    def test_missing_parts_are_split_off(self, tmp_path: Path) -> None:
        parts = read_music(rolls(tmp_path / "all.json", PIECES), held_out=0.4)
        sizes = [len(part) for part in (parts.learnt, parts.validation, parts.test)]
        assert sum(sizes) == len(PIECES)
        assert all(sizes)
        assert parts.notes[0].startswith(f"pieces: {sizes[0]} to learn from")

    def test_equal_pieces_stand_on_one_side(self, tmp_path: Path) -> None:
        parts = read_music(rolls(tmp_path / "all.json", [*PIECES, *PIECES]), held_out=0.4)
        sides = [{piece.roll().tobytes() for piece in part} for part in (parts.learnt, parts.validation, parts.test)]
        assert sum(map(len, sides)) == len(set.union(*sides))

    def test_parts_of_a_file_stay(self, tmp_path: Path) -> None:
        every = {name: json.loads(write_json_roll(PIECES[k : k + 3])) for k, name in enumerate(("train", "valid", "test"))}
        (path := tmp_path / "a.json").write_text(json.dumps(every))
        parts = read_music(path)
        for k, part in enumerate((parts.learnt, parts.validation, parts.test)):
            assert all((a.roll() == b.roll()).all() for a, b in zip(part, PIECES[k:], strict=False))

    def test_folders_tell_parts_too(self, tmp_path: Path) -> None:
        for name, pieces in (("train", PIECES[:4]), ("dev", PIECES[4:6]), ("test", PIECES[6:7])):
            (tmp_path / name).mkdir()
            rolls(tmp_path / name / "all.json", pieces)
        parts = read_music(tmp_path)
        assert [len(part) for part in (parts.learnt, parts.validation, parts.test)] == [4, 2, 1]
        assert [name for name, _ in read_pieces(tmp_path)] == [f"{tmp_path}/test/all.json, piece 1"]

    def test_the_fingerprint_knows_the_music_and_not_the_share(self, tmp_path: Path) -> None:
        path = rolls(tmp_path / "all.json", PIECES)
        one, same, other = read_music(path), read_music(path, held_out=0.5), read_music(rolls(path, PIECES[1:]))
        assert one.fingerprint == same.fingerprint
        assert one.fingerprint != other.fingerprint

    def test_as_hundredths_of_a_second(self, tmp_path: Path) -> None:
        parts = read_music(rolls(tmp_path / "all.json", PIECES), 0)
        assert {piece.rate for piece in parts.learnt} == {100}
        assert parts.learnt[0].seconds == pytest.approx(PIECES[0].steps / 8) or len(parts.learnt) < len(PIECES)

    def test_too_few(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"pieces: . to learn from.*wanted at least 2, 1 and 1: give more pieces"):
            read_music(rolls(tmp_path / "all.json", PIECES[:2]))

    def test_a_share(self) -> None:
        with pytest.raises(UsageError, match="held_out"):
            split_music("a", PIECES, 1.5)


class TestFiles:
    def test_midi_in_folders_and_archives(self, tmp_path: Path) -> None:
        pytest.importorskip("symusic")
        (below := tmp_path / "midi" / "below").mkdir(parents=True)
        for k, piece in enumerate(PIECES):
            (below / f"{k:02}.mid").write_bytes(midi_bytes(piece))
        (below / "bad.mid").write_bytes(b"MThd")
        (below / "notes.txt").write_text("not music")
        (below / ".hidden.mid").write_bytes(b"MThd")
        with tarfile.open(tmp_path / "music.tar.gz", "w:gz") as archive:
            archive.add(tmp_path / "midi", "midi")
        folder, archived = (read_music(tmp_path / name, 2, held_out=0.4) for name in ("midi", "music.tar.gz"))
        assert sum(map(len, (folder.learnt, folder.validation, folder.test))) == len(PIECES)
        assert sorted(piece.roll().tobytes() for piece in folder.learnt) == sorted(p.roll().tobytes() for p in archived.learnt)
        assert "1 of the pieces left out; the first: " in folder.notes[1]
        assert "bad.mid: no MIDI that can be read" in folder.notes[1]

    def test_pieces_without_notes_are_left_out(self, tmp_path: Path) -> None:
        silent = Piece.of("a", [], steps=8, rate=8.0)
        parts = read_music(rolls(tmp_path / "all.json", [*PIECES, silent]), held_out=0.4)
        assert "piece 41: no notes in it" in parts.notes[1]

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("no.mid", "no such file or folder"),
            ("text.txt", "of a kind that is not read; wanted .mid, .midi, .abc, .json, .npz"),
            ("empty", "no music in it; wanted .mid"),
        ],
    )
    def test_nothing_to_read(self, name: str, said: str, tmp_path: Path) -> None:
        (tmp_path / "text.txt").write_text("x")
        (tmp_path / "empty").mkdir()
        with pytest.raises(DataError) as caught:
            read_music(tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}: {said}")

    def test_all_silent(self, tmp_path: Path) -> None:
        silent = Piece.of("a", [], steps=8, rate=8.0)
        with pytest.raises(DataError, match="2 pieces, none of which can be read"):
            read_music(rolls(tmp_path / "all.json", [silent, silent]))

    @pytest.mark.data
    @pytest.mark.parametrize(
        ("file", "sizes", "steps"),
        [
            ("jsb_chorales/jsb-chorales-quarter.json.gz", [229, 76, 77], 13_807),
            ("nottingham/Nottingham.json.gz", [694, 173, 170], 176_561),
            ("piano_midi/Piano_midi.json.gz", [87, 12, 25], 75_911),
        ],
    )
    def test_the_sets_of_the_literature(self, file: str, sizes: list[int], steps: int) -> None:
        parts = read_music(dataset(file))
        assert [len(part) for part in (parts.learnt, parts.validation, parts.test)] == sizes
        assert sum(piece.steps for piece in parts.learnt) == steps


class TestWrite:
    def test_kinds(self, tmp_path: Path) -> None:
        pytest.importorskip("symusic")
        for kind, first in ((".mid", b"MThd"), (".wav", b"RIFF"), (".json", b"[[[")):
            write_piece(PIECES[0], path := tmp_path / f"tune{kind}")
            assert path.read_bytes().startswith(first)
        for kind in (".mid", ".json"):
            [(_, again)] = read_pieces(tmp_path / f"tune{kind}", 2)
            assert isinstance(again, Piece)
            assert np.array_equal(again.roll(), PIECES[0].roll())

    def test_another_kind(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"tune\.mp3: of a kind that is not written; wanted \.mid, \.wav, \.json$"):
            write_piece(PIECES[0], tmp_path / "tune.mp3")
        assert not list(tmp_path.iterdir())

    def test_without_the_library(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        gone: Any = None
        monkeypatch.setitem(__import__("sys").modules, "symusic", gone)
        with pytest.raises(UsageError, match=r"pip install 'recurra\[music\]'"):
            write_piece(PIECES[0], tmp_path / "tune.mid")
        write_piece(PIECES[0], tmp_path / "tune.wav")
