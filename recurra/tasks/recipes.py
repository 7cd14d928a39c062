"""What the options that all tasks share come to: a stack, an optimiser, a schedule, a device."""

import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from inspect import signature
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import torch
from torch import nn

from recurra import store
from recurra.cells import CandidateDropout, Cell, Zoneout, layer_normed
from recurra.engine import ENGINES
from recurra.engine.precision import Kind
from recurra.errors import UsageError
from recurra.layers import Bidirectional, Highway, Recurrent, Stack, batch_normed, chrono_start, member, round_matrices
from recurra.models import CausalTransformer, TransformerEncoder
from recurra.tasks.options import Classify, Compose, Mask, SequenceOptions, Tag, TaskOptions, Text, TranscriptOptions
from recurra.train import (
    Average,
    Batches,
    Clip,
    Constant,
    Cosine,
    Exponential,
    Forced,
    Look,
    Loss,
    MaxNorm,
    OneCycle,
    Penalised,
    Plateau,
    RangeTest,
    Report,
    Schedule,
    Training,
    decay,
    optimizer,
    range_test,
)

__all__ = [
    "Setup",
    "average",
    "cell",
    "check",
    "check_every",
    "clip",
    "device",
    "find_lr",
    "forcing",
    "held",
    "make_optimizer",
    "network",
    "precision",
    "reader",
    "schedule",
    "stack",
    "steps",
    "train",
    "transformer",
    "update",
]

Model = TypeVar("Model", bound=nn.Module)

NONMONOTONE = 5  # looks, as in Merity et al. 2018
RECURRENT = (
    *("cell", "residual", "highway", "norm", "chrono", "variational", "input_dropout", "recurrent_dropout", "weight_drop"),
    *("zoneout", "activation_penalty", "slowness_penalty", "max_norm", "recurrent_lr", "engine"),
    *("attention", "feeding", "copying", "bidirectional", "encoder_cell"),
)
"""Options of recurrent layers, which a Transformer has not."""
SAMPLES = "samples"  # of a run folder: what was to be seen or heard at each look
PROBED = 64  # rows on which a cell shows what it can: enough for statistics of a batch


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
        update(options, setup.model, setup.update),
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
        average=average(options, setup.model),
    ) as training:
        for report in training.steps(setup.look, check_every(options, total)):
            if folder is not None and report.files:
                (folder / SAMPLES).mkdir(exist_ok=True)
                for name, content in report.files.items():
                    store.write_bytes(folder / SAMPLES / f"{report.step:06}-{name}", content)
            yield report


