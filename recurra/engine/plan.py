"""How a traced cell runs: which products and which pointwise stages, in what order, and where every number lies."""

from typing import NamedTuple

from recurra.cells import Cell
from recurra.engine.trace import Graph, Traced
from recurra.engine.vector import Untraceable
from recurra.wirings import as_map

__all__ = ["MapPlan", "Plan", "Segment", "Stage", "plan"]


class MapPlan(NamedTuple):
    """One map: its parts, the place of the first among the gates, and the state field it reads (None: a value of the step)."""

    name: str
    parts: tuple[str, ...]
    first: int
    reads: int | None


class Stage(NamedTuple):
    """Forwards: the product of a map, if any, then the pointwise values that it allows."""

    map: MapPlan | None
    outputs: tuple[str, ...]


class Segment(NamedTuple):
    """Backwards: pointwise gradients, then the products of the maps whose gradients are complete."""

    outputs: tuple[str, ...]
    maps: tuple[MapPlan, ...]


class Plan(NamedTuple):
    """The whole sweep of a cell.

    `merged` gates have one pre-activation, since input and map meet only in a sum; `apart` gates keep two.
    """

    traced: Traced
    gates: tuple[str, ...]
    fields: tuple[str, ...]
    vectors: tuple[str, ...]
    maps: tuple[MapPlan, ...]
    merged: tuple[str, ...]
    apart: tuple[str, ...]
    y: int | None
    stages: tuple[Stage, ...]
    segments: tuple[Segment, ...]

    @property
    def in_place(self) -> bool:
        """Whether gradients may take the place of the pre-activations they come from."""
        return len(self.segments) == 1

    @property
    def entering(self) -> tuple[MapPlan, ...]:
        """The maps that read a value of the step, which is kept for their weights' gradient."""
        return tuple(each for each in self.maps if each.reads is None)


def plan(cell: Cell, traced: Traced) -> Plan:
    """Order the work of a cell; Untraceable says what does not fit."""
    gates, fields, ahead = cell.gates, cell.State._fields, traced.forward
    if cell.norms or cell.noise:
        raise Untraceable("norms and noise are not compiled yet")
    if set(traced.maps) != set(cell.maps):
        raise Untraceable(f"step does not call the map {min(set(cell.maps) - set(traced.maps))}")
    maps = tuple(_map(cell, name, ahead) for name in traced.maps)
    mapped = {part: each for each in maps for part in each.parts}
    merged = tuple(gate for gate in gates if gate in mapped and _one_sum(traced, gate, mapped[gate].name))
    apart = tuple(gate for gate in gates if gate in mapped and gate not in merged)
    states = [ahead.outputs[f"s.{field}"] for field in fields]
    y = states.index(ahead.outputs["y"]) if isinstance(ahead.outputs["y"], int) and ahead.outputs["y"] in states else None
    stages, segments = _stages(maps, fields, y), _segments(traced.backward, maps, fields)
    return Plan(traced, gates, fields, tuple(cell.vectors), maps, merged, apart, y, stages, segments)


def _map(cell: Cell, name: str, ahead: Graph) -> MapPlan:
    declared = as_map(cell.maps[name])
    places = [cell.gates.index(part) for part in declared.parts if part in cell.gates]
    if declared.takes != "hidden" or declared.gives != "hidden":
        raise Untraceable("projections are not compiled yet")
    if len(places) != len(declared.parts) or places != list(range(places[0], places[0] + len(places))):
        raise Untraceable(f"the parts of the map {name} are not neighbouring gates")
    entering = ahead.outputs[f"a.{name}"]
    reads = ahead.inputs[entering] if isinstance(entering, int) and entering < len(ahead.inputs) else ""
    return MapPlan(name, declared.parts, places[0], cell.State._fields.index(reads[2:]) if reads.startswith("s.") else None)


def _one_sum(traced: Traced, gate: str, name: str) -> bool:
    for graph in (traced.forward, traced.backward):
        x, r = graph.uses(f"x.{gate}"), graph.uses(f"r.{name}.{gate}")
        if not (len(x) == len(r) == 1 and x == r and x[0].name == "add"):
            return False
    return True


def _stages(maps: tuple[MapPlan, ...], fields: tuple[str, ...], y: int | None) -> tuple[Stage, ...]:
    last = tuple(f"s.{field}" for field in fields) + (("y",) if y is None else ())
    stages, before = [], None
    for each in maps:
        if each.reads is None:
            stages.append(Stage(before, (f"a.{each.name}",)))
        elif before is not None:
            stages.append(Stage(before, ()))
        before = each
    stages.append(Stage(before, last))
    return tuple(stages)


def _segments(back: Graph, maps: tuple[MapPlan, ...], fields: tuple[str, ...]) -> tuple[Segment, ...]:
    """Gradients in the order in which they become possible; those of the state last, since they take its place."""
    pending = [f"g.{name}" for name in back.inputs if name[0] in "xmr"]
    at_last = [f"g.s.{field}" for field in fields]
    waiting = [each for each in maps if each.reads is None]
    missing = {f"d.a.{each.name}" for each in waiting}
    segments = []
    while True:
        outputs = [name for name in pending if not back.needs([name]) & missing]
        pending = [name for name in pending if name not in outputs]
        ready = [each for each in waiting if not any(f"g.r.{each.name}.{part}" in pending for part in each.parts)]
        if not ready:
            direct = tuple(each for each in maps if each.reads is not None)
            segments.append(Segment((*outputs, *at_last), direct))
            return tuple(segments)
        segments.append(Segment(tuple(outputs), tuple(ready)))
        waiting = [each for each in waiting if each not in ready]
        missing -= {f"d.a.{each.name}" for each in ready}
