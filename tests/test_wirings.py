import copy
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from recurra.cells import GRU, LSTM, Cell, Elman, Map, Maps, Parts, ProjectedLSTM
from recurra.engine import Fold
from recurra.engine.engine import Job
from recurra.errors import ShapeError, UsageError
from recurra.layers import Conv1d, Conv2d, Conv3d, Dense, Diagonal, Heads, Recurrent
from recurra.wirings import Wiring
from tests.laws.cases import Mixed
from tests.tolerance import close

FULL: list[Wiring] = [Dense(3, 8), Conv2d(3, 8, 5)]
SPARSE: list[Wiring] = [Heads(3, 8, 2), Diagonal(3, 8)]
CELLS_AND_MIXED = pytest.mark.parametrize("cell", [Elman(), LSTM(), GRU(), Mixed()], ids=str)


def wired(*wirings: Wiring) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("wiring", wirings, ids=lambda wiring: type(wiring).__name__)


WIRED = wired(*FULL, *SPARSE)


def filled(cell: Cell, wiring: Wiring) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {name: weight.detach() for name, weight in Recurrent(cell, wiring).named_parameters()}


class TestStartValues:
    @wired(*FULL)
    @CELLS_AND_MIXED
    def test_square_maps_are_orthogonal_gate_by_gate(self, cell: Cell, wiring: Wiring) -> None:
        weights = filled(cell, wiring)
        gates = len(weights["recur_weight"]) // 8
        for part in weights["recur_weight"].chunk(gates):
            rows = part.flatten(1)
            close(rows @ rows.T, torch.eye(8))
        first, *others = weights["recur_weight"].chunk(gates)
        assert not any(part.equal(first) for part in others)

    @CELLS_AND_MIXED
    def test_heads_are_orthogonal_block_by_block(self, cell: Cell) -> None:
        blocks = filled(cell, Heads(3, 8, heads=2))["recur_weight"].view(-1, 4, 4)
        for block in blocks:
            close(block @ block.T, torch.eye(4))
        assert not any(block.equal(blocks[0]) for block in blocks[1:])

    @CELLS_AND_MIXED
    def test_one_head_starts_as_dense_does(self, cell: Cell) -> None:
        one, dense = filled(cell, Heads(3, 8, heads=1)), filled(cell, Dense(3, 8))
        assert one.keys() == dense.keys()
        assert all(one[name].equal(dense[name]) for name in dense)

    def test_a_diagonal_is_spread_between_0_and_1(self) -> None:
        for part in filled(LSTM(), Diagonal(3, 1000))["recur_weight"].chunk(4):
            assert 0 <= part.min() < 0.02 < 0.98 < part.max() < 1
            assert 0.45 < part.mean() < 0.55

    @WIRED
    def test_input_maps_are_glorot_gate_by_gate(self, wiring: Wiring) -> None:
        weight = filled(LSTM(), wiring)["input_weight"]
        points = weight[0, 0].numel()
        bound = (6 / (points * (3 + 8))) ** 0.5
        assert bound * 0.8 < weight.abs().max() <= bound
        assert all(part.abs().max() > bound * 0.7 for part in weight.chunk(4))

    def test_maps_between_widths_are_glorot(self) -> None:
        weights = filled(ProjectedLSTM(), Dense(3, 8, projected_size=2))
        for name, bound in {"recur_weight": (6 / (2 + 8)) ** 0.5, "project_weight": (6 / (2 + 8)) ** 0.5}.items():
            assert bound * 0.7 < weights[name].abs().max() <= bound

    @WIRED
    def test_the_forget_bias_is_1_and_others_0(self, wiring: Wiring) -> None:
        weights = filled(LSTM(), wiring)
        parts = dict(zip(LSTM.gates, weights["input_bias"].chunk(4), strict=True))
        assert all(part.eq(1.0 if gate == "forget" else 0.0).all() for gate, part in parts.items())
        assert not weights["recur_bias"].any()

    @WIRED
    def test_biases_before_norms_are_spread_around_that(self, wiring: Wiring) -> None:
        cell, weights = Mixed(), filled(Mixed(), wiring)
        parts = dict(zip(cell.gates, weights["input_bias"].chunk(len(cell.gates)), strict=True))
        away = [part - (1.0 if gate == "forget" else 0.0) for gate, part in parts.items()]
        for part in (*away, weights["recur_bias"]):
            assert 0 < part.abs().max() <= wiring.units**-0.5
            assert part.std() > 0

    @WIRED
    def test_vectors_and_norms(self, wiring: Wiring) -> None:
        weights = filled(Mixed(), wiring)
        values = {"peep": 0.1, "decay": 0.9, "norm_cell_weight": 1.0, "norm_cell_bias": 0.0}
        for name, value in values.items():
            close(weights[name], torch.full((8, *[1] * wiring.extent_dims), value))

    def test_a_seed_gives_the_same_weights(self) -> None:
        first, second = filled(GRU(), Dense(3, 8)), filled(GRU(), Dense(3, 8))
        assert all(first[name].equal(second[name]) for name in first)


