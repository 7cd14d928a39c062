"""Less memory for more time: only the states between slices of time are kept, and each slice is run again on the way back."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from math import isqrt
from typing import Any, NamedTuple

import torch
from torch import Tensor

from recurra.cells import Cell
from recurra.engine.autograd import gradients, graph_wanted
from recurra.engine.choice import run
from recurra.engine.engine import Engine, Job, transformed
from recurra.wirings import Weights, Wiring

__all__ = ["SHORTEST", "run_in_slices"]

SHORTEST = 32
"""Steps of a slice, at least, where there are as many."""


def run_in_slices(engine: Engine, cell: Cell, wiring: Wiring, weights: Weights, job: Job) -> tuple[Tensor, Any]:
    """Run the job in slices of about twice the square root of its steps; any engine, the same values.

    Where nothing is kept for a way back, and where torch transforms or compiles the call and could not run a slice again, the
    job runs whole.

    Chen et al. 2016, arXiv:1604.06174.
    """
    if not torch.is_grad_enabled() or transformed() or torch.compiler.is_compiling():
        return run(engine, cell, wiring, weights, job)
    lengths, resets = (None if part is None else part.clone() for part in (job.lengths, job.resets))  # others may change theirs
    program = _Program(engine, cell, wiring, tuple(job.noise), tuple(weights), lengths, resets)
    y, *state = _Sliced.apply(program, job.x, *job.state, *job.noise.values(), *weights.values())  # type: ignore[no-untyped-call]
    return y, cell.State(*state)


class _Program(NamedTuple):
    """What to run, but for the tensors that may have gradients: x, then state, noise and weights."""

    engine: Engine
    cell: Cell
    wiring: Wiring
    noise: tuple[str, ...]
    weights: tuple[str, ...]
    lengths: Tensor | None
    resets: Tensor | None

    def part(self, rest: Sequence[Tensor], first: int, last: int) -> tuple[Tensor, ...]:
        """State, noise and weights of the steps from `first` to `last`."""
        fields, masks = len(self.cell.State._fields), len(self.noise)
        noise = (mask[:, first:last] for mask in rest[fields : fields + masks])
        return (*rest[:fields], *noise, *rest[fields + masks :])

    def run(self, x: Tensor, rest: Sequence[Tensor], first: int) -> tuple[Tensor, ...]:
        """(y, *state) of the steps from `first` on, as many as x and noise have."""
        fields, masks, last = len(self.cell.State._fields), len(self.noise), first + x.shape[1]
        lengths = None if self.lengths is None else (self.lengths - first).clamp(0, last - first)
        resets = None if self.resets is None else self.resets[:, first:last].clone()  # a row's first reset is dropped in place
        noise = dict(zip(self.noise, rest[fields : fields + masks], strict=True))
        weights = dict(zip(self.weights, rest[fields + masks :], strict=True))
        job = Job(x, self.cell.State(*rest[:fields]), lengths, resets, noise)
        y, state = run(self.engine, self.cell, self.wiring, weights, job)
        return (y, *state)

    def slices(self, x: Tensor) -> Iterator[tuple[int, int]]:
        """The steps of the longest row, in slices that differ by one step at most."""
        span = x.shape[1]
        if self.lengths is not None:
            span = max(1, int(self.lengths.max())) if len(x) else 1
        count = max(1, span // max(SHORTEST, 2 * isqrt(span)))
        return pairwise(span * k // count for k in range(count + 1))


class _Sliced(torch.autograd.Function):
    """(program, x, *state, *noise, *weights) -> (y, *state)."""

    @staticmethod
    def forward(ctx: Any, program: _Program, x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        """Run slice after slice; the state before each is kept."""
        fields = len(program.cell.State._fields)
        state, starts, outputs = rest[:fields], list[tuple[Tensor, ...]](), x.new_empty(0)
        for first, last in program.slices(x):
            starts.append(state)
            y, *after = program.run(x[:, first:last], program.part((*state, *rest[fields:]), first, last), first)
            state = tuple(after)
            if first == 0:
                outputs = y.new_zeros(*x.shape[:2], *y.shape[2:])
            outputs[:, first:last] = y
        ctx.save_for_backward(x, *rest, *(field for start in starts[1:] for field in start))
        ctx.program, ctx.autocast = program, _autocast(x.device.type)
        ctx.set_materialize_grads(False)
        return (outputs, *state)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        """Run each slice again, the last one first; all at once where a derivative of this derivative is wanted."""
        needed, saved = ctx.needs_input_grad[1:], ctx.saved_tensors
        inputs, kept = saved[: len(needed)], saved[len(needed) :]
        again = graph_wanted(cotangents)
        with ctx.autocast, torch.enable_grad():
            if again:
                outputs = ctx.program.run(inputs[0], inputs[1:], 0)
                return None, *gradients(outputs, cotangents, inputs, needed, again=True)
            return None, *_backwards(ctx.program, inputs, kept, cotangents, needed)


def _backwards(
    program: _Program,
    inputs: Sequence[Tensor],
    kept: Sequence[Tensor],
    cotangents: Sequence[Tensor | None],
    needed: Sequence[bool],
) -> list[Tensor | None]:
    """The gradients of the inputs, slice by slice; where no slice has one, zeros."""
    x, *rest = inputs
    fields, masks = len(program.cell.State._fields), len(program.noise)
    grads = [torch.zeros_like(each) if need else None for each, need in zip(inputs, needed, strict=True)]
    dy, *ends = cotangents
    for number, (first, last) in reversed(list(enumerate(program.slices(x)))):
        start = rest[:fields] if number == 0 else kept[(number - 1) * fields : number * fields]
        part = [x[:, first:last], *program.part((*start, *rest[fields:]), first, last)]
        wanted = [need or (number > 0 and 0 < place <= fields) for place, need in enumerate(needed)]
        leaves = [each.detach().requires_grad_(want) for each, want in zip(part, wanted, strict=True)]
        outputs = program.run(leaves[0], leaves[1:], first)
        found = gradients(outputs, [None if dy is None else dy[:, first:last], *ends], leaves, wanted)
        ends = found[1 : 1 + fields]
        for place, (total, grad) in enumerate(zip(grads, found, strict=True)):
            if total is None or grad is None or (number > 0 and 0 < place <= fields):
                continue
            (total[:, first:last] if place == 0 or fields < place <= fields + masks else total).add_(grad)
    return grads


def _autocast(device: str) -> AbstractContextManager[None]:
    """Autocast as it is now."""
    if not torch.amp.is_autocast_available(device):
        return torch.autocast("cpu", enabled=False)
    return torch.autocast(device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device))
