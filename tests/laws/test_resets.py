"""A reset inside a row equals running the pieces apart."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from recurra import state as states
from tests.laws.cases import BIDIRECTIONAL, CASES, ROWS, STEPS, Case
from tests.tolerance import close, equal

T, F = True, False
RESETS = torch.tensor(
    [
        [F, F, T, F, F, F, T, T, F],
        [T, F, F, F, T, F, F, F, F],
        [F, F, F, F, F, F, F, F, F],
        [F, F, F, F, F, F, F, F, T],
    ]
)
LENGTHS = torch.tensor([9, 3, 5, 6])  # the resets of rows 1 and 3 also stand behind their ends


def pieces(row: int, length: int) -> list[tuple[int, int]]:
    borders = [t for t in range(1, length) if RESETS[row, t]]
    return list(pairwise([0, *borders, length]))


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
def test_resets_equal_pieces(case: Case, lengths: Tensor | None) -> None:
    core, x = case.make()
    start = case.state(core)
    y, end = core(x, start, lengths, RESETS)
    for row in range(ROWS):
        only = torch.tensor([row])
        state = None if RESETS[row, 0] else states.take(start, only)
        for a, b in pieces(row, STEPS if lengths is None else int(lengths[row])):
            alone, after = core(x[only, a:b], state)
            close(y[only, a:b], alone)
            state = None
        close(states.take(end, only), after)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_resets_behind_the_end_change_nothing(case: Case) -> None:
    core, x = case.make()
    start, lengths = case.state(core), torch.tensor([9, 3, 5, 0])
    behind = torch.arange(STEPS) >= lengths[:, None]
    close(core(x, start, lengths, behind), core(x, start, lengths))
    equal(states.take(core(x, start, lengths, behind)[1], torch.tensor([3])), states.take(start, torch.tensor([3])))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_gradient_crosses_a_reset(case: Case) -> None:
    core, x = case.make()
    x.requires_grad_()
    core(x, None, None, RESETS)[0][0, 2:6].sum().backward()
    assert x.grad is not None
    assert x.grad[0, 2:6].any()
    assert not x.grad[0, :2].any()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_states_obey_resets(case: Case) -> None:
    core, x = case.make()
    start = case.state(core)
    every = core.states(x, start, LENGTHS, RESETS)
    _, end = core(x, start, LENGTHS, RESETS)
    close(states.map(lambda part: part[:, -1], every), end)


@pytest.mark.parametrize("case", [case for case in BIDIRECTIONAL if case.name != "both-stacked"], ids=str)
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
def test_resets_cut_both_readings(case: Case, lengths: Tensor | None) -> None:
    core, x = case.make()
    y, ends = core(x, None, lengths, RESETS)
    for row in range(ROWS):
        only = torch.tensor([row])
        parts = pieces(row, STEPS if lengths is None else int(lengths[row]))
        alone = [core(x[only, a:b]) for a, b in parts]
        close(y[only, : parts[-1][1]], torch.cat([out for out, _ in alone], dim=1))
        close(states.take(ends.forward, only), alone[-1][1].forward)
        close(states.take(ends.backward, only), alone[0][1].backward)


def test_resets_cut_a_stack_on_both_readings() -> None:
    [case] = [case for case in BIDIRECTIONAL if case.name == "both-stacked"]
    core, x = case.make()
    y, _ = core(x, None, LENGTHS, RESETS)
    for row in range(ROWS):
        for a, b in pieces(row, int(LENGTHS[row])):
            close(y[row : row + 1, a:b], core(x[row : row + 1, a:b])[0])
