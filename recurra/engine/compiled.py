"""The engine `sweep`: any traceable cell, wired densely, compiled for this processor."""

from typing import Any, final

import torch
from torch import Tensor

from recurra.cells import Cell
from recurra.engine.autograd import Swept
from recurra.engine.buffers import Call
from recurra.engine.compile import refusal
from recurra.engine.engine import Job, transformed
from recurra.wirings import Dense, Diagonal, Heads, Weights, Wiring

__all__ = ["Sweep"]

SHORT = 16  # steps below which packing the weights costs more than the sweep brings


@final
class Sweep:
    """Cells of pointwise torch and maps from H to H, in numbers of 4 or 8 bytes, on a CPU.

    The cell's `step` is traced, differentiated by torch, and compiled by LLVM once for each cell value; H is an argument.
    """

    name = "sweep"

    def takes(self, cell: Cell, wiring: Wiring) -> bool:
        """Whether the cell can be compiled here; :func:`recurra.engine.compile.refusal` says why not."""
        return isinstance(wiring, Dense | Heads | Diagonal) and not refusal(cell, isinstance(wiring, Diagonal))

    def can(self, job: Job) -> bool:
        """Plain tensors on a CPU, not too few steps, without autocast or torch's transforms; noise is not differentiated."""
        x, steps = job.x, len(job.x) > 0 if job.lengths is None else bool(job.lengths.any())
        steps = steps and x.shape[1] >= SHORT
        plain = (
            type(x) in (Tensor, torch.nn.Parameter)
            and x.device.type == "cpu"
            and x.dtype in (torch.float32, torch.float64)
            and x.dtype == job.state[0].dtype
        )
        eager = not torch.compiler.is_compiling() and not torch.is_autocast_enabled("cpu") and not transformed()
        return steps and plain and eager and not any(each.requires_grad or each.dtype != x.dtype for each in job.noise.values())

    def run(self, cell: Cell, wiring: Wiring, weights: Weights, job: Job) -> tuple[Tensor, Any]:
        """Sweep, in a program made for this cell and size of number."""
        assert isinstance(wiring, Dense | Heads | Diagonal)
        call = Call(cell, wiring, tuple(weights), job.lengths, job.resets, job.noise)
        y, *ends = Swept.apply(call, job.x, *job.state, *weights.values())  # type: ignore[no-untyped-call]
        return y, cell.State(*ends)