def find_lr(options: TaskOptions, setup: Setup) -> RangeTest:
    """The learning-rate range test of what the options train, over their `steps`, or 150 updates; the model is spent."""
    return range_test(
        setup.model,
        update(options, setup.model, setup.update),
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


def forcing(options: Text | SequenceOptions, batches: Batches, per_epoch: float) -> Forced:
    """The batches of a task that generates, each with the share of true symbols that its update reads."""
    share = decay(options.forcing_decay, options.forcing, steps(options, per_epoch))
    return Forced(batches, share, options.accumulate)


def cell(options: TaskOptions) -> Cell | None:
    """The cell that the options name: normed, then its candidate dropped, then zoned out; None of a core of its own kind."""
    found = member(options.cell).cell
    if found is None:
        return None
    try:
        if options.norm == "layer":
            found = layer_normed(found)
        if options.recurrent_dropout:
            found = CandidateDropout(found, options.recurrent_dropout, "sequence" if options.variational else "steps")
        return Zoneout(found, options.zoneout) if options.zoneout else found
    except UsageError as error:
        raise UsageError(f"cell={options.cell}: {error}") from None


def network(options: Classify | Compose | Mask | SequenceOptions | Tag | Text | TranscriptOptions) -> None:
    """Refuse what the network cannot have, before any data are read."""
    if options.model == "recurrent":
        cell(options)
        return
    for name in (name for name in RECURRENT if name in type(options).model_fields):
        given, default = (str(value).lower() for value in (getattr(options, name), type(options).model_fields[name].default))
        if given != default:
            reason = "model=transformer has no recurrent layers"
            raise UsageError(f"{name}={given}: {reason}; wanted {name}={default}, or model=recurrent")
    if options.hidden % (2 * options.heads):
        wanted = f"a multiple of {2 * options.heads}, an even number of units for each head"
        raise UsageError(f"hidden={options.hidden} and heads={options.heads}: wanted hidden to be {wanted}")


def reader(
    options: Classify | Mask | SequenceOptions | Tag | TranscriptOptions,
    input_size: int,
    *,
    bidirectional: bool,
    output_dropout: float = 0.0,
) -> nn.Module:
    """What reads a whole sequence, `input_size` to `hidden`: recurrent layers, or a Transformer that sees all of it."""
    if options.model == "transformer":
        how: dict[str, Any] = {"layers": options.layers, "heads": options.heads, "dropout": options.dropout}
        return TransformerEncoder(options.hidden, input_size=input_size, **how)
    return stack(options, input_size, output_dropout=output_dropout, bidirectional=bidirectional)


def transformer(options: Compose | Text, input_size: int) -> CausalTransformer:
    """A Transformer in the place of recurrent layers, `input_size` to `hidden`; each block looks back over one window."""
    return CausalTransformer(
        options.hidden,
        layers=options.layers,
        heads=options.heads,
        context=options.window,
        dropout=options.dropout,
        input_size=input_size,
    )


def stack(options: TaskOptions, input_size: int, *, output_dropout: float = 0.0, bidirectional: bool = False) -> Stack:
    """The recurrent layers, `input_size` to `hidden`; of two directions each has half of it."""
    make = _both_ways if bidirectional else _layer
    return Stack(
        *(make(options, size) for size in (input_size, *[options.hidden] * (options.layers - 1))),
        dropout=options.dropout,
        input_dropout=options.input_dropout,
        output_dropout=output_dropout,
        variational=options.variational,
        residual=options.residual,
    )


def _both_ways(options: TaskOptions, input_size: int) -> Bidirectional:
    half = options.model_copy(update={"hidden": options.hidden // 2})
    return Bidirectional(_layer(half, input_size), _layer(half, input_size))


def _layer(options: TaskOptions, input_size: int) -> nn.Module:
    equation, sizes = cell(options), (input_size, options.hidden)
    engine = None if options.engine == "auto" else ENGINES[options.engine]
    how: dict[str, Any] = {"engine": engine, "weight_drop": options.weight_drop}
    if equation is None:
        made = _own_core(options, *sizes)
    elif options.norm.startswith("batch"):
        kind: Literal["sequence", "inside"] = "inside" if options.norm == "batch-inside" else "sequence"
        made = batch_normed(equation, member(options.cell).wiring(*sizes), kind, **how)
    else:
        made = Recurrent(equation, member(options.cell).wiring(*sizes), **how)
    if options.chrono:
        inside = [layer for layer in made.modules() if isinstance(layer, Recurrent)]
        if not inside:
            raise _refused(options, "chrono")
        for layer in inside:
            chrono_start(layer, options.chrono)
    return Highway(made, options.hidden) if options.highway and input_size == options.hidden else made


def _own_core(options: TaskOptions, input_size: int, hidden_size: int) -> nn.Module:
    """A core of its own kind, which takes what its class has arguments for and cannot be changed from outside."""
    make = member(options.cell).core
    assert make is not None
    taken, how = signature(make).parameters, dict[str, Any]()
    for name in ("norm", "recurrent_dropout", "weight_drop", "zoneout", "engine"):
        if getattr(options, name) != type(options).model_fields[name].default:
            if name not in taken:
                raise _refused(options, name)
            how[name] = ENGINES[options.engine] if name == "engine" else getattr(options, name)
    return make(input_size, hidden_size, **how)


def _refused(options: TaskOptions, name: str) -> UsageError:
    default = type(options).model_fields[name].default
    return UsageError(f"{name}={getattr(options, name)}: cell={options.cell} cannot; wanted {name}={default}, or another cell")


def check(options: TaskOptions, model: nn.Module) -> None:
    """Refuse what a model cannot have, while there is no run folder yet."""
    make_optimizer(options, model)
    update(options, model, lambda *_: Loss(torch.zeros(()), 0))


def update(options: TaskOptions, model: nn.Module, plain: Callable[[Any, Any], Loss]) -> Callable[[Any, Any], Loss]:
    """The update of a model, penalties of activations added to its loss."""
    if not (options.activation_penalty or options.slowness_penalty):
        return plain
    return Penalised(model, plain, activation=options.activation_penalty, slowness=options.slowness_penalty)


def make_optimizer(options: TaskOptions, model: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of all weights, which keeps those of recurrent layers within their bound."""
    made = optimizer(
        options.optimizer, model, lr=options.lr, weight_decay=options.weight_decay, recurrent_lr=options.recurrent_lr
    )
    if options.max_norm:
        made.register_step_post_hook(MaxNorm(model, options.max_norm))
    return made


def average(options: TaskOptions, model: nn.Module) -> float | Average:
    """The average of the weights that is looked at and kept; that of NT-ASGD begins where five looks were not enough."""
    return Average(model, 1.0, NONMONOTONE) if options.optimizer == "nt-asgd" else options.average


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
    return Clip(options.clip, options.clip_value, options.adaptive_clip)


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
    if getattr(options, "model", "") == "transformer":  # it has no cell to ask
        return "bfloat16"
    try:
        with torch.random.fork_rng([where] if where.type == "cuda" else []), torch.autocast(where.type, torch.bfloat16):
            layer = stack(options.model_copy(update={"hidden": 8, "layers": 1}), 8).to(where)
            layer(torch.ones(PROBED, 2, 8, device=where))[0].float().sum().backward()
    except RuntimeError as error:
        reason = f"cell={options.cell} cannot be trained so on this {where.type} ({str(error).splitlines()[0]})"
        raise UsageError(f"precision=bfloat16: {reason}; take another cell, or float32") from None
    return "bfloat16"


@torch.no_grad()
def held(model: Model, weights: Kind) -> Model:
    """The model as it is with the matrices of its recurrent layers held in fewer bytes: a copy in which they are rounded."""
    if weights == "full":
        return model
    if not any(isinstance(layer, Stack) for layer in model.modules()):
        raise UsageError(f"weights={weights}: the model has no recurrent layers, whose matrices are meant; wanted weights=full")
    copy = deepcopy(model)
    for layer in copy.modules():
        if isinstance(layer, Stack):
            round_matrices(layer, weights)
    return copy
