"""Engines: ways to run a cell along time. One meaning, the fold; every faster way is tested against it."""

from recurra.engine.choice import ENGINES, choose
from recurra.engine.compile import refusal
from recurra.engine.compiled import Sweep
from recurra.engine.engine import Engine
from recurra.engine.fold import Fold
from recurra.engine.kernels import TorchKernels
from recurra.engine.stepper import Stepper

__all__ = ["ENGINES", "Engine", "Fold", "Stepper", "Sweep", "TorchKernels", "choose", "refusal"]
