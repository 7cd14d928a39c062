from typing import Any

import numpy as np
import pytest
import torch

from recurra.data.cadences import cadences
from recurra.data.passages import Passages, framed
from recurra.errors import DataError

PIECES = cadences(12)
HOW: dict[str, Any] = {"batch": 4, "window": 16, "seed": 0}


@pytest.mark.parametrize("events", [False, True])
def test_rows_go_on_where_they_were(events: bool) -> None:
    pieces = [piece.timed(100) for piece in PIECES] if events else PIECES
    passages = Passages(pieces, events=events, transpose=4, stretch=0.1 if events else 0.0, **HOW)
    for step in range(2 * passages.per_epoch - 1):
        now, after = passages[step], passages[step + 1]
        assert torch.equal(now.x[:, 1:], now.y[:, :-1])
        assert after.fresh == ((step + 1) % passages.per_epoch == 0)
        if not after.fresh:
            assert torch.equal(after.x[:, 0], now.y[:, -1])


def test_a_batch_depends_on_its_number_alone() -> None:
    one, other = (Passages(PIECES, events=False, transpose=4, **HOW) for _ in range(2))
    last = 3 * one.per_epoch
    for step in (last, 0, last, 1):
        assert all(torch.equal(a, b) for a, b in zip(one[step][:4], other[last - (last - step)][:4], strict=True))


def test_without_changes_an_epoch_is_the_music() -> None:
    passages = Passages(PIECES, events=False, **HOW)
    frames, borders = framed(PIECES, events=False)
    sounding = sum(float(passages[step].x.sum()) for step in range(passages.per_epoch))
    read = passages.per_epoch * passages.batch * 16
    assert sounding == pytest.approx(float(frames.sum()) * read / len(frames), rel=0.05)
    resets = sum(int(passages[step].resets.sum()) for step in range(passages.per_epoch))
    assert abs(resets - borders.sum()) <= 2


def test_borders_are_reset_and_nobody_has_to_foresee_them_in_rolls() -> None:
    passages = Passages(PIECES, events=False, **HOW)
    for step in range(passages.per_epoch):
        batch = passages[step]
        assert not batch.x[batch.resets].any()
        assert not batch.y[~batch.counted].any()
        assert torch.equal(batch.resets[:, 1:], ~batch.counted[:, :-1])


def test_of_events_all_count() -> None:
    batch = Passages([piece.timed(100) for piece in PIECES], events=True, **HOW)[0]
    assert batch.counted.all()
    assert torch.equal(batch.resets, batch.x == 0)


def test_keys_change_from_epoch_to_epoch_and_stay_in_a_piece() -> None:
    [piece] = cadences(1)
    passages = Passages([piece], events=False, batch=1, window=8, seed=0, transpose=6)
    shifts = set()
    for epoch in range(8):
        frames = passages._made(epoch)[0][1:]
        sounds = np.flatnonzero(frames.any(0))
        shift = int(sounds.min() - np.flatnonzero(piece.roll().any(0)).min())
        assert (frames == piece.moved(shift).roll()).all()
        shifts.add(shift)
    assert len(shifts) > 3
    assert all(-6 <= shift <= 6 for shift in shifts)


def test_too_little() -> None:
    with pytest.raises(DataError, match="window=500 wants at least 1000: give more music"):
        Passages(cadences(1), events=False, batch=4, window=500, seed=0)
