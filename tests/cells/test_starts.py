"""Where weights start, and what cells stay within."""

from typing import Any

import pytest
import torch
from torch import Tensor

from recurra.cells import CELLS, IRNN, LRU, RGLRU, SLSTM, CandidateDropout, Cell, MinLSTM, OrthogonalRNN
from recurra.engine import Engine, Fold
from recurra.layers import Dense, Recurrent

FOLD = Fold()
NO_CANDIDATE = {"elman", "elman-relu", "irnn", "lru", "antisymmetric", "antisymmetric-gated", "orthogonal"}


def made(cell: Cell, units: int = 64, engine: Engine | None = FOLD) -> Any:
    torch.manual_seed(0)
    return Recurrent(cell, Dense(3, units), engine=engine)


class TestStarts:
    def test_irnn_keeps_what_it_has(self) -> None:
        layer = made(IRNN(), 5)
        state = IRNN.State(torch.rand(2, 5))
        y, _ = layer(torch.zeros(2, 30, 3), state)
        torch.testing.assert_close(y[:, -1], state.h)

    def test_poles_of_the_lru_stand_in_the_ring(self) -> None:
        layer = made(LRU())
        radius = torch.exp(-torch.exp(layer.nu.detach().double()))
        assert 0.9 < radius.min() < 0.903
        assert 0.998 < radius.max() < 0.999
        squares = radius.square().sort().values.diff()
        torch.testing.assert_close(squares, squares.mean().expand_as(squares), rtol=1e-2, atol=0)  # even over its area
        torch.testing.assert_close(layer.gamma.exp().double(), torch.sqrt(1 - radius**2), rtol=1e-3, atol=0)
        angle = layer.theta.exp()
        assert angle.min() >= 0
        assert 5 < angle.max() <= 2 * torch.pi

    def test_lru_states_of_noise_are_of_one_size(self) -> None:
        layer = made(LRU())
        with torch.no_grad():
            every = layer.states(torch.randn(16, 3000, 3) * torch.tensor([1.0, 0.0, 0.0]))
        power = (every.real.square() + every.imaginary.square())[:, 2000:].mean((0, 1))
        given = layer.input_weight.detach()[: 2 * 64, 0].view(2, 64).square().sum(0)
        assert ((power / given) > 0.6).all()
        assert ((power / given) < 1.6).all()

    def test_rg_lru_decays(self) -> None:
        kept = torch.sigmoid(made(RGLRU(), 400).decay.detach()) ** 8
        assert 0.9 <= kept.min() < 0.902
        assert 0.997 < kept.max() <= 0.9991

    def test_forget_gates(self) -> None:
        starts = {name: dict(cell.bias) for name, cell in CELLS.items() if cell.bias}
        open_lstm = {"forget": 1.0}
        assert starts == {
            **dict.fromkeys(["lstm", "lstm-peephole", "lstm-coupled", "ran", "janet"], open_lstm),
            "lstm-layer-norm": {"norm_forget": 1.0},
            "ugrnn": {"update": 1.0},
            "slstm": {"forget": 3.0},
        }

    def test_a_bend_starts_near_none(self) -> None:
        assert 0 < made(OrthogonalRNN()).bend.abs().max() <= 0.01


class TestWhatIsDeclared:
    @pytest.mark.parametrize("name", sorted(CELLS.keys() - NO_CANDIDATE))
    def test_a_candidate_can_be_dropped(self, name: str) -> None:
        CandidateDropout(CELLS[name], 0.5)

    @pytest.mark.parametrize("name", [name for name, cell in CELLS.items() if cell.retention])
    def test_retention_has_the_right_sign(self, name: str) -> None:
        cell = CELLS[name]
        for gate, sign in cell.retention.items():
            kept = []
            for shift in (-3.0, 3.0):
                layer = made(cell, 16).double()
                with torch.no_grad():
                    if gate in cell.norms:
                        getattr(layer, f"{gate}_bias").add_(shift)
                    else:
                        layer.input_bias.view(len(cell.gates), 16)[cell.gates.index(gate)] += shift
                start = [0.3 * torch.rand(4, 16, dtype=torch.float64) + 1 for _ in cell.State._fields]
                kept.append(memory(layer, start))
            assert (kept[1] > kept[0]) == (sign > 0), gate


