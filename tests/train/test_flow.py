import itertools
import math
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import recurra
from recurra.cells import GRU, LSTM, Elman
from recurra.engine import Fold
from recurra.layers import Bidirectional, Conv2d, Dense, Diagonal, Heads, Recurrent, Stack
from recurra.train import Loss
from recurra.train.flow import Flow, Travel, gradient_flow, map_radii, measure, spectrum
from tests.tolerance import close


def squared(out: Any) -> Tensor:
    loss: Tensor = out[0].square().sum()
    return loss


def mean(flow: Flow, layer: int = 0) -> Tensor:
    return torch.tensor(flow.layers[layer].travel.mean)


class TestTravel:
    def test_an_elman_layer_by_the_chain_rule(self) -> None:
        torch.manual_seed(0)
        layer, x = Recurrent(Elman(), Dense(3, 5)), torch.randn(4, 9, 3)
        h = layer.states(x).h.detach()
        grad, norms = 2 * h[:, -1], []
        for t in reversed(range(9)):
            norms.append(grad.norm(dim=1))
            grad = (grad * (1 - h[:, t].square())) @ layer.weights["recur_weight"].detach()
        rows = torch.stack(norms, dim=1)
        [found] = gradient_flow(layer, x, squared).layers
        close(torch.tensor(found.travel.mean), rows.mean(0))
        close(torch.tensor(found.travel.low), rows.double().quantile(0.1, dim=0).float())
        close(torch.tensor(found.travel.high), rows.double().quantile(0.9, dim=0).float())

    def test_every_path_through_a_stack_counts(self) -> None:
        torch.manual_seed(0)
        stack, x = recurra.LSTM(3, 4, layers=2, residual=True), torch.randn(2, 6, 3)
        below, above = stack.layers
        assert isinstance(below, Recurrent)
        assert isinstance(above, Recurrent)
        weights = [below.weights, above.weights]
        states = [layer.initial(2) for layer in (below, above)]
        seen: list[list[Any]] = [[], []]
        for t in range(6):  # step by step, as nobody else here computes it
            [part] = below.wiring.project(below.cell, weights[0], x[:, t : t + 1])
            y, states[0] = below.cell.step(part, states[0], below.wiring.bind(below.cell, weights[0], {}))
            [part] = above.wiring.project(above.cell, weights[1], y[:, None])
            top, states[1] = above.cell.step(part, states[1], above.wiring.bind(above.cell, weights[1], {}))
            for k in range(2):
                seen[k].append(states[k])
        loss = (top + y).square().sum()
        flow = gradient_flow(stack, x, squared)
        for k in range(2):
            grads = [torch.autograd.grad(loss, list(state), retain_graph=True) for state in reversed(seen[k])]
            close(mean(flow, k), torch.stack([torch.cat(grad, dim=1).norm(dim=1).mean() for grad in grads]))

    def test_only_the_last_step_speaks(self) -> None:
        torch.manual_seed(0)
        layer, x = Recurrent(GRU(), Dense(3, 5)), torch.randn(2, 7, 3)
        close(mean(gradient_flow(layer, x, squared)), mean(gradient_flow(layer, x, lambda out: out[0][:, -1].square().sum())))

    def test_the_state_at_the_end_counts(self) -> None:
        torch.manual_seed(0)
        layer, x = Recurrent(GRU(), Dense(3, 5)), torch.randn(2, 7, 3)
        close(mean(gradient_flow(layer, x, lambda out: out[1].h.square().sum())), mean(gradient_flow(layer, x, squared)))

    def test_rows_end_where_they_end(self) -> None:
        torch.manual_seed(0)
        layer, x, lengths = Recurrent(GRU(), Dense(3, 5)), torch.randn(2, 7, 3), torch.tensor([7, 4])

        class Ragged(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = layer

            def forward(self, x: Tensor) -> Any:
                return self.layer(x, lengths=lengths)

        whole = mean(gradient_flow(Ragged(), x, squared))
        rows = [mean(gradient_flow(layer, x[k : k + 1, : int(lengths[k])], squared)) for k in range(2)]
        close(whole[:4], (rows[0][:4] + rows[1]) / 2)
        close(whole[4:], rows[0][4:])

    def test_a_layer_that_reads_backwards_has_its_own_last_step(self) -> None:
        torch.manual_seed(0)
        ahead, back = (Recurrent(GRU(), Dense(3, 5)) for _ in range(2))
        x = torch.randn(2, 7, 3)
        flow = gradient_flow(Stack(Bidirectional(ahead, back)), x, squared)
        assert [layer.name for layer in flow.layers] == ["layer 1 forwards", "layer 1 backwards"]
        close(mean(flow), mean(gradient_flow(ahead, x, squared)))
        close(mean(flow, 1), mean(gradient_flow(back, x.flip(1), squared)))

    def test_factor_and_horizon(self) -> None:
        falling = Travel.of([5.0, *(0.5**k for k in range(40))])  # the last step itself is not on the line
        assert falling.factor == pytest.approx(0.5)
        assert falling.horizon == next(k for k, norm in enumerate(falling.mean) if norm < 0.05)
        growing = Travel.of([1.1**k for k in range(30)])
        assert growing.factor == pytest.approx(1.1)
        assert growing.horizon is None
        assert growing.left == pytest.approx(1.1**29)
        assert Travel.of([1.0, 0.0, 0.0]).factor == 0
        assert (Travel.of([0.0, 0.0, 0.0]).factor, Travel.of([1.0, 0.5]).factor) == (None, None)


class TestBends:
    def test_each_is_named_by_the_gate_that_enters_it(self) -> None:
        layers = gradient_flow(
            Stack(Recurrent(LSTM(), Dense(3, 5)), Recurrent(GRU(), Dense(5, 5))), torch.randn(2, 4, 3), squared
        ).layers
        assert [(bend.name, bend.kind) for bend in layers[0].bends] == [
            *(("input", "sigmoid"), ("forget", "sigmoid"), ("cell", "tanh"), ("output", "sigmoid"), ("c", "tanh")),
        ]
        assert [bend.name for bend in layers[1].bends] == ["reset", "update", "new"]
        assert layers[0].retention == {"forget": 1, "input": -1}

    def test_shares(self) -> None:
        layer = Recurrent(LSTM(), Dense(3, 8))
        bias = torch.zeros(4, 8)
        bias[1], bias[3, :2], bias[2, :4] = 9.0, -9.0, -9.0
        layer.place("input_bias", bias.flatten())
        for name in ("input_weight", "recur_weight"):
            layer.place(name, torch.zeros_like(layer.weights[name]))
        bends = {bend.name: bend for bend in gradient_flow(layer, torch.randn(2, 4, 3), squared).layers[0].bends}
        assert (bends["forget"].low, bends["forget"].high) == (0, 1)
        assert (bends["output"].low, bends["output"].high) == (0.25, 0)
        assert (bends["cell"].low, bends["cell"].saturated) == (0.5, 0.5)
        assert bends["input"].mean == 0.5


def test_units_that_never_fire_and_such_that_hardly_move() -> None:
    layer = Recurrent(Elman("relu"), Diagonal(3, 6))
    layer.place("input_bias", torch.tensor([-99.0, 0, 0, 99, -99, 0]))
    weight = torch.randn(6, 3)
    weight[3] = 1e-6
    layer.place("input_weight", weight)
    layer.place("recur_weight", torch.zeros(6))
    units = gradient_flow(layer, torch.randn(4, 20, 3), squared).layers[0].units
    assert (units.silent, units.still) == ((0, 4), (3,))
    assert len(units.deviations) == 6


class TestSpectrum:
    def test_radii_of_maps(self) -> None:
        def radii(layer: Recurrent) -> dict[str, float]:
            return map_radii(layer.cell, layer.wiring, layer.weights)

        dense = Recurrent(GRU(), Dense(3, 5))
        dense.place("recur_weight", 1.5 * dense.weights["recur_weight"].detach())
        assert radii(dense) == pytest.approx({"recur.reset": 1.5, "recur.update": 1.5, "recur.new": 1.5}, rel=1e-5)
        diagonal = Recurrent(Elman(), Diagonal(3, 5))
        assert radii(diagonal) == pytest.approx({"recur.hidden": float(diagonal.weights["recur_weight"].detach().max())})
        assert radii(Recurrent(Elman(), Heads(3, 6, heads=2))) == pytest.approx({"recur.hidden": 1.0}, rel=1e-5)
        assert radii(Recurrent(GRU(), Conv2d(1, 3))) == {}

    def test_the_step_of_a_linear_layer_is_its_map(self) -> None:
        layer = Recurrent(Elman("relu"), Dense(3, 5))
        layer.place("recur_weight", torch.rand(5, 5))
        layer.place("input_bias", torch.full((5,), 99.0))  # relu is not met
        [found] = gradient_flow(layer, torch.randn(4, 9, 3), squared).layers
        assert found.jacobian == pytest.approx([found.maps["recur.hidden"]] * 4, rel=1e-4)
        assert len(found.eigenvalues) == 20
        assert max(math.hypot(*value) for value in found.eigenvalues) == pytest.approx(found.jacobian[0], rel=1e-4)

    def test_large_states_by_iteration(self, monkeypatch: pytest.MonkeyPatch) -> None:
        torch.manual_seed(0)
        layer, x = Recurrent(LSTM(), Dense(3, 5)), torch.randn(4, 9, 3)
        [exact] = gradient_flow(layer, x, squared).layers
        monkeypatch.setattr(spectrum, "EXACT", 4)
        [near] = gradient_flow(layer, x, squared).layers
        assert near.jacobian == pytest.approx(exact.jacobian, rel=0.02)
        assert near.eigenvalues == ()


class TestMeasure:
    def test_nothing_is_changed(self) -> None:
        stack = recurra.GRU(3, 5, layers=2, dropout=0.5).train()
        engines = [layer.engine for layer in stack.layers if isinstance(layer, Recurrent)]
        before = torch.get_rng_state()
        gradient_flow(stack, torch.zeros(2, 4, 3), squared)
        assert torch.equal(torch.get_rng_state(), before)
        assert stack.training
        assert [layer.engine for layer in stack.layers if isinstance(layer, Recurrent)] == engines
        assert all(weight.grad is None for weight in stack.parameters())
        with pytest.raises(IndexError):
            gradient_flow(stack, torch.zeros(2, 4, 3), lambda out: squared(out[2]))
        assert stack.training
        assert [layer.engine for layer in stack.layers if isinstance(layer, Recurrent)] == engines
        assert not stack._forward_hooks

    def test_batches_follow_each_other_and_carry_their_state(self) -> None:
        torch.manual_seed(0)
        layer, x = Recurrent(GRU(), Dense(3, 5)), torch.randn(2, 12, 3)
        seen = list[Any]()

        def update(batch: Tensor, carry: Any) -> Loss:
            seen.append(carry)
            y, after = layer(batch, carry)
            return Loss(y.square().sum(), 1, after)

        flow = measure(layer, update, torch.split(x, 4, dim=1), layer.initial(2), warm=1, count=2)
        close(seen[2].h, layer(x[:, :8])[1].h)
        assert len(flow.layers[0].units.deviations) == 5
        first, second = (gradient_flow(layer, part, squared) for part in torch.split(x, 4, dim=1)[:2])
        assert first.layers[0].travel.mean != second.layers[0].travel.mean
        assert measure(layer, update, torch.split(x, 4, dim=1), layer.initial(2), warm=1, count=2).as_json() == flow.as_json()

    def test_low_memory_and_a_forced_engine(self) -> None:
        torch.manual_seed(0)
        low = Recurrent(GRU(), Dense(3, 5), memory="low", engine=Fold())
        assert len(gradient_flow(low, torch.randn(2, 70, 3), squared).layers[0].travel.mean) == 70

    def test_images(self) -> None:
        [layer] = gradient_flow(Recurrent(GRU(), Conv2d(1, 6)), torch.randn(2, 5, 1, 4, 4), squared).layers
        assert (layer.maps, len(layer.jacobian), len(layer.units.deviations)) == ({}, 4, 6)

    def test_what_is_not_there_is_said(self) -> None:
        class Own(nn.Module):
            class State(NamedTuple):
                h: Tensor

            def initial(self, batch: int, *extent: int) -> Any:
                return self.State(torch.zeros(batch, 5))

            def step(self, x: Tensor, state: Any, memory: Any = None) -> tuple[Tensor, Any]:
                return x, state

            def forward(self, x: Tensor, state: Any = None, lengths: Any = None, resets: Any = None) -> tuple[Tensor, Any]:
                return x, state

            sequence = forward

        flow = gradient_flow(Stack(Own(), Recurrent(GRU(), Dense(3, 5))), torch.randn(2, 4, 3), squared)
        assert [layer.name for layer in flow.layers] == ["layer 2"]
        [line] = flow.missing
        assert line.startswith("layer 1 (Own): not made of a cell")
        linear = nn.Linear(3, 5)
        assert gradient_flow(linear, torch.randn(2, 4, 3), lambda y: y.sum()) == Flow(
            (), ("the model has no recurrent layers, so there are no figures of gradients, gates and units",)
        )
        idle = nn.ModuleList([linear, Recurrent(GRU(), Dense(3, 5))])
        flow = measure(idle, lambda batch, _: Loss(linear(batch).sum(), 1), [torch.randn(2, 3)], warm=0, count=1)
        assert flow.missing == ("layer 1: no step of it ran that could be watched, so there are no figures of it",)

    def test_figures_are_plain(self) -> None:
        torch.manual_seed(0)
        told = gradient_flow(recurra.GRU(3, 5, layers=2), torch.randn(2, 4, 3), squared).as_json()
        assert [layer["name"] for layer in told["layers"]] == ["layer 1", "layer 2"]
        flat = itertools.chain.from_iterable(layer["travel"]["mean"] for layer in told["layers"])
        assert all(type(value) is float for value in flat)
