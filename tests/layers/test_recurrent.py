from typing import Any

import pytest
import torch
from torch import Tensor

from recurra.cells import GRU, LSTM
from recurra.engine import Fold, choose
from recurra.errors import ShapeError, UsageError
from recurra.layers import Conv2d, Dense, Recurrent
from tests.engine.test_fold import Count
from tests.tolerance import close, equal

X = torch.zeros(4, 7, 3)


@pytest.fixture
def lstm() -> Recurrent:
    torch.manual_seed(0)
    return Recurrent(LSTM(), Dense(3, 5))


def says(error: type[Exception], call: Any, *args: Any, **more: Any) -> str:
    with pytest.raises(error) as caught:
        call(*args, **more)
    return str(caught.value)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(4, 7, 2), "x is (4, 7, 2); wanted (B, T > 0, 3)"),
        (torch.zeros(4, 0, 3), "x is (4, 0, 3); wanted (B, T > 0, 3)"),
        (torch.zeros(7, 3), "x is (7, 3); wanted (B, T > 0, 3)"),
        (torch.zeros(4, 7, 3, 1), "x is (4, 7, 3, 1); wanted (B, T > 0, 3)"),
    ],
)
def test_inputs_that_do_not_fit(lstm: Recurrent, x: Tensor, message: str) -> None:
    assert says(ShapeError, lstm, x) == message
    assert says(ShapeError, lstm.states, x) == message


def test_images_that_do_not_fit() -> None:
    layer = Recurrent(GRU(), Conv2d(3, 5))
    assert says(ShapeError, layer, X) == "x is (4, 7, 3); wanted (B, T > 0, 3, Y, X)"
    small = layer.initial(4, 5, 5)
    images = torch.zeros(4, 7, 3, 6, 6)
    assert says(ShapeError, layer, images, small) == "state is GRU.State(h (4, 5, 5, 5)); wanted GRU.State(h (4, 5, 6, 6))"


@pytest.mark.parametrize("x", [torch.zeros(4, 2), torch.zeros(4, 1, 3), torch.zeros(3)], ids=lambda x: str(tuple(x.shape)))
def test_a_step_that_does_not_fit(lstm: Recurrent, x: Tensor) -> None:
    assert says(ShapeError, lstm.step, x, lstm.initial(4)).endswith("; wanted (B, T > 0, 3)")


@pytest.mark.parametrize(
    ("state", "came"),
    [
        (LSTM.State(torch.zeros(1, 5), torch.zeros(1, 5)), "LSTM.State(h (1, 5), c (1, 5))"),
        (LSTM.State(torch.zeros(4, 5), torch.zeros(4, 6)), "LSTM.State(h (4, 5), c (4, 6))"),
        (LSTM.State(torch.zeros(1, 4, 5), torch.zeros(1, 4, 5)), "LSTM.State(h (1, 4, 5), c (1, 4, 5))"),
        (GRU.State(torch.zeros(4, 5)), "GRU.State(h (4, 5))"),
        ((torch.zeros(4, 5), torch.zeros(4, 5)), "tuple"),
        (torch.zeros(4, 5), "(4, 5)"),
    ],
)
def test_states_that_do_not_fit(lstm: Recurrent, state: Any, came: str) -> None:
    wanted = "LSTM.State(h (4, 5), c (4, 5))"
    assert says(ShapeError, lstm, X, state) == f"state is {came}; wanted {wanted}"


def test_lengths_and_resets_that_do_not_fit(lstm: Recurrent) -> None:
    short = says(ShapeError, lstm, X, lengths=torch.tensor([1, 2, 3]))
    assert short == "lengths is (3,) of torch.int64; wanted (4,) of whole numbers"
    flags = says(ShapeError, lstm, X, resets=torch.zeros(4, 7))
    assert flags == "resets is (4, 7) of torch.float32; wanted (4, 7) of torch.bool"


def test_noise_is_wanted_or_refused(lstm: Recurrent) -> None:
    noise = {"keep": torch.ones(4, 7, 5)}
    assert says(UsageError, lstm, X, noise=noise) == "LSTM() got noise ['keep']; wanted []"
    counter = Recurrent(Count(), Dense(3, 5))
    assert says(UsageError, counter, X) == "Count() got noise []; wanted ['push']"
    assert says(UsageError, counter.step, X[:, 0], counter.initial(4)) == "Count() got noise []; wanted ['push']"


def test_noise_reaches_the_cell_in_ragged_rows() -> None:
    layer, push = Recurrent(Count(), Dense(3, 5)), torch.randn(4, 7, 5)
    _, end = layer(X, lengths=torch.tensor([7, 2, 0, 1]), noise={"push": push})
    close(end.h, torch.stack([push[0].sum(0), push[1, :2].sum(0), torch.zeros(5), push[3, 0]]))


