"""Large products by the tile."""

import pytest
import torch

from recurra.engine.matmul import add_product, pack_columns


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("rows", "columns", "inner"), [(1, 64, 1), (7, 32, 33), (13, 96, 600), (200, 128, 1100)])
def test_adds_the_product(rows: int, columns: int, inner: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    lhs, rhs, start = (torch.randn(shape, dtype=dtype) for shape in ((rows, inner), (inner, columns), (rows, columns)))
    wanted = (start.double() + lhs.double() @ rhs.double()).to(dtype)
    for form in (rhs, pack_columns(rhs, columns)):
        found = add_product(start.clone(), lhs, form)
        assert torch.allclose(found, wanted, rtol=1e-5 if dtype == torch.float32 else 1e-12, atol=inner * 1e-6)


def test_rows_lie_where_they_lie() -> None:
    wide = torch.randn(5, 40)
    lhs, rhs = wide[:, :33], torch.randn(33, 64)
    assert torch.allclose(add_product(torch.zeros(5, 64), lhs, rhs), lhs @ rhs, atol=1e-5)


def test_a_row_has_the_same_bits_whatever_its_neighbours() -> None:
    lhs, rhs = torch.randn(50, 300), torch.randn(300, 64)
    whole = add_product(torch.zeros(50, 64), lhs, rhs)
    for count in (1, 2, 5, 13):
        assert torch.equal(add_product(torch.zeros(count, 64), lhs[:count], rhs), whole[:count])
