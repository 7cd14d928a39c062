"""The sweeps in LLVM's language: the loops over time, forwards and backwards, of one planned cell.

Rows are packed by length, time first: step t has the rows `starts[t]` to `starts[t + 1]`, those still alive. H is padded to
whole panels (`units`). Each thread owns rows, and needs no barrier; or, where rows are few, panels of units, with one barrier a
stage.
"""

from collections.abc import Sequence
from typing import NamedTuple

from recurra.engine.plan import MapPlan, Plan, Segment, Stage
from recurra.engine.pool import BARRIER, POOL, member, team
from recurra.engine.tile import product, row_blocks
from recurra.engine.vector import Code, Lanes, declarations

__all__ = ["Isa", "Layout", "layout", "source"]


class Isa(NamedTuple):
    """What of a processor shapes the code: bytes in a vector, and how many vector registers."""

    bytes: int
    registers: int


class Layout(NamedTuple):
    """How the code wants its memory: lanes, vectors of a panel for each map, what H is padded to, slots of the arguments."""

    lanes: Lanes
    forward: dict[str, int]
    backward: int
    grain: int
    slots: tuple[str, ...]


def layout(plan: Plan, isa: Isa, size: int) -> Layout:
    """The layout of a plan for numbers of `size` bytes."""
    lanes = Lanes(isa.bytes // size, size)
    forward = {each.name: 2 if len(each.parts) <= 2 else 1 for each in plan.maps}
    backward = 2
    slots = ["T", "B", "H", "units", "mode", "starts", "bar", "G", "D", "R", "X", "Y", "dY"]
    slots += [f"S{k}" for k in range(len(plan.fields))] + [f"dS{k}" for k in range(len(plan.fields))]
    slots += [f"V{k}" for k in range(len(plan.vectors))] + [f"dV{k}" for k in range(len(plan.vectors))]
    slots += [f"{kind}.{each.name}" for each in plan.maps for kind in ("P", "Q", "b", "A", "dA")]
    return Layout(lanes, forward, backward, lanes.width * max([backward, *forward.values()]), tuple(slots))


def source(plan: Plan, isa: Isa, size: int) -> str:
    """LLVM assembly with the functions ``forward(args, threads)`` and ``backward(args, threads)``."""
    return _Sweep(plan, isa, size).text()


WHOLE = ("T", "B", "H", "units", "mode")


class _Sweep:
    def __init__(self, plan: Plan, isa: Isa, size: int) -> None:
        self.plan, self.isa, self.layout = plan, isa, layout(plan, isa, size)
        self.lanes = self.layout.lanes

    def text(self) -> str:
        pieces = [declarations(self.lanes), POOL, BARRIER]
        for number, stage in enumerate(self.plan.stages):
            pieces += [self._forward_block(number, stage, rows) for rows in self._forward_rows(stage)]
        for number, segment in enumerate(self.plan.segments):
            pieces.append(self._backward_points(number, segment))
            pieces += [self._backward_block(each, rows) for each in segment.maps for rows in self._backward_rows()]
        pieces += [self._worker("forward"), self._worker("backward"), team("forward"), team("backward")]
        return "\n".join(pieces)

    # ---- one block of rows and one panel
    def _forward_rows(self, stage: Stage) -> list[int]:
        if stage.map is None:
            return [4, 1]
        return row_blocks(len(stage.map.parts) * self.layout.forward[stage.map.name], self.isa.registers)

    def _backward_rows(self) -> list[int]:
        return row_blocks(self.layout.backward, self.isa.registers)

    def _open(self, name: str, parameters: Sequence[str]) -> tuple[Code, dict[str, str]]:
        code = Code(self.lanes)
        code.lines.append(f"define internal void @{name}(ptr noalias %a, {', '.join(f'i64 %{p}' for p in parameters)}) {{")
        code.label("entry")
        return code, self._arguments(code)

    def _arguments(self, code: Code) -> dict[str, str]:
        found = {}
        for number, slot in enumerate(self.layout.slots):
            address = code.op(f"getelementptr i64, ptr %a, i64 {number}")
            found[slot] = code.op(f"load {'i64' if slot in WHOLE else 'ptr'}, ptr {address}, align 8")
        return found

    def _close(self, code: Code) -> str:
        code.line("ret void")
        return "\n".join([*code.lines, "}"])

    def _forward_block(self, number: int, stage: Stage, rows: int) -> str:
        """Rows `row` and following of the packed batch, whose earlier states begin at `prev`, and units from `unit`."""
        plan, width, each = self.plan, self.lanes.width, stage.map
        code, a = self._open(f"forward{number}_{rows}", ("row", "prev", "b", "unit"))
        gates, apart = len(plan.gates), len(plan.apart)
        g_row, r_row = code.i("mul", a["units"], gates), code.i("mul", a["units"], max(1, apart))
        vectors = self.layout.forward[each.name] if each else 1
        sums = vectors * len(each.parts) if each else 0
        scratch = code.op(f"alloca [{max(1, rows * sums)} x {self.lanes.vector}], align 64")
        if each:
            start = []
            for r in range(rows):
                g = code.at(a["G"], code.i("add", code.i("mul", code.i("add", "%row", r), g_row), "%unit"))
                line = []
                for p, part in enumerate(each.parts):
                    base = code.at(code.at(g, code.i("mul", a["units"], each.first + p)), 0)
                    bias = code.at(code.at(a[f"b.{each.name}"], "%unit"), code.i("mul", a["units"], p))
                    origin = base if part in plan.merged else bias
                    line += [code.load(code.at(origin, v * width)) for v in range(vectors)]
                start.append(line)
            if each.reads is None:
                lhs = [code.at(a[f"A.{each.name}"], code.i("mul", code.i("add", "%row", r), a["units"])) for r in range(rows)]
            else:
                lhs = [code.at(a[f"S{each.reads}"], code.i("mul", code.i("add", "%prev", r), a["units"])) for r in range(rows)]
            panel = code.at(a[f"P.{each.name}"], code.i("mul", code.i("mul", "%unit", len(each.parts)), a["H"]))
            result = product(code, lhs, panel, a["H"], start)
            for r in range(rows):
                for v in range(sums):
                    code.store(result[r][v], code.at(scratch, (r * sums + v) * width))
        with code.loop(0, rows) as row_, code.loop(0, vectors) as vector_:
            unit = code.i("add", "%unit", code.i("mul", vector_, width))
            row = code.i("add", "%row", row_)
            g = code.at(a["G"], code.i("add", code.i("mul", row, g_row), unit))
            kept = code.at(a["R"], code.i("add", code.i("mul", row, r_row), unit))
            known = self._known(code, a, g, kept, code.i("add", "%prev", row_), unit)
            if each:
                for p, part in enumerate(each.parts):
                    place = code.i("add", code.i("mul", row_, sums), code.i("add", vector_, p * vectors))
                    pre = code.load(code.at(scratch, code.i("mul", place, width)))
                    if part in plan.merged:
                        known[f"x.{part}"] = pre
                        code.store(pre, code.at(g, code.i("mul", a["units"], each.first + p)))
                    else:
                        known[f"r.{each.name}.{part}"] = pre
                        code.store(pre, code.at(kept, code.i("mul", a["units"], plan.apart.index(part))))
            here = code.i("add", code.i("mul", row, a["units"]), unit)
            after = code.i("add", here, code.i("mul", a["B"], a["units"]))
            for name, value in code.graph(plan.traced.forward, known, stage.outputs).items():
                kind, _, label = name.partition(".")
                if kind == "s":
                    code.store(value, code.at(a[f"S{plan.fields.index(label)}"], after))
                else:
                    code.store(value, code.at(a["Y" if kind == "y" else f"A.{label}"], here))
        return self._close(code)

    def _known(self, code: Code, a: dict[str, str], g: str, kept: str, prev: str, unit: str) -> dict[str, str]:
        """What a pointwise stage can read: pre-activations, states before the step, vectors. Unused loads vanish."""
        plan = self.plan
        zero = code.constant(0.0)
        known = {f"x.{gate}": code.load(code.at(g, code.i("mul", a["units"], k))) for k, gate in enumerate(plan.gates)}
        for each in plan.maps:
            for part in each.parts:
                apart = part in plan.apart
                place = code.i("mul", a["units"], plan.apart.index(part)) if apart else ""
                known[f"r.{each.name}.{part}"] = code.load(code.at(kept, place)) if apart else zero
        before = code.i("add", code.i("mul", prev, a["units"]), unit)
        known |= {f"s.{field}": code.load(code.at(a[f"S{k}"], before)) for k, field in enumerate(plan.fields)}
        known |= {f"m.{vector}": code.load(code.at(a[f"V{k}"], unit)) for k, vector in enumerate(plan.vectors)}
        return known

    def _backward_points(self, number: int, segment: Segment) -> str:
        """The pointwise gradients of one row, units from `unit` to `end`."""
        plan = self.plan
        code, a = self._open(f"points{number}", ("row", "prev", "b", "unit", "end"))
        apart = max(1, len(plan.apart))
        with code.loop("%unit", "%end", self.lanes.width) as unit:
            at_gates = code.i("add", code.i("mul", code.i("mul", "%row", len(plan.gates)), a["units"]), unit)
            g, d = code.at(a["G"], at_gates), code.at(a["D"], at_gates)
            at_apart = code.i("add", code.i("mul", code.i("mul", "%row", apart), a["units"]), unit)
            kept, entered = code.at(a["R"], at_apart), code.at(a["X"], at_apart)
            known = self._known(code, a, g, kept, "%prev", unit)
            here = code.i("add", code.i("mul", "%row", a["units"]), unit)
            own = code.i("add", code.i("mul", "%b", a["units"]), unit)
            known["d.y"] = code.load(code.at(a["dY"], here))
            known |= {f"d.s.{field}": code.load(code.at(a[f"dS{k}"], own)) for k, field in enumerate(plan.fields)}
            for each in plan.maps:
                direct = each.reads is not None  # its product is added to the state's gradient instead
                known[f"d.a.{each.name}"] = code.constant(0.0) if direct else code.load(code.at(a[f"dA.{each.name}"], own))
            results = code.graph(plan.traced.backward, known, segment.outputs)
            units, nothing = code.inside(unit, a["H"]), code.constant(0.0)  # products read these: what pads H is kept at zero
            for name, value in results.items():
                _, kind, *label = name.split(".")
                if kind == "s":
                    code.store(value, code.at(a[f"dS{plan.fields.index(label[0])}"], own))
                elif kind == "m":
                    total = code.at(a[f"dV{plan.vectors.index(label[0])}"], own)
                    code.store(code.two("fadd", code.load(total), value), total)
                elif kind == "x" and label[0] in plan.apart:
                    place = code.at(entered, code.i("mul", a["units"], plan.apart.index(label[0])))
                    code.store(code.select(units, value, nothing), place)
                elif kind == "x" or label[1] in plan.apart:
                    place = code.at(d, code.i("mul", a["units"], plan.gates.index(label[-1])))
                    code.store(code.select(units, value, nothing), place)
        return self._close(code)

    def _backward_block(self, each: MapPlan, rows: int) -> str:
        """The gradient of what went into a map, for a block of rows and one panel of units."""
        width, vectors, plan = self.lanes.width, self.layout.backward, self.plan
        code, a = self._open(f"back_{each.name}_{rows}", ("row", "prev", "b", "unit"))
        count = code.i("mul", a["units"], len(each.parts))
        target = a[f"dA.{each.name}"] if each.reads is None else a[f"dS{each.reads}"]
        places = [
            code.at(target, code.i("add", code.i("mul", code.i("add", "%b", r), a["units"]), "%unit")) for r in range(rows)
        ]
        zero = [code.constant(0.0)] * vectors
        start = [
            zero if each.reads is None else [code.load(code.at(place, v * width)) for v in range(vectors)] for place in places
        ]
        g_row = code.i("mul", a["units"], len(plan.gates))
        lhs = []
        for r in range(rows):
            first = code.i("add", code.i("mul", code.i("add", "%row", r), g_row), code.i("mul", a["units"], each.first))
            lhs.append(code.at(a["D"], first))
        panel = code.at(a[f"Q.{each.name}"], code.i("mul", "%unit", count))
        for place, line in zip(places, product(code, lhs, panel, count, start), strict=True):
            for v, value in enumerate(line):
                code.store(value, code.at(place, v * width))
        return self._close(code)

    # ---- the loop over time
    def _worker(self, way: str) -> str:
        code = Code(self.lanes)
        code.lines.append(f"define internal void @{way}_worker(ptr %a) {{")
        code.label("entry")
        a = self._arguments(code)
        thread, team_size = member(code)
        by_rows = code.op(f"icmp eq i64 {a['mode']}, 0")
        grains = code.i("udiv", a["units"], self.layout.grain)

        def share(total: str, split: bool) -> tuple[str, str]:
            first = code.i("udiv", code.i("mul", total, thread), team_size)
            last = code.i("udiv", code.i("mul", total, code.i("add", thread, 1)), team_size)
            whole, part = ("0", total), (first, last)
            yes, no = (part, whole) if split else (whole, part)
            begin, end = (code.op(f"select i1 {by_rows}, i64 {p}, i64 {q}") for p, q in zip(yes, no, strict=True))
            return begin, end

        b0, b1 = share(a["B"], split=True)
        u0, u1 = (code.i("mul", end, self.layout.grain) for end in share(grains, split=False))
        meet = code.op(f"select i1 {by_rows}, i64 1, i64 {team_size}")
        with code.loop(0, a["T"]) as step:
            t = step if way == "forward" else code.i("sub", code.i("sub", a["T"], 1), step)
            first = code.whole(a["starts"], t)
            alive = code.i("sub", code.whole(a["starts"], code.i("add", t, 1)), first)
            earlier = code.op(f"call i64 @llvm.usub.sat.i64(i64 {t}, i64 1)")
            begun = code.i("add", a["B"], code.whole(a["starts"], earlier))
            prev = code.op(f"select i1 {code.op(f'icmp eq i64 {t}, 0')}, i64 0, i64 {begun}")
            stop, begin = code.least(b1, alive), b0
            if way == "forward":
                for number, stage in enumerate(self.plan.stages):
                    vectors = self.layout.forward[stage.map.name] if stage.map else 1
                    blocks = self._forward_rows(stage)
                    self._panels(code, f"forward{number}", blocks, vectors, (u0, u1), (begin, stop), first, prev)
                    code.line(f"call void @recurra_barrier(ptr {a['bar']}, i64 {meet})")
            else:
                for number, segment in enumerate(self.plan.segments):
                    with code.loop(begin, stop) as b:
                        places = f"i64 {code.i('add', first, b)}, i64 {code.i('add', prev, b)}, i64 {b}, i64 {u0}, i64 {u1}"
                        code.line(f"call void @points{number}(ptr %a, {places})")
                    if segment.maps:
                        code.line(f"call void @recurra_barrier(ptr {a['bar']}, i64 {meet})")
                    for each in segment.maps:
                        name, blocks = f"back_{each.name}", self._backward_rows()
                        self._panels(code, name, blocks, self.layout.backward, (u0, u1), (begin, stop), first, prev)
        return self._close(code)

    def _panels(
        self,
        code: Code,
        name: str,
        blocks: list[int],
        vectors: int,
        units: tuple[str, str],
        rows: tuple[str, str],
        first: str,
        prev: str,
    ) -> None:
        """Every panel of `units`, and in each every row of `rows` in the largest blocks that fit."""
        with code.loop(units[0], units[1], vectors * self.lanes.width) as unit:
            for b, size in code.blocks(rows[0], rows[1], blocks):
                places = f"i64 {code.i('add', first, b)}, i64 {code.i('add', prev, b)}, i64 {b}, i64 {unit}"
                code.line(f"call void @{name}_{size}(ptr %a, {places})")
