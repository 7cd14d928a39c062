import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recurra import lengths as ragged
from recurra.errors import ShapeError


@st.composite
def batches(draw: st.DrawFn) -> tuple[int, Tensor | None]:
    """A number of steps, and lengths up to it, or none."""
    steps = draw(st.integers(1, 6))
    lengths = draw(st.none() | st.lists(st.integers(0, steps), min_size=1, max_size=4))
    dtype = draw(st.sampled_from([torch.int64, torch.int32, torch.uint8]))
    return steps, None if lengths is None else torch.tensor(lengths, dtype=dtype)


def rows_of(steps: int, lengths: Tensor | None) -> list[int]:
    return [steps] * 3 if lengths is None else lengths.tolist()


@given(batches())
def test_reverse_is_its_own_inverse(batch: tuple[int, Tensor | None]) -> None:
    steps, lengths = batch
    x = torch.randn(len(rows_of(steps, lengths)), steps, 2)
    assert torch.equal(ragged.reverse(ragged.reverse(x, lengths), lengths), x)


@given(batches(), st.sampled_from([(), (2,), (2, 1, 3)]))
def test_reverse_by_hand(batch: tuple[int, Tensor | None], tail: tuple[int, ...]) -> None:
    steps, lengths = batch
    rows = rows_of(steps, lengths)
    x = torch.randn(len(rows), steps, *tail)
    slow = [torch.cat([row[:length].flip(0), row[length:]]) for row, length in zip(x, rows, strict=True)]
    assert torch.equal(ragged.reverse(x, lengths), torch.stack(slow))


@given(batches(), st.data())
def test_reverse_resets_by_hand(batch: tuple[int, Tensor | None], data: st.DataObject) -> None:
    steps, lengths = batch
    rows = rows_of(steps, lengths)
    flags = st.lists(st.booleans(), min_size=steps, max_size=steps)
    resets = torch.tensor([data.draw(flags) for _ in rows])
    seen = ragged.reverse_resets(resets, lengths)
    for row, length in enumerate(rows):
        borders = {t for t in range(1, length) if resets[row, t]}  # a border lies between steps t - 1 and t
        mirrored = {t for t in range(1, length) if seen[row, t]}
        assert mirrored == {length - t for t in borders}


@given(batches())
def test_mask_and_cut(batch: tuple[int, Tensor | None]) -> None:
    steps, lengths = batch
    if lengths is None:
        return
    slow = [[t < length for t in range(steps)] for length in lengths.tolist()]
    assert ragged.mask(lengths, steps).tolist() == slow
    x = torch.ones(len(lengths), steps, 2, 3)
    assert ragged.cut(x, lengths)[..., 0, 0].bool().tolist() == slow


def test_cut_keeps_nan_out_of_values_and_gradients() -> None:
    x = torch.tensor([[1.0, torch.nan], [torch.inf, torch.nan]], requires_grad=True)
    y = ragged.cut(x, torch.tensor([1, 0]))
    torch.autograd.backward(y.sum())
    assert y.tolist() == [[1, 0], [0, 0]]
    assert x.grad is not None
    assert x.grad.tolist() == [[1, 0], [0, 0]]


X = torch.zeros(2, 5, 3)


@pytest.mark.parametrize(
    ("lengths", "says"),
    [
        (torch.tensor([1]), r"lengths is (1,) of torch.int64; wanted (2,) of whole numbers"),
        (torch.tensor([[1, 2]]), r"lengths is (1, 2) of torch.int64; wanted (2,) of whole numbers"),
        (torch.tensor([1.0, 2.0]), r"lengths is (2,) of torch.float32; wanted (2,) of whole numbers"),
        (torch.tensor([True, False]), r"lengths is (2,) of torch.bool; wanted (2,) of whole numbers"),
        (torch.tensor([1j, 0]), r"lengths is (2,) of torch.complex64; wanted (2,) of whole numbers"),
        (torch.tensor([1, 6]), r"lengths run from 1 to 6; wanted 0 to 5, the steps of x"),
        (torch.tensor([-1, 5]), r"lengths run from -1 to 5; wanted 0 to 5, the steps of x"),
    ],
)
def test_lengths_that_do_not_fit(lengths: Tensor, says: str) -> None:
    with pytest.raises(ShapeError) as caught:
        ragged.check(X, lengths, None)
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("resets", "says"),
    [
        (torch.zeros(2, 4, dtype=torch.bool), "resets is (2, 4) of torch.bool; wanted (2, 5) of torch.bool"),
        (torch.zeros(2, 5), "resets is (2, 5) of torch.float32; wanted (2, 5) of torch.bool"),
    ],
)
def test_resets_that_do_not_fit(resets: Tensor, says: str) -> None:
    with pytest.raises(ShapeError) as caught:
        ragged.check(X, None, resets)
    assert str(caught.value) == says


def test_what_fits_passes() -> None:
    ragged.check(X, None, None)
    ragged.check(X, torch.tensor([0, 5], dtype=torch.int32), torch.zeros(2, 5, dtype=torch.bool))
    ragged.check(X[:0], torch.tensor([], dtype=torch.long), torch.zeros(0, 5, dtype=torch.bool))
