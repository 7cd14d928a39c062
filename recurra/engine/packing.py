"""Moving numbers between a user's tensors and the padded rows and packed panels of a sweep, in LLVM's language.

A row of units is `n` blocks of `s` numbers (one block, or one for each head); inside, each block is padded with zeros to `u`.
"""

from recurra.engine.precision import Precision
from recurra.engine.vector import Code, Lanes, internal

__all__ = ["packing"]


def packing(lanes: Lanes, precision: Precision) -> str:
    """The functions.

    ``recurra_copy(to, from, count, padded)``: numbers, then zeros.

    ``recurra_enter(to, from, n, s, u)`` and ``recurra_leave(to, from, n, s, u)``: a row inwards and outwards.

    ``recurra_pack(to, step, from, k, count, valid)``: rows of a weight become lanes: to[j * step + l] = from[l * k + j] for
    j < k, and l < count of which the first `valid` exist; the others are zero.
    """
    return "\n".join([_copy(lanes), _enter(lanes), _leave(lanes), _pack(lanes, precision)])


def _copy(lanes: Lanes) -> str:
    code = internal(lanes, "@recurra_copy(ptr %to, ptr %from, i64 %count, i64 %padded)")
    whole = code.i("sub", "%count", code.i("urem", "%count", lanes.width))
    with code.loop(0, whole, lanes.width) as k:
        code.store(code.load(code.at("%from", k)), code.at("%to", k))
    with code.loop(whole, "%padded", lanes.width) as k:
        code.store(code.masked_load(code.at("%from", k), code.inside(k, "%count")), code.at("%to", k))
    return code.end()


def _enter(lanes: Lanes) -> str:
    code = internal(lanes, "@recurra_enter(ptr %to, ptr %from, i64 %n, i64 %s, i64 %u)")
    with code.loop(0, "%n") as block:
        to, source = code.address("%to", (block, "%u")), code.address("%from", (block, "%s"))
        code.line(f"call void @recurra_copy(ptr {to}, ptr {source}, i64 %s, i64 %u)")
    return code.end()


def _leave(lanes: Lanes) -> str:
    code = internal(lanes, "@recurra_leave(ptr %to, ptr %from, i64 %n, i64 %s, i64 %u)")
    whole = code.i("sub", "%s", code.i("urem", "%s", lanes.width))
    with code.loop(0, "%n") as block:
        to, source = code.address("%to", (block, "%s")), code.address("%from", (block, "%u"))
        with code.loop(0, whole, lanes.width) as k:
            code.store(code.load(code.at(source, k)), code.at(to, k))
        with code.loop(whole, "%s", lanes.width) as k:
            code.masked_store(code.load(code.at(source, k)), code.at(to, k), code.inside(k, "%s"))
    return code.end()


def _pack(lanes: Lanes, precision: Precision) -> str:
    """Squares of rows and columns, turned in registers; at the ends they are filled up with zeros."""
    code, n = internal(lanes, "@recurra_pack(ptr %to, i64 %step, ptr %from, i64 %k, i64 %count, i64 %valid)"), lanes.width
    with code.loop(0, "%count", n) as lane, code.loop(0, "%k", n) as k:
        here = code.op(f"call i64 @llvm.usub.sat.i64(i64 %valid, i64 {lane})")
        rows = code.least(here, str(n))
        columns = code.least(code.i("sub", "%k", k), str(n))
        square = [_row_of(code, r, rows, columns, lane, k) for r in range(n)]
        for column, vector in enumerate(_turned(code, square)):
            with code.when(code.op(f"icmp ult i64 {column}, {columns}")):
                place = code.i("add", code.i("mul", code.i("add", k, column), "%step"), lane)
                precision.store(code, vector, precision.at(code, "%to", place))
    return code.end()


def _row_of(code: Code, r: int, rows: str, columns: str, lane: str, k: str) -> str:
    """Row r of a square: as many columns as there are, none behind the last row."""
    there = code.op(f"select i1 {code.op(f'icmp ult i64 {r}, {rows}')}, i64 {columns}, i64 0")
    return code.masked_load(code.address("%from", (code.i("add", lane, r), "%k"), k), code.inside("0", there))


def _turned(code: Code, square: list[str]) -> list[str]:
    """Rows become columns: halves are interleaved as often as the width can be halved."""
    n, kind = code.lanes.width, code.lanes.vector
    low, high = (", ".join(f"i32 {first + k // 2 + (n if k % 2 else 0)}" for k in range(n)) for first in (0, n // 2))
    for _ in range(n.bit_length() - 1):
        square = [
            code.op(f"shufflevector {kind} {square[i]}, {kind} {square[i + n // 2]}, <{n} x i32> <{half}>")
            for i in range(n // 2)
            for half in (low, high)
        ]
    return square
