"""The sweep backwards in LLVM's language: gradients of the pre-activations step by step, then those of x and every weight."""

from recurra.engine.forward import known
from recurra.engine.layout import Function, Isa, Layout
from recurra.engine.plan import MapPlan, Plan, Segment
from recurra.engine.rows import denormalise, moments, normalise
from recurra.engine.team import Team
from recurra.engine.tile import VECTORS, product, row_blocks

__all__ = ["backward"]


def backward(plan: Plan, layout: Layout, isa: Isa) -> str:
    """Everything of the way backwards, with ``backward_worker(args)``."""
    blocks = row_blocks(isa.registers)
    pieces = [_block(layout, number, each, rows) for number, each in enumerate(plan.maps) for rows in blocks]
    pieces += [_points(plan, layout, number, segment) for number, segment in enumerate(plan.segments)]
    ends = [_prepare(plan, layout), _forget(plan, layout), _outcome(plan, layout), _worker(plan, layout, blocks)]
    return "\n".join([*pieces, *ends])


def _block(layout: Layout, number: int, each: MapPlan, rows: int) -> str:
    """The gradient of what went into a map, for some rows and one panel of units."""
    code, width, count = Function(layout, f"back{number}_{rows}", ("row", "b", "unit")), layout.lanes.width, len(each.parts)
    target = f"dA.{each.name}" if each.reads is None else f"dS.{each.reads}"
    places = [code.row(target, code.i("add", "%b", r), each.takes, "%unit") for r in range(rows)]
    zero = [code.constant(0.0)] * VECTORS
    start = [zero if each.reads is None else [code.load(code.at(place, v * width)) for v in range(VECTORS)] for place in places]
    wide, padded = code.slot(f"w.{each.gives}"), code.slot(f"u.{each.gives}")
    head = code.i("mul", code.i("udiv", "%unit", code.slot(f"u.{each.takes}")), padded)
    lhs = [code.row(code.gradients(each), code.i("add", "%row", r), each.gives, head, count) for r in range(rows)]
    panel = code.address(code.slot(f"Q.{each.name}"), (code.i("mul", "%unit", count), padded))
    whole = code.op(f"icmp eq i64 {wide}, {padded}")  # one block: the parts of a row are one vector
    repeats = code.op(f"select i1 {whole}, i64 1, i64 {count}")
    length = code.op(f"select i1 {whole}, i64 {code.i('mul', padded, count)}, i64 {padded}")
    for place, line in zip(places, product(code, lhs, [panel], length, start, repeats=(repeats, wide)), strict=True):
        for v, value in enumerate(line):
            code.store(value, code.at(place, v * width))
    return code.end()


def _points(plan: Plan, layout: Layout, number: int, segment: Segment) -> str:
    """Of one row: norms as they were, gradients of what went into norms, and the pointwise gradients."""
    code = Function(layout, f"back_points{number}", ("row", "b", "u0", "u1", "v0", "v1"))
    if number == 0:
        for name in plan.norms:
            address = code.row(f"A.{name}", "%row", "hidden")
            normalise(code, name, address, moments(code, address), "%b", ("%u0", "%u1"))
    for name in segment.norms:
        denormalise(code, name, code.row(f"A.{name}", "%row", "hidden"), "%b", ("%u0", "%u1"))
    back = plan.traced.backward
    merged = {f"g.x.{part}" for each in plan.maps for part in each.parts[: each.merged]}
    for width, first, last in (("hidden", "%u0", "%u1"), ("projected", "%v0", "%v1")):
        own = [name for name in segment.outputs if plan.widths[name] == width and name not in merged]
        if not own:
            continue
        needed = back.needs(own)
        with code.loop(first, last, layout.lanes.width) as unit:
            ahead = {name for name in needed if not name.startswith("d.")}
            values = known(code, plan, ahead, "%row", "%row", "%b", unit)
            values |= {name: _incoming(code, plan, name, unit) for name in sorted(needed - ahead)}
            results = code.graph(back, values, own)
            block = code.i("urem", unit, code.slot(f"u.{width}"))
            inside = code.inside(block, code.slot(f"s.{width}"))  # products read what pads a row: it is kept at zero
            for name, value in results.items():
                _store(code, plan, name, value, unit, inside)
    return code.end()


