"""The sweep forwards in LLVM's language."""

from collections.abc import Iterable

from recurra.cells.cell import Width
from recurra.engine.layout import Function, Isa, Layout
from recurra.engine.plan import MapPlan, Plan, Stage
from recurra.engine.rows import index, moments, normalise
from recurra.engine.team import Team
from recurra.engine.tile import VECTORS, beginning, product, row_blocks, scaled, together

__all__ = ["forward", "known"]

PLACE = ("row", "slot", "b", "unit")
RANGE = ("row", "slot", "b", "u0", "u1", "v0", "v1")


def known(code: Function, plan: Plan, names: set[str], row: str, slot: str, b: str, unit: str) -> dict[str, str]:
    """What a pointwise stage reads: pre-activations, states before the step, vectors, noise, norms."""
    merged = {(each.name, part) for each in plan.maps for part in each.parts[: each.merged]}
    found = {}
    for name in sorted(names):
        kind, _, rest = name.partition(".")
        if kind == "x":
            address = code.gate(plan, rest, slot, unit)
        elif kind == "r":
            map_name, _, part = rest.partition(".")
            if (map_name, part) in merged:
                found[name] = code.constant(0.0)  # the gate's pre-activation has it already
                continue
            address = code.part(next(each for each in plan.maps if each.name == map_name), part, slot, unit)
        elif kind == "s":
            address = code.row(f"S.{rest}", code.before(row), plan.widths[name], unit)
        elif kind == "m":
            address = code.at(code.slot(f"V.{rest}"), unit)
        else:
            address = code.row(f"K.{rest}", row, "hidden", unit) if kind == "k" else code.row(f"N.{rest}", b, "hidden", unit)
        found[name] = code.load(address)
    return found


def forward(plan: Plan, layout: Layout, isa: Isa) -> str:
    """Everything of the way forwards, with ``forward_worker(args)``, and ``pack_worker(args)``."""
    pieces = []
    for number, stage in enumerate(plan.stages):
        if stage.map:
            pieces += [_block(plan, layout, number, stage, rows, isa) for rows in row_blocks(isa.registers)]
        if stage.norms or _outside(plan, stage):
            pieces.append(_points(plan, layout, number, stage))
    ends = [_weights(plan, layout), _rows(plan, layout), _outcome(plan, layout), _worker(plan, layout, isa), _packer(layout)]
    return "\n".join([*pieces, *ends])


def _outside(plan: Plan, stage: Stage) -> tuple[str, ...]:
    """The outputs of a stage that are not of the width of its map's panels."""
    return tuple(name for name in stage.outputs if stage.map is None or plan.widths[name] != stage.map.gives)


def _block(plan: Plan, layout: Layout, number: int, stage: Stage, rows: int, isa: Isa) -> str:
    """The product of a map for some rows and one panel of units, and the pointwise values at once."""
    each, lanes = stage.map, layout.lanes
    assert each
    code = Function(layout, f"forward{number}_{rows}", PLACE)
    sums = VECTORS * len(each.parts)
    scratch = code.room(rows * sums)
    slots = [code.i("add", "%slot", r) for r in range(rows)]
    block = code.i("udiv", "%unit", code.slot(f"u.{each.gives}"))
    head = code.i("mul", block, code.slot(f"u.{each.takes}"))
    if each.reads is None:
        lhs = [code.row(f"A.{each.name}", slot, each.takes, head) for slot in slots]
    else:
        befores = [code.before(code.i("add", "%row", r)) for r in range(rows)]
        lhs = [code.row(f"S.{each.reads}", before, each.takes, head) for before in befores]
    at_once = together(rows, isa.registers)
    for q in range(0, len(each.parts), at_once):
        for r, line in enumerate(_sums(code, each, lhs, slots, range(q, min(q + at_once, len(each.parts))))):
            for v, value in enumerate(line):
                code.store(value, code.at(scratch, (r * sums + q * VECTORS + v) * lanes.width))
    outputs = [name for name in stage.outputs if plan.widths[name] == each.gives]
    needed = plan.traced.forward.needs(outputs)
    with code.loop(0, rows) as row_, code.loop(0, VECTORS) as vector_:
        unit = code.i("add", "%unit", code.i("mul", vector_, lanes.width))
        row, slot, b = (code.i("add", f"%{name}", row_) for name in ("row", "slot", "b"))
        own = {}
        for q, part in enumerate(each.parts):
            at = code.i("add", code.i("mul", row_, sums), code.i("add", vector_, q * VECTORS))
            value = code.load(code.address(scratch, (at, lanes.width)))
            code.store(value, code.part(each, part, slot, unit))
            own[f"x.{part}" if q < each.merged else f"r.{each.name}.{part}"] = value
        values = known(code, plan, needed - set(own), row, slot, b, unit) | own
        _store(code, plan, code.graph(plan.traced.forward, values, outputs), row, slot, unit)
    return code.end()


