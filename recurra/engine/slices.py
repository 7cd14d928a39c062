"""Less memory for more time: only the states between slices of time are kept, and each slice is run again on the way back."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from math import isqrt
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from recurra.cells import Cell
from recurra.engine.choice import run
from recurra.engine.engine import Engine, Job, transformed
from recurra.wirings import Weights, Wiring

__all__ = ["SHORTEST", "run_in_slices"]

SHORTEST = 16
"""Steps of a slice, at least, where there are as many."""


def run_in_slices(engine: Engine, cell: Cell, wiring: Wiring, weights: Weights, job: Job) -> tuple[Tensor, Any]:
    """Run the job in slices of about the square root of its steps; any engine, the same values.

    Where nothing is kept for a way back, and where torch transforms or compiles the call and could not run a slice again, the
    job runs whole.

    Chen et al. 2016, arXiv:1604.06174.
    """
    if not torch.is_grad_enabled() or transformed() or torch.compiler.is_compiling():
        return run(engine, cell, wiring, weights, job)
    steps, span = job.x.shape[1], _span(job)
    outputs, state = [], job.state
    for part in _slices(job, span):
        again = _same(engine, cell, wiring, weights, part._replace(state=state))
        y, state = checkpoint(again, use_reentrant=False, preserve_rng_state=False)
        outputs.append(y)
    if span < steps:
        outputs.append(outputs[0].new_zeros(len(job.x), steps - span, *outputs[0].shape[2:]))
    return torch.cat(outputs, dim=1), state


def _span(job: Job) -> int:
    """The steps of the longest row, one at least."""
    if job.lengths is None:
        return job.x.shape[1]
    return max(1, int(job.lengths.max())) if len(job.x) else 1


def _slices(job: Job, span: int) -> Iterator[Job]:
    """The first `span` steps, in slices that differ by one step at most."""
    count = max(1, span // max(SHORTEST, isqrt(span)))
    bounds = [span * k // count for k in range(count + 1)]
    for first, last in pairwise(bounds):
        yield Job(
            job.x[:, first:last],
            job.state,
            None if job.lengths is None else (job.lengths - first).clamp(0, last - first),
            None if job.resets is None else job.resets[:, first:last].clone(),
            {name: mask[:, first:last] for name, mask in job.noise.items()},
        )


def _same(engine: Engine, cell: Cell, wiring: Wiring, weights: Weights, job: Job) -> Callable[[], tuple[Tensor, Any]]:
    """Run the job, the second time only if nothing it reads has been changed in place; torch checks what it keeps itself."""
    read = {"x": job.x, **job.noise, **job.state._asdict(), **weights}
    versions = {name: tensor._version for name, tensor in read.items()}

    def again() -> tuple[Tensor, Any]:
        for name, tensor in read.items():
            if tensor._version != versions[name]:
                raise RuntimeError(f"{name} was changed in place before the gradient was taken, which needs it as it was")
        return run(engine, cell, wiring, weights, job)

    return again
