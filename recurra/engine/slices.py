"""Less memory for more time: only the states between slices of time are kept, and each slice is run again on the way back."""

from collections.abc import Iterator
from math import isqrt
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from recurra.cells import Cell
from recurra.engine.choice import run
from recurra.engine.engine import Engine, Job
from recurra.wirings import Weights, Wiring

__all__ = ["SHORTEST", "run_in_slices"]

SHORTEST = 16
"""Steps of a slice, at least."""


def run_in_slices(engine: Engine, cell: Cell, wiring: Wiring, weights: Weights, job: Job) -> tuple[Tensor, Any]:
    """Run the job in slices of about the square root of its steps; any engine, the same values.

    Chen et al. 2016, arXiv:1604.06174.
    """
    outputs, state = [], job.state
    for part in _slices(job, max(SHORTEST, isqrt(job.x.shape[1]))):
        y, state = checkpoint(
            run, engine, cell, wiring, weights, part._replace(state=state), use_reentrant=False, preserve_rng_state=False
        )
        outputs.append(y)
    return torch.cat(outputs, dim=1), state


def _slices(job: Job, steps: int) -> Iterator[Job]:
    for first in range(0, job.x.shape[1], steps):
        last = first + steps
        yield Job(
            job.x[:, first:last],
            job.state,
            None if job.lengths is None else (job.lengths - first).clamp(0, job.x[:, first:last].shape[1]),
            None if job.resets is None else job.resets[:, first:last],
            {name: mask[:, first:last] for name, mask in job.noise.items()},
        )