def _sums(code: Function, each: MapPlan, lhs: list[str], slots: list[str], parts: range) -> list[list[str]]:
    """Pre-activations of some parts of a map, for some rows and one panel of units."""
    precision, lanes, size = code.layout.precision, code.lanes, code.slot(f"s.{each.takes}")
    start, panels, rates = [list[str]() for _ in slots], list[str](), list[str]()
    for q in parts:
        first = code.i("add", code.i("mul", code.slot(f"w.{each.gives}"), q), "%unit")
        panels.append(precision.at(code, code.slot(f"P.{each.name}"), code.i("mul", first, size)))
        bias = code.at(code.slot(f"b.{each.name}"), first)
        for line, slot in zip(start, slots, strict=True):
            base = code.part(each, each.parts[q], slot, "%unit") if q < each.merged else bias
            line += [code.load(code.at(base, v * lanes.width)) for v in range(VECTORS)]
        if precision.kind == "int8":
            rate = code.at(code.slot(f"rates.{each.name}"), first)
            rates += [code.load(code.at(rate, v * lanes.width)) for v in range(VECTORS)]
    sums = product(code, lhs, panels, size, beginning(code, start, precision), precision=precision)
    return scaled(code, sums, start, rates, precision)


def _points(plan: Plan, layout: Layout, number: int, stage: Stage) -> str:
    """What a stage has beside the product: norms, and pointwise values, of one row."""
    code = Function(layout, f"points{number}", RANGE)
    for name in stage.norms:
        address = code.row(f"A.{name}", "%slot", "hidden")
        normalise(code, name, address, moments(code, address), "%b", ("%u0", "%u1"))
    outputs = _outside(plan, stage)
    for width, first, last in (("hidden", "%u0", "%u1"), ("projected", "%v0", "%v1")):
        own = [name for name in outputs if plan.widths[name] == width]
        if own:
            with code.loop(first, last, layout.lanes.width) as unit:
                values = known(code, plan, plan.traced.forward.needs(own), "%row", "%slot", "%b", unit)
                _store(code, plan, code.graph(plan.traced.forward, values, own), "%row", "%slot", unit)
    return code.end()


def _store(code: Function, plan: Plan, values: dict[str, str], row: str, slot: str, unit: str) -> None:
    for name, value in values.items():
        kind, _, label = name.partition(".")
        if kind == "s":
            code.store(value, code.row(f"S.{label}", code.i("add", row, code.slot("B")), plan.widths[name], unit))
        elif kind == "y":
            code.store(value, code.row("Y", row, plan.width, unit))
        else:
            code.store(value, code.row(f"A.{label}", slot, plan.widths[name], unit))


def _weights(plan: Plan, layout: Layout) -> str:
    """This thread's share of the weights: maps by panels, in which the units of a vector lie side by side."""
    code = Function(layout, "weights", ("thread", "size"))
    team = Team(code, "%thread", "%size")
    with code.when(code.op("icmp eq i64 %thread, 0")):
        _biases(code, plan)
        for vector in plan.vectors:
            code.move("enter", code.slot(f"V.{vector.name}"), code.slot(f"vector.{vector.name}"), "hidden")
        for name in plan.norms:
            code.move("enter", code.slot(f"scale.{name}"), code.slot(f"weight.{name}"), "hidden")
            code.move("enter", code.slot(f"shift.{name}"), code.slot(f"bias.{name}"), "hidden")
        if layout.precision.kind == "int8":
            _rates(code, "input", range(len(plan.gates)), "hidden")
            for each in plan.maps:
                _rates(code, each.name, each.places, each.gives)
    _pack(code, team, "I", "weight.input", range(len(plan.gates)), "hidden", "input")
    for each in plan.maps:
        _pack(code, team, f"P.{each.name}", f"weight.{each.name}", each.places, each.gives, each.takes)
    return code.end()


