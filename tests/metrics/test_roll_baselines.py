import math

import numpy as np
import pytest

from recurra.data import read_music
from recurra.metrics.roll_baselines import roll_baselines
from tests.places import dataset


def test_by_hand() -> None:
    learnt = [np.array([[1], [1], [0], [1]])]  # followed by 1, 0, 1
    alone, after = roll_baselines(learnt).values()
    asked = [np.array([[1], [0], [0]])]
    assert alone(asked) == pytest.approx([-math.log(2 / 5)] * 2)
    assert after(asked) == pytest.approx([-math.log(1 - 2 / 4), -math.log(1 - 2 / 3)])


def test_first_steps_follow_nothing() -> None:
    rolls = [np.eye(3), np.eye(3)[:1]]
    assert all(len(nats(rolls)) == 2 for nats in roll_baselines(rolls).values())


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "alone", "after"),
    [
        ("jsb_chorales/jsb-chorales-quarter.json.gz", 11.06, 10.49),
        ("nottingham/Nottingham.json.gz", 10.25, 5.15),
        ("piano_midi/Piano_midi.json.gz", 11.05, 8.26),
    ],
)
def test_as_the_literature_has_them(file: str, alone: float, after: float) -> None:
    parts = read_music(dataset(file))
    found = roll_baselines([piece.roll() for piece in parts.learnt])
    asked = [piece.roll() for piece in parts.test]
    assert [float(nats(asked).mean()) for nats in found.values()] == pytest.approx([alone, after], abs=0.04)
