"""Time can be cut anywhere: the state carries all that the past has to say."""

import pytest
import torch
from torch.func import functional_call

from recurra import state as states
from recurra.layers import Core
from tests.laws.cases import CASES, ROWS, Case
from tests.tolerance import close, equal


@pytest.mark.parametrize("case", CASES, ids=str)
def test_chunks_equal_whole(case: Case) -> None:
    core, x = case.make()
    start = case.state(core)
    whole, end = core(x, start)
    first, middle = core(x[:, :5], start)
    second, last = core(x[:, 5:], middle)
    close(torch.cat([first, second], dim=1), whole)
    close(last, end)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_stepping_equals_sequence(case: Case) -> None:
    core, x = case.make()
    state = case.state(core)
    whole, end = core.sequence(x, state)
    for t in range(x.shape[1]):
        y, state = core.step(x[:, t], state)
        close(y, whole[:, t])
    close(state, end)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_state_means_the_initial_one(case: Case) -> None:
    core, x = case.make()
    initial = core.initial(ROWS, *case.extent)
    equal(core(x), core(x, initial))
    assert all(not part.any() for part in states.named(initial).values())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_is_a_core(case: Case) -> None:
    assert isinstance(case.build(), Core)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_states_are_those_on_the_way(case: Case) -> None:
    core, x = case.make()
    start, lengths = case.state(core), torch.tensor([9, 4, 0, 1])
    every = core.states(x, start, lengths)
    for t in (0, 3, 8):
        _, state = core(x[:, : t + 1], start, lengths.clamp(max=t + 1))
        close(states.map(lambda part, t=t: part[:, t], every), state)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_state_given_is_not_changed(case: Case) -> None:
    core, x = case.make()
    start = case.state(core)
    before = states.map(torch.clone, start)
    y, _ = core(x, start, torch.tensor([9, 4, 0, 1]))
    y.sum().backward()
    core.step(x[:, 0], start)
    equal(start, before)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_weights_may_be_swapped_in(case: Case) -> None:
    core, x = case.make()
    other, _ = case.make(seed=1)
    weights = {**dict(other.named_parameters()), **dict(other.named_buffers())}  # a kept matrix turns from where it started
    equal(functional_call(core, weights, (x,)), other(x))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_float64_is_kept(case: Case) -> None:
    core, x = case.make(dtype=torch.float64)
    y, state = core(x, lengths=torch.tensor([9, 4, 0, 1]))
    assert {y.dtype, *(part.dtype for part in states.named(state).values())} == {torch.float64}