def _rows(plan: Plan, layout: Layout) -> str:
    """This thread's share of the rows of x, of the first state and of noise, side by side."""
    code = Function(layout, "rows", ("thread", "size"))
    team, inputs = Team(code, "%thread", "%size"), code.slot("s.input")
    n0, n1 = team.share(code.slot("N"))
    with code.loop(n0, n1) as n:
        place = code.whole(code.slot("places"), n)
        code.move("enter", code.row("X", n, "input"), code.address(code.slot("x"), (place, inputs)), "input")
        for name in plan.noise:
            source = code.address(code.slot(f"noise.{name}"), (place, code.slot("f.hidden")))
            code.move("enter", code.row(f"K.{name}", n, "hidden"), source, "hidden")
    b0, b1 = team.share(code.slot("B"))
    nowhere = code.i("add", code.slot("B"), code.slot("N"))  # a row of zeros, before which nothing was
    for field in plan.fields:
        width = plan.widths[f"s.{field}"]
        with code.loop(b0, b1) as b:
            source = code.address(code.slot(f"from.{field}"), (code.whole(code.slot("order"), b), code.slot(f"f.{width}")))
            code.move("enter", code.row(f"S.{field}", b, width), source, width)
        code.move("enter", code.row(f"S.{field}", nowhere, width), code.slot("zeros"), width)
    return code.end()


def _rates(code: Function, name: str, places: Iterable[int], width: Width) -> None:
    """The rates of weights held as whole numbers, part by part."""
    for q, place in enumerate(places):
        to = code.address(code.slot(f"rates.{name}"), (code.slot(f"w.{width}"), q))
        code.move("enter", to, code.address(code.slot(f"rate.{name}"), (code.slot(f"f.{width}"), place)), width)


def _pack(code: Function, team: Team, to: str, source: str, places: Iterable[int], gives: Width, takes: str) -> None:
    """Panels of the parts of a weight, one part after the other."""
    wide, padded, real = (code.slot(f"{kind}.{gives}") for kind in "wus")
    size, grain, precision = code.slot(f"s.{takes}"), code.layout.grain, code.layout.precision
    p0, p1 = team.share(code.i("udiv", wide, grain))
    for q, place in enumerate(places):
        with code.loop(p0, p1) as panel:
            unit = code.i("mul", panel, grain)
            block = code.i("udiv", unit, padded)
            inside = code.i("sub", unit, code.i("mul", block, padded))
            valid = code.op(f"call i64 @llvm.usub.sat.i64(i64 {real}, i64 {inside})")
            row = code.i(
                "add", code.i("add", code.i("mul", block, real), inside), code.i("mul", code.slot(f"f.{gives}"), place)
            )
            target = precision.at(code, code.slot(to), code.i("mul", code.i("add", unit, code.i("mul", wide, q)), size))
            weights = code.address(code.slot(source), (row, size))
            code.line(
                f"call void @recurra_pack(ptr {target}, i64 {grain}, ptr {weights}, i64 {size}, i64 {grain}, i64 {valid})"
            )


def _biases(code: Function, plan: Plan) -> None:
    """Where input and map meet only in a sum, so do their biases. An address of nothing stands for zeros."""
    units = code.slot("w.hidden")

    def source(name: str, place: int, width: Width) -> str:
        slot = code.slot(f"bias.{name}")
        missing = code.op(f"icmp eq ptr {slot}, null")
        there = code.address(slot, (code.slot(f"f.{width}"), place))
        return code.op(f"select i1 {missing}, ptr {code.slot('zeros')}, ptr {there}")

    for number, gate in enumerate(plan.gates):
        to = code.address(code.slot("bias"), (units, number))
        code.move("enter", to, source("input", number, "hidden"), "hidden")
        for each in plan.maps:
            if gate in each.parts[: each.merged]:
                added = code.slot(f"b.{each.name}")  # its own place is free until the next loop
                code.move("enter", added, source(each.name, each.places[each.parts.index(gate)], "hidden"), "hidden")
                with code.loop(0, units, code.lanes.width) as unit:
                    here = code.at(to, unit)
                    code.store(code.two("fadd", code.load(here), code.load(code.at(added, unit))), here)
    for each in plan.maps:
        for q in range(each.merged, len(each.parts)):
            to = code.address(code.slot(f"b.{each.name}"), (code.slot(f"w.{each.gives}"), q))
            code.move("enter", to, source(each.name, each.places[q], each.gives), each.gives)


def _outcome(plan: Plan, layout: Layout) -> str:
    """This thread's share of what goes out: y, and the state after each row's last step."""
    code = Function(layout, "outcome", ("thread", "size"))
    team = Team(code, "%thread", "%size")
    n0, n1 = team.share(code.slot("N"))
    with code.loop(n0, n1) as n:
        if plan.y is None:
            source = code.row("Y", n, plan.width)
        else:
            source = code.row(f"S.{plan.y}", code.i("add", n, code.slot("B")), plan.width)
        to = code.address(code.slot("y"), (code.whole(code.slot("places"), n), code.slot(f"f.{plan.width}")))
        code.move("leave", to, source, plan.width)
    b0, b1 = team.share(code.slot("B"))
    for field in plan.fields:
        width = plan.widths[f"s.{field}"]
        with code.loop(b0, b1) as b:
            to = code.address(code.slot(f"to.{field}"), (code.whole(code.slot("order"), b), code.slot(f"f.{width}")))
            source = code.row(f"S.{field}", code.whole(code.slot("last"), b), width)
            code.move("leave", to, source, width)
    return code.end()