def _incoming(code: Function, plan: Plan, name: str, unit: str) -> str:
    """A gradient that comes in: of y, of the state, of what went into a map or norm."""
    _, kind, *rest = name.split(".")
    if kind == "y":
        return code.load(code.row("dY", "%row", plan.width, unit))
    if kind == "a" and rest[0] not in plan.saved:
        return code.constant(0.0)  # the map reads a state: its product is added to the state's gradient instead
    slot = f"dS.{rest[0]}" if kind == "s" else f"dA.{rest[0]}"
    return code.load(code.row(slot, "%b", plan.widths[name], unit))


def _store(code: Function, plan: Plan, name: str, value: str, unit: str, inside: str) -> None:
    _, kind, label = name.split(".", 2)
    if kind == "s":
        code.store(value, code.row(f"dS.{label}", "%b", plan.widths[name], unit))
    elif kind == "n":
        code.store(value, code.row(f"dN.{label}", "%b", "hidden", unit))
    elif kind == "m":
        total = code.row(f"dV.{label}", "%b", "hidden", unit)
        code.store(code.two("fadd", code.load(total), value), total)
    else:
        if kind == "x":
            address = code.gate(plan, label, "%row", unit, gradient=True)
        else:
            map_name, _, part = label.partition(".")
            address = code.part(next(each for each in plan.maps if each.name == map_name), part, "%row", unit, gradient=True)
        code.store(code.select(inside, value, code.constant(0.0)), address)


def _forget(plan: Plan, layout: Layout) -> str:
    """Where a row began anew, no gradient goes to what was before."""
    code = Function(layout, "forget", ("row", "b", "u0", "u1", "v0", "v1"))
    nowhere = code.i("add", code.slot("B"), code.slot("N"))
    with code.when(code.op(f"icmp eq i64 {code.before('%row')}, {nowhere}")):
        for field in plan.fields:
            width = plan.widths[f"s.{field}"]
            units = ("%u0", "%u1") if width == "hidden" else ("%v0", "%v1")
            with code.loop(*units, layout.lanes.width) as unit:
                code.store(code.constant(0.0), code.row(f"dS.{field}", "%b", width, unit))
    return code.end()


