"""The product tile: a few rows times one panel of packed weights, every sum in a register."""

from collections.abc import Sequence

import torch
from torch import Tensor

from recurra.engine.vector import Code

__all__ = ["pack", "product", "row_blocks"]


def row_blocks(vectors: int, registers: int) -> list[int]:
    """How many rows a tile of `vectors` sums a row may have: as many as fit, then fewer for what is left."""
    most = max(1, (registers - vectors - 2) // vectors)
    return sorted({min(most, 12), *(m for m in (4, 2, 1) if m < most)}, reverse=True)


def product(
    code: Code, lhs: Sequence[str], panel: str, count: str, start: Sequence[Sequence[str]], stride: str | None = None
) -> list[list[str]]:
    """sums[row][v] = start[row][v] + sum over k < count of lhs[row][k] * panel[k][v], in the order of k.

    Args:
        code: where the instructions go.
        lhs: the address of each row's first number.
        panel: the address of weights packed as (k, vector, lane).
        count: how many k there are, at least 1.
        start: what each sum starts from.
        stride: numbers from one k of the panel to the next, where it is not packed.
    """
    vectors, width = len(start[0]), code.lanes.width
    entry, body, done = code.block(), code.block(), code.block()
    code.line(f"br label %{entry}")
    code.label(entry)
    code.line(f"br label %{body}")
    code.label(body)
    k, following = code.fresh(), code.fresh()
    code.line(f"{k} = phi i64 [0, %{entry}], [{following}, %{body}]")
    sums = [[code.fresh() for _ in range(vectors)] for _ in lhs]
    after = [[code.fresh() for _ in range(vectors)] for _ in lhs]
    kind = code.lanes.vector
    for r in range(len(lhs)):
        for v in range(vectors):
            code.line(f"{sums[r][v]} = phi {kind} [{start[r][v]}, %{entry}], [{after[r][v]}, %{body}]")
    row = code.at(panel, code.i("mul", k, stride or vectors * width))
    weights = [code.load(code.at(row, v * width)) for v in range(vectors)]
    suffix = f"v{width}f{8 * code.lanes.size}"
    for r, address in enumerate(lhs):
        x = code.broadcast(code.at(address, k))
        for v in range(vectors):
            arguments = f"{kind} {x}, {kind} {weights[v]}, {kind} {sums[r][v]}"
            code.line(f"{after[r][v]} = call {kind} @llvm.fma.{suffix}({arguments})")
    code.line(f"{following} = add nuw nsw i64 {k}, 1")
    code.line(f"br i1 {code.op(f'icmp ult i64 {following}, {count}')}, label %{body}, label %{done}")
    code.label(done)
    return after


def pack(weight: Tensor, parts: int, units: int, width: int) -> Tensor:
    """(parts * H, K) -> (panel, K, part, lane): `units` is H with padding, a panel has `width` of them."""
    hidden, inner = weight.shape[0] // parts, weight.shape[1]
    padded = torch.nn.functional.pad(weight.reshape(parts, hidden, inner), (0, 0, 0, units - hidden))
    cut = padded.view(parts, units // width, width, inner).permute(1, 3, 0, 2)
    return weight.new_empty(cut.shape).copy_(cut)  # twice as fast as contiguous()