def _worker(plan: Plan, layout: Layout, isa: Isa) -> str:
    code = Function(layout, "forward_worker")
    team = Team.here(code)
    with code.when(code.op(f"icmp eq i64 {team.thread}, 0")):
        index(code)
    with code.when(code.op(f"icmp eq i64 {code.slot('ready')}, 0")):
        code.line(f"call void @weights(ptr %a, i64 {team.thread}, i64 {team.size})")
    team.meet()
    code.line(f"call void @rows(ptr %a, i64 {team.thread}, i64 {team.size})")
    b0, b1, u0, u1, v0, v1 = team.ranges()
    with code.loop(0, code.slot("T"), code.slot("chunk")) as first_step:
        last_step = code.least(code.i("add", first_step, code.slot("chunk")), code.slot("T"))
        r0, r1 = (code.whole(code.slot("starts"), step) for step in (first_step, last_step))
        keep = code.op(f"icmp ne i64 {code.slot('keep')}, 0")
        origin = code.op(f"select i1 {keep}, i64 0, i64 {r0}")
        team.meet()  # rows of the chunk before are read no more
        _input(code, plan, team, (r0, r1), origin)
        team.meet()
        with code.loop(first_step, last_step) as t:
            first = code.whole(code.slot("starts"), t)
            alive = code.i("sub", code.whole(code.slot("starts"), code.i("add", t, 1)), first)
            stop, place = code.least(b1, alive), code.i("sub", first, origin)
            for number, stage in enumerate(plan.stages):
                if stage.map:
                    units = (u0, u1) if stage.map.gives == "hidden" else (v0, v1)
                    with code.loop(units[0], units[1], layout.grain) as unit:
                        for b, rows in code.blocks(b0, stop, row_blocks(isa.registers)):
                            places = f"i64 {code.i('add', first, b)}, i64 {code.i('add', place, b)}, i64 {b}, i64 {unit}"
                            code.line(f"call void @forward{number}_{rows}(ptr %a, {places})")
                if stage.norms or _outside(plan, stage):
                    with code.loop(b0, stop) as b:
                        places = f"i64 {code.i('add', first, b)}, i64 {code.i('add', place, b)}, i64 {b}"
                        code.line(f"call void @points{number}(ptr %a, {places}, i64 {u0}, i64 {u1}, i64 {v0}, i64 {v1})")
                if plan.maps or plan.norms:
                    team.meet_by_units()
    team.meet()
    code.line(f"call void @outcome(ptr %a, i64 {team.thread}, i64 {team.size})")
    return code.end()


def _packer(layout: Layout) -> str:
    code = Function(layout, "pack_worker")
    team = Team.here(code)
    code.line(f"call void @weights(ptr %a, i64 {team.thread}, i64 {team.size})")
    return code.end()


def _input(code: Function, plan: Plan, team: Team, rows: tuple[str, str], origin: str) -> None:
    """The input product of a chunk of steps: rows are shared, or, where they are few, units."""
    units, inputs, wide = code.slot("w.hidden"), code.slot("s.input"), code.slot("w.input")
    (r0, r1), (p0, p1) = team.either(rows, ("0", code.i("udiv", units, code.layout.grain)))
    slot = code.i("sub", r0, origin)
    count = code.i("sub", r1, r0)
    lhs = code.row("X", r0, "input")
    for number, gate in enumerate(plan.gates):
        precision = code.layout.precision
        rhs = precision.at(code, code.slot("I"), code.i("mul", code.i("mul", units, number), inputs))
        rate = code.address(code.slot("rates.input"), (units, number)) if precision.kind == "int8" else "null"
        bias = code.address(code.slot("bias"), (units, number))
        out = code.gate(plan, gate, slot, 0)
        step = code.i("mul", units, plan.group(gate))
        places = f"ptr {lhs}, i64 {wide}, ptr {rhs}, i64 {inputs}, ptr {rate}, ptr {bias}, i64 0, ptr {out}, i64 {step}"
        code.line(f"call void @recurra_rows({places}, i64 0, i64 {count}, i64 {p0}, i64 {p1})")
