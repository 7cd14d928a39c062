"""From `step` to pointwise graphs: the cell's own equation and torch's derivative of it.

`step` runs once on small tensors under torch's tracer. A call of a map or a norm is a cut: what goes in becomes an output of
the graph, what comes out an input. So the graphs hold pointwise operations alone, of one unit of one row; products and row sums
stay outside. A diagonal map is pointwise itself, so it is part of the graph.
"""

import math
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import RLock
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.fx import Graph as FxGraph
from torch.fx import Node
from torch.utils._python_dispatch import TorchDispatchMode

from recurra.cells import Cell
from recurra.cells.cell import Map, Width
from recurra.engine.vector import LOWERED, Untraceable
from recurra.wirings.wiring import as_map, parts_class

__all__ = ["Graph", "Op", "Traced", "trace"]

Value: TypeAlias = "int | float"
"""An argument of an operation: the number of an input or of an earlier operation, or a constant."""


NUMBERS = torch.float32
"""What a trace is made with; compiled code has numbers of any size."""


class Op(NamedTuple):
    """One pointwise operation; whole-number arguments are values, floats are constants."""

    name: str
    args: tuple[Value, ...]


class Graph(NamedTuple):
    """Inputs by name, then operations, numbered together; and the values that are its outputs, by name."""

    inputs: tuple[str, ...]
    ops: tuple[Op, ...]
    outputs: Mapping[str, Value]

    def needs(self, names: Sequence[str]) -> set[str]:
        """The inputs that some outputs depend on."""
        wanted = {value for name in names if isinstance(value := self.outputs[name], int)}
        for number in range(len(self.inputs) + len(self.ops) - 1, len(self.inputs) - 1, -1):
            if number in wanted:
                wanted |= {arg for arg in self.ops[number - len(self.inputs)].args if isinstance(arg, int)}
        return {name for number, name in enumerate(self.inputs) if number in wanted}

    def uses(self, name: str) -> list[Op]:
        """The operations that read an input."""
        number = self.inputs.index(name)
        return [op for op in self.ops if any(isinstance(arg, int) and arg == number for arg in op.args)]


class Traced(NamedTuple):
    """A cell's step, forwards and its vector-Jacobian product.

    Forward inputs are ``x.GATE``, ``s.FIELD``, ``m.VECTOR``, ``k.NOISE``, and ``r.MAP.PART`` and ``n.NORM``, what comes out of
    a map or norm; outputs are ``y``, ``s.FIELD``, and ``a.MAP`` and ``a.NORM``, what goes in. Backward has every forward input
    and ``d.OUTPUT``, the gradients that come in; its outputs are ``g.INPUT``. A diagonal map is the vectors
    ``m.MAP_weight.PART`` and ``m.MAP_bias.PART``. `cuts` are the maps and norms in the order of their calls.
    """

    forward: Graph
    backward: Graph
    cuts: tuple[str, ...]


ALONE = RLock()  # torch's tracer knows one thread at a time


def trace(cell: Cell, diagonal: bool) -> Traced:
    """Trace a cell, whose maps are one weight for each unit where they are `diagonal`; Untraceable says why it cannot be."""
    with ALONE:
        first, second = _trace(cell, diagonal, 2), _trace(cell, diagonal, 3)
    if repr(first) != repr(second):  # a constant may be NaN, which equals nothing
        raise Untraceable("step depends on the number of units")
    return first


def _widths(size: int) -> dict[Width, int]:
    return {"hidden": size, "projected": size + 5}


def _inputs(cell: Cell, diagonal: bool, size: int) -> dict[str, int]:
    """The inputs of the forward graph, and how wide each is in this trace; hidden and projected widths differ."""
    widths = _widths(size)
    maps = {name: as_map(declared) for name, declared in cell.maps.items()}
    inputs = {f"x.{gate}": size for gate in cell.gates}
    inputs |= {f"s.{field}": widths[cell.widths.get(field, "hidden")] for field in cell.State._fields}
    inputs |= {f"m.{name}": size for name in cell.vectors} | {f"k.{name}": size for name in cell.noise}
    for name, map in maps.items():
        kinds = ["weight", "bias"] if map.bias else ["weight"]
        if diagonal:
            inputs |= {f"m.{name}_{kind}.{part}": size for kind in kinds for part in map.parts}
        else:
            inputs |= {f"r.{name}.{part}": widths[map.gives] for part in map.parts}
    return inputs | {f"n.{name}": size for name in cell.norms}


