import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data import Streams
from recurra.errors import DataError

SIZES = st.tuples(st.integers(41, 400), st.integers(1, 9), st.integers(1, 20), st.integers(0, 3))


def made(sizes: tuple[int, int, int, int]) -> Streams:
    length, batch, window, seed = sizes
    return Streams(np.arange(length), batch, window, seed)


@given(SIZES)
@settings(deadline=None)
def test_rows_continue_and_targets_follow(sizes: tuple[int, int, int, int]) -> None:
    streams = made(sizes)
    last = None
    for step in range(2 * streams.per_epoch + 1):
        x, y, fresh = streams[step]
        assert x.shape == y.shape == (streams.batch, sizes[2])
        assert y.equal(x + 1)
        assert (x[:, 1:] == x[:, :-1] + 1).all()
        assert fresh == (step % streams.per_epoch == 0)
        assert fresh or (last is not None and x[:, 0].equal(last))
        last = y[:, -1]


@given(SIZES)
@settings(deadline=None)
def test_no_symbol_comes_twice_in_an_epoch(sizes: tuple[int, int, int, int]) -> None:
    streams = made(sizes)
    read = torch.cat([streams[step].x.flatten() for step in range(streams.per_epoch)])
    assert len(set(read.tolist())) == len(read)
    assert len(read) > sizes[0] - 1 - sizes[2] - streams.batch * sizes[2]


@pytest.mark.parametrize(("length", "batch", "window"), [(41, 1, 20), (100, 2, 10), (333, 7, 9), (500, 16, 20)])
def test_every_symbol_is_covered_in_time(length: int, batch: int, window: int) -> None:
    streams = Streams(np.arange(length), batch, window, seed=0)
    seen = set[int]()
    for epoch in range(2000):
        for step in range(epoch * streams.per_epoch, (epoch + 1) * streams.per_epoch):
            seen |= set(streams[step].y.flatten().tolist())
    assert seen == set(range(1, length))


def test_epochs_shift() -> None:
    streams = Streams(np.arange(1000), batch=4, window=10, seed=0)
    starts = {int(streams[epoch * streams.per_epoch].x[0, 0]) for epoch in range(20)}
    assert len(starts) > 5


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    one, other = (Streams(np.arange(1000), batch=4, window=10, seed=7) for _ in range(2))
    torch.manual_seed(1)
    for step in (200, 3, 77, 200):
        np.random.seed(step)
        torch.rand(step)
        assert one[step].x.equal(other[step].x)
    another = Streams(np.arange(1000), batch=4, window=10, seed=8)
    assert any(not one[step].x.equal(another[step].x) for step in range(0, 200, one.per_epoch))


def test_symbols_are_the_ones_given() -> None:
    ids = np.random.default_rng(0).integers(50, size=300)
    x, y, _ = Streams(ids, batch=3, window=8, seed=0)[5]
    text = ids.tolist()
    for row, after in zip(x.tolist(), y.tolist(), strict=True):
        assert any(text[i : i + 8] == row and text[i + 1 : i + 9] == after for i in range(292))


@pytest.mark.parametrize(("length", "window"), [(0, 1), (2, 1), (40, 20), (128, 64)])
def test_too_short(length: int, window: int) -> None:
    with pytest.raises(DataError) as caught:
        Streams(np.arange(length), 16, window, 0)
    assert str(caught.value) == (
        f"{length} symbols to learn from; window={window} wants at least {2 * window + 1}: give more text"
    )


@pytest.mark.parametrize("window", [1, 20, 64])
def test_just_long_enough(window: int) -> None:
    streams = Streams(np.arange(2 * window + 1), 16, window, 0)
    assert (streams.batch, streams.per_epoch) == (1, 1)
    assert streams[9].x.shape == (1, window)


def test_the_batch_is_smaller_where_the_text_is_short() -> None:
    assert Streams(np.arange(100), batch=16, window=20, seed=0).batch == 3
