import shutil
from pathlib import Path
from typing import Any

import pytest

from recurra.data.midi import midi_bytes, read_abc, read_midi
from recurra.data.pieces import Piece
from recurra.errors import DataError
from tests.places import dataset

symusic = pytest.importorskip("symusic")

NOTES = [(0, 4, 60, 80), (0, 2, 64, 100), (2, 4, 67, 30), (6, 8, 60, 127)]
ABC = "X:1\nT:one\nM:4/4\nL:1/4\nK:C\nC E G c|\n\nX:2\nK:Q\nnothing\n\nX:3\nL:1/4\nK:G\nF2 z2|\n"


def piece(rate: float = 8.0) -> Piece:
    return Piece.of("a", NOTES, steps=8, rate=rate)


def score(*tracks: Any) -> bytes:
    made = symusic.Score(480)
    made.tracks.extend(tracks)
    content: bytes = made.dumps_midi()
    return content


def track(*notes: tuple[int, int, int, int], drums: bool = False) -> Any:
    made = symusic.Track(is_drum=drums)
    for note in notes:
        made.notes.append(symusic.Note(*note))
    return made


class TestMidi:
    @pytest.mark.parametrize(("rate", "grid"), [(8.0, 4), (4.0, 2), (2.0, 1)])
    def test_there_and_back_on_a_grid(self, rate: float, grid: int) -> None:
        found, remarks = read_midi(midi_bytes(piece(rate)), grid, name="a")
        assert list(zip(found.start, found.end, found.pitch, found.velocity, strict=True)) == NOTES
        assert (found.steps, found.rate, remarks) == (8, rate, ())

    def test_in_hundredths_of_a_second(self) -> None:
        found = read_midi(midi_bytes(piece()), 0, name="a").piece
        assert found.start.tolist() == [0, 0, 25, 75]
        assert found.seconds == 1.0

    def test_instruments_become_one_and_percussion_is_left_out(self) -> None:
        content = score(track((0, 480, 60, 80)), track((0, 480, 67, 80)), track((0, 48, 40, 80), (96, 48, 40, 80), drums=True))
        found, remarks = read_midi(content, 4, name="a")
        assert found.pitch.tolist() == [60, 67]
        assert remarks == ("with percussion, which is left out",)

    def test_what_no_piano_has(self) -> None:
        found, remarks = read_midi(score(track((0, 480, 10, 80), (0, 480, 60, 80))), 4, name="a")
        assert found.pitch.tolist() == [60]
        assert remarks == ("with notes that no piano has, which are left out",)
        with pytest.raises(DataError, match=r"^a: none of its notes is a key of a piano$"):
            read_midi(score(track((0, 480, 10, 80))), 4, name="a")

    def test_a_note_shorter_than_a_step_has_one(self) -> None:
        assert read_midi(score(track((0, 1, 60, 80))), 1, name="a").piece.end.tolist() == [1]

    def test_ten_hours_are_read_and_more_steps_than_a_million_are_not(self) -> None:
        hours = read_midi(score(track((10 * 3600 * 960, 480, 60, 80))), 4, name="a").piece
        assert hours.seconds == pytest.approx(36_000, rel=1e-3)
        with pytest.raises(DataError, match=r"^a: notes up to step 3,600,050; wanted 0 to 1,000,000$"):
            read_midi(score(track((10 * 3600 * 960, 480, 60, 80))), 0, name="a")

    def test_no_notes(self) -> None:
        with pytest.raises(DataError, match=r"^a: no notes in it; wanted at least one$"):
            read_midi(score(), 4, name="a")
        with pytest.raises(DataError, match=r"^a: no notes in it but percussion; wanted at least one$"):
            read_midi(score(track((0, 9, 40, 80), drums=True)), 4, name="a")

    @pytest.mark.data
    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("cut_in_track", "no MIDI that can be read (Invalid chunk length 841 (remaining bytes after header: 316))"),
            ("header_only", "no notes in it; wanted at least one"),
            ("track_length_too_big", "no MIDI that can be read (Invalid chunk length 2147483647"),
            ("wrong_magic", "no MIDI that can be read (Invaild midi file! File header is not MThd)"),
            ("zero_bytes", "0 bytes; wanted a MIDI file"),
            ("zero_division", "0 ticks a quarter note; wanted 1 or more"),
        ],
    )
    def test_damaged(self, name: str, said: str) -> None:
        with pytest.raises(DataError) as caught:
            read_midi(dataset(f"noisy_inputs/midi/{name}.mid"), 4)
        assert f"{name}.mid: {said}" in str(caught.value)

    @pytest.mark.data
    def test_a_tune(self) -> None:
        found = read_midi(dataset("noisy_inputs/midi/good.mid"), 4).piece
        assert (len(found), found.steps, found.rate) == (158, 380, 8.0)

    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"no such file"):
            read_midi(tmp_path / "no.mid", 4)


@pytest.mark.skipif(shutil.which("true") is None, reason="programs cannot be run here")
class TestAbc:
    def test_tunes_by_their_names(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        (path := tmp_path / "tunes.abc").write_text(ABC)
        (one, first), (two, second), (_, third) = read_abc(path, 1)
        assert (one, two) == (f"{path}, tune 1", f"{path}, tune 2")
        assert not isinstance(first, DataError)
        assert first.piece.pitch.tolist() == [60, 64, 67, 72]
        assert first.piece.start.tolist() == [0, 1, 2, 3]
        assert isinstance(second, DataError)
        assert str(second) == f"{path}, tune 2: no ABC that can be read; wanted a line K: with its key, and notes after it"
        assert not isinstance(third, DataError)
        assert third.piece.pitch.tolist() == [66]  # of G major
        assert capfd.readouterr() == ("", "")  # the program that reads it says nothing here

    def test_no_tune(self, tmp_path: Path) -> None:
        (path := tmp_path / "tunes.abc").write_text("Once upon a time\n")
        with pytest.raises(DataError, match="no tune in it; wanted ABC, where each begins with a line X:"):
            list(read_abc(path, 1))
