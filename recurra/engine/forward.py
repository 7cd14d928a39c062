"""The sweep forwards in LLVM's language."""

from collections.abc import Iterable

from recurra.cells.cell import Width
from recurra.engine.layout import Function, Isa, Layout
from recurra.engine.plan import Plan, Stage
from recurra.engine.rows import index, moments, normalise
from recurra.engine.team import Team
from recurra.engine.tile import beginning, product, row_blocks, scaled

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
            pieces += [_block(plan, layout, number, stage, rows) for rows in _blocks(layout, isa, stage)]
        if stage.norms or _outside(plan, stage):
            pieces.append(_points(plan, layout, number, stage))
    ends = [_weights(plan, layout), _rows(plan, layout), _outcome(plan, layout), _worker(plan, layout, isa), _packer(layout)]
    return "\n".join([*pieces, *ends])


def _blocks(layout: Layout, isa: Isa, stage: Stage) -> list[int]:
    assert stage.map
    return row_blocks(len(stage.map.parts) * layout.forward[stage.map.name], isa.registers)


def _outside(plan: Plan, stage: Stage) -> tuple[str, ...]:
    """The outputs of a stage that are not of the width of its map's panels."""
    return tuple(name for name in stage.outputs if stage.map is None or plan.widths[name] != stage.map.gives)


def _block(plan: Plan, layout: Layout, number: int, stage: Stage, rows: int) -> str:
    """The product of a map for some rows and one panel of units, and the pointwise values at once."""
    each, lanes = stage.map, layout.lanes
    assert each
    code = Function(layout, f"forward{number}_{rows}", PLACE)
    vectors, count = layout.forward[each.name], len(each.parts)
    sums = vectors * count
    scratch = code.room(rows * sums)
    slots = [code.i("add", "%slot", r) for r in range(rows)]
    start = []
    for slot in slots:
        line = []
        for q, part in enumerate(each.parts):
            merged, bias = q < each.merged, code.address(code.slot(f"b.{each.name}"), (code.slot(f"w.{each.gives}"), q), "%unit")
            base = code.part(each, part, slot, "%unit") if merged else bias
            line += [code.load(code.at(base, v * lanes.width)) for v in range(vectors)]
        start.append(line)
    block = code.i("udiv", "%unit", code.slot(f"u.{each.gives}"))
    head = code.i("mul", block, code.slot(f"u.{each.takes}"))
    if each.reads is None:
        lhs = [code.row(f"A.{each.name}", slot, each.takes, head) for slot in slots]
    else:
        befores = [code.before(code.i("add", "%row", r)) for r in range(rows)]
        lhs = [code.row(f"S.{each.reads}", before, each.takes, head) for before in befores]
    size = code.slot(f"s.{each.takes}")
    precision = layout.precision
    panel = precision.at(code, code.slot(f"P.{each.name}"), code.i("mul", code.i("mul", "%unit", count), size))
    sums_of = product(code, lhs, panel, size, beginning(code, start, precision), precision=precision)
    rates = []
    if precision.kind == "int8":
        at_unit = [code.address(code.slot(f"rates.{each.name}"), (code.slot(f"w.{each.gives}"), q), "%unit") for q in range(count)]
        rates = [code.load(code.at(address, v * lanes.width)) for address in at_unit for v in range(vectors)]
    for r, line in enumerate(scaled(code, sums_of, start, rates, precision)):
        for v, value in enumerate(line):
            code.store(value, code.at(scratch, (r * sums + v) * lanes.width))
    outputs = [name for name in stage.outputs if plan.widths[name] == each.gives]
    needed = plan.traced.forward.needs(outputs)
    with code.loop(0, rows) as r, code.loop(0, vectors) as v:
        unit = code.i("add", "%unit", code.i("mul", v, lanes.width))
        row, slot, b = (code.i("add", f"%{name}", r) for name in ("row", "slot", "b"))
        own = {}
        for q, part in enumerate(each.parts):
            place = code.i("add", code.i("mul", r, sums), code.i("add", v, q * vectors))
            value = code.load(code.address(scratch, (place, lanes.width)))
            code.store(value, code.part(each, part, slot, unit))
            own[f"x.{part}" if q < each.merged else f"r.{each.name}.{part}"] = value
        values = known(code, plan, needed - set(own), row, slot, b, unit) | own
        _store(code, plan, code.graph(plan.traced.forward, values, outputs), row, slot, unit)
    return code.end()


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
    team, grain = Team(code, "%thread", "%size"), layout.grain
    with code.when(code.op("icmp eq i64 %thread, 0")):
        _biases(code, plan)
        for vector in plan.vectors:
            _enter(code, f"V.{vector.name}", f"vector.{vector.name}")
        for name in plan.norms:
            _enter(code, f"scale.{name}", f"weight.{name}")
            _enter(code, f"shift.{name}", f"bias.{name}")
        if layout.precision.kind == "int8":
            _rates(code, "input", range(len(plan.gates)), "hidden")
            for each in plan.maps:
                _rates(code, each.name, each.places, each.gives)
    units, inputs = code.slot("w.hidden"), code.slot("s.input")
    p0, p1 = team.share(code.i("udiv", units, grain))
    for number in range(len(plan.gates)):
        with code.loop(p0, p1) as panel:
            unit = code.i("mul", panel, grain)
            first_unit = code.i("add", unit, code.i("mul", units, number))
            to = layout.precision.at(code, code.slot("I"), code.i("mul", first_unit, inputs))
            _pack(code, "weight.input", to, unit, number, "hidden", inputs, grain, grain)
    for each in plan.maps:
        vectors, count = layout.forward[each.name], len(each.parts)
        width, size = vectors * layout.lanes.width, code.slot(f"s.{each.takes}")
        p0, p1 = team.share(code.i("udiv", code.slot(f"w.{each.gives}"), width))
        with code.loop(p0, p1) as panel:
            unit = code.i("mul", panel, width)
            first = layout.precision.at(code, code.slot(f"P.{each.name}"), code.i("mul", code.i("mul", unit, count), size))
            for q, place in enumerate(each.places):
                to = layout.precision.at(code, first, q * width)
                _pack(code, f"weight.{each.name}", to, unit, place, each.gives, size, width, count * width)
    return code.end()


