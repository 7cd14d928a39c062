"""Which engine runs a layer."""

import os
import warnings
from functools import cache
from typing import Any

from torch import Tensor

from recurra.cells import LSTM, Cell, ProjectedLSTM
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

FEW = 16  # steps
BEST_BY_TORCH = (LSTM(), ProjectedLSTM())  # oneDNN's LSTM keeps up with the sweep, and needs no compilation


def choose(cell: Cell, wiring: Wiring) -> Engine:
    """The first engine that takes this cell; the environment variable ``RECURRA_ENGINE`` forces one by name."""
    forced = os.environ.get("RECURRA_ENGINE")
    if not forced:
        chosen = next(engine for engine in _order(cell) if engine.takes(cell, wiring))
        if isinstance(wiring, Vectors) and chosen is not ENGINES["sweep"] and cell not in BEST_BY_TORCH:
            _warn(cell, chosen.name, refusal(cell, isinstance(wiring, Diagonal)))
        return chosen
    if forced not in ENGINES:
        raise UsageError(f"RECURRA_ENGINE={forced}: no such engine; {near_miss(forced, ENGINES)}")
    if not ENGINES[forced].takes(cell, wiring):
        raise UsageError(f"RECURRA_ENGINE={forced}: it does not run {cell} wired by {type(wiring).__name__}; unset it")
    return ENGINES[forced]


def run(engine: Engine, cell: Cell, wiring: Wiring, weights: Weights, job: Job) -> tuple[Tensor, Any]:
    """Run the job by `engine`, or by the next one that can; a few steps by torch's kernels, which keep up there."""
    kernels = ENGINES["torch"]
    if engine is ENGINES["sweep"] and kernels.takes(cell, wiring) and kernels.can(job) and job.x.shape[1] < FEW:
        engine = kernels
    if not engine.can(job):
        others = (other for other in _order(cell) if other is not engine)
        engine = next(other for other in others if other.takes(cell, wiring) and other.can(job))
    return engine.run(cell, wiring, weights, job)


@cache
def _warn(cell: Cell, name: str, reason: str) -> None:
    """Say once why a cell is not compiled."""
    warnings.warn(f"{cell} runs by the engine {name}, not compiled: {reason}", SlowWarning, stacklevel=4)


def _order(cell: Cell) -> list[Engine]:
    engines = list(ENGINES.values())
    return sorted(engines, key=lambda engine: engine.name != "torch") if cell in BEST_BY_TORCH else engines
