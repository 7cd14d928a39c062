"""Product tiles: a few rows times one panel of packed weights, every sum in a register; and the large products made of them."""

from collections.abc import Sequence

from recurra.engine.precision import FULL, Precision
from recurra.engine.vector import Code, Lanes, internal

__all__ = ["VECTORS", "beginning", "product", "products", "row_blocks", "scaled", "together"]

VECTORS = 2
"""Vectors of a panel."""

DEPTH = 512  # how far a tile goes along k before the next rows take the same panel out of the cache
ROWS = 128  # rows of the batch whose gradient is added up at a time, so that rounding does not grow with their number


def row_blocks(registers: int) -> list[int]:
    """How many rows a tile may have: as many as there are registers for, then fewer for what is left."""
    most = (registers - VECTORS - 2) // VECTORS
    return sorted({min(most, 12), *(m for m in (4, 2, 1) if m < most)}, reverse=True)


def together(rows: int, registers: int) -> int:
    """How many panels a tile of few rows takes at once, so that there are sums enough to keep the processor busy."""
    return max(1, (registers - 4) // (VECTORS * (rows + (rows > 1))))


def product(
    code: Code,
    lhs: Sequence[str],
    panels: Sequence[str],
    count: str,
    start: Sequence[Sequence[str]],
    step: str | int = 1,
    repeats: tuple[str | int, str | int] = (1, 0),
    precision: Precision = FULL,
) -> list[list[str]]:
    """sums[row][v] = start[row][v] + sum over k < count of lhs[row][k * step] * panels[k][v], in the order of k.

    Args:
        code: where the instructions go.
        lhs: the address of each row's first number.
        panels: addresses of weights packed as (k, vector, lane), each of VECTORS vectors; v counts through all of them.
        count: how many k there are, at least 1.
        start: what each sum starts from.
        step: numbers from one k to the next in a row.
        repeats: how often all this is done, and how far each row moves on each time; the panels just go on.
        precision: what the panels are made of.
    """
    vectors, width, kind = VECTORS * len(panels), code.lanes.width, code.lanes.vector
    times, far = repeats
    entry, outer, body, latch, done = (code.block() for _ in range(5))

    def phis(into: list[list[str]], ways: Sequence[tuple[str, Sequence[Sequence[str]]]]) -> None:
        for r in range(len(lhs)):
            for v in range(vectors):
                code.line(f"{into[r][v]} = phi {kind} {', '.join(f'[{sums[r][v]}, %{block}]' for block, sums in ways)}")

    def names() -> list[list[str]]:
        return [[code.fresh() for _ in range(vectors)] for _ in lhs]

    begun, sums, after = names(), names(), names()
    time, next_time, k, following = (code.fresh() for _ in range(4))
    code.line(f"br label %{entry}")
    code.label(entry)
    code.line(f"br label %{outer}")
    code.label(outer)
    code.line(f"{time} = phi i64 [0, %{entry}], [{next_time}, %{latch}]")
    phis(begun, [(entry, start), (latch, after)])
    behind = code.i("mul", code.i("mul", time, count), VECTORS * width)
    first = [precision.at(code, panel, behind) for panel in panels]
    moved = [code.address(address, (time, far)) for address in lhs]
    code.line(f"br label %{body}")
    code.label(body)
    code.line(f"{k} = phi i64 [0, %{outer}], [{following}, %{body}]")
    phis(sums, [(outer, begun), (body, after)])
    at_k = code.i("mul", k, VECTORS * width)
    rows = [precision.at(code, panel, at_k) for panel in first]
    weights = [precision.load(code, precision.at(code, row, v * width)) for row in rows for v in range(VECTORS)]
    along = k if step == 1 else code.i("mul", k, step)
    suffix = f"v{width}f{8 * code.lanes.size}"
    for r, address in enumerate(moved):
        x = code.broadcast(code.at(address, along))
        for v in range(vectors):
            arguments = f"{kind} {x}, {kind} {weights[v]}, {kind} {sums[r][v]}"
            code.line(f"{after[r][v]} = call {kind} @llvm.fma.{suffix}({arguments})")
    code.line(f"{following} = add nuw nsw i64 {k}, 1")
    code.line(f"br i1 {code.op(f'icmp ult i64 {following}, {count}')}, label %{body}, label %{latch}")
    code.label(latch)
    code.line(f"{next_time} = add nuw nsw i64 {time}, 1")
    code.line(f"br i1 {code.op(f'icmp ult i64 {next_time}, {times}')}, label %{outer}, label %{done}")
    code.label(done)
    return after


def products(lanes: Lanes, registers: int, precision: Precision) -> str:
    """Functions for large products.

    ``recurra_rows(lhs, step, rhs, count, rate, start, start_step, out, out_step, r0, r1, p0, p1)``: rows r0 to r1 of
    out = start + lhs rhs, where rhs is packed in panels of VECTORS vectors, of which p0 to p1 are taken. Weights in 8
    bits have a rate for each column.

    ``recurra_gradient(out, out_step, columns, lhs, step, rhs, rhs_step, table, count, r0, r1)``: rows r0 to r1 of
    out[r, c] = sum over n < count of lhs[n * step + r] * rhs[table[n] * rhs_step + c].

    ``recurra_columns(out, columns, src, step, count)``: out[c] = sum over n < count of src[n * step + c].
    """
    blocks = row_blocks(registers)
    tiles = [tile for rows in blocks for tile in (_rows_tile(lanes, rows, precision), _gradient_tile(lanes, rows))]
    return "\n".join([*tiles, _rows(lanes, blocks, precision), _gradient(lanes, blocks), _columns(lanes)])


def scaled(
    code: Code, sums: Sequence[Sequence[str]], start: Sequence[Sequence[str]], rates: Sequence[str], precision: Precision
) -> list[list[str]]:
    """Start + rate * sum, where sums began at zero because their weights are whole numbers; else the sums as they are."""
    if precision.kind != "int8":
        return [list(line) for line in sums]
    return [
        [code.fma(total, rate, begun) for total, rate, begun in zip(line, rates, first, strict=True)]
        for line, first in zip(sums, start, strict=True)
    ]


def beginning(code: Code, start: Sequence[Sequence[str]], precision: Precision) -> Sequence[Sequence[str]]:
    """What sums begin at: see `scaled`."""
    return [[code.constant(0.0)] * len(line) for line in start] if precision.kind == "int8" else start


def _rows_tile(lanes: Lanes, rows: int, precision: Precision) -> str:
    parameters = "ptr %lhs, i64 %step, ptr %rhs, i64 %count, ptr %rate, ptr %start, i64 %start_step, ptr %out, i64 %out_step"
    code = internal(lanes, f"@rows_{rows}({parameters})")
    lhs, start, out = (
        [code.address(f"%{name}", (f"%{step}", r)) for r in range(rows)]
        for name, step in (("lhs", "step"), ("start", "start_step"), ("out", "out_step"))
    )
    begun = [[code.load(code.at(address, v * lanes.width)) for v in range(VECTORS)] for address in start]
    sums = product(code, lhs, ["%rhs"], "%count", beginning(code, begun, precision), precision=precision)
    rates = [code.load(code.at("%rate", v * lanes.width)) for v in range(VECTORS)] if precision.kind == "int8" else []
    for address, line in zip(out, scaled(code, sums, begun, rates, precision), strict=True):
        for v, value in enumerate(line):
            code.store(value, code.at(address, v * lanes.width))
    return code.end()


def _rows(lanes: Lanes, blocks: Sequence[int], precision: Precision) -> str:
    parameters = (
        "ptr %lhs, i64 %step, ptr %rhs, i64 %count, ptr %rate, ptr %start, i64 %start_step, ptr %out, i64 %out_step, "
        "i64 %r0, i64 %r1, i64 %p0, i64 %p1"
    )
    code, width = internal(lanes, f"@recurra_rows({parameters})"), VECTORS * lanes.width
    with code.loop(0, "%count", DEPTH) as k, code.loop("%p0", "%p1") as panel:
        count, first = code.least(code.i("sub", "%count", k), str(DEPTH)), code.op(f"icmp eq i64 {k}, 0")
        column = code.i("mul", panel, width)
        rhs = precision.at(code, "%rhs", code.i("add", code.i("mul", column, "%count"), code.i("mul", k, width)))
        rate = code.at("%rate", column)
        begin = code.at(code.op(f"select i1 {first}, ptr %start, ptr %out"), column)
        begin_step = code.op(f"select i1 {first}, i64 %start_step, i64 %out_step")
        for m, rows in code.blocks("%r0", "%r1", blocks):
            lhs, start = code.address("%lhs", (m, "%step"), k), code.address(begin, (m, begin_step))
            out = code.address("%out", (m, "%out_step"), column)
            factors = f"ptr {lhs}, i64 %step, ptr {rhs}, i64 {count}, ptr {rate}"
            code.line(f"call void @rows_{rows}({factors}, ptr {start}, i64 {begin_step}, ptr {out}, i64 %out_step)")
    return code.end()


def _gradient_tile(lanes: Lanes, rows: int) -> str:
    parameters = "ptr %lhs, i64 %step, ptr %rhs, i64 %count, ptr %out, i64 %out_step, i64 %columns, i1 %fresh"
    code = internal(lanes, f"@gradient_{rows}({parameters})")
    masks = [code.inside(str(v * lanes.width), "%columns") for v in range(VECTORS)]
    out = [[code.address("%out", ("%out_step", r), v * lanes.width) for v in range(VECTORS)] for r in range(rows)]
    zero, kind = code.constant(0.0), lanes.vector
    lhs = [code.at("%lhs", r) for r in range(rows)]
    for line, sums in zip(out, product(code, lhs, ["%rhs"], "%count", [[zero] * VECTORS] * rows, "%step"), strict=True):
        for address, mask, value in zip(line, masks, sums, strict=True):
            before = code.op(f"select i1 %fresh, {kind} {zero}, {kind} {code.masked_load(address, mask)}")
            code.masked_store(code.two("fadd", before, value), address, mask)
    return code.end()


def _gradient(lanes: Lanes, blocks: Sequence[int]) -> str:
    parameters = (
        "ptr %out, i64 %out_step, i64 %columns, ptr %lhs, i64 %step, ptr %rhs, i64 %rhs_step, ptr %table, i64 %count, "
        "i64 %r0, i64 %r1"
    )
    code, width = internal(lanes, f"@recurra_gradient({parameters})"), VECTORS * lanes.width
    panel = code.op(f"alloca [{ROWS * VECTORS} x {lanes.vector}], align 64")
    with code.loop(0, "%count", ROWS) as n, code.loop(0, "%columns", width) as column:
        count, fresh = code.least(code.i("sub", "%count", n), str(ROWS)), code.op(f"icmp eq i64 {n}, 0")
        with code.loop(0, count) as q:  # side by side, the rows of a panel are read again without leaving the first cache
            source = code.address("%rhs", (code.whole("%table", code.i("add", n, q)), "%rhs_step"), column)
            for v in range(VECTORS):
                code.store(code.load(code.at(source, v * lanes.width)), code.address(panel, (q, width), v * lanes.width))
        left = code.i("sub", "%columns", column)
        for r, rows in code.blocks("%r0", "%r1", blocks):
            lhs, out = code.address("%lhs", (n, "%step"), r), code.address("%out", (r, "%out_step"), column)
            places = f"ptr {lhs}, i64 %step, ptr {panel}, i64 {count}, ptr {out}, i64 %out_step, i64 {left}, i1 {fresh}"
            code.line(f"call void @gradient_{rows}({places})")
    return code.end()


def _columns(lanes: Lanes) -> str:
    code = internal(lanes, "@recurra_columns(ptr %out, i64 %columns, ptr %src, i64 %step, i64 %count)")
    width, places = VECTORS * lanes.width, range(0, VECTORS * lanes.width, lanes.width)
    block, total = (code.op(f"alloca [{VECTORS} x {lanes.vector}], align 64") for _ in range(2))

    def clear(sums: str) -> None:
        for v in places:
            code.store(code.constant(0.0), code.at(sums, v))

    def add(sums: str, more: str) -> None:
        for v in places:
            code.store(code.two("fadd", code.load(code.at(sums, v)), code.load(code.at(more, v))), code.at(sums, v))

    with code.loop(0, "%columns", width) as column:
        clear(total)
        with code.loop(0, "%count", ROWS) as n:
            clear(block)
            with code.loop(n, code.least(code.i("add", n, ROWS), "%count")) as q:
                add(block, code.address("%src", (q, "%step"), column))
            add(total, block)
        for v in places:
            mask = code.inside(code.i("add", column, v), "%columns")
            code.masked_store(code.load(code.at(total, v)), code.address("%out", column, v), mask)
    return code.end()