@pytest.mark.parametrize("shape", [(4, 7, 5), (4, 7, 1), (1, 7, 5), (4, 1, 5), (7, 1), (5,), (1,), ()], ids=str)
def test_noise_may_be_what_broadcasts(shape: tuple[int, ...]) -> None:
    layer, push = Recurrent(Count(), Dense(3, 5)), torch.randn(shape)
    close(layer(X, noise={"push": push}), layer(X, noise={"push": push.expand(4, 7, 5).clone()}))


@pytest.mark.parametrize("shape", [(4, 7, 3), (7, 4, 5), (2, 7, 5), (4, 5), (4, 7), (0,), (1, 4, 7, 5)], ids=str)
def test_noise_that_does_not_fit(shape: tuple[int, ...]) -> None:
    layer = Recurrent(Count(), Dense(3, 5))
    message = says(ShapeError, layer, X, noise={"push": torch.zeros(shape)})
    assert message == f"noise push is {shape}; wanted (4, 7, 5), or what broadcasts to it"


def test_noise_over_images() -> None:
    layer, images = Recurrent(Count(), Conv2d(3, 5)), torch.zeros(4, 7, 3, 6, 8)
    push = torch.randn(4, 7, 5, 1, 1)
    close(layer(images, noise={"push": push})[1].h, push.sum(1).expand(4, 5, 6, 8))
    message = says(ShapeError, layer, images, noise={"push": torch.zeros(4, 7, 5)})
    assert message == "noise push is (4, 7, 5); wanted (4, 7, 5, 6, 8), or what broadcasts to it"
    assert layer.step(images[:, 0], layer.initial(4, 6, 8), noise={"push": push[:, 0]})[0].shape == (4, 5, 6, 8)


def test_a_step_takes_its_own_noise() -> None:
    layer, push = Recurrent(Count(), Dense(3, 5)), torch.randn(4, 5)
    y, state = layer.step(X[:, 0], layer.initial(4), noise={"push": push})
    close((y, state.h), (10 * push, push))
    close(layer.step(X[:, 0], layer.initial(4), noise={"push": push[0]})[1].h, push[:1].expand(4, 5))
    message = says(ShapeError, layer.step, X[:, 0], layer.initial(4), noise={"push": torch.zeros(4, 7, 5)})
    assert message == "noise push is (4, 7, 5); wanted (4, 5), or what broadcasts to it"


def test_repr_says_how_it_runs(lstm: Recurrent) -> None:
    wiring = "Dense(input_size=3, hidden_size=5, projected_size=None, bias=True)"
    assert repr(lstm) == f"Recurrent(LSTM(), {wiring}, engine={choose(LSTM(), Dense(3, 5)).name})"
    assert repr(Recurrent(LSTM(), Dense(3, 5), engine=Fold())) == f"Recurrent(LSTM(), {wiring}, engine=fold)"


def test_reset_parameters_starts_again(lstm: Recurrent) -> None:
    before = {name: weight.clone() for name, weight in lstm.state_dict().items()}
    weights = list(lstm.parameters())
    with torch.no_grad():
        for weight in weights:
            weight.zero_()
    torch.manual_seed(0)
    lstm.reset_parameters()
    equal(tuple(lstm.state_dict().values()), tuple(before.values()))
    assert all(one is other for one, other in zip(weights, lstm.parameters(), strict=True))


def test_weights_are_the_parameters(lstm: Recurrent) -> None:
    assert dict(lstm.weights) == dict(lstm.named_parameters())


def test_it_moves_like_a_module(lstm: Recurrent) -> None:
    y, state = lstm.to(torch.bfloat16)(X.bfloat16())
    assert {y.dtype, state.h.dtype, lstm.initial(1).c.dtype} == {torch.bfloat16}
    assert lstm.to("meta")(X.to("meta", torch.bfloat16), lengths=None)[0].shape == (4, 7, 5)


def test_frozen_weights_still_carry_gradients_to_the_input(lstm: Recurrent) -> None:
    x = X.clone().requires_grad_()
    lstm.requires_grad_(False)(x, lengths=torch.tensor([7, 2, 0, 1]))[0].sum().backward()
    assert x.grad is not None
    assert x.grad[1, :2].any()


def test_states_after_every_step(lstm: Recurrent) -> None:
    x = torch.randn(4, 7, 3)
    y, end = lstm(x)
    every = lstm.states(x)
    assert type(every) is LSTM.State
    close(every.h, y)
    close(every.c[:, -1], end.c)
