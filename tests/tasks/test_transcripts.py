import numpy as np
import pytest
import torch

from recurra.data import Ragged, Transcribed
from recurra.losses import frames_wanted
from recurra.tasks import framewise, transcripts


def some() -> Transcribed:
    inputs = Ragged.of_vectors([np.full((k + 1, 2), k) for k in range(5)], 2)
    return Transcribed("some.tsv", inputs, ["ab", "ab", "abc", "xyz", "abd"], [1, 2, 4, 5, 9])


def test_pieces_are_taken_with_all_that_is_told_of_them() -> None:
    found = some().take([3, 0])
    assert (found.texts, found.lines, found.inputs.lengths.tolist()) == (["xyz", "ab"], [5, 1], [4, 1])
    assert found.inputs.row(0).tolist() == [[3, 3]] * 4


def test_naive_texts() -> None:
    asked = some().take([0, 3])
    assert transcripts.naive(some(), asked) == {"most frequent text": ["ab"] * 2, "text nearest to all": ["ab"] * 2}


def test_frames_that_targets_take() -> None:
    rows = [[1, 1, 2], [], [2, 2, 2], [2], [3, 3]]
    targets = Ragged.of(rows)
    wanted = framewise.frames_of(targets)
    assert wanted.tolist() == [4, 0, 5, 1, 3]
    padded = torch.from_numpy(targets.padded(np.arange(5)))
    assert frames_wanted(padded, torch.from_numpy(targets.lengths)).tolist() == wanted.tolist()


@pytest.mark.parametrize("unknown", [True, False])
def test_the_unknown_symbol_is_never_said(unknown: bool) -> None:
    frames = torch.tensor([[0.7, 0.2, 0.1] if unknown else [0.1, 0.7, 0.2]]).log()[None]
    kept = framewise.sayable(frames)
    assert kept[0, 0, 0] == -torch.inf
    assert torch.equal(kept[0, 0, 1:], frames[0, 0, 1:])