class TestShapes:
    @wired(Dense(3, 8, bias=False), Heads(3, 8, 2, bias=False), Diagonal(3, 8, bias=False))
    def test_without_bias_norms_keep_theirs(self, wiring: Wiring) -> None:
        names = set(filled(Mixed(), wiring))
        assert names == {"input_weight", "recur_weight", "late_weight", "peep", "decay", "norm_cell_weight", "norm_cell_bias"}

    def test_without_bias_vectors_may_be_called_so(self) -> None:
        class Shifted(Cell):
            gates = ("new",)
            maps = {"recur": ("new",)}
            vectors = {"own_bias": 0.5}

            class State(NamedTuple):
                h: Tensor

            def step(self, x: Parts, s: State, m: Maps) -> tuple[Tensor, State]:
                h = torch.tanh(x.new + m.recur(s.h).new + m.own_bias)
                return h, self.State(h)

        assert set(filled(Shifted(), Dense(3, 8, bias=False))) == {"input_weight", "recur_weight", "own_bias"}

    def test_the_state_has_the_widths_of_the_cell(self) -> None:
        state = Recurrent(ProjectedLSTM(), Dense(3, 8, projected_size=2)).initial(4)
        assert (state.h.shape, state.c.shape) == ((4, 2), (4, 8))
        assert Recurrent(LSTM(), Conv2d(3, 8)).initial(4, 5, 6).c.shape == (4, 8, 5, 6)

    def test_a_map_may_change_width_and_have_no_bias(self) -> None:
        class Narrow(Cell):
            gates = ("new",)
            maps = {"down": Map(("a", "b"), gives="projected", bias=False), "up": Map(("new",), takes="projected")}

            class State(NamedTuple):
                h: Tensor

            def step(self, x: Parts, s: State, m: Maps) -> tuple[Tensor, State]:
                low = m.down(s.h)
                h = torch.tanh(x.new + m.up(low.a * low.b).new)
                return h, self.State(h)

        layer = Recurrent(Narrow(), Dense(3, 8, projected_size=2))
        assert {name: tuple(weight.shape) for name, weight in layer.named_parameters()} == {
            "input_weight": (8, 3),
            "input_bias": (8,),
            "down_weight": (4, 8),
            "up_weight": (8, 2),
            "up_bias": (8,),
        }
        assert layer(torch.ones(1, 2, 3))[0].shape == (1, 2, 8)

    @wired(*SPARSE)
    def test_a_batch_may_have_no_rows(self, wiring: Wiring) -> None:
        y, end = Recurrent(LSTM(), wiring)(torch.zeros(0, 7, 3))
        assert (y.shape, end.c.shape) == ((0, 7, 8), (0, 8))

    def test_a_norm_is_a_layer_norm(self) -> None:
        wiring, v = Dense(3, 8), torch.randn(4, 8)
        weights = {**filled(Mixed(), wiring), "norm_cell_weight": torch.randn(8), "norm_cell_bias": torch.randn(8)}
        ours = wiring.bind(Mixed(), weights, {}).norm_cell(v)
        close(ours, torch.nn.functional.layer_norm(v, (8,), weights["norm_cell_weight"], weights["norm_cell_bias"]))

    @pytest.mark.parametrize("kind", [Conv1d, Conv2d, Conv3d])
    def test_convolution_is_a_dense_layer_at_every_point_if_its_kernel_is_1(self, kind: Any) -> None:
        dense, conv = Recurrent(Mixed(), Dense(3, 8)), Recurrent(Mixed(), kind(3, 8, 1))
        shapes = {name: weight.shape for name, weight in conv.state_dict().items()}
        conv.load_state_dict({name: weight.view(shapes[name]) for name, weight in dense.state_dict().items()})
        extent = (4, 2, 3)[: conv.wiring.extent_dims]
        x = torch.randn(2, 5, 3, *extent)
        points = x.flatten(3).permute(0, 3, 1, 2).flatten(0, 1)
        close(conv(x)[0].flatten(3), dense(points)[0].unflatten(0, (2, -1)).permute(0, 2, 3, 1))

    @pytest.mark.parametrize(("narrow", "wide"), [(Conv1d(3, 8), Conv2d(3, 8)), (Conv2d(3, 8), Conv3d(3, 8))], ids=["1d", "2d"])
    def test_a_kernel_in_the_middle_of_a_larger_one_is_itself(self, narrow: Wiring, wide: Wiring) -> None:
        v, bias = torch.randn(2, 8, *(4, 6)[: narrow.extent_dims]), torch.randn(16)
        weight = torch.randn(narrow.kernel(16, 8))
        within = torch.nn.functional.pad(weight[:, :, None], (*[0, 0] * narrow.extent_dims, 1, 1))
        assert within.shape == wide.kernel(16, 8)
        close(wide.apply(v[:, :, None], within, bias).squeeze(2), narrow.apply(v, weight, bias))


