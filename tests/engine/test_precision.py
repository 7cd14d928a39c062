"""Weights in fewer bytes: what is lost, and what is not."""

from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recurra.cells import GRU, Cell, ProjectedLSTM
from recurra.engine.precision import FULL, Kind, Precision, held, rounded, spread
from recurra.errors import NumericError, UsageError
from recurra.layers import Conv2d, Dense, Diagonal, Recurrent
from recurra.wirings import Wiring
from tests.engine.cells import OWN
from tests.tolerance import equal

FLOATS = st.floats(-(2.0**127), 2.0**127, width=32)


def matrix(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator) * torch.randn(shape[0], *[1] * (len(shape) - 1), generator=generator).exp()


def weights(cell: Cell, wiring: Wiring) -> dict[str, Tensor]:
    torch.manual_seed(0)
    layer = Recurrent(cell, wiring)
    for weight in layer.parameters():
        torch.nn.init.normal_(weight)
    return {name: weight.detach() for name, weight in layer.weights.items()}


class TestRounded:
    def test_full_is_what_it_was(self) -> None:
        weight = matrix(0, 5, 7)
        numbers, rates = rounded(weight, "full")
        assert numbers is weight
        assert rates is None

    @given(st.lists(FLOATS, min_size=1, max_size=20))
    def test_bfloat16_is_torchs(self, values: list[float]) -> None:
        weight = torch.tensor([values])
        numbers, rates = rounded(weight, "bfloat16")
        assert rates is None
        equal(numbers, weight.bfloat16().float())
        assert not (numbers.view(torch.int32) & 0xFFFF).any()  # what is stored is the first 16 bits

    def test_bfloat16_takes_the_nearest_and_even_ones_between_two(self) -> None:
        step = 2.0**-7  # from 1 to the next number
        weight = torch.tensor([[1 + 0.5 * step, 1 + 1.5 * step, 1 + 0.51 * step, -1 - 0.49 * step]])
        equal(rounded(weight, "bfloat16")[0], torch.tensor([[1, 1 + 2 * step, 1 + step, -1.0]]))

    @pytest.mark.parametrize("shape", [(1, 1), (6, 33), (4, 3, 5, 5)], ids=str)
    def test_int8_is_off_by_half_a_step_at_most(self, shape: tuple[int, ...]) -> None:
        for seed in range(20):
            weight = matrix(seed, *shape)
            numbers, rates = rounded(weight, "int8")
            assert rates is not None
            assert rates.shape == shape[:1]
            equal(numbers, numbers.round())
            equal(numbers.abs().flatten(1).amax(1), torch.full(shape[:1], 127.0))
            along = rates.double().view(-1, *[1] * (len(shape) - 1))
            assert ((weight - numbers * along).abs() <= 0.5001 * along).all()

    @given(st.lists(FLOATS, min_size=1, max_size=20))
    def test_int8_of_any_row(self, values: list[float]) -> None:
        weight = torch.tensor([values])
        numbers, rates = rounded(weight, "int8")
        assert rates is not None
        assert (numbers.abs() <= 127).all()
        error = (weight.double() - numbers.double() * rates.double()).abs()
        assert (error <= 0.5001 * rates.double()).all()

    def test_rows_of_zeros(self) -> None:
        weight = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, -2.0]])
        numbers, rates = rounded(weight, "int8")
        equal(numbers, torch.tensor([[0.0, 0.0, 0.0], [64.0, 0.0, -127.0]]))
        assert rates is not None
        assert rates.isfinite().all()

    @pytest.mark.parametrize("kind", ["bfloat16", "int8"])
    def test_twice_is_once(self, kind: Kind) -> None:
        cell, wiring = GRU(), Dense(7, 9)
        once = spread(*held(cell, weights(cell, wiring), kind))
        numbers, rates = held(cell, weights(cell, wiring), kind)
        again, _ = held(cell, once, kind)
        for name in ("input_weight", "recur_weight"):
            equal(again[name], numbers[name])
        assert bool(rates) is (kind == "int8")


class TestHeld:
    @pytest.mark.parametrize("kind", ["bfloat16", "int8"])
    @pytest.mark.parametrize(
        ("cell", "wiring", "matrices"),
        [
            (OWN["layer-norm-lstm"], Dense(3, 5), {"input_weight", "recur_weight"}),
            (OWN["peephole"], Dense(3, 5), {"input_weight", "recur_weight"}),
            (OWN["peephole"], Conv2d(3, 5), {"input_weight", "recur_weight"}),
            (OWN["reset-before"], Dense(3, 5), {"input_weight", "recur_weight", "gated_weight"}),
            (ProjectedLSTM(), Dense(3, 5, 2), {"input_weight", "recur_weight", "project_weight"}),
            (GRU(), Diagonal(3, 5), {"input_weight"}),
        ],
        ids=["norms", "vectors", "images", "two-maps", "projected", "diagonal"],
    )
    def test_matrices_alone_take_fewer_bytes(self, cell: Cell, wiring: Wiring, matrices: set[str], kind: Kind) -> None:
        before = weights(cell, wiring)
        numbers, rates = held(cell, before, kind)
        after = spread(numbers, rates)
        assert {name for name in before if not after[name].equal(before[name])} == matrices
        assert set(rates) == (matrices if kind == "int8" else set())
        assert all(after[name].allclose(before[name], atol=0.05) for name in before)

    def test_copies_are_copies(self) -> None:
        before = weights(GRU(), Dense(3, 5))
        for each in spread(*held(GRU(), before, "full")).values():
            each.zero_()
        assert all(each.any() for each in before.values())

    def test_an_unknown_kind(self) -> None:
        kind: Any = "int4"
        with pytest.raises(UsageError) as caught:
            held(GRU(), weights(GRU(), Dense(3, 5)), kind)
        assert str(caught.value) == "weights is 'int4'; wanted one of full, bfloat16, int8"

    @pytest.mark.parametrize("kind", ["bfloat16", "int8"])
    @pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
    def test_only_float32(self, kind: Kind, dtype: torch.dtype) -> None:
        given = {name: each.to(dtype) for name, each in weights(GRU(), Dense(3, 5)).items()}
        with pytest.raises(UsageError) as caught:
            held(GRU(), given, kind)
        assert str(caught.value) == f"input_weight is {dtype}; wanted torch.float32, to hold it as {kind}"

    @pytest.mark.parametrize("kind", ["bfloat16", "int8"])
    @pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
    def test_only_finite_numbers(self, kind: Kind, bad: float) -> None:
        given = weights(GRU(), Dense(3, 5))
        given["recur_weight"][2, 1] = bad
        with pytest.raises(NumericError) as caught:
            held(GRU(), given, kind)
        assert str(caught.value) == f"recur_weight has numbers that are not finite; wanted finite ones, to hold them as {kind}"


def test_bytes() -> None:
    assert [Precision(kind).bytes(4) for kind in get_args(Kind)] == [4, 2, 1]
    assert FULL.bytes(8) == 8
