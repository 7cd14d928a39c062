"""How a traced cell runs: products, norms and pointwise stages in their order, and which gates share one pre-activation."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from recurra.cells import Cell
from recurra.cells.cell import Width
from recurra.engine.trace import Graph, Traced
from recurra.engine.vector import Untraceable
from recurra.wirings.wiring import as_map

__all__ = ["MapPlan", "Plan", "Segment", "Stage", "Vector", "plan"]


class MapPlan(NamedTuple):
    """One map: its parts with those first that are `merged`, each part's place in the weight, and the state field it reads.

    A merged part meets the gate of its name only in a sum, so both have one pre-activation. `reads` is None where the map reads
    a value of the step.
    """

    name: str
    parts: tuple[str, ...]
    places: tuple[int, ...]
    merged: int
    takes: Width
    gives: Width
    reads: str | None


class Vector(NamedTuple):
    """A weight for each unit: its name in the graphs, the tensor it lies in, and its place there, in units."""

    name: str
    weight: str
    place: int


class Stage(NamedTuple):
    """Forwards: norms or the product of a map, if any, then the pointwise values that they allow."""

    norms: tuple[str, ...]
    map: MapPlan | None
    outputs: tuple[str, ...]


class Segment(NamedTuple):
    """Backwards: gradients of what went into norms, pointwise gradients, then products of maps whose gradients are whole."""

    norms: tuple[str, ...]
    outputs: tuple[str, ...]
    maps: tuple[MapPlan, ...]


class Plan(NamedTuple):
    """The whole sweep of a cell.

    Pre-activations lie in one group for each map, its merged gates first, then its other parts; and in a group for the gates
    that are `apart` from all maps. `widths` has every input and output of the graphs.
    """

    traced: Traced
    gates: tuple[str, ...]
    apart: tuple[str, ...]
    fields: tuple[str, ...]
    vectors: tuple[Vector, ...]
    noise: tuple[str, ...]
    norms: tuple[str, ...]
    maps: tuple[MapPlan, ...]
    widths: Mapping[str, Width]
    y: str | None
    stages: tuple[Stage, ...]
    segments: tuple[Segment, ...]

    @property
    def in_place(self) -> bool:
        """Whether gradients may take the place of the pre-activations they come from."""
        return len(self.segments) == 1

    @property
    def saved(self) -> tuple[str, ...]:
        """The maps and norms that read a value of the step, which is kept for the way back."""
        return tuple(each.name for each in self.maps if each.reads is None) + self.norms

    @property
    def width(self) -> Width:
        """Width of y."""
        return self.widths["y"]

    def group(self, gate: str) -> int:
        """How many parts lie in a row of the group that a gate belongs to."""
        return next((len(each.parts) for each in self.maps if gate in each.parts[: each.merged]), len(self.apart))


def plan(cell: Cell, traced: Traced) -> Plan:
    """Order the work of a cell; Untraceable says what does not fit."""
    fields, ahead, back = cell.State._fields, traced.forward, traced.backward
    in_graph = {name.partition(".")[2] for name in ahead.inputs if name.startswith("m.")} - set(cell.vectors)
    vectors = tuple(Vector(name, name, 0) for name in cell.vectors)
    maps = []
    for name, declared in cell.maps.items():
        parts = as_map(declared).parts
        vectors += tuple(
            Vector(f"{name}_{kind}.{part}", f"{name}_{kind}", place)
            for kind in ("weight", "bias")
            for place, part in enumerate(parts)
            if f"{name}_{kind}.{part}" in in_graph
        )
        if name in traced.cuts:
            maps.append(_map(cell, name, traced))
        elif not any(f"{name}_weight.{part}" in in_graph for part in parts):
            raise Untraceable(f"step does not call the map {name}")
    if uncalled := set(cell.norms) - set(traced.cuts):
        raise Untraceable(f"step does not call the norm {min(uncalled)}")
    merged = {part for each in maps for part in each.parts[: each.merged]}
    states = {ahead.outputs[f"s.{field}"]: field for field in reversed(fields)}
    out = ahead.outputs["y"]
    y = states.get(out) if isinstance(out, int) else None
    norms = tuple(name for name in traced.cuts if name in cell.norms)
    return Plan(
        traced,
        cell.gates,
        tuple(gate for gate in cell.gates if gate not in merged),
        fields,
        vectors,
        cell.noise,
        norms,
        tuple(maps),
        _widths(cell, back),
        y,
        _stages(ahead, maps, norms, y),
        _segments(back, maps, norms, fields),
    )


def _map(cell: Cell, name: str, traced: Traced) -> MapPlan:
    declared, ahead = as_map(cell.maps[name]), traced.forward
    merged = [part for part in declared.parts if part in cell.gates and _one_sum(traced, part, name)]
    parts = (*merged, *(part for part in declared.parts if part not in merged))
    entering = ahead.outputs[f"a.{name}"]
    reads = ahead.inputs[entering] if isinstance(entering, int) and entering < len(ahead.inputs) else ""
    places = tuple(declared.parts.index(part) for part in parts)
    field = reads[2:] if reads.startswith("s.") else None
    return MapPlan(name, parts, places, len(merged), declared.takes, declared.gives, field)


def _one_sum(traced: Traced, gate: str, name: str) -> bool:
    for graph, least in ((traced.forward, 1), (traced.backward, 0)):
        x, r = graph.uses(f"x.{gate}"), graph.uses(f"r.{name}.{gate}")
        if not (least <= len(x) <= 1 and x == r and all(op.name == "add" for op in x)):
            return False
    return f"x.{gate}" not in _handed_on(traced.forward) and f"r.{name}.{gate}" not in _handed_on(traced.forward)


def _handed_on(graph: Graph) -> set[str]:
    """The inputs that are outputs as they are."""
    found = (value for value in graph.outputs.values() if isinstance(value, int) and value < len(graph.inputs))
    return {graph.inputs[value] for value in found}


def _widths(cell: Cell, back: Graph) -> dict[str, Width]:
    widths: dict[str, Width] = {"y": cell.output}
    widths |= {f"s.{field}": cell.widths.get(field, "hidden") for field in cell.State._fields}
    for name, declared in cell.maps.items():
        widths[f"a.{name}"] = as_map(declared).takes
        widths |= {f"r.{name}.{part}": as_map(declared).gives for part in as_map(declared).parts}
    widths |= {f"a.{name}": "hidden" for name in cell.norms}
    known = {name: widths.get(name.removeprefix("d."), "hidden") for name in back.inputs}
    return widths | known | {name: widths.get(name.removeprefix("g."), "hidden") for name in back.outputs}


def _stages(ahead: Graph, maps: Sequence[MapPlan], norms: Sequence[str], y: str | None) -> tuple[Stage, ...]:
    """Norms as soon as they can be, then maps one by one; every value as soon as it can be."""
    pending = [f"a.{each.name}" for each in maps if each.reads is None] + [f"a.{name}" for name in norms]
    pending += [name for name in ahead.outputs if name.startswith("s.") or (name == "y" and y is None)]
    waiting, waiting_norms = list(maps), list(norms)
    missing = {name for name in ahead.inputs if name[0] in "rn"}
    stages = []
    while pending or waiting:
        ready = tuple(name for name in waiting_norms if f"a.{name}" not in pending)
        first = next((each for each in waiting if f"a.{each.name}" not in pending), None) if not ready else None
        missing -= {f"n.{name}" for name in ready} | ({f"r.{first.name}.{part}" for part in first.parts} if first else set())
        outputs = tuple(name for name in pending if not ahead.needs([name]) & missing)
        if not outputs and not ready and not first:
            raise Untraceable("step calls its maps in a circle")
        pending = [name for name in pending if name not in outputs]
        waiting = [each for each in waiting if each is not first]
        waiting_norms = [name for name in waiting_norms if name not in ready]
        stages.append(Stage(ready, first, outputs))
    return tuple(stages)


def _segments(back: Graph, maps: Sequence[MapPlan], norms: Sequence[str], fields: Sequence[str]) -> tuple[Segment, ...]:
    """Gradients in the order in which they become possible; those of the state last, since they take its place."""
    pending = [f"g.{name}" for name in back.inputs if name[0] in "xmrn"]
    at_last = tuple(f"g.s.{field}" for field in fields)
    waiting, waiting_norms = [each for each in maps if each.reads is None], list(norms)
    missing = {f"d.a.{each.name}" for each in waiting} | {f"d.a.{name}" for name in norms}
    segments, formed = [], tuple[str, ...]()

    def without(names: Sequence[str]) -> Callable[[str], bool]:
        return lambda name: name not in names

    while True:
        outputs = tuple(name for name in pending if not back.needs([name]) & missing)
        pending = list(filter(without(outputs), pending))
        ready = [each for each in waiting if not any(f"g.r.{each.name}.{part}" in pending for part in each.parts)]
        normed = tuple(name for name in waiting_norms if f"g.n.{name}" not in pending)
        if not ready and not normed:
            direct = tuple(each for each in maps if each.reads is not None)
            segments.append(Segment(formed, (*outputs, *at_last), direct))
            return tuple(segments)
        segments.append(Segment(formed, outputs, tuple(ready)))
        waiting = [each for each in waiting if each not in ready]
        waiting_norms, formed = list(filter(without(normed), waiting_norms)), normed
        missing -= {f"d.a.{each.name}" for each in ready} | {f"d.a.{name}" for name in normed}