def _rows(plan: Plan, layout: Layout) -> str:
    """This thread's share of the rows of x, of the first state and of noise, side by side."""
    code = Function(layout, "rows", ("thread", "size"))
    team, inputs = Team(code, "%thread", "%size"), code.slot("s.input")
    n0, n1 = team.share(code.slot("N"))
    with code.loop(n0, n1) as n:
        place = code.whole(code.slot("places"), n)
        _row(code, "enter", code.row("X", n, "input"), code.address(code.slot("x"), (place, inputs)), "input")
        for name in plan.noise:
            source = code.address(code.slot(f"noise.{name}"), (place, code.slot("f.hidden")))
            _row(code, "enter", code.row(f"K.{name}", n, "hidden"), source, "hidden")
    b0, b1 = team.share(code.slot("B"))
    nowhere = code.i("add", code.slot("B"), code.slot("N"))  # a row of zeros, before which nothing was
    for field in plan.fields:
        width = plan.widths[f"s.{field}"]
        with code.loop(b0, b1) as b:
            source = code.address(code.slot(f"from.{field}"), (code.whole(code.slot("order"), b), code.slot(f"f.{width}")))
            _row(code, "enter", code.row(f"S.{field}", b, width), source, width)
        _row(code, "enter", code.row(f"S.{field}", nowhere, width), code.slot("zeros"), width)
    return code.end()


def _rates(code: Function, name: str, places: Iterable[int], width: Width) -> None:
    """The rates of weights held as whole numbers, part by part."""
    for q, place in enumerate(places):
        to = code.address(code.slot(f"rates.{name}"), (code.slot(f"w.{width}"), q))
        _row(code, "enter", to, code.address(code.slot(f"rate.{name}"), (code.slot(f"f.{width}"), place)), width)


def _enter(code: Function, to: str, source: str) -> None:
    _row(code, "enter", code.slot(to), code.slot(source), "hidden")


def _row(code: Function, way: str, to: str, source: str, width: str) -> None:
    sizes = ", ".join(f"i64 {code.slot(f'{kind}.{width}')}" for kind in "nsu")
    code.line(f"call void @recurra_{way}(ptr {to}, ptr {source}, {sizes})")


def _pack(
    code: Function, source: str, to: str, unit: str, place: int, width: str, size: str, lanes: int, step: int
) -> None:
    """One panel of a part of a weight."""
    wide, real, all_units = code.slot(f"u.{width}"), code.slot(f"s.{width}"), code.slot(f"f.{width}")
    block = code.i("udiv", unit, wide)
    inside = code.i("sub", unit, code.i("mul", block, wide))
    valid = code.op(f"call i64 @llvm.usub.sat.i64(i64 {real}, i64 {inside})")
    row = code.i("add", code.i("add", code.i("mul", block, real), inside), code.i("mul", all_units, place))
    address = code.address(code.slot(source), (row, size))
    code.line(f"call void @recurra_pack(ptr {to}, i64 {step}, ptr {address}, i64 {size}, i64 {lanes}, i64 {valid})")


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
        _row(code, "enter", to, source("input", number, "hidden"), "hidden")
        for each in plan.maps:
            if gate in each.parts[: each.merged]:
                added = code.slot(f"b.{each.name}")  # its own place is free until the next loop
                _row(code, "enter", added, source(each.name, each.places[each.parts.index(gate)], "hidden"), "hidden")
                with code.loop(0, units, code.lanes.width) as unit:
                    here = code.at(to, unit)
                    code.store(code.two("fadd", code.load(here), code.load(code.at(added, unit))), here)
    for each in plan.maps:
        for q in range(each.merged, len(each.parts)):
            to = code.address(code.slot(f"b.{each.name}"), (code.slot(f"w.{each.gives}"), q))
            _row(code, "enter", to, source(each.name, each.places[q], each.gives), each.gives)


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
        _row(code, "leave", to, source, plan.width)
    b0, b1 = team.share(code.slot("B"))
    for field in plan.fields:
        width = plan.widths[f"s.{field}"]
        with code.loop(b0, b1) as b:
            to = code.address(code.slot(f"to.{field}"), (code.whole(code.slot("order"), b), code.slot(f"f.{width}")))
            source = code.row(f"S.{field}", code.whole(code.slot("last"), b), width)
            _row(code, "leave", to, source, width)
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
                    width = layout.forward[stage.map.name] * layout.lanes.width
                    with code.loop(units[0], units[1], width) as unit:
                        for b, rows in code.blocks(b0, stop, _blocks(layout, isa, stage)):
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
        step = code.i("mul", units, _group(plan, gate))
        places = f"ptr {lhs}, i64 {wide}, ptr {rhs}, i64 {inputs}, ptr {rate}, ptr {bias}, i64 0, ptr {out}, i64 {step}"
        code.line(f"call void @recurra_rows({places}, i64 0, i64 {count}, i64 {p0}, i64 {p1})")


def _group(plan: Plan, gate: str) -> int:
    """How many parts lie in a row of the group that has a gate."""
    return next((len(each.parts) for each in plan.maps if gate in each.parts[: each.merged]), len(plan.apart))