def _prepare(plan: Plan, layout: Layout) -> str:
    """This thread's share of the packing: weights the other way, incoming gradients side by side, sums at zero."""
    code = Function(layout, "back_prepare", ("thread", "size"))
    team, width = Team(code, "%thread", "%size"), layout.grain
    for each in plan.maps:
        p0, p1 = team.share(code.i("udiv", code.slot(f"w.{each.takes}"), width))
        padded, real = code.slot(f"u.{each.gives}"), code.slot(f"s.{each.gives}")
        with code.loop(p0, p1) as panel:
            unit = code.i("mul", panel, width)
            block = code.i("udiv", unit, code.slot(f"u.{each.takes}"))
            column = code.i("sub", unit, code.i("mul", block, code.slot(f"u.{each.takes}")))
            first = code.address(code.slot(f"Q.{each.name}"), (code.i("mul", unit, len(each.parts)), padded))
            for q, place in enumerate(each.places):
                row = code.i("add", code.i("mul", code.slot(f"f.{each.gives}"), place), code.i("mul", block, real))
                to = code.address(first, (padded, q * width))
                _rows_of(code, f"weight.{each.name}", to, row, column, code.slot(f"s.{each.takes}"), real, padded)
    with code.when(code.op(f"icmp ne ptr {code.slot('dx')}, null")):
        p0, p1 = team.share(code.i("udiv", code.slot("w.input"), width))
        for first_gate, count, gates in _groups(plan):
            rows = code.slot("w.hidden")
            with code.loop(p0, p1) as panel:
                column = code.i("mul", panel, width)
                group = code.address(
                    code.slot("QI"),
                    (code.i("mul", code.slot("w.input"), rows), first_gate),
                    (code.i("mul", panel, rows), count * width),
                )
                for q, gate in enumerate(gates):
                    with code.loop(0, code.slot("n.hidden")) as block:
                        real, padded = code.slot("s.hidden"), code.slot("u.hidden")
                        row = code.i("add", code.i("mul", code.slot("f.hidden"), gate), code.i("mul", block, real))
                        to = code.address(group, (rows, q * width), (code.i("mul", block, padded), width))
                        _rows_of(code, "weight.input", to, row, column, code.slot("s.input"), real, padded)
    n0, n1 = team.share(code.slot("N"))
    missing = code.op(f"icmp eq ptr {code.slot('dy')}, null")
    with code.loop(n0, n1) as n:
        there = code.address(code.slot("dy"), (code.whole(code.slot("places"), n), code.slot(f"f.{plan.width}")))
        code.move("enter", code.row("dY", n, plan.width), _or_zeros(code, missing, there), plan.width)
    b0, b1 = team.share(code.slot("B"))
    with code.loop(b0, b1) as b:
        for field in plan.fields:
            wide, given = plan.widths[f"s.{field}"], code.slot(f"dto.{field}")
            there = code.address(given, (code.whole(code.slot("order"), b), code.slot(f"f.{wide}")))
            source = _or_zeros(code, code.op(f"icmp eq ptr {given}, null"), there)
            code.move("enter", code.row(f"dS.{field}", b, wide), source, wide)
        sums = [f"dV.{each.name}" for each in plan.vectors]
        sums += [f"{kind}.{name}" for name in plan.norms for kind in ("dscale", "dshift")]
        for name in sums:
            code.move("enter", code.row(name, b, "hidden"), code.slot("zeros"), "hidden")
    return code.end()


def _rows_of(code: Function, slot: str, to: str, row: str, column: str, size: str, real: str, padded: str) -> None:
    """Rows of a weight from `row`, cut to one panel from `column`, and zeros up to `padded` rows."""
    width = code.layout.grain
    left = code.op(f"call i64 @llvm.usub.sat.i64(i64 {size}, i64 {column})")
    count = code.least(left, str(width))
    with code.loop(0, padded) as r:
        source = code.address(code.slot(slot), (code.i("add", row, r), size), column)
        there = code.op(f"icmp ult i64 {r}, {real}")
        taken = code.op(f"select i1 {there}, i64 {count}, i64 0")
        code.line(f"call void @recurra_copy(ptr {code.address(to, (r, width))}, ptr {source}, i64 {taken}, i64 {width})")


def _or_zeros(code: Function, missing: str, address: str) -> str:
    return code.op(f"select i1 {missing}, ptr {code.slot('zeros')}, ptr {address}")


def _groups(plan: Plan) -> list[tuple[int, int, list[int]]]:
    """Gates whose gradients lie side by side: how many gates come before, how many these are, and the place of each."""
    groups, before = [], 0
    for parts in (*(each.parts[: each.merged] for each in plan.maps), plan.apart):
        if parts:
            groups.append((before, len(parts), [plan.gates.index(part) for part in parts]))
            before += len(parts)
    return groups


