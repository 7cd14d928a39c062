"""What the options that all tasks share come to: a stack, an optimiser, a schedule, a device."""

import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import torch
from torch import nn

from recurra.cells import CELLS, Cell
from recurra.engine import ENGINES
from recurra.engine import precision as rounding
from recurra.engine.precision import Kind
from recurra.errors import UsageError, near_miss
from recurra.layers import Recurrent, Stack, stacked
from recurra.tasks.options import TaskOptions
from recurra.train import (
    Batches,
    Clip,
    Constant,
    Cosine,
    Exponential,
    Look,
    Loss,
    OneCycle,
    Plateau,
    RangeTest,
    Report,
    Schedule,
    Training,
    optimizer,
    range_test,
)

__all__ = [
    "Setup",
    "cell",
    "check_every",
    "clip",
    "device",
    "find_lr",
    "held",
    "make_optimizer",
    "precision",
    "schedule",
    "stack",
    "steps",
    "train",
]

Model = TypeVar("Model", bound=nn.Module)


class Setup(NamedTuple):
    """What a page trains: ``page.setup(options, data)`` makes it from the data, without a run folder.

    `model` is on its device, with start weights by ``options.seed``; `per_epoch` is how many batches pass over the learning
    part once; `carry` is the state before the first batch.
    """

    model: nn.Module
    update: Callable[[Any, Any], Loss]
    batches: Batches
    per_epoch: float
    look: Callable[[], Look]
    carry: Any = ()


def train(options: TaskOptions, setup: Setup, folder: Path | None) -> Iterator[Report]:
    """Train as the options say, from the newest checkpoint in the folder if there is one; a report for each look."""
    total = steps(options, setup.per_epoch)
    with Training(
        setup.model,
        setup.update,
        setup.batches,
        optimizer=make_optimizer(options, setup.model),
        steps=total,
        schedule=schedule(options, total),
        clip=clip(options),
        patience=options.patience,
        carry=setup.carry,
        folder=folder,
        accumulate=options.accumulate,
        precision=precision(options),
        average=options.average,
    ) as training:
        yield from training.steps(setup.look, check_every(options, total))


def find_lr(options: TaskOptions, setup: Setup) -> RangeTest:
    """The learning-rate range test of what the options train, over their `steps`, or 150 updates; the model is spent."""
    return range_test(
        setup.model,
        setup.update,
        setup.batches,
        optimizer=make_optimizer(options, setup.model),
        clip=clip(options),
        carry=setup.carry,
        accumulate=options.accumulate,
        precision=precision(options),
        steps=options.steps or 150,
    )


def steps(options: TaskOptions, per_epoch: float) -> int:
    """How many updates the run has, where so many batches make an epoch."""
    return options.steps or max(1, math.ceil(options.epochs * per_epoch / options.accumulate))


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
        case "exponential":
            return Exponential(steps, min(options.warmup, steps // 10))
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


def precision(options: TaskOptions) -> Literal["float32", "bfloat16"]:
    """What updates compute in, once the cell has shown that it can: LSTM on a processor without AVX-512 cannot, for one."""
    if options.precision == "float32":
        return "float32"
    where = device(options)
    try:
        with torch.random.fork_rng([where] if where.type == "cuda" else []), torch.autocast(where.type, torch.bfloat16):
            layer = stack(options.model_copy(update={"hidden": 2, "layers": 1}), 2).to(where)
            layer(torch.ones(1, 2, 2, device=where))[0].float().sum().backward()
    except RuntimeError as error:
        reason = f"cell={options.cell} cannot be trained so on this {where.type} ({str(error).splitlines()[0]})"
        raise UsageError(f"precision=bfloat16: {reason}; take another cell, or float32") from None
    return "bfloat16"


@torch.no_grad()
def held(model: Model, weights: Kind) -> Model:
    """The model as it is with the matrices of its recurrent layers held in fewer bytes: a copy in which they are rounded."""
    if weights == "full":
        return model
    copy = deepcopy(model)
    for layer in copy.modules():
        if isinstance(layer, Recurrent):
            for name, number in rounding.spread(*rounding.held(layer.cell, layer.weights, weights)).items():
                layer.place(name, number)
    return copy
