"""From `step` to pointwise graphs: the cell's own equation and torch's derivative of it.

`step` runs once on small tensors under torch's tracer. A call of a map or a norm is a cut: what goes in becomes an output of the
graph, what comes out an input. So the graphs hold pointwise operations alone, of one unit of one row; products and row sums stay
outside. A diagonal map is pointwise itself, so it is part of the graph.
"""

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.fx import Graph as FxGraph
from torch.fx import Node

from recurra.cells import Cell
from recurra.engine.vector import LOWERED, Untraceable
from recurra.wirings import as_map, parts_class

__all__ = ["Graph", "Op", "Traced", "trace"]

Value: TypeAlias = "int | float"
"""An argument of an operation: the number of an input or of an earlier operation, or a constant."""


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

    Names of forward inputs: ``x.GATE``, ``s.FIELD``, ``m.VECTOR``, ``k.NOISE``, ``r.MAP.PART`` and ``n.NORM``, what comes out of
    a map or norm; of outputs: ``y``, ``s.FIELD`` and ``a.MAP`` or ``a.NORM``, what goes in. Backward has every forward input, and
    ``d.OUTPUT``, the gradients that come in; its outputs are ``g.INPUT``. A diagonal map is the vectors ``m.MAP_weight.PART``
    and ``m.MAP_bias.PART``. `cuts` are the maps and norms in the order of their calls.
    """

    forward: Graph
    backward: Graph
    cuts: tuple[str, ...]


def trace(cell: Cell, diagonal: bool) -> Traced:
    """Trace a cell, whose maps are one weight for each unit where they are `diagonal`; Untraceable says why it cannot be."""
    first, second = _trace(cell, diagonal, 2), _trace(cell, diagonal, 3)
    if first != second:
        raise Untraceable("step depends on the number of units")
    return first


def _inputs(cell: Cell, diagonal: bool, size: int) -> dict[str, int]:
    """The inputs of the forward graph, and how wide each is in this trace; hidden and projected widths differ."""
    widths = {"hidden": size, "projected": size + 5}
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
    fields, inputs = cell.State._fields, _inputs(cell, diagonal, size)
    called: dict[str, Tensor] = {}

    def forward(*values: Tensor) -> tuple[Tensor, ...]:
        called.clear()
        known = dict(zip(inputs, values, strict=True))
        owned: dict[str, Any] = {name: known[f"m.{name}"] for name in cell.vectors}
        owned |= {name: known[f"k.{name}"] for name in cell.noise}
        owned |= {name: _diagonal(cell, name, known) if diagonal else _cut(cell, name, known, called) for name in cell.maps}
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

    samples = tuple(torch.full((width,), 0.5) for width in inputs.values())  # no random numbers: a user's stay as they are
    table: Any = core_aten_decompositions()
    outputs = ["y", *(f"s.{field}" for field in fields)]
    try:
        ahead = make_fx(functionalize(forward), decomposition_table=table)(*samples)
        cuts = tuple(called)
        outputs += [f"a.{name}" for name in cuts]
        cotangents = tuple(torch.full_like(out, 0.5) for out in forward(*samples))
        back = make_fx(functionalize(backward), decomposition_table=table)(samples, cotangents)
    except Untraceable:
        raise
    except Exception as error:
        raise Untraceable(f"step raises {type(error).__name__} under the tracer: {str(error).splitlines()[0]}") from error
    return Traced(
        _graph(ahead.graph, list(inputs), outputs),
        _graph(back.graph, [*inputs, *(f"d.{name}" for name in outputs)], [f"g.{name}" for name in inputs]),
        cuts,
    )


def _cut(cell: Cell, name: str, known: Mapping[str, Tensor], called: dict[str, Tensor]) -> Callable[[Tensor], Any]:
    names = as_map(cell.maps[name]).parts

    def call(v: Tensor) -> Any:
        if name in called:
            raise Untraceable(f"map {name} is called twice in a step")
        called[name] = v
        return parts_class(names)(*(known[f"r.{name}.{part}"] for part in names))

    return call


def _norm(name: str, known: Mapping[str, Tensor], called: dict[str, Tensor]) -> Callable[[Tensor], Tensor]:
    def call(v: Tensor) -> Tensor:
        if name in called:
            raise Untraceable(f"norm {name} is called twice in a step")
        called[name] = v.expand_as(known[f"n.{name}"])
        return known[f"n.{name}"]

    return call


def _diagonal(cell: Cell, name: str, known: Mapping[str, Tensor]) -> Callable[[Tensor], Any]:
    map = as_map(cell.maps[name])

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


def _graph(fx: FxGraph, inputs: Sequence[str], outputs: Sequence[str]) -> Graph:
    fx.eliminate_dead_code()
    values: dict[Node, Value] = {}
    ops: list[Op] = []
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
            name = str(node.target).split(".")[1] if node.op == "call_function" else node.op
            if name in SILENT:
                values[node] = value(node.args[0])
            elif name.startswith("empty"):
                values[node] = 0.0  # written over before it is read
            elif name == "copy_":
                values[node] = values[node.args[0]] = value(node.args[1])
            elif name in FILLED:
                place = FILLED[name]
                values[node] = float("one" in name) if place is None else value(node.args[place])
            elif name == "pow":
                values[node] = _power(ops, len(inputs), value(node.args[0]), node.args[1])
            elif name.removesuffix("_") not in LOWERED:
                raise Untraceable(f"step uses {node.target}, which is not pointwise or not compiled yet")
            else:
                known = name.removesuffix("_")
                ops.append(Op(known, tuple(value(argument) for argument in node.args[: LOWERED[known][0]])))
                values[node] = len(inputs) + len(ops) - 1
                if known != name:  # in place
                    values[node.args[0]] = values[node]
    return Graph(tuple(inputs), tuple(ops), dict(zip(outputs, map(value, result), strict=True)))


def _power(ops: list[Op], first: int, x: Value, exponent: Any) -> Value:
    if exponent == 0.5:
        ops.append(Op("sqrt", (x,)))
        return first + len(ops) - 1
    if exponent not in range(9):
        raise Untraceable(f"step uses a power of {exponent}; whole numbers up to 8 and 0.5 are compiled")
    power: Value = 1.0 if exponent == 0 else x
    for _ in range(int(exponent) - 1):
        ops.append(Op("mul", (power, x)))
        power = first + len(ops) - 1
    return power
