import numpy as np

from recurra.data.scribbles import STROKES, scribbles


def test_a_seed_says_all() -> None:
    one, same, other = (scribbles(20, seed=seed) for seed in (1, 1, 2))
    assert all(a.text == b.text and np.array_equal(a.moves, b.moves) for a, b in zip(one, same, strict=True))
    assert [a.text for a in one] != [b.text for b in other]


def test_a_number_has_the_strokes_of_its_digits() -> None:
    for drawing in scribbles(50):
        assert len(drawing.strokes()) == sum(len(STROKES[digit]) for digit in drawing.text)
        assert sum(map(len, drawing.strokes())) == sum(len(points) for digit in drawing.text for points in STROKES[digit])
        assert drawing.moves[-1, 2] == 1


def test_digits_go_to_the_right() -> None:
    for drawing in scribbles(50):
        if len(drawing.text) > 1:
            first, *_, last = drawing.strokes()
            assert last.mean(0)[0] > first.mean(0)[0]


def test_no_two_hands_are_the_same() -> None:
    ones = [drawing.moves.tobytes() for drawing in scribbles(400) if drawing.text == "1"]
    assert len(ones) == len(set(ones)) > 3
