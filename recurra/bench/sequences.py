"""Whole sequences: layers beside torch.nn, the Python fold, a Python loop, and this run's ``A @ A``."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from recurra.bench.cells import OWN, LayerNormLoop
from recurra.bench.options import Plan
from recurra.bench.results import Contender, Measure, Shape
from recurra.bench.roofs import square
from recurra.bench.timing import Timer
from recurra.cells import GRU, LSTM, Cell, Elman, LayerNormLSTM, MinGRU, ProjectedLSTM
from recurra.engine import Engine, Fold, Sweep, refusal
from recurra.layers import Bidirectional, Dense, Diagonal, Recurrent
from recurra.wirings import Wiring

__all__ = [
    "PEERS",
    "Candidate",
    "cells",
    "given",
    "grid",
    "measure",
    "ours",
    "profile",
    "runs",
    "scan",
    "shapes",
    "timer",
    "torch_nn",
    "variants",
]

WAYS = ("training", "inference")


class Peers(NamedTuple):
    """Our cell, and torch's layer and single step of the same equation."""

    cell: Cell
    layer: Callable[..., nn.Module]
    step: Callable[..., nn.Module]


PEERS = {
    "gru": Peers(GRU(), nn.GRU, nn.GRUCell),
    "elman": Peers(Elman(), nn.RNN, nn.RNNCell),
    "lstm": Peers(LSTM(), nn.LSTM, nn.LSTMCell),
}
"""By the name of the cell."""


class Candidate(NamedTuple):
    """A layer, its input, and how it is called."""

    layer: nn.Module
    x: Tensor
    call: Callable[[Tensor], Tensor]


def ours(
    cell: Cell, wiring: Wiring, x: Tensor, lengths: Tensor | None = None, name: str = Contender.OURS
) -> dict[str, Candidate]:
    """The compiled sweep on x (B, T, I), whatever the layer would choose by itself; nothing where it does not take the cell."""
    return {name: _layer(Sweep(), cell, wiring, x, lengths)} if Sweep().takes(cell, wiring) else {}


def _layer(engine: Engine, cell: Cell, wiring: Wiring, x: Tensor, lengths: Tensor | None = None) -> Candidate:
    layer = Recurrent(cell, wiring, engine=engine).to(x.dtype)
    return Candidate(layer, x, lambda x: layer(x, lengths=lengths)[0])


def torch_nn(layer: nn.Module, x: Tensor) -> Candidate:
    """A layer of torch on the same input in torch's own order, (T, B, I)."""
    layer = layer.to(x.dtype)
    return Candidate(layer, x.detach().transpose(0, 1).contiguous().requires_grad_(), lambda x: layer(x)[0])


def runs(candidates: Mapping[str, Candidate], way: str) -> dict[str, Callable[[], object]]:
    """The call of each candidate: forward and backward for training, else forward alone."""
    return {name: _training(one) if way == "training" else _inference(one) for name, one in candidates.items()}


def _beside_product(candidates: Mapping[str, Candidate], way: str, plan: Plan) -> dict[str, float]:
    return timer(plan).medians(runs(candidates, way) | {Contender.PRODUCT: square()})


def timer(plan: Plan) -> Timer:
    """As long as the options let a comparison take."""
    return Timer(*plan.rounds, plan.budget)


def shapes(plan: Plan, threads: int) -> Iterator[Measure]:
    """Every chosen cell in every shape."""
    return _beside_torch("shapes", plan, plan.shapes, threads)


def grid(plan: Plan, threads: int) -> Iterator[Measure]:
    """Every chosen cell over rows and units."""
    return _beside_torch("grid", plan, plan.grid, threads)


def _beside_torch(part: str, plan: Plan, shapes: tuple[Shape, ...], threads: int) -> Iterator[Measure]:
    for name in plan.cells:
        cell, layer, _ = PEERS[name]
        for shape in shapes:
            x, units = given(shape), shape.units
            candidates = ours(cell, Dense(units, units), x) | {Contender.NN: torch_nn(layer(units, units), x)}
            for way in WAYS:
                yield measure(part, name, cell, way, shape, threads, _beside_product(candidates, way, plan))


def variants(plan: Plan, threads: int) -> Iterator[Measure]:
    """Ragged rows, double precision, projections and both directions."""
    for name in plan.cells:
        for shape in plan.variants:
            for variant, candidates in _variants(name, shape).items():
                for way in WAYS:
                    seconds = timer(plan).medians(runs(candidates, way))
                    yield measure("variants", f"{variant}: {name}", PEERS[name].cell, way, shape, threads, seconds)