def _trace(cell: Cell, diagonal: bool, size: int) -> Traced:
    fields, inputs, widths = cell.State._fields, _inputs(cell, diagonal, size), _widths(size)
    called: dict[str, Tensor] = {}

    def forward(*values: Tensor) -> tuple[Tensor, ...]:
        called.clear()
        known = dict(zip(inputs, values, strict=True))
        owned: dict[str, Any] = {name: known[f"m.{name}"] for name in cell.vectors}
        owned |= {name: known[f"k.{name}"] for name in cell.noise}
        for name, declared in cell.maps.items():
            map = as_map(declared)
            owned[name] = _diagonal(name, map, known) if diagonal else _cut(name, map, known, called, widths[map.takes])
        owned |= {name: _norm(name, known, called) for name in cell.norms}
        gates = parts_class(cell.gates)(*(known[f"x.{gate}"] for gate in cell.gates))
        y, state = cell.step(gates, cell.State(*(known[f"s.{field}"] for field in fields)), SimpleNamespace(**owned))
        return (y, *state, *called.values())

    def backward(values: tuple[Tensor, ...], cotangents: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        gradients: tuple[Tensor, ...] = torch.func.vjp(forward, *values)[1](cotangents)
        return gradients

    from torch._decomp import core_aten_decompositions  # a second to import, so not before a cell is traced
    from torch.func import functionalize
    from torch.fx.experimental.proxy_tensor import make_fx

    samples = tuple(torch.full((n,), 0.5, dtype=NUMBERS, device="cpu") for n in inputs.values())  # a user's random numbers stay
    table: Any = core_aten_decompositions()
    outputs = ["y", *(f"s.{field}" for field in fields)]
    try:
        ahead = make_fx(functionalize(forward), decomposition_table=table)(*samples)
        cuts = tuple(called)
        given = forward(*samples)
        for name, out in zip(outputs, given, strict=False):
            _check(f"{name} out of step", out, widths[cell.output if name == "y" else cell.widths.get(name[2:], "hidden")])
        outputs += [f"a.{name}" for name in cuts]
        cotangents = tuple(torch.full_like(out, 0.5) for out in given)
        back = make_fx(functionalize(backward), decomposition_table=table)(samples, cotangents)
    except Untraceable:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        line = next((f" (line {frame.lineno})" for frame in reversed(frames) if frame.name == "step"), "")
        reason = str(error).partition("\n")[0]
        raise Untraceable(f"step raises {type(error).__name__} under the tracer{line}: {reason}") from error
    try:
        return Traced(
            _graph(ahead.graph, list(inputs), outputs),
            _graph(back.graph, [*inputs, *(f"d.{name}" for name in outputs)], [f"g.{name}" for name in inputs]),
            cuts,
        )
    except Untraceable as error:
        with _Witness(error.op, cell.step.__code__.co_filename) as witness:
            forward(*samples)
        if not witness.line:
            raise
        raise Untraceable(f"{error} ({Path(witness.file).name}, line {witness.line})", error.op) from None


class _Witness(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees which line of a file calls an operation first."""

    def __init__(self, op: str, file: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.op, self.file, self.line = op, file, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if str(func) == self.op and not self.line:
            frames = reversed(traceback.extract_stack())
            self.line = next((frame.lineno or 0 for frame in frames if frame.filename == self.file), 0)
        return func(*args, **(kwargs or {}))


def _check(what: str, v: Tensor, width: int) -> None:
    if v.shape != (width,) or v.dtype != NUMBERS:
        raise Untraceable(f"{what} is not one number for each unit of its declared width")


def _cut(name: str, map: Map, known: Mapping[str, Tensor], called: dict[str, Tensor], width: int) -> Callable[[Tensor], Any]:
    def call(v: Tensor) -> Any:
        if name in called:
            raise Untraceable(f"map {name} is called twice in a step")
        _check(f"what goes into map {name}", v, width)
        called[name] = v
        return parts_class(map.parts)(*(known[f"r.{name}.{part}"] for part in map.parts))

    return call


def _norm(name: str, known: Mapping[str, Tensor], called: dict[str, Tensor]) -> Callable[[Tensor], Tensor]:
    def call(v: Tensor) -> Tensor:
        if name in called:
            raise Untraceable(f"norm {name} is called twice in a step")
        _check(f"what goes into norm {name}", v, len(known[f"n.{name}"]))
        called[name] = v
        return known[f"n.{name}"]

    return call


def _diagonal(name: str, map: Map, known: Mapping[str, Tensor]) -> Callable[[Tensor], Any]:
    def call(v: Tensor) -> Any:
        products = [v * known[f"m.{name}_weight.{part}"] for part in map.parts]
        if map.bias:
            products = [product + known[f"m.{name}_bias.{part}"] for product, part in zip(products, map.parts, strict=True)]
        return parts_class(map.parts)(*products)

    return call


SILENT = {"clone", "detach", "alias", "_to_copy", "expand", "view"}
"""Operations that hand a value on as it is."""

FILLED = {"full": 1, "full_like": 1, "scalar_tensor": 0, "zeros_like": None, "ones_like": None, "zeros": None, "ones": None}
"""Operations that make a constant, and which argument it is."""

MASKS = {"eq", "ge", "gt", "le", "lt", "ne", "logical_and", "logical_not", "logical_or"}
"""Operations whose results are true or false; all others yield numbers."""

SAME = {"bitwise_and": "logical_and", "bitwise_not": "logical_not", "bitwise_or": "logical_or"}
"""The same operation, since whole numbers are refused."""

KINDS = (NUMBERS, torch.float64, torch.bool)


class _Ops:
    """Operations in the making: each is given a number, behind those of the inputs."""

    def __init__(self, inputs: int) -> None:
        self.inputs, self.ops = inputs, list[Op]()

    def add(self, name: str, *args: Value) -> Value:
        self.ops.append(Op(name, args))
        return self.inputs + len(self.ops) - 1

    def mask(self, value: Value) -> Value:
        """A number as true or false."""
        return value if self._is_mask(value) else self.add("ne", value, 0.0)

    def number(self, value: Value) -> Value:
        """True or false as a number."""
        return self.add("where", value, 1.0, 0.0) if self._is_mask(value) else value

    def _is_mask(self, value: Value) -> bool:
        return isinstance(value, int) and value >= self.inputs and self.ops[value - self.inputs].name in MASKS

    def operation(self, name: str, args: Sequence[Value]) -> Value:
        masks = {"where": 1, "logical_and": 2, "logical_not": 1, "logical_or": 2}.get(name, 0)
        return self.add(name, *map(self.mask, args[:masks]), *map(self.number, args[masks:]))

    def power(self, x: Value, exponent: Any) -> Value:
        if not isinstance(exponent, int | float) or abs(exponent) not in (*range(9), 0.5):
            raise Untraceable(f"step uses a power of {exponent}; whole numbers up to 8 and 0.5 are compiled")
        if exponent < 0:
            return self.add("reciprocal", self.power(x, -exponent))
        if exponent == 0.5:
            return self.add("sqrt", x)
        power: Value = x if exponent else 1.0
        for _ in range(int(exponent) - 1):
            power = self.add("mul", power, x)
        return power


def _graph(fx: FxGraph, inputs: Sequence[str], outputs: Sequence[str]) -> Graph:
    fx.eliminate_dead_code()
    values: dict[Node, Value] = {}
    ops = _Ops(len(inputs))
    result: tuple[Any, ...] = ()

    def value(argument: Any) -> Value:
        if isinstance(argument, Node):
            return values[argument]
        if isinstance(argument, bool | int | float):
            return float(argument)
        raise Untraceable(f"step uses {argument!r} inside an operation")

    for node in fx.nodes:
        if node.op == "placeholder":
            values[node] = len(values)
        elif node.op == "output":
            result = tuple(torch.utils._pytree.tree_leaves(node.args[0]))
        else:
            found = _value(ops, node, value)
            values[node] = ops.mask(found) if node.meta["val"].dtype == torch.bool else ops.number(found)
    return Graph(tuple(inputs), tuple(ops.ops), dict(zip(outputs, map(value, result), strict=True)))


def _value(ops: _Ops, node: Node, value: Callable[[Any], Value]) -> Value:
    if node.op != "call_function":
        raise Untraceable("step uses a tensor of its own; wanted a number, a gate, a vector or a state")
    space, _, rest = str(node.target).partition(".")
    name = SAME.get(called := rest.partition(".")[0], called)
    if node.meta["val"].dtype not in KINDS and name not in (*FILLED, "where"):  # a choice of two whole constants is a number
        raise Untraceable(f"step makes numbers of {node.meta['val'].dtype} by {node.target}, which are not compiled")
    if name in SILENT:
        return value(node.args[0])
    if name.startswith("empty"):
        return 0.0  # written over before it is read
    if name in FILLED:
        place = FILLED[name]
        return float("one" in name) if place is None else value(node.args[place])
    if name not in (*LOWERED, "pow") or space != "aten" or set(node.kwargs) - {"alpha"}:
        raise Untraceable(f"step uses {node.target}, which is not pointwise or not compiled yet", str(node.target))
    if name == "pow":
        return ops.power(ops.number(value(node.args[0])), node.args[1])
    args = [*node.args, *[None] * (LOWERED[name][0] - len(node.args))]
    if name == "clamp":
        bounds = (end if given is None else given for given, end in zip(args[1:], (-math.inf, math.inf), strict=True))
        args = [args[0], *bounds]
    taken = [value(argument) for argument in args[: LOWERED[name][0]]]
    if "alpha" in node.kwargs:
        taken[1] = ops.add("mul", ops.number(taken[1]), value(node.kwargs["alpha"]))
    return ops.operation(name, taken)
