import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recurra.data.events import BORDER, EVENTS, event_name, events_of, piece_of
from recurra.data.pieces import KEYS, LOWEST, Piece

EVERY = st.lists(st.integers(0, EVENTS - 1), max_size=60)


def chance(seed: int) -> Piece:
    roll = np.random.default_rng(seed).random((300, KEYS)) < 0.02
    return Piece.of_roll("a", roll, 100)


def test_there_and_back() -> None:
    for seed in range(5):
        piece = chance(seed)
        again = piece_of(events_of(piece))
        assert again.start.tolist() == piece.start.tolist()
        assert again.end.tolist() == piece.end.tolist()
        assert again.pitch.tolist() == piece.pitch.tolist()
        assert np.abs(again.velocity - piece.velocity).max() <= 4


def test_a_note_struck_again_at_once_stays_two() -> None:
    piece = Piece.of("a", [(0, 2, 60, 80), (2, 4, 60, 80)], steps=4, rate=100)
    assert piece_of(events_of(piece)).start.tolist() == [0, 2]


def test_no_event_is_a_border_and_all_are_known() -> None:
    events = events_of(chance(0))
    assert events.min() > BORDER
    assert events.max() < EVENTS


def test_every_event_has_a_name_of_its_own() -> None:
    assert len({event_name(event) for event in range(EVENTS)}) == EVENTS


def test_levels_stand_where_they_change() -> None:
    piece = Piece.of("a", [(0, 1, 60, 80), (1, 2, 62, 81), (2, 3, 64, 100)], steps=3, rate=100)
    names = [event_name(event) for event in events_of(piece).tolist()]
    assert [name for name in names if name.startswith("velocity")] == ["velocity 80", "velocity 100"]


def test_no_notes_are_no_events() -> None:
    assert len(events_of(Piece.of("a", [], steps=5, rate=100))) == 0


@given(EVERY)
def test_any_events_are_a_piece(events: list[int]) -> None:
    piece = piece_of(events)
    assert (piece.end > piece.start).all()
    assert (piece.start >= 0).all()
    assert piece.steps >= max([1, *piece.end.tolist()])
    assert ((piece.pitch >= LOWEST) & (piece.pitch < LOWEST + KEYS)).all()
    assert ((piece.velocity >= 1) & (piece.velocity <= 127)).all()
