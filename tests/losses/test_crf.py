import math
from itertools import product

import pytest
import torch
from torch import Tensor

from recurra.data import label_tags, transitions
from recurra.errors import ShapeError
from recurra.losses import CRF

LABELS = 3
ALLOWED = torch.tensor([[1, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 0], [1, 1, 0, 1]], dtype=torch.bool)


def made(allowed: Tensor | None = None, labels: int = LABELS) -> CRF:
    torch.manual_seed(0)
    crf = CRF(labels, allowed).double()
    torch.nn.init.normal_(crf.weight)
    return crf


def paths(crf: CRF, scores: Tensor, allowed: Tensor) -> dict[tuple[int, ...], float]:
    """The score of every sequence that is allowed, of scores (T, K), added up one step after the other."""
    found, border = {}, crf.labels
    for path in product(range(border), repeat=len(scores)):
        steps = list(zip((border, *path), (*path, border), strict=True))
        if all(allowed[step] for step in steps):
            own = sum(scores[t, label].item() for t, label in enumerate(path))
            found[path] = own + sum(crf.weight[step].item() for step in steps)
    return found


@pytest.mark.parametrize("allowed", [None, ALLOWED], ids=["free", "constrained"])
def test_everything_is_as_of_all_sequences(allowed: Tensor | None) -> None:
    crf, lengths = made(allowed), torch.tensor([4, 1, 3, 0])
    scores = 2 * torch.randn(4, 4, LABELS, dtype=torch.float64)
    free = torch.ones(LABELS + 1, LABELS + 1, dtype=torch.bool) if allowed is None else allowed
    partition, (best, totals) = crf.log_partition(scores, lengths), crf.decode(scores, lengths)
    marginals = crf.marginals(scores, lengths)
    for row, length in enumerate(lengths.tolist()[:3]):
        every = paths(crf, scores[row, :length], free)
        log_z = math.log(sum(map(math.exp, every.values())))
        assert partition[row].item() == pytest.approx(log_z, rel=1e-12)
        top = max(every, key=lambda path: every[path])
        assert (*best[row, :length].tolist(),) == top
        assert totals[row].item() == pytest.approx(every[top])
        for path in (top, min(every, key=lambda path: every[path])):
            labels = torch.zeros(1, 4, dtype=torch.long)
            labels[0, :length] = torch.tensor(path)
            nats = crf(scores[row : row + 1], labels, lengths[row : row + 1]).item()
            assert nats == pytest.approx(log_z - every[path], rel=1e-10)
        for t in range(length):
            for label in range(LABELS):
                share = sum(math.exp(value - log_z) for path, value in every.items() if path[t] == label)
                assert marginals[row, t, label].item() == pytest.approx(share, abs=1e-12)
    assert not best[1, 1:].any()
    assert not marginals[1, 1:].any()
    assert partition[3] == totals[3] == 0
    assert crf(scores, torch.zeros(4, 4, dtype=torch.long), lengths)[3] == 0


def test_what_is_not_allowed_has_no_probability() -> None:
    crf, labels = made(ALLOWED), torch.tensor([[0, 1]])
    assert crf(torch.zeros(1, 2, LABELS, dtype=torch.float64), labels).item() > 9000
    scores = torch.tensor([[[50.0, 0, 0], [0, 50, 0]]], dtype=torch.float64)  # 1 never comes behind 0
    assert crf.decode(scores).labels.tolist() != labels.tolist()
    every = CRF(5, torch.from_numpy(transitions(label_tags(["A"], "iobes"), "iobes")))
    drawn = every.decode(20 * torch.randn(200, 6, 5)).labels
    steps = torch.cat([torch.full((200, 1), 5), drawn, torch.full((200, 1), 5)], 1)
    assert every.allowed[steps[:, :-1], steps[:, 1:]].all()


def test_gradients() -> None:
    crf, lengths = made(ALLOWED), torch.tensor([3, 2])
    scores = torch.randn(2, 3, LABELS, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([[0, 2, 1], [1, 0, 7]])  # what lies behind the end does not matter

    def nats(scores: Tensor, weight: Tensor) -> Tensor:
        found: Tensor = torch.func.functional_call(crf, {"weight": weight}, (scores, labels, lengths))
        return found

    assert torch.autograd.gradcheck(nats, (scores, crf.weight))
    crf(scores, labels, lengths).sum().backward()
    assert scores.grad is not None
    assert not scores.grad[1, 2].any()


def test_padding_does_not_matter() -> None:
    crf, scores = made(ALLOWED).float(), torch.randn(3, 5, LABELS)
    labels, lengths = torch.randint(LABELS, (3, 5)), torch.tensor([2, 2, 2])
    other = scores.clone()
    other[:, 2:] = 1e6
    assert torch.equal(crf(scores, labels, lengths), crf(other, labels, lengths))
    assert torch.equal(crf(scores[:, :2], labels[:, :2]), crf(other, labels, lengths))
    assert torch.equal(crf.decode(scores[:, :2]).labels, crf.decode(other, lengths).labels[:, :2])


def test_it_exports() -> None:
    """Plain tensor operations: the program that torch keeps finds the same path."""
    crf, scores, lengths = made(ALLOWED).float(), torch.randn(2, 3, LABELS), torch.tensor([3, 2])

    class Decoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.crf = crf

        def forward(self, scores: Tensor, lengths: Tensor) -> Tensor:
            return self.crf.decode(scores, lengths).labels

    program = torch.export.export(Decoder(), (scores, lengths))
    other, shorter = torch.randn(2, 3, LABELS), torch.tensor([2, 1])
    assert torch.equal(program.module()(other, shorter), crf.decode(other, shorter).labels)


def test_shapes_that_cannot_be() -> None:
    with pytest.raises(ShapeError, match=r"allowed is \(3, 3\) of torch.bool; wanted \(4, 4\) of torch.bool"):
        CRF(3, torch.ones(3, 3, dtype=torch.bool))
    with pytest.raises(ShapeError, match=r"scores is \(2, 4, 5\); wanted \(B, T > 0, 3\)"):
        CRF(3).decode(torch.zeros(2, 4, 5))
    with pytest.raises(ShapeError, match="lengths"):
        CRF(3).decode(torch.zeros(2, 4, 3), torch.tensor([5, 1]))