def _variants(name: str, shape: Shape) -> dict[str, dict[str, Candidate]]:
    cell, layer, _ = PEERS[name]
    x, units, wiring = given(shape), shape.units, Dense(shape.units, shape.units)
    lengths = torch.linspace(shape.steps, max(1, shape.steps // 8), shape.batch).long()  # longest first, as torch wants it
    double = x.detach().double().requires_grad_()
    found = {
        "ragged": ours(cell, wiring, x, lengths) | {Contender.NN: _packed(layer(units, units), x, lengths)},
        "float64": ours(cell, wiring, double) | {Contender.NN: torch_nn(layer(units, units), double)},
        "bidirectional": _both(cell, wiring, x) | {Contender.NN: torch_nn(layer(units, units, bidirectional=True), x)},
    }
    if name == "lstm":
        narrow = max(1, units // 2)
        peer = torch_nn(nn.LSTM(units, units, proj_size=narrow), x)
        found["projections"] = ours(ProjectedLSTM(), Dense(units, units, narrow), x) | {Contender.NN: peer}
    return found


def _both(cell: Cell, wiring: Wiring, x: Tensor) -> dict[str, Candidate]:
    if not Sweep().takes(cell, wiring):
        return {}
    both = Bidirectional(*(Recurrent(cell, wiring, engine=Sweep()) for _ in range(2)))
    return {Contender.OURS: Candidate(both, x, lambda x: both(x)[0])}


def _packed(layer: nn.Module, x: Tensor, lengths: Tensor) -> Candidate:
    """The layer of torch on rows packed beforehand."""
    packed = pack_padded_sequence(x.detach(), lengths, batch_first=True)
    data = packed.data.clone().requires_grad_()
    return Candidate(layer, data, lambda data: layer(packed._replace(data=data))[0].data)


def cells(plan: Plan, threads: int) -> Iterator[Measure]:
    """A user's cells: per gate beside our LSTM, and beside what runs them without an engine."""
    for name, cell in OWN.items():
        for shape in plan.fold:
            x, wiring = given(shape), Dense(shape.units, shape.units)
            candidates = ours(cell, wiring, x) | ours(LSTM(), wiring, x, name=Contender.OURS_LSTM)
            yield measure("cells", name, cell, "inference", shape, threads, _beside_product(candidates, "inference", plan))
            candidates[Contender.FOLD] = _layer(Fold(), cell, wiring, x)
            if isinstance(cell, LayerNormLSTM):
                loop = LayerNormLoop(shape.units, shape.units)
                candidates[Contender.LOOP] = Candidate(loop, x, loop)
            yield measure("cells", name, cell, "training", shape, threads, _beside_product(candidates, "training", plan))


def profile(plan: Plan, threads: int) -> Iterator[Measure]:
    """Every chosen cell beside itself with one number in the place of each matrix: the same call without the product of h."""
    for name in plan.cells:
        cell = PEERS[name].cell
        for shape in plan.shapes:
            x, units = given(shape), shape.units
            candidates = ours(cell, Dense(units, units), x) | ours(cell, Diagonal(units, units), x, name=Contender.DIAGONAL)
            for way in WAYS:
                yield measure("profile", name, cell, way, shape, threads, _beside_product(candidates, way, plan))


def scan(plan: Plan, threads: int) -> Iterator[Measure]:
    """A cell without a product in its loop, beside its input product alone."""
    cell = MinGRU()
    for shape in plan.scan:
        x, wiring = given(shape), Dense(shape.units, shape.units)
        linear = nn.Linear(shape.units, len(cell.gates) * shape.units)
        candidates = ours(cell, wiring, x) | {Contender.INPUT_PRODUCT: Candidate(linear, x, linear)}
        for way in WAYS:
            seconds = timer(plan).medians(runs(candidates, way))
            yield measure("scan", "minGRU", cell, way, shape, threads, seconds)


def measure(part: str, subject: str, cell: Cell, way: str, shape: Shape, threads: int, seconds: Mapping[str, float]) -> Measure:
    """What was found, with the work of the cell's products."""
    batch, steps, units = shape
    gates, passes = len(cell.gates), 3 if way == "training" else 1
    turns = 2 if cell.maps else 1  # products of x and of h
    weights = gates * units * units * 4
    rows = batch * steps * (2 * gates + 2) * units * 4  # x and y once; what goes into the gates is written and read
    return Measure(
        part,
        subject,
        way,
        shape,
        threads,
        {str(name): value for name, value in seconds.items()},
        {} if Contender.OURS in seconds else {str(Contender.OURS): f"the sweep does not take it{_reason(cell)}"},
        gates,
        passes * turns * 2.0 * batch * steps * gates * units * units,
        passes * (weights * (1.0 + (turns - 1) * steps) + rows),
    )


def _reason(cell: Cell) -> str:
    return f" ({refusal(cell)})" if refusal(cell) else ""


def given(shape: Shape) -> Tensor:
    """What a layer reads, (B, T, H)."""
    return torch.randn(*shape, requires_grad=True)


def _training(one: Candidate) -> Callable[[], None]:
    with torch.no_grad():
        gradient = torch.randn_like(one.call(one.x))

    def run() -> None:
        one.layer.zero_grad()
        one.x.grad = None
        torch.autograd.backward(one.call(one.x), gradient)

    return run


def _inference(one: Candidate) -> Callable[[], Any]:
    def run() -> None:
        with torch.no_grad():
            one.call(one.x)

    return run
