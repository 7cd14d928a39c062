"""A layer on the sweep, what it is given and what it answers: for tests of what torch does with it."""

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recurra import state as states
from recurra.cells import Cell
from recurra.engine import Sweep, autograd
from recurra.engine.buffers import Buffers
from recurra.layers import Dense, Recurrent
from tests.engine.cells import Zoneout

INPUTS, UNITS, ROWS, STEPS = 3, 6, 4, 20
LENGTHS = torch.tensor([20, 3, 0, 7])
RESETS = torch.arange(80).view(4, 20) % 7 == 3
NOISE = {name: torch.linspace(0, 1, ROWS * STEPS * UNITS).view(ROWS, STEPS, UNITS) for name in Zoneout().noise}

OWN_WARNING = "ignore:.torch.jit.script:DeprecationWarning"
"""A warning that parts of torch raise when they are imported."""


def layer(cell: Cell, *, inputs: int = INPUTS, dtype: torch.dtype = torch.float32, **more: Any) -> Recurrent:
    """A layer on the sweep, with weights that are all random."""
    torch.manual_seed(0)
    made = Recurrent(cell, Dense(inputs, UNITS), engine=Sweep(), **more).to(dtype)
    for weight in made.parameters():
        nn.init.normal_(weight, std=0.4)
    return made


def given(rows: int = ROWS, steps: int = STEPS, dtype: torch.dtype = torch.float32) -> Tensor:
    """Inputs (B, T, I), the same every time."""
    torch.manual_seed(1)
    return torch.randn(rows, steps, INPUTS, dtype=dtype)


def answers(core: Any, run: Callable[..., Any], **more: Any) -> list[Tensor]:
    """Outputs, states, and the gradients of input and weights, where `core` is run by `run`."""
    x = given().requires_grad_()
    core.zero_grad()
    results = list(states.named(run(x, **more)).values())
    torch.manual_seed(2)
    torch.autograd.backward(torch.stack([(part * torch.randn(part.shape)).sum() for part in results]).sum())
    gradients = [leaf.grad for leaf in (x, *core.parameters())]
    return [part.detach() for part in [*results, *(part for part in gradients if part is not None)]]


class Made:
    """The buffers that were made since this began."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._all: list[weakref.ref[Buffers]] = []
        seen = self._all

        class Watched(Buffers):
            def __init__(self, *arguments: Any, keep: bool) -> None:
                super().__init__(*arguments, keep=keep)
                seen.append(weakref.ref(self))

        monkeypatch.setattr(autograd, "Buffers", Watched)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def alive(self) -> int:
        """How many are still held."""
        return sum(each() is not None for each in self._all)
