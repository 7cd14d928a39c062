from itertools import groupby, product

import pytest
import torch
from torch import Tensor

from recurra.errors import DataError, ShapeError
from recurra.losses import align, ctc, frames_wanted
from tests.tolerance import close, equal

LENGTHS = torch.tensor([5, 4, 3, 0, 2])
TARGETS = [[1, 1, 0], [2], [], [], [0, 2]]
BLANK = 3


def logits() -> Tensor:
    return torch.randn(5, 5, BLANK + 1, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def padded() -> tuple[Tensor, Tensor]:
    rows = [torch.tensor(row, dtype=torch.long) for row in TARGETS]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=99), torch.tensor(
        [len(row) for row in TARGETS]
    )


def said(path: tuple[int, ...]) -> list[int]:
    return [symbol for symbol, _ in groupby(path) if symbol != BLANK]


def ways(row: int) -> list[tuple[tuple[int, ...], Tensor]]:
    """Every path that says the target of a row, with its log-probability."""
    each, steps = logits().log_softmax(-1)[row], int(LENGTHS[row])
    paths = (path for path in product(range(BLANK + 1), repeat=steps) if said(path) == TARGETS[row])
    return [(path, sum((each[t, k] for t, k in enumerate(path)), torch.zeros((), dtype=torch.float64))) for path in paths]


def test_all_ways_are_summed() -> None:
    found = ctc(logits().log_softmax(-1), LENGTHS, *padded())
    close(-found, torch.stack([torch.stack([score for _, score in ways(row)]).logsumexp(0) for row in range(5)]))


def test_gradients() -> None:
    targets = padded()
    x = logits().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ctc(x.log_softmax(-1), LENGTHS, *targets), (x,))
    ctc(x.log_softmax(-1), LENGTHS, *targets).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert not x.grad[~torch.tensor([[t < n for t in range(5)] for n in LENGTHS])].any()


def test_what_stands_behind_rows_does_not_matter() -> None:
    targets, lengths = padded()
    changed = logits()
    changed[2, 3:] = 100
    equal(ctc(changed.log_softmax(-1), LENGTHS, targets, lengths), ctc(logits().log_softmax(-1), LENGTHS, targets, lengths))


def test_the_best_way() -> None:
    places, scores = align(logits().log_softmax(-1), LENGTHS, *padded())
    for row, found in enumerate(places.tolist()):
        best, score = max(ways(row), key=lambda way: float(way[1]))
        symbols = [BLANK if place < 0 else TARGETS[row][place] for place in found[: LENGTHS[row]]]
        assert tuple(symbols) == best
        assert set(found[LENGTHS[row] :]) <= {-1}
        close(scores[row], score)
        kept = [place for place, _ in groupby(found) if place >= 0]
        assert kept == list(range(len(TARGETS[row])))


def test_frames_that_a_target_takes() -> None:
    targets = torch.tensor([[1, 1, 1, 2], [1, 1, 7, 7]])
    assert frames_wanted(targets, torch.tensor([4, 2])).tolist() == [6, 3]
    assert frames_wanted(targets[:, :0]).tolist() == [0, 0]
    even = torch.zeros(2, 6, 9).log_softmax(-1)
    assert ctc(even, torch.tensor([6, 3]), targets, torch.tensor([4, 2])).isfinite().all()


@pytest.mark.parametrize(
    ("frames", "message"), [([3, 2], "row 0: a target of 3 symbols, equal"), ([4, 1], "row 1: a target of 2 s")]
)
def test_what_does_not_fit_is_refused(frames: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        ctc(
            torch.zeros(2, 4, 9).log_softmax(-1),
            torch.tensor(frames),
            torch.tensor([[1, 1, 2], [1, 2, 0]]),
            torch.tensor([3, 2]),
        )


def test_shapes() -> None:
    one = torch.ones(1, dtype=torch.long)
    even = torch.zeros(1, 4, 3)
    for bad in (
        (even[0], one, one[None], one),
        (even, one, one, one),
        (even, one, 2 * one[None], one),
        (even, 5 * one, one[None], one),
        (even, one, one[None], 2 * one),
    ):
        with pytest.raises(ShapeError):
            ctc(*bad)
