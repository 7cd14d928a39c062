"""The engine `sweep`: any traceable cell, wired densely, block by block or diagonally, compiled for this processor."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, final

import torch
from torch import Tensor

from recurra.cells import Cell
from recurra.engine.autograd import Swept, ahead
from recurra.engine.buffers import Call
from recurra.engine.compile import refusal
from recurra.engine.engine import Job, transformed
from recurra.engine.fold import Fold
from recurra.engine.kernels import TorchKernels
from recurra.engine.operator import constant, named, recording, sweep
from recurra.wirings import Dense, Diagonal, Heads, Weights, Wiring

__all__ = ["Sweep"]

SHORT = 4  # steps below which packing the weights costs more than the sweep brings
PLAIN = (Tensor, torch.nn.Parameter)
WHOLE = {torch.float32, torch.float64}
HALF = {torch.float16, torch.bfloat16}


@final
class Sweep:
    """Cells of pointwise torch and maps from H to H, in numbers of 4 or 8 bytes, on a CPU.

    The cell's `step` is traced, differentiated by torch, and compiled by LLVM once for each cell value; H is an argument.
    """

    name = "sweep"

    def takes(self, cell: Cell, wiring: Wiring) -> bool:
        """Whether the cell can be compiled here; :func:`recurra.engine.compile.refusal` says why not."""
        return isinstance(wiring, Dense | Heads | Diagonal) and not _refused(cell, isinstance(wiring, Diagonal))

    def can(self, job: Job) -> bool:
        """Plain tensors on a CPU, not too few steps, without torch's transforms; noise is not differentiated.

        What is recorded (torch.compile, torch.export) may have any number of steps, and so may what runs under autocast.
        """
        x, wide = job.x, _autocast(job.x)
        kind = torch.float32 if wide else x.dtype
        alike = all(each.dtype == kind or (wide and each.dtype in HALF) for each in (x, *job.state, *job.noise.values()))
        if not alike or kind not in WHOLE or x.device.type != "cpu" or any(mask.requires_grad for mask in job.noise.values()):
            return False
        return recording() or ((wide or x.shape[1] >= SHORT) and type(x) in PLAIN and not transformed())

    def run(self, cell: Cell, wiring: Wiring, weights: Weights, job: Job) -> tuple[Tensor, Any]:
        """Sweep, in a program made for this cell and size of number.

        Under autocast torch's own cells run as in ``torch.nn``; all others in float32, with results of the types that came in.
        """
        if not _autocast(job.x):
            return self._run(cell, wiring, weights, job)
        kernels = TorchKernels()
        if kernels.takes(cell, wiring) and kernels.can(job):
            return kernels.run(cell, wiring, weights, job)
        state = cell.State(*(part.float() for part in job.state))
        noise = {name: mask.float() for name, mask in job.noise.items()}
        wide = job._replace(x=job.x.float(), state=state, noise=noise)
        y, after = self._run(cell, wiring, {name: weight.float() for name, weight in weights.items()}, wide)
        return y.to(job.x.dtype), cell.State(*(part.to(before.dtype) for part, before in zip(after, job.state, strict=True)))

    def _run(self, cell: Cell, wiring: Wiring, weights: Weights, job: Job) -> tuple[Tensor, Any]:
        assert isinstance(wiring, Dense | Heads | Diagonal)
        x, rest, kind, recorded = job.x, (*job.state, *weights.values()), job.x.dtype, recording()
        alike = all(each.dtype == kind and (recorded or (type(each) in PLAIN and each.is_cpu)) for each in rest)
        if not alike:  # the fold takes what can be taken; of the others torch says what is wrong
            return Fold().run(cell, wiring, weights, job)
        learns = torch.is_grad_enabled() and any(each.requires_grad for each in (x, *rest))
        if recorded:
            texts, noise = (named(cell), named(wiring), " ".join(weights)), [job.noise[name] for name in cell.noise]
            keep = learns and torch.compiler.is_dynamo_compiling()  # an exported program learns seldom; it sweeps ahead again
            parts = list(job.state), list(weights.values()), job.lengths, job.resets, noise
            y, *ends, _ = sweep(*texts, x, *parts, keep)
            return y, cell.State(*ends)
        call = Call(cell, wiring, tuple(weights), job.lengths, job.resets, job.noise)
        y, *ends = Swept.apply(call, x, *rest) if learns else ahead(call, x, rest, keep=False)[0]  # type: ignore[no-untyped-call]
        return y, cell.State(*ends)


@constant
def _refused(cell: Cell, diagonal: bool) -> bool:
    if not recording():
        return bool(refusal(cell, diagonal))
    with ThreadPoolExecutor(1) as apart:  # where nothing is recorded, as planning a cell traces it
        return bool(apart.submit(refusal, cell, diagonal).result())


def _autocast(x: Tensor) -> bool:
    return torch.is_autocast_enabled("cpu") and x.dtype != torch.float64
