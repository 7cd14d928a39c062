from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from recurra import state as states
from recurra.cells import GRU, LSTM, CandidateDropout, Cell, Elman, ProjectedLSTM, Zoneout
from recurra.engine import Fold
from recurra.engine.identity import identity
from recurra.errors import UsageError
from recurra.layers import Dense, Diagonal, Heads, Recurrent
from tests.tolerance import close, equal

B, T, INPUT, H = 3, 6, 2, 5


class Turned(Cell):
    """A memory of two numbers a unit, and an output that is no part of it."""

    gates = ("new",)

    class State(NamedTuple):
        re: Tensor
        im: Tensor

    def step(self, x: Any, s: State, m: Any) -> tuple[Tensor, State]:
        re, im = x.new - s.im, s.re + 1
        return re + im, self.State(re, im)


def by_hand(layer: Recurrent, x: Tensor, h_masks: Tensor, c_masks: Tensor) -> tuple[Tensor, Tensor]:
    """Equations 6 and 7 of Krueger et al.: d is 1 where the new value is taken; every y, and the last c."""
    w = layer.weights
    h = c = x.new_zeros(len(x), H)
    outputs = []
    for t in range(x.shape[1]):
        z = x[:, t] @ w["input_weight"].T + w["input_bias"] + h @ w["recur_weight"].T + w["recur_bias"]
        i, f, g, o = z.chunk(4, dim=1)
        ahead = f.sigmoid() * c + i.sigmoid() * g.tanh()
        out = o.sigmoid() * ahead.tanh()
        d_c, d_h = c_masks[:, t], h_masks[:, t]
        c, h = (1 - d_c) * c + d_c * ahead, (1 - d_h) * h + d_h * out
        outputs.append(h)
    return torch.stack(outputs, dim=1), c


def made(cell: Cell) -> tuple[Recurrent, Tensor]:
    torch.manual_seed(0)
    return Recurrent(cell, Dense(INPUT, H)).double(), torch.randn(B, T, INPUT).double()


def test_a_given_mask_does_what_the_paper_says() -> None:
    layer, x = made(Zoneout(LSTM(), 0.3))
    h, c = (torch.randint(2, (B, T, H)).double() for _ in range(2))
    y, state = layer(x, noise={"zone_h": h, "zone_c": c})
    wanted, cell = by_hand(layer, x, h, c)
    close(y, wanted.detach())
    close(state, LSTM.State(wanted[:, -1].detach(), cell.detach()))


def test_in_evaluation_it_is_the_mean_of_old_and_new() -> None:
    layer, x = made(Zoneout(LSTM(), (0.1, 0.4)))
    means = (torch.full((B, T, H), 1 - share, dtype=torch.float64) for share in (0.1, 0.4))
    close(layer.eval()(x)[0], by_hand(layer, x, *means)[0])
    state: Any = layer.initial(B)
    stepped = []
    one = layer.stepper()
    for t in range(T):
        y, state = one(x[:, t], state)
        stepped.append(y)
    close(torch.stack(stepped, dim=1), layer(x)[0].detach())


def test_in_training_units_keep_their_state_to_the_bit_and_as_often_as_asked() -> None:
    torch.manual_seed(0)
    layer = Recurrent(Zoneout(GRU(), 0.25), Dense(INPUT, 50))
    y, _ = layer(torch.randn(20, 30, INPUT))
    kept = (y[:, 1:] == y[:, :-1]).float().mean().item()
    assert abs(kept - 0.25) < 0.01


@pytest.mark.parametrize("cell", [Elman(), GRU(), LSTM()])
def test_the_output_is_the_state_that_was_taken(cell: Cell) -> None:
    layer, x = made(Zoneout(cell, 0.5))
    y, state = layer(x)
    equal(y[:, -1], state.h)


def test_parts_of_one_memory_are_kept_together() -> None:
    cell = Zoneout(Turned(), 0.5)
    assert cell.noise == ("zone_re",)
    layer, x = made(cell)
    every = layer.states(x)
    stays = [(field[:, 1:] == field[:, :-1]) for field in every]
    assert 0 < stays[0].float().mean() < 1
    equal(*stays)
    assert Zoneout(Turned(), (0.5, 0.25)).noise == ("zone_re", "zone_im")
    assert Zoneout(LSTM(), 0.5).noise == ("zone_h", "zone_c")
    assert Zoneout(LSTM(), (0.0, 0.5)).noise == ("zone_c",)
    assert Zoneout(LSTM(), 0).noise == ()


@pytest.mark.parametrize(
    "wiring", [Dense(INPUT, 6), Heads(INPUT, 6, heads=2), Diagonal(INPUT, 6)], ids=lambda w: type(w).__name__
)
def test_wrapped_twice_it_runs_compiled_as_in_python(wiring: Any) -> None:
    torch.manual_seed(0)
    cell = Zoneout(CandidateDropout(LSTM(), 0.3), (0.1, 0.5))
    layer = Recurrent(cell, wiring)
    twin = Recurrent(cell, wiring, engine=Fold())
    twin.load_state_dict(layer.state_dict())
    assert layer.engine.name == "sweep"
    x, lengths, results = torch.randn(4, T, INPUT), torch.tensor([T, 3, 0, 1]), []
    for each in (layer, twin):
        torch.manual_seed(1)
        y, state = each(x, lengths=lengths)
        results.append((y, *state, *torch.autograd.grad(y.square().sum() + state.c.sum(), list(each.parameters()))))
    close(states.detach(tuple(results[0])), states.detach(tuple(results[1])))
    layer.eval(), twin.eval()
    close(states.detach(layer(x)), states.detach(twin(x)))


def test_it_is_known_by_what_it_wraps() -> None:
    assert Zoneout(LSTM(), 0.1) == Zoneout(LSTM(), 0.1) != Zoneout(LSTM(), 0.2)
    hashes = [identity(cell) for cell in (Zoneout(LSTM(), 0.1), Zoneout(LSTM(), 0.2), Zoneout(GRU(), 0.1))]
    assert None not in hashes
    assert len(set(hashes)) == 3


@pytest.mark.parametrize(
    ("cell", "share", "message"),
    [
        (LSTM(), 1.0, "Zoneout: share is 1.0; wanted 0 to below 1"),
        (LSTM(), (0.1, -0.1), "Zoneout: share is (0.1, -0.1); wanted 0 to below 1"),
        (LSTM(), (0.1,), "Zoneout: share is (0.1,); wanted one number, or one for each of h, c"),
        (ProjectedLSTM(), 0.1, "Zoneout: state h of ProjectedLSTM() is projected; wanted a cell of one width"),
    ],
)
def test_what_cannot_be(cell: Cell, share: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Zoneout(cell, share)
    assert str(caught.value) == message
