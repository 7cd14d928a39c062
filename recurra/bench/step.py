"""One step of one row: our stepper with weights of each size, torch's layers and cells, ONNX Runtime."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from recurra.bench.options import Plan
from recurra.bench.results import Contender, Measure, Shape
from recurra.bench.roofs import reading
from recurra.bench.sequences import PEERS, Candidate, measure, ours, runs, timer, torch_nn
from recurra.cells import Cell
from recurra.engine.precision import Kind
from recurra.layers import Dense, Recurrent

__all__ = ["step"]

WEIGHTS: dict[Contender, Kind] = {Contender.OURS: "full", Contender.BF16: "bfloat16", Contender.INT8: "int8"}
ONNX_NODES = {"gru": "GRU", "elman": "RNN", "lstm": "LSTM"}


def step(plan: Plan, threads: int) -> Iterator[Measure]:
    """Every chosen cell and size: a step as in streaming, and a step that is learnt from."""
    for name in plan.cells:
        cell = PEERS[name].cell
        for units in plan.units:
            shape = Shape(1, 1, units)
            yield _stream(plan, name, shape, threads)
            seconds = timer(plan).medians(runs(_learning(name, units), "training"))
            yield measure("step", name, cell, "training step", shape, threads, seconds)


def _stream(plan: Plan, name: str, shape: Shape, threads: int) -> Measure:
    cell, layer, single = PEERS[name]
    units, gates = shape.units, len(cell.gates)
    x, missing = torch.randn(1, units), dict[str, str]()
    sequence = x[None]
    whole, one = layer(units, units), single(units, units)
    steppers = {contender: _stepper(cell, units, kind, x) for contender, kind in WEIGHTS.items()}
    calls = {**steppers, Contender.NN: lambda: whole(sequence), Contender.NN_CELL: lambda: one(x)}
    if absent := [package for package in ("onnxruntime", "onnx") if find_spec(package) is None]:
        missing[Contender.ONNX] = f"not installed: pip install {' '.join(absent)}"
    else:
        calls[Contender.ONNX] = _onnx(ONNX_NODES[name], gates, units, threads)
    read = reading(gates * units, 2 * units)
    with torch.inference_mode():
        seconds = timer(plan).medians(calls | read)
    seconds[Contender.READING] = min(seconds.pop(way) for way in read)
    plain = {str(name): value for name, value in seconds.items()}
    return Measure("step", name, "step", shape, threads, plain, missing, gates, traffic=8.0 * gates * units * units)


def _stepper(cell: Cell, units: int, kind: Kind, x: Tensor) -> Callable[[], object]:
    stepper = Recurrent(cell, Dense(units, units)).stepper(weights=kind)
    state = stepper.initial(1)
    return lambda: stepper(x, state)


def _learning(name: str, units: int) -> dict[str, Candidate]:
    cell, layer, single = PEERS[name]
    x, one = torch.randn(1, 1, units, requires_grad=True), single(units, units)
    row = x.detach()[0].requires_grad_()
    return ours(cell, Dense(units, units), x) | {
        Contender.NN: torch_nn(layer(units, units), x),
        Contender.NN_CELL: Candidate(one, row, lambda x: one(x)[0] if name == "lstm" else one(x)),
    }


def _onnx(kind: str, gates: int, units: int, threads: int) -> Callable[[], object]:
    """One step of ONNX Runtime: the same equation from its own operator, states in and out."""
    import numpy as np
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    states = ["h", "c"] if kind == "LSTM" else ["h"]
    sizes = {"w": (1, gates * units, units), "r": (1, gates * units, units), "b": (1, 2 * gates * units)}
    extra = {"linear_before_reset": 1} if kind == "GRU" else {}
    node = helper.make_node(
        kind, ["x", *sizes, "", *states], ["", *(f"{state}_after" for state in states)], hidden_size=units, **extra
    )

    def value(name: str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, units])

    graph = helper.make_graph(
        [node],
        "step",
        [value(name) for name in ("x", *states)],
        [value(f"{state}_after") for state in states],
        [numpy_helper.from_array(random.normal(size=size).astype(np.float32) / 16, name) for name, size in sizes.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feeds = {name: random.normal(size=(1, 1, units)).astype(np.float32) for name in ("x", *states)}
    return lambda: session.run(None, feeds)
