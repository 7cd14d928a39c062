import numpy as np

from recurra.data.cadences import CHORDS, STEPS, VOICES, cadences


def test_a_seed_says_all() -> None:
    one, same, other = (cadences(5, seed=seed) for seed in (3, 3, 4))
    assert all((a.roll() == b.roll()).all() for a, b in zip(one, same, strict=True))
    assert not all(a.steps == b.steps and (a.roll() == b.roll()).all() for a, b in zip(one, other, strict=True))


def test_four_voices_sound_at_every_step() -> None:
    for piece in cadences(30):
        assert piece.steps % (STEPS * CHORDS) == 0
        sounding = piece.roll().sum(1)
        assert (sounding == len(VOICES)).all()


def test_phrases_close_on_the_dominant_and_the_tonic() -> None:
    for piece in cadences(20):
        roll = piece.roll()
        bass = [int(np.flatnonzero(roll[step]).min()) for step in range(piece.steps)]
        closes = range(STEPS * CHORDS - 1, piece.steps, STEPS * CHORDS)
        tonic = {bass[step] % 12 for step in closes}
        assert len(tonic) == 1
        assert {(bass[step - STEPS] - bass[step]) % 12 for step in closes} == {7}


def test_most_pieces_are_alone() -> None:
    pieces = cadences(100)
    assert len({piece.roll().tobytes() for piece in pieces}) == 100
