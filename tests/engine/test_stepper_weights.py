"""A stepper's weights are a snapshot: whatever changes the layer's, `refresh` takes them anew."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

from recurra.cells import GRU
from recurra.engine.precision import Kind
from recurra.errors import NumericError, UsageError
from recurra.layers import Dense, Recurrent
from tests.engine.stepping import LESS, T, as_held, in_place, inputs, made, stepped, whole
from tests.tolerance import close, equal


def by_data(layer: Recurrent) -> None:
    for weight in layer.parameters():
        weight.data = weight.data * 0.5


def inside_data(layer: Recurrent) -> None:
    for weight in layer.parameters():
        weight.data.mul_(0.5)


def loaded(layer: Recurrent) -> None:
    layer.load_state_dict({name: 0.5 * weight for name, weight in layer.state_dict().items()})


def through_numpy(layer: Recurrent) -> None:
    layer.get_parameter("recur_weight").detach().numpy()[:] *= 0.5


def other_parameters(layer: Recurrent) -> None:
    layer.recur_weight = nn.Parameter(0.5 * layer.get_parameter("recur_weight").detach())


def optimised(layer: Recurrent, kind: Callable[..., torch.optim.Optimizer], how: str) -> None:
    optimizer = kind(layer.parameters(), lr=0.1, **({how: True} if how else {"foreach": False}))
    torch.autograd.backward(layer(torch.ones(2, T, 5))[0].sum())
    optimizer.step()


CHANGES: dict[str, Callable[[Recurrent], None]] = {
    "in place": in_place,
    "by data": by_data,
    "inside data": inside_data,
    "load_state_dict": loaded,
    "numpy": through_numpy,
    "other parameters": other_parameters,
}
CHANGES |= {
    f"{kind.__name__} {how or 'one by one'}": partial(optimised, kind=kind, how=how)
    for kind in (torch.optim.SGD, torch.optim.Adam)
    for how in ("fused", "foreach", "")
}


class TestSnapshot:
    @pytest.mark.parametrize("compiled", [True, False])
    @pytest.mark.parametrize("change", CHANGES)
    def test_it_stays_until_it_is_renewed(self, change: str, compiled: bool, request: pytest.FixtureRequest) -> None:
        if not compiled:
            request.getfixturevalue("plain")
        layer = made(GRU(), Dense(5, 17))
        one, given = layer.stepper(), inputs(layer, 2)
        before, layers = stepped(one, *given), whole(layer, *given)
        CHANGES[change](layer)
        equal(stepped(one, *given), before)
        now = whole(layer, *given)
        assert not now[0].allclose(layers[0], atol=1e-3)  # the layer itself sees new weights at once
        one.refresh()
        close(stepped(one, *given), now)
        if compiled:
            equal(stepped(one, *given), now)

    @pytest.mark.parametrize("kind", LESS)
    def test_so_do_weights_in_fewer_bytes(self, kind: Kind) -> None:
        layer = made(GRU(), Dense(5, 17))
        one, given = layer.stepper(kind), inputs(layer, 2)
        before = stepped(one, *given)
        in_place(layer)
        equal(stepped(one, *given), before)
        one.refresh()
        close(stepped(one, *given), whole(as_held(layer, kind), *given))

    def test_another_dtype(self) -> None:
        layer = made(GRU(), Dense(5, 17))
        one = layer.stepper()
        stepped(one, *inputs(layer, 2))
        layer.double()
        assert one.initial(2).h.dtype == torch.float32
        one.refresh()
        given = inputs(layer, 2)
        equal(stepped(one, *given), whole(layer, *given))

    def test_a_refresh_that_fails_leaves_the_snapshot(self) -> None:
        layer = made(GRU(), Dense(5, 17))
        one, given = layer.stepper("int8"), inputs(layer, 2)
        before = stepped(one, *given)
        for spoil in (lambda: nn.init.constant_(layer.get_parameter("recur_weight"), torch.nan), layer.double):
            spoil()
            with pytest.raises((NumericError, UsageError)):
                one.refresh()
            assert one.initial(2).h.dtype == torch.float32
            equal(stepped(one, *given), before)

    def test_parametrised_weights(self) -> None:
        layer = made(GRU(), Dense(5, 17))
        nn.utils.parametrizations.weight_norm(layer, "recur_weight")
        one, given = layer.stepper(), inputs(layer, 2)
        before = stepped(one, *given)
        equal(before, whole(layer, *given))
        with torch.no_grad():
            layer.parametrizations.recur_weight.original0.mul_(0.5)  # type: ignore[operator, union-attr]
        equal(stepped(one, *given), before)
        one.refresh()
        equal(stepped(one, *given), whole(layer, *given))
        assert not whole(layer, *given)[0].allclose(before[0], atol=1e-3)

    def test_steppers_of_one_layer_are_apart(self) -> None:
        layer = made(GRU(), Dense(5, 17))
        first, given = layer.stepper(), inputs(layer, 2)
        before = stepped(first, *given)
        in_place(layer)
        second = layer.stepper()
        equal(stepped(second, *given), whole(layer, *given))
        equal(stepped(first, *given), before)
