"""The functions of recurra.state do what they say on the state of every core."""

import pytest
import torch

from recurra import state as states
from tests.laws.cases import ALL, CASES, ROWS, Case
from tests.tolerance import close, equal


@pytest.mark.parametrize("case", ALL, ids=str)
def test_named_and_rebuild_are_inverse(case: Case) -> None:
    core, x = case.make()
    _, state = core(x)
    tensors = states.named(state)
    assert all(len(part) == ROWS for part in tensors.values())
    equal(states.rebuild(state, tensors), state)


@pytest.mark.parametrize("case", ALL, ids=str)
def test_split_and_cat_are_inverse(case: Case) -> None:
    core, x = case.make()
    _, state = core(x)
    parts = states.split(state, [1, 0, 3])
    assert [len(next(iter(states.named(part).values()))) for part in parts] == [1, 0, 3]
    equal(states.cat(parts), state)


@pytest.mark.parametrize("case", ALL, ids=str)
def test_detach_keeps_values_and_cuts_history(case: Case) -> None:
    core, x = case.make()
    _, state = core(x.requires_grad_())
    cut = states.detach(state)
    equal(cut, states.map(lambda part: part.clone().detach(), state))
    assert any(part.requires_grad for part in states.named(state).values())  # a count of steps has no history
    assert not any(part.requires_grad for part in states.named(cut).values())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_taken_rows_go_on_as_the_rows_did(case: Case) -> None:
    core, x = case.make()
    state, rows = case.state(core), torch.tensor([3, 1, 1, 0, 3])
    y, end = core(x, state)
    other, other_end = core(x[rows], states.take(state, rows))
    close(other, y[rows])
    close(other_end, states.take(end, rows))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_where_picks_rows(case: Case) -> None:
    core, _ = case.make()
    yes, no = case.state(core), case.state(core)
    mixed = states.where(torch.tensor([True, False, False, True]), yes, no)
    order = torch.tensor([0, 5, 6, 3])
    equal(mixed, states.take(states.cat([yes, no]), order))