def _outcome(plan: Plan, layout: Layout) -> str:
    """This thread's share of what goes out: the gradients of x, of every weight, and of the first state."""
    code = Function(layout, "back_outcome", ("thread", "size"))
    team = Team(code, "%thread", "%size")
    _input_gradient(code, plan, team)
    real, inputs, count = code.slot("f.hidden"), code.slot("s.input"), code.slot("N")
    for number, gate in enumerate(plan.gates):
        source, parts = code.gate(plan, gate, "0", 0, gradient=True), plan.group(gate)
        step = code.i("mul", code.slot("w.hidden"), parts)
        with code.loop(0, code.slot("n.hidden")) as block:
            lhs = code.address(source, (block, code.slot("u.hidden")))
            row = code.i("add", code.i("mul", real, number), code.i("mul", block, code.slot("s.hidden")))
            out = code.address(code.slot("dweight.input"), (row, inputs))
            right = (code.slot("X"), code.slot("w.input"), code.slot("self"))
            _gradient(code, (out, inputs), (lhs, step), right, count, team.share(code.slot("s.hidden")))
        _bias(code, team, "input", source, step, number, "hidden")
    for each in plan.maps:
        _map_gradient(code, team, each)
    with code.when(code.op("icmp eq i64 %thread, 0")):
        sums = {f"dvector.{each.name}": f"dV.{each.name}" for each in plan.vectors}
        sums |= {f"d{a}.{name}": f"d{b}.{name}" for name in plan.norms for a, b in (("weight", "scale"), ("bias", "shift"))}
        for to, source in sums.items():
            _sums(code, code.slot(to), code.slot(source), code.slot("w.hidden"), "hidden", code.slot("B"))
    b0, b1 = team.share(code.slot("B"))
    with code.loop(b0, b1) as b:
        for field in plan.fields:
            wide = plan.widths[f"s.{field}"]
            to = code.address(code.slot(f"dfrom.{field}"), (code.whole(code.slot("order"), b), code.slot(f"f.{wide}")))
            code.move("leave", to, code.row(f"dS.{field}", b, wide), wide)
    return code.end()


def _bias(code: Function, team: Team, name: str, source: str, step: str, place: int, width: str) -> None:
    """The gradient of a part of a bias, where there is one; threads take turns."""
    slot = code.slot(f"dbias.{name}")
    mine = code.op(f"icmp eq i64 {code.i('urem', str(place), team.size)}, {team.thread}")
    there = code.op(f"icmp ne ptr {slot}, null")
    with code.when(code.op(f"and i1 {mine}, {there}")):
        _sums(code, code.address(slot, (code.slot(f"f.{width}"), place)), source, step, width, code.slot("N"))


def _sums(code: Function, to: str, source: str, step: str, width: str, count: str) -> None:
    with code.loop(0, code.slot(f"n.{width}")) as block:
        out, first = code.address(to, (block, code.slot(f"s.{width}"))), code.address(source, (block, code.slot(f"u.{width}")))
        code.line(f"call void @recurra_columns(ptr {out}, i64 {code.slot(f's.{width}')}, ptr {first}, i64 {step}, i64 {count})")


def _map_gradient(code: Function, team: Team, each: MapPlan) -> None:
    count, size, real = code.slot("N"), code.slot(f"s.{each.takes}"), code.slot(f"s.{each.gives}")
    step = code.i("mul", code.slot(f"w.{each.gives}"), len(each.parts))
    rows, table = (f"A.{each.name}", "self") if each.reads is None else (f"S.{each.reads}", "before")
    for part, place in zip(each.parts, each.places, strict=True):
        source = code.part(each, part, "0", 0, gradient=True)
        with code.loop(0, code.slot(f"n.{each.gives}")) as block:
            lhs = code.address(source, (block, code.slot(f"u.{each.gives}")))
            row = code.i("add", code.i("mul", code.slot(f"f.{each.gives}"), place), code.i("mul", block, real))
            out = code.address(code.slot(f"dweight.{each.name}"), (row, size))
            start = code.address(code.slot(rows), (block, code.slot(f"u.{each.takes}")))
            right = (start, code.slot(f"w.{each.takes}"), code.slot(table))
            _gradient(code, (out, size), (lhs, step), right, count, team.share(real))
        _bias(code, team, each.name, source, step, place, each.gives)