def memory(layer: Recurrent, start: list[Tensor]) -> float:
    """How much of what the last field that matters holds is left after a step: the mean of the Jacobian's diagonal."""
    field = 1 if "c" in layer.cell.State._fields[1:] else 0
    start[field].requires_grad_()
    _, end = layer(torch.zeros(4, 1, 3, dtype=torch.float64), layer.cell.State(*start))
    after = end[field]
    if isinstance(layer.cell, SLSTM):  # its state is told divided by e^m
        after = after * torch.exp(end.m - start[3]).detach()
    [gradient] = torch.autograd.grad(after.sum(), start[field])
    return float(gradient.mean())


class TestBounds:
    def test_slstm_with_large_gates_stays_finite(self) -> None:
        layer = made(SLSTM(), 4, None)
        with torch.no_grad():
            layer.input_weight.mul_(100)
            y, end = layer(torch.randn(2, 10_000, 3))
        assert all(part.isfinite().all() for part in (y, *end))
        assert y.abs().max() <= 1
        assert end.n.min() >= 1

    @pytest.mark.parametrize("shift", [-200.0, 0.0, 200.0])
    def test_the_first_output_of_slstm_is_what_it_reads(self, shift: float) -> None:
        layer = made(SLSTM(), 4)
        with torch.no_grad():
            layer.input_bias[:4] = shift
            x = torch.randn(2, 1, 3)
            y, _ = layer(x)
            _, _, z, o = (x[:, 0] @ layer.input_weight.T + layer.input_bias).chunk(4, 1)
        torch.testing.assert_close(y[:, 0], torch.sigmoid(o) * torch.tanh(z))

    def test_slstm_has_gradients_with_large_gates(self) -> None:
        layer = made(SLSTM(), 4, None)
        with torch.no_grad():
            layer.input_weight.mul_(100)
        layer(torch.randn(2, 200, 3))[0].sum().backward()
        assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in layer.parameters())

    def test_lru_is_stable_whatever_is_learnt(self) -> None:
        layer = made(LRU(), 8, None)
        with torch.no_grad():
            layer.nu.copy_(torch.linspace(-30, 3, 8))
            layer.gamma.zero_()
            _, end = layer(
                torch.cat([torch.ones(1, 1, 3), torch.zeros(1, 10_000, 3)], 1), layer.cell.State(*torch.ones(2, 1, 8))
            )
        assert all(part.isfinite().all() for part in end)
        assert end.real.abs().max() < 10

    def test_minlstm_shares_where_both_gates_are_shut(self) -> None:
        layer = made(MinLSTM(), 4)
        with torch.no_grad():
            layer.input_bias.view(3, 4)[:2] = torch.tensor([[-300.0], [-300.5]])
            layer.input_weight.view(3, 4, 3)[:2] = 0
            y, _ = layer(torch.zeros(1, 1, 3), layer.cell.State(torch.ones(1, 4)))
        torch.testing.assert_close(y[0, 0], torch.sigmoid(torch.tensor(0.5)).expand(4))

    def test_rg_lru_has_gradients_where_its_gate_is_shut(self) -> None:
        layer = made(RGLRU(), 4)
        with torch.no_grad():
            layer.input_bias[:4] = -200
        layer(torch.randn(2, 5, 3))[0].sum().backward()
        assert all(weight.grad.isfinite().all() for weight in layer.parameters())

    def test_antisymmetric_steps_are_bounded(self) -> None:
        layer = made(CELLS["antisymmetric"], 8)
        with torch.no_grad():
            y, _ = layer(100 * torch.randn(1, 50, 3))
        assert y.diff(dim=1).abs().max() <= 0.1 + 1e-6

    def test_an_orthogonal_network_keeps_lengths(self) -> None:
        layer = made(OrthogonalRNN(), 8)
        with torch.no_grad():
            layer.bend.zero_()
            state = layer.cell.State(torch.randn(2, 8))
            y, _ = layer(torch.zeros(2, 500, 3), state)
        torch.testing.assert_close(y[:, -1].norm(dim=1), state.h.norm(dim=1), rtol=1e-4, atol=0)
