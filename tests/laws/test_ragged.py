"""Rows of different lengths: what lies behind a row's end has no say, and nothing comes out there."""

import pytest
import torch
from torch import Tensor

from recurra import state as states
from recurra.lengths import mask
from tests.laws.cases import ALL, CASES, Case
from tests.tolerance import close, equal

LENGTHS = torch.tensor([4, 9, 0, 1])
NONE = torch.zeros(4, dtype=torch.long)


def padded(x: Tensor, filling: float) -> Tensor:
    return torch.where(_inside(x), x, filling * torch.arange(1, x.shape[1] + 1).view(1, -1, *[1] * (x.dim() - 2)))


def _inside(x: Tensor) -> Tensor:
    return mask(LENGTHS, x.shape[1]).view(*x.shape[:2], *[1] * (x.dim() - 2))


@pytest.mark.parametrize("case", ALL, ids=str)
def test_padding_is_harmless(case: Case) -> None:
    core, clean = case.make()
    results = []
    for filling in (0.0, -1e4):
        core.zero_grad()
        x = padded(clean, filling).requires_grad_()
        y, end = core(x, None, LENGTHS)
        (y.cos().sum() + sum(part.sin().sum() for part in states.named(end).values())).backward()
        assert x.grad is not None
        assert not x.grad[~_inside(x).expand_as(x)].any()
        results.append((y, end, x.grad, tuple(weight.grad for weight in core.parameters())))
    close(*results)


@pytest.mark.parametrize("case", ALL, ids=str)
def test_nothing_comes_out_behind_the_end(case: Case) -> None:
    core, x = case.make()
    clean = core(padded(x, 0.0), None, LENGTHS)
    for filling in (7.0, torch.inf, torch.nan):
        y, end = core(padded(x, filling), None, LENGTHS)
        assert not y[~mask(LENGTHS, x.shape[1])].any()
        close((y, end), clean)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_state_is_that_of_the_last_step(case: Case) -> None:
    core, x = case.make()
    start = case.state(core)
    y, end = core(x, start, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        only = torch.tensor([row])
        if not length:
            equal(states.take(end, only), states.take(start, only))
            continue
        alone, state = core(x[only, :length], states.take(start, only))
        close(y[only, :length], alone)
        close(states.take(end, only), state)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rows_without_steps_keep_their_state(case: Case) -> None:
    core, x = case.make()
    start = case.state(core)
    y, end = core(x, start, NONE)
    equal(end, start)
    assert y.shape == core(x)[0].shape
    assert not y.any()


@pytest.mark.parametrize("case", ALL, ids=str)
def test_a_batch_without_steps_can_be_trained_on(case: Case) -> None:
    core, x = case.make()
    core(x, None, NONE)[0].sum().backward()
    assert not any(weight.grad.any() for weight in core.parameters() if weight.grad is not None)


@pytest.mark.parametrize("case", ALL, ids=str)
def test_full_lengths_change_nothing(case: Case) -> None:
    core, x = case.make()
    close(core(x, None, torch.full((4,), x.shape[1])), core(x))


@pytest.mark.parametrize("case", ALL, ids=str)
def test_lengths_of_any_whole_numbers(case: Case) -> None:
    core, x = case.make()
    resets = torch.arange(9).expand(4, 9) % 3 == 2
    plain, cut = core(x, None, LENGTHS), core(x, None, LENGTHS, resets)
    for dtype in (torch.int32, torch.int16, torch.uint8):
        equal(core(x, None, LENGTHS.to(dtype)), plain)
        equal(core(x, None, LENGTHS.to(dtype), resets), cut)
