"""Large products by the same tile as the sweep: torch's own library leaves half of some processors unused."""

import ctypes
from functools import cache

import torch
from torch import Tensor

from recurra.engine.compile import assemble, isa
from recurra.engine.pool import POOL, member, team, threads
from recurra.engine.sweep import Isa
from recurra.engine.tile import product, row_blocks
from recurra.engine.vector import Code, Lanes, declarations

__all__ = ["add_product", "pack_columns"]

VECTORS = 2
DEPTH = 512  # how far a tile goes along k before the next rows take the same panel out of the cache
SLOTS = ("M", "N", "K", "lhs", "lhs_row", "rhs", "rhs_k", "rhs_panel", "out", "out_row")


def add_product(out: Tensor, lhs: Tensor, rhs: Tensor) -> Tensor:
    """Add lhs (M, K) @ rhs to out (M, N), in place; rhs is (K, N) or packed as (panel, K, columns of a panel).

    Rows may lie any distance apart. N is a multiple of a panel's columns. Each sum goes over k in one order, always.
    """
    lanes = Lanes(isa().bytes // lhs.element_size(), lhs.element_size())
    width = VECTORS * lanes.width
    (rows, inner), columns = lhs.shape, out.shape[1]
    assert columns % width == 0
    assert lhs.stride(1) == 1 or inner == 1, "numbers of a row lie side by side"
    if rhs.dim() == 3:
        rhs_k, rhs_panel = width, inner * width
    else:
        rhs_k, rhs_panel = rhs.stride(0), width
    team_size = threads() if rows * columns * inner > 2_000_000 else 1
    values = [
        rows,
        columns,
        inner,
        lhs.data_ptr(),
        lhs.stride(0),
        rhs.data_ptr(),
        rhs_k,
        rhs_panel,
        out.data_ptr(),
        out.stride(0),
    ]
    array = (ctypes.c_int64 * len(values))(*values)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int32)(_compiled(lanes.size)[0])(ctypes.addressof(array), team_size)
    return out


def pack_columns(weight: Tensor, columns: int) -> Tensor:
    """(K, N) -> (panel, K, columns of a panel), with zeros up to `columns` in all."""
    width = VECTORS * isa().bytes // weight.element_size()
    padded = torch.nn.functional.pad(weight, (0, columns - weight.shape[1]))
    return padded.view(len(weight), columns // width, width).transpose(0, 1).contiguous()


@cache
def _compiled(size: int) -> tuple[int, object]:
    engine = assemble(_source(isa(), size))
    return engine.get_function_address("matmul"), engine


def _source(target: Isa, size: int) -> str:
    lanes = Lanes(target.bytes // size, size)
    sizes = row_blocks(VECTORS, target.registers)
    blocks = [_block(lanes, rows) for rows in sizes]
    return "\n".join([declarations(lanes), POOL, *blocks, _worker(lanes, sizes), team("matmul")])


def _block(lanes: Lanes, rows: int) -> str:
    code = Code(lanes)
    parameters = "ptr %lhs, i64 %lhs_row, ptr %rhs, i64 %rhs_k, ptr %out, i64 %out_row, i64 %count"
    code.lines.append(f"define internal void @matmul_{rows}({parameters}) {{")
    code.label("entry")
    lhs = [code.at("%lhs", code.i("mul", "%lhs_row", r)) for r in range(rows)]
    outs = [code.at("%out", code.i("mul", "%out_row", r)) for r in range(rows)]
    start = [[code.load(code.at(out, v * lanes.width)) for v in range(VECTORS)] for out in outs]
    for out, line in zip(outs, product(code, lhs, "%rhs", "%count", start, "%rhs_k"), strict=True):
        for v, value in enumerate(line):
            code.store(value, code.at(out, v * lanes.width))
    code.line("ret void")
    return "\n".join([*code.lines, "}"])


def _worker(lanes: Lanes, blocks: list[int]) -> str:
    code = Code(lanes)
    code.lines.append("define internal void @matmul_worker(ptr %a) {")
    code.label("entry")
    a = {}
    for number, slot in enumerate(SLOTS):
        address = code.op(f"getelementptr i64, ptr %a, i64 {number}")
        a[slot] = code.op(f"load {'ptr' if slot in ('lhs', 'rhs', 'out') else 'i64'}, ptr {address}")
    thread, size = member(code)
    m0 = code.i("udiv", code.i("mul", a["M"], thread), size)
    m1 = code.i("udiv", code.i("mul", a["M"], code.i("add", thread, 1)), size)
    width = VECTORS * lanes.width
    with code.loop(0, a["K"], DEPTH) as k, code.loop(0, code.i("udiv", a["N"], width)) as panel:
        count = code.least(code.i("sub", a["K"], k), str(DEPTH))
        rhs = code.at(code.at(a["rhs"], code.i("mul", panel, a["rhs_panel"])), code.i("mul", k, a["rhs_k"]))
        for m, rows in code.blocks(m0, m1, blocks):
            lhs = code.at(code.at(a["lhs"], code.i("mul", m, a["lhs_row"])), k)
            out = code.at(code.at(a["out"], code.i("mul", m, a["out_row"])), code.i("mul", panel, width))
            places = f"ptr {lhs}, i64 {a['lhs_row']}, ptr {rhs}, i64 {a['rhs_k']}, ptr {out}, i64 {a['out_row']}, i64 {count}"
            code.line(f"call void @matmul_{rows}({places})")
    code.line("ret void")
    return "\n".join([*code.lines, "}"])