def _gradient(
    code: Function,
    out: tuple[str, str],
    lhs: tuple[str, str],
    rhs: tuple[str, str, str],
    count: str,
    rows: tuple[str, str],
) -> None:
    """Rows of the gradient of a weight: addresses, each with its step from row to row, and which rows of `rhs` to take."""
    left = f"ptr {out[0]}, i64 {out[1]}, i64 {out[1]}, ptr {lhs[0]}, i64 {lhs[1]}"
    right = f"ptr {rhs[0]}, i64 {rhs[1]}, ptr {rhs[2]}, i64 {count}"
    code.line(f"call void @recurra_gradient({left}, {right}, i64 {rows[0]}, i64 {rows[1]})")


def _input_gradient(code: Function, plan: Plan, team: Team) -> None:
    """The gradient of x, where it is wanted: rows are shared."""
    with code.when(code.op(f"icmp ne ptr {code.slot('dx')}, null")):
        n0, n1 = team.share(code.slot("N"))
        wide, rows = code.slot("w.input"), code.slot("w.hidden")
        out, panels = code.row("dX", n0, "input"), code.i("udiv", wide, code.layout.grain)
        for number, (before, count, gates) in enumerate(_groups(plan)):
            gate = plan.gates[gates[0]]
            lhs, step = code.gate(plan, gate, n0, 0, gradient=True), code.i("mul", rows, plan.group(gate))
            rhs = code.address(code.slot("QI"), (code.i("mul", wide, rows), before))
            start = f"ptr {code.slot('zeros')}, i64 0" if number == 0 else f"ptr {out}, i64 {wide}"
            factors = f"ptr {lhs}, i64 {step}, ptr {rhs}, i64 {code.i('mul', rows, count)}, ptr null"
            ends = f"i64 0, i64 {code.i('sub', n1, n0)}, i64 0, i64 {panels}"
            code.line(f"call void @recurra_rows({factors}, {start}, ptr {out}, i64 {wide}, {ends})")
        with code.loop(n0, n1) as n:
            to = code.address(code.slot("dx"), (code.whole(code.slot("places"), n), code.slot("f.input")))
            code.move("leave", to, code.row("dX", n, "input"), "input")


def _worker(plan: Plan, layout: Layout, blocks: list[int]) -> str:
    code = Function(layout, "backward_worker")
    team = Team.here(code)
    code.line(f"call void @back_prepare(ptr %a, i64 {team.thread}, i64 {team.size})")
    team.meet()
    b0, b1, u0, u1, v0, v1 = team.ranges()
    units = f"i64 {u0}, i64 {u1}, i64 {v0}, i64 {v1}"
    resets = code.op(f"icmp ne ptr {code.slot('resets')}, null")
    with code.loop(0, code.slot("T")) as step:
        t = code.i("sub", code.i("sub", code.slot("T"), 1), step)
        first = code.whole(code.slot("starts"), t)
        stop = code.least(b1, code.i("sub", code.whole(code.slot("starts"), code.i("add", t, 1)), first))
        for number, segment in enumerate(plan.segments):
            with code.loop(b0, stop) as b:
                code.line(f"call void @back_points{number}(ptr %a, i64 {code.i('add', first, b)}, i64 {b}, {units})")
            if segment.maps or len(plan.segments) > 1:
                team.meet_by_units()
            for each in segment.maps:
                ends = (u0, u1) if each.takes == "hidden" else (v0, v1)
                with code.loop(ends[0], ends[1], layout.grain) as unit:
                    for b, rows in code.blocks(b0, stop, blocks):
                        places = f"i64 {code.i('add', first, b)}, i64 {b}, i64 {unit}"
                        code.line(f"call void @back{plan.maps.index(each)}_{rows}(ptr %a, {places})")
        with code.when(resets), code.loop(b0, stop) as b:
            code.line(f"call void @forget(ptr %a, i64 {code.i('add', first, b)}, i64 {b}, {units})")
    team.meet()
    code.line(f"call void @back_outcome(ptr %a, i64 {team.thread}, i64 {team.size})")
    return code.end()
