"""What an engine is."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from recurra.cells import Cell
from recurra.wirings import Weights, Wiring

__all__ = ["Engine", "Job", "transformed"]


class Job(NamedTuple):
    """What to run: x (B, T, ...) from `state`, as far as `lengths` (B,), starting anew at `resets` (B, T)."""

    x: Tensor
    state: Any
    lengths: Tensor | None = None
    resets: Tensor | None = None
    noise: Mapping[str, Tensor] = {}


class Engine(Protocol):
    """Runs a cell along time: (y, state), y zero behind a row's length, state that of each row's last step."""

    name: str

    def takes(self, cell: Cell, wiring: Wiring) -> bool:
        """Whether this engine has the cell in this wiring at all."""

    def can(self, job: Job) -> bool:
        """Whether it can run this job; where it cannot, the fold does."""

    def run(self, cell: Cell, wiring: Wiring, weights: Weights, job: Job) -> tuple[Tensor, Any]:
        """Run the job."""


def transformed() -> bool:
    """Whether vmap, grad or forward mode of torch is at work: kernels do not know these, the fold does."""
    return torch._C._functorch.peek_interpreter_stack() is not None or torch.autograd.forward_ad._current_level >= 0
