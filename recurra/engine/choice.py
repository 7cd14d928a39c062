"""Which engine runs a layer."""

import os
import warnings
from functools import cache
from typing import Any, final

import torch
from torch import Tensor

from recurra.cells import LSTM, Cell
from recurra.engine.buffers import Vectors
from recurra.engine.compile import refusal
from recurra.engine.compiled import Sweep
from recurra.engine.engine import Engine, Job
from recurra.engine.fold import Fold
from recurra.engine.kernels import TorchKernels
from recurra.errors import SlowWarning, UsageError, near_miss
from recurra.wirings import Diagonal, Weights, Wiring

__all__ = ["ENGINES", "choose", "run"]

ENGINES: dict[str, Engine] = {engine.name: engine for engine in (Sweep(), TorchKernels(), Fold())}
"""All engines by name, the first choice first."""

FEW = 16
"""Steps below which torch's kernels keep up with the sweep, and need no compilation."""


@final
class Either:
    """The sweep or torch's kernel, for cells that both have: whichever is faster for a job.

    A few steps run by torch's kernel, and so does an LSTM whose rows are full and whose numbers are float32.
    """

    def __init__(self, cell: Cell) -> None:
        self.usual = ENGINES["torch" if cell == LSTM() else "sweep"]
        self.name = self.usual.name

    def takes(self, cell: Cell, wiring: Wiring) -> bool:
        """Cells that both take."""
        return all(ENGINES[name].takes(cell, wiring) for name in ("sweep", "torch"))

    def can(self, job: Job) -> bool:
        """What either can."""
        return any(ENGINES[name].can(job) for name in ("sweep", "torch"))

    def run(self, cell: Cell, wiring: Wiring, weights: Weights, job: Job) -> tuple[Tensor, Any]:
        """Run the job by the one that is faster, or by the only one that can."""
        engine = sweep = ENGINES["sweep"]
        kernels = ENGINES["torch"]
        if kernels.can(job):  # never while calls are recorded: then the number of steps must not decide
            full = job.lengths is None and job.x.dtype == torch.float32
            best = kernels if job.x.shape[1] < FEW else self.usual if full else sweep
            engine = best if best.can(job) else kernels
        return engine.run(cell, wiring, weights, job)


def choose(cell: Cell, wiring: Wiring) -> Engine:
    """The fastest engine that takes this cell; the environment variable ``RECURRA_ENGINE`` forces one by name."""
    forced = os.environ.get("RECURRA_ENGINE")
    if not forced:
        either = Either(cell)
        if either.takes(cell, wiring):
            return either
        chosen = next(engine for engine in ENGINES.values() if engine.takes(cell, wiring))
        if isinstance(wiring, Vectors) and chosen not in (ENGINES["sweep"], either.usual):
            _warn(cell, chosen.name, refusal(cell, isinstance(wiring, Diagonal)))
        return chosen
    if forced not in ENGINES:
        raise UsageError(f"RECURRA_ENGINE={forced}: no such engine; {near_miss(forced, ENGINES)}")
    if not ENGINES[forced].takes(cell, wiring):
        raise UsageError(f"RECURRA_ENGINE={forced}: it does not run {cell} wired by {type(wiring).__name__}; unset it")
    return ENGINES[forced]


def run(engine: Engine, cell: Cell, wiring: Wiring, weights: Weights, job: Job) -> tuple[Tensor, Any]:
    """Run the job by `engine`, or by the next one that can."""
    if not engine.can(job):
        others = (other for other in ENGINES.values() if other is not engine)
        engine = next(other for other in others if other.takes(cell, wiring) and other.can(job))
    return engine.run(cell, wiring, weights, job)


@cache
def _warn(cell: Cell, name: str, reason: str) -> None:
    """Say once why a cell is not compiled."""
    warnings.warn(f"{cell} runs by the engine {name}, not compiled: {reason}", SlowWarning, stacklevel=4)
