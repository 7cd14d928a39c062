"""The large products and the packing of weights, beside torch; in vectors of every width that a processor may have."""

import ctypes
import math
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from recurra.engine.compile import assemble
from recurra.engine.packing import packing
from recurra.engine.precision import FULL
from recurra.engine.target import ISAS
from recurra.engine.tile import VECTORS, products, row_blocks
from recurra.engine.vector import Lanes, declarations
from tests.tolerance import FEW, as_near, equal

EDGE = 40  # numbers around an output that nobody may write


class Library:
    """Compiled functions for one width of vectors; tensors are handed over as addresses."""

    def __init__(self, name: str, dtype: torch.dtype) -> None:
        self.dtype, isa = dtype, ISAS[name]
        self.lanes = Lanes(isa.bytes // dtype.itemsize, dtype.itemsize)
        text = [declarations(self.lanes), "declare i64 @llvm.usub.sat.i64(i64, i64)", packing(self.lanes, FULL)]
        text.append(products(self.lanes, isa.registers, FULL))
        self.engine = assemble("\n".join(text).replace("define internal void @recurra_", "define void @recurra_"))

    @property
    def panel(self) -> int:
        """Columns of a panel."""
        return VECTORS * self.lanes.width

    def __call__(self, name: str, *arguments: Tensor | int) -> None:
        numbers = [each.data_ptr() if isinstance(each, Tensor) else each for each in arguments]
        call = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(numbers))
        call(self.engine.get_function_address(f"recurra_{name}"))(*numbers)

    def random(self, *shape: int) -> Tensor:
        return torch.randn(*shape).to(self.dtype)

    def written(self, count: int, write: Callable[[Tensor], Any]) -> Tensor:
        """What `write` makes of an output of `count` numbers; it may touch nothing around them."""
        room = torch.full((count + 2 * EDGE,), math.nan, dtype=self.dtype)
        write(room[EDGE : EDGE + count])
        assert room[:EDGE].isnan().all()
        assert room[EDGE + count :].isnan().all()
        return room[EDGE : EDGE + count]

    def packed(self, weight: Tensor) -> Tensor:
        """A weight (columns, count) in panels (panel, count, lane), with columns of zeros at the end."""
        columns, count = weight.shape
        panels = -(-columns // self.panel)
        out = torch.full((panels, count, self.panel), math.nan, dtype=self.dtype)
        for number, panel in enumerate(out):
            begin = number * self.panel
            self("pack", panel, self.panel, weight[begin:], count, self.panel, columns - begin)
        return out


@pytest.fixture(scope="module", params=product(ISAS, (torch.float32, torch.float64)), ids=lambda each: f"{each[0]}-{each[1]}")
def library(request: pytest.FixtureRequest) -> Library:
    torch.manual_seed(0)
    return Library(*request.param)


def within(ours: Tensor, exact: Tensor, terms: int) -> None:
    """Fail unless sums of many terms, one after the other, are rounded as one expects."""
    limit = FEW[ours.dtype] * (1 + terms**0.5) * exact.abs().max()
    assert (ours - exact).abs().max() <= limit


def near(ours: Tensor, torchs: Callable[..., Tensor], *inputs: Tensor) -> None:
    as_near(ours, torchs(*inputs), torchs(*(each.double() for each in inputs)), "product")


@pytest.mark.parametrize("count", [0, 1, 7, 8, 31, 64, 70])
def test_copy_fills_up_with_zeros(library: Library, count: int) -> None:
    padded = -(-max(count, 1) // library.lanes.width) * library.lanes.width
    numbers = library.random(count)
    found = library.written(padded, lambda out: library("copy", out, numbers, count, padded))
    equal(found, torch.cat([numbers, numbers.new_zeros(padded - count)]))


@pytest.mark.parametrize(("blocks", "size"), [(1, 1), (1, 40), (3, 5), (2, 16), (17, 1)])
def test_rows_go_in_and_out(library: Library, blocks: int, size: int) -> None:
    padded = -(-size // library.panel) * library.panel
    numbers = library.random(blocks, size)
    inside = library.written(blocks * padded, lambda out: library("enter", out, numbers, blocks, size, padded))
    equal(inside.view(blocks, padded), torch.nn.functional.pad(numbers, (0, padded - size)))
    outside = library.written(blocks * size, lambda out: library("leave", out, inside, blocks, size, padded))
    equal(outside.view(blocks, size), numbers)


@pytest.mark.parametrize(("columns", "count"), [(1, 1), (5, 3), (16, 16), (17, 33), (70, 9), (33, 65)])
def test_panels(library: Library, columns: int, count: int) -> None:
    weight = library.random(columns, count)
    panels = library.packed(weight)
    equal(
        panels.transpose(1, 2).reshape(-1, count),
        torch.nn.functional.pad(weight, (0, 0, 0, len(panels) * library.panel - columns)),
    )


@pytest.mark.parametrize("parts", [1, 3])
def test_parts_of_a_panel_stand_side_by_side(library: Library, parts: int) -> None:
    """Lanes beyond the step belong to another part."""
    count, valid = 11, library.panel - 1
    weights, step = library.random(parts, library.panel, count), parts * library.panel
    out = torch.full((count, parts, library.panel), math.nan, dtype=library.dtype)
    for part, weight in enumerate(weights):
        library("pack", out.flatten()[part * library.panel :], step, weight, count, library.panel, valid)
    equal(out[:, :, :valid], weights[:, :valid].permute(2, 0, 1).contiguous())
    assert not out[:, :, valid:].any()


@pytest.mark.parametrize("count", [1, 5, 511, 512, 513, 1100])
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 13, 30])
def test_rows_times_panels(library: Library, rows: int, count: int) -> None:
    columns = 2 * library.panel
    lhs, weight, bias = library.random(rows, count + 3), library.random(columns, count), library.random(columns)
    rhs = library.packed(weight)

    def write(out: Tensor) -> None:
        library("rows", lhs, count + 3, rhs, count, 0, bias, 0, out, columns, 0, rows, 0, 2)

    found = library.written(rows * columns, write).view(rows, columns)
    exact = torch.addmm(bias.double(), lhs[:, :count].double(), weight.double().t())
    within(found, exact, count)
    for first, last in ((0, 1), (rows // 2, rows)):  # a row's sums do not depend on the rows beside it
        part = torch.full_like(found, math.nan)
        library("rows", lhs, count + 3, rhs, count, 0, bias, 0, part, columns, first, last, 1, 2)
        equal(part[first:last, library.panel :], found[first:last, library.panel :])
        assert part[first:last, : library.panel].isnan().all()
    again = torch.full_like(found, math.nan)  # what is added to may lie row by row
    library("rows", lhs, count + 3, rhs, count, 0, found, columns, again, columns, 0, rows, 0, 2)
    within(again, 2 * exact - bias, count)


@pytest.mark.parametrize("count", [1, 127, 128, 129, 2000])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 16), (6, 33), (13, 70)])
def test_gradient_of_a_weight(library: Library, rows: int, columns: int, count: int) -> None:
    wide = -(-columns // library.panel) * library.panel
    lhs, rhs = library.random(count, rows + 2), library.random(count + 5, wide)
    table = torch.randint(0, count + 5, (count,))

    def write(out: Tensor) -> None:
        library("gradient", out, columns, columns, lhs, rows + 2, rhs, wide, table, count, 0, rows)

    found = library.written(rows * columns, write).view(rows, columns)
    near(found, lambda a, b: a[:, :rows].t() @ b[table, :columns], lhs, rhs)
    part = torch.full_like(found, math.nan)
    library("gradient", part, columns, columns, lhs, rows + 2, rhs, wide, table, count, rows // 2, rows)
    equal(part[rows // 2 :], found[rows // 2 :])
    assert part[: rows // 2].isnan().all()


@pytest.mark.parametrize("count", [1, 128, 300, 5000])
@pytest.mark.parametrize("columns", [1, 16, 33])
def test_sums_of_columns(library: Library, columns: int, count: int) -> None:
    wide = -(-columns // library.panel) * library.panel
    rows = library.random(count, wide) + 1  # sums that grow
    found = library.written(columns, lambda out: library("columns", out, columns, rows, wide, count))
    near(found, lambda a: a[:, :columns].sum(0), rows)


@pytest.mark.parametrize("registers", [16, 32])
def test_tiles_fit_the_registers(registers: int) -> None:
    blocks = row_blocks(registers)
    assert blocks == sorted(blocks, reverse=True)
    assert blocks[-1] == 1
    assert VECTORS * (blocks[0] + 1) < registers