def diagonal(weight: Tensor) -> Tensor:
    """The matrices, parts stacked, that the weights of a diagonal or block-diagonal map of 8 units stand for."""
    heads = 8 if weight.dim() == 1 else 8 // weight.shape[1]
    return torch.cat([torch.block_diag(*part.view(heads, 8 // heads, -1)) for part in weight.chunk(len(weight) // 8)])  # type: ignore[no-untyped-call]


class TestMeaning:
    @pytest.mark.parametrize("bias", [True, False], ids=["bias", "bare"])
    @pytest.mark.parametrize("wiring", [*(Heads(3, 8, heads) for heads in (1, 2, 4, 8)), Diagonal(3, 8)], ids=str)
    @CELLS_AND_MIXED
    def test_heads_and_diagonal_are_dense_with_such_matrices(self, cell: Cell, wiring: Any, bias: bool) -> None:
        narrow = filled(cell, replace(wiring, bias=bias))
        torch.manual_seed(1)
        narrow = {name: torch.randn_like(weight).double().requires_grad_() for name, weight in narrow.items()}
        wide = narrow | {f"{name}_weight": diagonal(narrow[f"{name}_weight"]) for name in cell.maps}
        x = torch.randn(4, 6, 3, dtype=torch.float64, requires_grad=True)
        results = []
        for one, weights in ((wiring, narrow), (Dense(3, 8), wide)):
            y, end = Fold().run(cell, one, weights, Job(x, one.zeros(cell, x, 4)))
            total = y.cos().sum() + sum(part.sin().sum() for part in end)
            results.append((y, end, torch.autograd.grad(total, [x, *narrow.values()])))
        close(*results)


class TestValues:
    @WIRED
    def test_a_wiring_is_a_value(self, wiring: Wiring) -> None:
        assert copy.deepcopy(wiring) == wiring
        assert hash(copy.deepcopy(wiring)) == hash(wiring)
        assert wiring != Dense(3, 9)

    def test_reprs(self) -> None:
        assert repr(Dense(3, 8)) == "Dense(input_size=3, hidden_size=8, projected_size=None, bias=True)"
        assert repr(Heads(3, 8, 2)) == "Heads(input_size=3, hidden_size=8, heads=2, bias=True)"
        assert repr(Diagonal(3, 8)) == "Diagonal(input_size=3, hidden_size=8, bias=True)"
        for kind in (Conv1d, Conv2d, Conv3d):
            assert repr(kind(3, 8)) == f"{kind.__name__}(in_channels=3, hidden_channels=8, kernel_size=3)"


class TestRefusals:
    @pytest.mark.parametrize(
        ("build", "says"),
        [
            (lambda: Dense(0, 8), "Dense: input_size is 0; wanted at least 1"),
            (lambda: Dense(3, -1), "Dense: hidden_size is -1; wanted at least 1"),
            (lambda: Dense(3, 8, projected_size=0), "Dense: projected_size is 0; wanted at least 1"),
            (lambda: Heads(3, 0, 2), "Heads: hidden_size is 0; wanted at least 1"),
            (lambda: Heads(3, 8, 0), "Heads: heads is 0; wanted at least 1"),
            (lambda: Heads(3, 8, 3), "Heads: hidden_size is 8; wanted a multiple of heads, which is 3"),
            (lambda: Heads(3, 8, 16), "Heads: hidden_size is 8; wanted a multiple of heads, which is 16"),
            (lambda: Diagonal(0, 8), "Diagonal: input_size is 0; wanted at least 1"),
            (lambda: Conv2d(0, 8), "Conv2d: in_channels is 0; wanted at least 1"),
            (lambda: Conv2d(3, 8, 4), "kernel_size is 4; wanted an odd number, so that images keep their size"),
            (lambda: Conv2d(3, 8, -3), "Conv2d: kernel_size is -3; wanted at least 1"),
            (
                lambda: Recurrent(ProjectedLSTM(), Dense(3, 8)),
                "this cell projects its state; wanted Dense(input_size, hidden_size, projected_size=P)",
            ),
            (lambda: Recurrent(ProjectedLSTM(), Conv2d(3, 8)), "this cell projects its state, and Conv2d cannot"),
            (lambda: Recurrent(ProjectedLSTM(), Heads(3, 8, 2)), "this cell projects its state, and Heads cannot"),
            (lambda: Recurrent(ProjectedLSTM(), Diagonal(3, 8)), "this cell projects its state, and Diagonal cannot"),
        ],
    )
    def test_sizes(self, build: Any, says: str) -> None:
        with pytest.raises(UsageError) as caught:
            build()
        assert str(caught.value) == says

    @pytest.mark.parametrize(
        ("wiring", "shape", "says"),
        [
            (Dense(3, 8), (4, 7, 2), "x is (4, 7, 2); wanted (B, T > 0, 3)"),
            (Dense(3, 8), (4, 0, 3), "x is (4, 0, 3); wanted (B, T > 0, 3)"),
            (Dense(3, 8), (7, 3), "x is (7, 3); wanted (B, T > 0, 3)"),
            (Heads(3, 8, 2), (4, 7, 2), "x is (4, 7, 2); wanted (B, T > 0, 3)"),
            (Diagonal(3, 8), (7, 3), "x is (7, 3); wanted (B, T > 0, 3)"),
            (Conv2d(3, 8), (4, 7, 3), "x is (4, 7, 3); wanted (B, T > 0, 3, Y, X)"),
            (Conv2d(3, 8), (4, 7, 2, 5, 5), "x is (4, 7, 2, 5, 5); wanted (B, T > 0, 3, Y, X)"),
            (Conv2d(3, 8), (4, 0, 3, 5, 5), "x is (4, 0, 3, 5, 5); wanted (B, T > 0, 3, Y, X)"),
            (Conv1d(3, 8), (4, 7, 3), "x is (4, 7, 3); wanted (B, T > 0, 3, X)"),
            (Conv3d(3, 8), (4, 7, 3, 5, 5), "x is (4, 7, 3, 5, 5); wanted (B, T > 0, 3, Z, Y, X)"),
        ],
    )
    def test_inputs(self, wiring: Wiring, shape: tuple[int, ...], says: str) -> None:
        with pytest.raises(ShapeError) as caught:
            wiring.check(torch.zeros(shape))
        assert str(caught.value) == says
