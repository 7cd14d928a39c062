"""What the options that all tasks share come to: a stack, an optimiser, a schedule, a device."""

from copy import deepcopy
from typing import TypeVar

import torch
from torch import nn

from recurra.cells import CELLS, Cell
from recurra.engine import ENGINES, precision
from recurra.engine.precision import Kind
from recurra.errors import UsageError, near_miss
from recurra.layers import Recurrent, Stack, stacked
from recurra.tasks.options import TaskOptions
from recurra.train import Clip, Constant, Cosine, OneCycle, Plateau, Schedule, optimizer

__all__ = ["cell", "check_every", "clip", "device", "held", "make_optimizer", "schedule", "stack"]

Model = TypeVar("Model", bound=nn.Module)


def cell(options: TaskOptions) -> Cell:
    """The cell that the options name."""
    if options.cell not in CELLS:
        raise UsageError(f"cell={options.cell}: {near_miss(options.cell, CELLS)}")
    return CELLS[options.cell]


def stack(options: TaskOptions, input_size: int) -> Stack:
    """The recurrent layers, `input_size` to `hidden`."""
    return stacked(
        cell(options),
        input_size,
        options.hidden,
        layers=options.layers,
        dropout=options.dropout,
        residual=options.residual,
        engine=None if options.engine == "auto" else ENGINES[options.engine],
    )


def make_optimizer(options: TaskOptions, model: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of all weights."""
    return optimizer(options.optimizer, model, lr=options.lr, weight_decay=options.weight_decay)


def schedule(options: TaskOptions, steps: int) -> Schedule:
    """How the learning rate moves over a run of `steps` updates."""
    match options.schedule:
        case "constant":
            return Constant(options.warmup)
        case "cosine":
            return Cosine(steps, min(options.warmup, steps // 10))
        case "onecycle":
            return OneCycle(steps)
        case "plateau":
            return Plateau(warmup=options.warmup)


def clip(options: TaskOptions) -> Clip:
    """The bounds of the gradient."""
    return Clip(options.clip, options.clip_value)


def check_every(options: TaskOptions, steps: int) -> int:
    """How many updates lie between two looks."""
    return options.check or max(1, steps // 30)


def device(options: TaskOptions) -> torch.device:
    """Where to compute."""
    if options.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        probe = torch.ones(1, device=options.device)
        probe.item()  # the device "meta" makes tensors, but holds none
        return probe.device
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device={options.device}: not on this machine ({str(error).splitlines()[0]})") from None


@torch.no_grad()
def held(model: Model, weights: Kind) -> Model:
    """The model as it is with the matrices of its recurrent layers held in fewer bytes: a copy in which they are rounded."""
    if weights == "full":
        return model
    copy = deepcopy(model)
    for layer in copy.modules():
        if isinstance(layer, Recurrent):
            for name, number in precision.spread(*precision.held(layer.cell, layer.weights, weights)).items():
                layer.get_parameter(name).copy_(number)
    return copy
