"""Gradients against finite differences, in float64: input, state and every weight."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from recurra import state as states
from recurra.cells import CELLS
from recurra.engine import Fold
from recurra.layers import FAMILY, Dense, Recurrent
from tests.laws.cases import ALL, CASES, Case, Mixed

LENGTHS = torch.tensor([2, 4, 0])
RESETS = torch.tensor([[False, True, False, True], [False, False, True, False], [True, False, False, False]])


def flat(y: Tensor, end: Any) -> tuple[Tensor, ...]:
    return (y, *states.named(end).values())


@pytest.mark.parametrize("case", ALL, ids=str)
def test_gradcheck(case: Case) -> None:
    check(case, LENGTHS, RESETS)


@pytest.mark.parametrize("case", [case for case in ALL if case.name not in FAMILY], ids=str)  # other cells are summed alike
def test_gradcheck_of_full_rows(case: Case) -> None:
    check(case, None, None)


def check(case: Case, lengths: Tensor | None, resets: Tensor | None) -> None:
    core, x = case.make(rows=3, steps=4, dtype=torch.float64)
    start = case.state(core, 3) if case in CASES else None
    parts = () if start is None else tuple(states.named(start).values())
    inputs = (x, *parts, *core.parameters())  # gradcheck moves them in place, so the core's own weights are inputs too
    for tensor in inputs:
        tensor.requires_grad_()
    assert gradcheck(lambda *_: flat(*core(x, start, lengths, resets)), inputs, fast_mode=True)


@pytest.mark.parametrize("cell", [*CELLS.values(), Mixed()], ids=str)
def test_the_fold_is_twice_differentiable(cell: Any) -> None:
    torch.manual_seed(0)
    layer = Recurrent(cell, Dense(2, 3), engine=Fold()).double()
    x = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    assert gradgradcheck(lambda *_: flat(*layer(x)), (x, *layer.parameters()), fast_mode=True)
