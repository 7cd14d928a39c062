"""Rows of a batch do not touch each other."""

import pytest
import torch

from recurra import state as states
from tests.laws.cases import ALL, CASES, ROWS, Case
from tests.tolerance import close


@pytest.mark.parametrize("case", ALL, ids=str)
@pytest.mark.parametrize("lengths", [None, torch.tensor([9, 4, 0, 7])], ids=["whole", "ragged"])
def test_a_row_alone_equals_the_row_in_a_batch(case: Case, lengths: torch.Tensor | None) -> None:
    core, x = case.make()
    whole, end = core(x, None, lengths)
    for row in torch.arange(ROWS)[:, None]:
        y, state = core(x[row], None, None if lengths is None else lengths[row])
        close(y, whole[row])
        close(state, states.take(end, row))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_order_of_rows_does_not_matter(case: Case) -> None:
    core, x = case.make()
    start, lengths, order = case.state(core), torch.tensor([3, 9, 0, 6]), torch.tensor([2, 0, 3, 1])
    y, end = core(x, start, lengths)
    other, other_end = core(x[order], states.take(start, order), lengths[order])
    close(other, y[order])
    close(other_end, states.take(end, order))


@pytest.mark.parametrize("case", ALL, ids=str)
@pytest.mark.parametrize("lengths", [None, torch.tensor([9, 4, 0, 7])], ids=["whole", "ragged"])
def test_nan_stays_in_its_row(case: Case, lengths: torch.Tensor | None) -> None:
    core, x = case.make()
    clean, clean_end = core(x, None, lengths)
    spoilt = x.clone()
    spoilt[1, 2] = torch.nan
    y, end = core(spoilt, None, lengths)
    others = torch.tensor([0, 2, 3])
    close(y[others], clean[others])
    close(states.take(end, others), states.take(clean_end, others))
    assert y[1, 2].isnan().any()


@pytest.mark.parametrize("case", ALL, ids=str)
def test_no_gradient_crosses_rows(case: Case) -> None:
    core, x = case.make()
    x.requires_grad_()
    core(x)[0][1].sum().backward()
    assert x.grad is not None
    assert x.grad[1].any()
    assert not x.grad[[0, 2, 3]].any()


@pytest.mark.parametrize("case", ALL, ids=str)
def test_a_batch_may_be_empty(case: Case) -> None:
    core, x = case.make()
    y, end = core(x)
    nothing, none = core(x[:0])
    assert nothing.shape == y[:0].shape
    close(none, states.take(end, torch.tensor([], dtype=torch.long)))
    nothing, none = core(x[:0], None, torch.tensor([], dtype=torch.long))
    assert nothing.shape == y[:0].shape
