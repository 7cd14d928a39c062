import numpy as np
import pytest

from recurra.data.pieces import KEYS, LOWEST, Piece, pitch_name
from recurra.errors import DataError, ShapeError


def roll(steps: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((steps, KEYS)) < 0.1).astype(np.uint8)


class TestRolls:
    @pytest.mark.parametrize("steps", [0, 1, 2, 50])
    def test_there_and_back(self, steps: int) -> None:
        given = roll(steps)
        piece = Piece.of_roll("a", given, 4.0)
        assert (piece.roll() == given).all()
        assert piece.steps == steps
        assert piece.seconds == steps / 4

    def test_notes_are_as_long_as_they_can_be(self) -> None:
        given = np.zeros((5, KEYS))
        given[1:4, 3] = 1
        piece = Piece.of_roll("a", given, 1.0)
        assert (piece.start.tolist(), piece.end.tolist(), piece.pitch.tolist()) == ([1], [4], [LOWEST + 3])

    def test_notes_are_in_the_order_of_their_starts_then_pitches(self) -> None:
        piece = Piece.of_roll("a", roll(60), 1.0)
        keys = list(zip(piece.start.tolist(), piece.pitch.tolist(), strict=True))
        assert keys == sorted(keys)

    @pytest.mark.parametrize("shape", [(3,), (3, 87), (3, 88, 1)])
    def test_other_shapes(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ShapeError, match=r"wanted \(steps, 88\)"):
            Piece.of_roll("a", np.zeros(shape), 1.0)

    def test_a_note_struck_again_at_once_is_one_in_a_roll(self) -> None:
        piece = Piece.of("a", [(0, 2, 60, 80), (2, 4, 60, 80)], steps=4, rate=1.0)
        assert len(piece) == 2
        assert len(Piece.of_roll("a", piece.roll(), 1.0)) == 1


class TestChanges:
    def test_moved_as_far_as_the_keys_go(self) -> None:
        piece = Piece.of_roll("a", roll(20), 1.0)
        down, up = piece.room()
        assert piece.moved(-down).pitch.min() == LOWEST
        assert piece.moved(up).pitch.max() == LOWEST + KEYS - 1
        for too_far in (-down - 1, up + 1):
            with pytest.raises(DataError, match="leaves the keys"):
                piece.moved(too_far)

    def test_without_notes_there_is_no_room(self) -> None:
        assert Piece.of("a", [], steps=3, rate=1.0).room() == (0, 0)

    def test_stretched(self) -> None:
        piece = Piece.of("a", [(0, 1, 60, 80), (1, 4, 62, 80)], steps=4, rate=2.0)
        longer, shorter = piece.stretched(2.0), piece.stretched(0.1)
        assert (longer.start.tolist(), longer.end.tolist(), longer.steps) == ([0, 2], [2, 8], 8)
        assert (shorter.end > shorter.start).all()

    def test_timed_takes_as_long(self) -> None:
        piece = Piece.of("a", [(0, 4, 60, 80)], steps=8, rate=8.0)
        timed = piece.timed(100)
        assert timed.seconds == piece.seconds == 1.0
        assert timed.end.tolist() == [50]
        assert piece.timed(8.0) is piece

    def test_an_opening_cuts_what_sounds_on(self) -> None:
        piece = Piece.of("a", [(0, 10, 60, 80), (4, 6, 62, 80), (5, 8, 64, 80)], steps=10, rate=1.0)
        opening = piece.opening(5)
        assert (opening.roll() == piece.roll()[:5]).all()
        assert opening.pitch.tolist() == [60, 62]
        assert piece.opening(99).steps == 10


def test_what_it_says() -> None:
    piece = Piece.of("a", [(0, 2, 60, 80), (0, 1, 64, 80)], steps=3, rate=1.0)
    assert str(piece) == "C4 E4 | C4 | -"
    assert len(str(Piece.of("a", [], steps=20, rate=1.0)).splitlines()) == 3


def test_names_of_pitches() -> None:
    assert [pitch_name(pitch) for pitch in (21, 60, 61, 69, 108)] == ["A0", "C4", "C#4", "A4", "C8"]
