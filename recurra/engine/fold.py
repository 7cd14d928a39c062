"""The meaning of a recurrent layer: a Python loop over `step`."""

from collections.abc import Iterator
from typing import Any, final

import torch
from torch import Tensor

from recurra import state as states
from recurra.cells import Cell
from recurra.engine.engine import Job
from recurra.wirings import Weights, Wiring

__all__ = ["Fold"]


@final
class Fold:
    """Any cell, any wiring, any device, any order of derivative; every faster engine is tested against it."""

    name = "fold"

    def takes(self, cell: Cell, wiring: Wiring) -> bool:
        """Every cell."""
        return True

    def can(self, job: Job) -> bool:
        """Every job."""
        return True

    def run(self, cell: Cell, wiring: Wiring, weights: Weights, job: Job) -> tuple[Tensor, Any]:
        """Step by step; rows past their length keep their state and put out zeros."""
        outputs, after = zip(*self.steps(cell, wiring, weights, job), strict=True)
        return torch.stack(outputs, dim=1), after[-1]

    def steps(self, cell: Cell, wiring: Wiring, weights: Weights, job: Job) -> Iterator[tuple[Tensor, Any]]:
        """Yield (y, state) after every step."""
        state = job.state
        maps = wiring.bind(cell, weights, {})
        for t, x in enumerate(wiring.project(cell, weights, job.x)):
            if job.noise:
                maps = wiring.bind(cell, weights, {name: mask[:, t] for name, mask in job.noise.items()})
            before = state
            if job.resets is not None:
                before = states.where(job.resets[:, t], states.map(torch.zeros_like, state), state)
            y, after = cell.step(x, before, maps)
            if job.lengths is not None:
                live = t < job.lengths
                y = states.where(live, y, torch.zeros_like(y))
                after = states.where(live, after, state)
            state = after
            yield y, state
