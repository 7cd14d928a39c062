"""What a cell may ask of its layer beside weights: masks that it draws, matrices that it keeps, starts of its own."""

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from recurra.cells import LSTM, Cell, Map, Mask
from recurra.engine import Fold
from recurra.errors import UsageError
from recurra.layers import Conv2d, Dense, Diagonal, Heads, Recurrent
from tests.tolerance import close, equal


class Hidden(NamedTuple):
    h: Tensor


class Seen(Cell):
    """Its output is the mask itself."""

    mask: Mask = Mask(0.25)

    gates = ("new",)
    noise = ("keep",)
    State = Hidden

    @property
    def masks(self) -> dict[str, Mask]:
        return {"keep": self.mask}

    def step(self, x: Any, s: Hidden, m: Any) -> tuple[Tensor, Hidden]:
        h = m.keep + 0 * (x.new + s.h)
        return h, Hidden(h)


class Kept(Cell):
    """One map, as it is asked for."""

    map: Map = Map(("new",))
    pull: float = 0.0

    gates = ("new",)
    State = Hidden

    @property
    def maps(self) -> dict[str, Map]:
        return {"recur": self.map}

    def step(self, x: Any, s: Hidden, m: Any) -> tuple[Tensor, Hidden]:
        h = torch.tanh(x.new + m.recur(s.h).new - self.pull * s.h)
        return h, Hidden(h)


X = torch.zeros(300, 6, 3)


@pytest.mark.parametrize("scaled", [True, False])
def test_a_mask_is_drawn_for_every_step_and_unit(scaled: bool) -> None:
    torch.manual_seed(0)
    y, _ = Recurrent(Seen(Mask(0.25, scaled)), Dense(3, 10))(X)
    high = 4 / 3 if scaled else 1.0
    close(y.unique(), torch.tensor([0.0, high]))
    kept = (y > 0).float()
    assert abs(kept.mean() - 0.75) < 0.01
    assert not torch.equal(y[:, 0], y[:, 1])
    assert (kept.mean(0) - 0.75).abs().max() < 0.1  # every step and every unit has its share


def test_a_mask_over_the_sequence_is_one_for_all_steps_and_another_for_each_row() -> None:
    y, _ = Recurrent(Seen(Mask(0.5, over="sequence")), Dense(3, 10))(X)
    equal(y, y[:, :1].expand_as(y))
    assert not torch.equal(y[0], y[1])


@pytest.mark.parametrize(("scaled", "mean"), [(True, 1.0), (False, 0.75)])
def test_in_evaluation_a_mask_is_its_mean(scaled: bool, mean: float) -> None:
    layer = Recurrent(Seen(Mask(0.25, scaled)), Dense(3, 4)).eval()
    state = layer.initial(300)
    for y in (layer(X)[0], layer.step(X[:, 0], state)[0], layer.stepper()(X[:, 0], state)[0]):
        close(y, torch.full_like(y, mean))


def test_masks_come_from_torch_s_generator_and_can_be_given() -> None:
    layer = Recurrent(Seen(), Dense(3, 4))
    torch.manual_seed(5)
    first = layer(X)[0]
    torch.manual_seed(5)
    equal(layer(X)[0], first)
    given = torch.full((300, 6, 4), 0.5)
    equal(layer(X, noise={"keep": given})[0], given)
    equal(layer.step(X[:, 0], layer.initial(300), noise={"keep": given[:, 0]})[0], given[:, 0])
    with pytest.raises(UsageError, match=r"got noise \['drop'\]; wanted \[\]"):
        layer(X, noise={"drop": given})


def test_masks_over_images() -> None:
    layer = Recurrent(Seen(Mask(0.5, over="sequence")), Conv2d(1, 4))
    y, _ = layer(torch.zeros(2, 5, 1, 6, 6))
    equal(y, y[:, :1].expand_as(y))
    assert 0 < (y == 0).float().mean() < 1


@pytest.mark.parametrize("matrix", ["orthogonal", "antisymmetric"])
def test_a_kept_matrix_stays_so_while_it_learns(matrix: Any) -> None:
    torch.manual_seed(0)
    layer = Recurrent(Kept(Map(("new",), matrix=matrix)), Dense(3, 7))
    sgd, start = torch.optim.SGD(layer.parameters(), lr=0.5), layer.weights["recur_weight"].detach().clone()
    for _ in range(5):
        sgd.zero_grad()
        layer(torch.randn(4, 9, 3))[0].square().mean().backward()
        sgd.step()
    w = layer.weights["recur_weight"].detach()
    assert not torch.allclose(w, start, atol=1e-3)
    close(w @ w.T if matrix == "orthogonal" else w + w.T, torch.eye(7) if matrix == "orthogonal" else torch.zeros(7, 7))
    twin = Recurrent(layer.cell, layer.wiring, engine=Fold())
    twin.load_state_dict(layer.state_dict())
    x = torch.randn(2, 5, 3)
    close(twin(x)[0], layer(x)[0])


def test_place_gives_numbers_to_plain_and_kept_weights() -> None:
    wanted = torch.linalg.qr(torch.randn(4, 4)).Q
    for matrix in ("free", "orthogonal"):
        layer = Recurrent(Kept(Map(("new",), matrix=matrix)), Dense(3, 4))
        layer.place("recur_weight", wanted)
        close(layer.weights["recur_weight"].detach(), wanted)
        layer.reset_parameters()
        assert not torch.allclose(layer.weights["recur_weight"], wanted, atol=1e-3)


def test_what_cannot_be_kept_is_refused() -> None:
    kept = Kept(Map(("new",), matrix="orthogonal"))
    with pytest.raises(UsageError, match="keeps a matrix orthogonal, and Diagonal cannot; wanted Dense"):
        Recurrent(kept, Diagonal(3, 4))
    with pytest.raises(UsageError, match="a map kept orthogonal has parts new, old; wanted one square part"):
        Recurrent(Kept(Map(("new", "old"), matrix="orthogonal")), Dense(3, 4))


def test_maps_that_start_at_the_identity() -> None:
    cell = Kept(Map(("new",), start="identity"))
    v = torch.randn(2, 8)
    for wiring in (Dense(3, 8), Heads(3, 8, heads=2), Diagonal(3, 8)):
        equal(wiring.apply(v, Recurrent(cell, wiring).weights["recur_weight"], None), v)
    images, conv = torch.randn(2, 8, 5, 5), Conv2d(3, 8)
    close(conv.apply(images, Recurrent(cell, conv).weights["recur_weight"], None), images)


def test_weight_drop_is_one_mask_of_the_inner_matrices_for_a_call() -> None:
    torch.manual_seed(0)
    layer, x = Recurrent(LSTM(), Dense(3, 6), weight_drop=0.5), torch.randn(2, 8, 3)
    torch.manual_seed(1)
    y, _ = layer(x)
    torch.manual_seed(1)
    dropped = torch.nn.functional.dropout(layer.weights["recur_weight"], 0.5).detach()
    assert (dropped == 0).float().mean() > 0.3
    plain = Recurrent(LSTM(), Dense(3, 6), engine=Fold()).eval()
    plain.load_state_dict({**layer.state_dict(), "recur_weight": dropped})
    close(y, plain(x)[0])
    plain.load_state_dict(layer.state_dict())
    close(layer.eval()(x)[0], plain(x)[0])
    with pytest.raises(UsageError, match="weight_drop is 1; wanted 0 to below 1"):
        Recurrent(LSTM(), Dense(3, 6), weight_drop=1)
