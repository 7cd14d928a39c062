"""One step at a time: the bits of the sequence."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recurra import state as states
from recurra.cells import GRU, LSTM, Cell, ProjectedLSTM
from recurra.engine import Stepper
from recurra.engine.precision import Kind
from recurra.layers import Conv2d, Dense
from tests.engine.cells import PLAIN, Mixing, Twice
from tests.engine.stepping import ALL, LESS, PAIRS, WIRINGS, T, as_held, inputs, made, stepped, whole
from tests.tolerance import close, equal


class TestSameBits:
    @pytest.mark.parametrize(("name", "wiring"), PAIRS)
    def test_as_the_sequence(self, name: str, wiring: str) -> None:
        layer = made(ALL[name], WIRINGS[wiring]())
        one = layer.stepper()
        for batch in (1, 3, 65, 1, 2):
            given = inputs(layer, batch)
            equal(stepped(one, *given), whole(layer, *given))

    @pytest.mark.parametrize(("name", "wiring"), [pair for pair in PAIRS if pair[1] in ("dense", "projected")])
    def test_as_the_sequence_in_float64(self, name: str, wiring: str) -> None:
        layer = made(ALL[name], WIRINGS[wiring](), torch.float64)
        one = layer.stepper()
        for batch in (1, 3, 65):
            given = inputs(layer, batch)
            equal(stepped(one, *given), whole(layer, *given))

    @pytest.mark.parametrize("kind", LESS)
    @pytest.mark.parametrize(("name", "wiring"), [*((name, "dense") for name in PLAIN), ("reset-before", "plain")])
    def test_many_inputs(self, name: str, wiring: str, kind: Kind) -> None:
        layer = made(ALL[name], Dense(600, 17, bias=wiring == "dense"))  # more than a tile goes through at a time
        given = inputs(layer, 2)
        equal(stepped(layer.stepper(), *given), whole(layer, *given))
        close(stepped(layer.stepper(kind), *given), whole(as_held(layer, kind), *given))

    def test_any_place_in_a_batch(self) -> None:
        layer = made(GRU(), Dense(5, 17))
        one, (x, start, _) = layer.stepper(), inputs(layer, 65)
        y, _ = one(x[:, 0], start)
        for k in (0, 30, 64):
            alone, _ = one(x[k : k + 1, 0], states.take(start, torch.tensor([k])))
            equal(alone, y[k : k + 1])

    def test_on_any_number_of_threads(self) -> None:
        before, found = torch.get_num_threads(), []
        layer = made(LSTM(), Dense(256, 512))
        try:
            for threads in (1, 2, 3):
                torch.set_num_threads(threads)
                found += [layer.stepper()(inputs(layer, batch)[0][:, 0], inputs(layer, batch)[1]) for batch in (1, 20)]
        finally:
            torch.set_num_threads(before)
        for k in (2, 4):
            equal(found[k : k + 2], found[:2])


class TestFewerBytes:
    @pytest.mark.parametrize("name", [*PLAIN, "reset-before", "layer-norm-lstm", "zoneout", "minimal", "two-maps"])
    def test_bfloat16_is_the_layer_with_rounded_weights(self, name: str) -> None:
        for wiring in ("dense", "heads", "diagonal") if name == "gru" else ("dense",):
            layer = made(ALL[name], WIRINGS[wiring]())
            given = inputs(layer, 3)
            equal(stepped(layer.stepper("bfloat16"), *given), whole(as_held(layer, "bfloat16"), *given))

    @pytest.mark.parametrize("name", [*PLAIN, "reset-before", "layer-norm-lstm", "zoneout", "minimal", "two-maps"])
    def test_int8_too_but_for_the_order_of_sums(self, name: str) -> None:
        for wiring in ("dense", "heads", "diagonal") if name == "gru" else ("dense",):
            layer = made(ALL[name], WIRINGS[wiring]())
            given = inputs(layer, 3)
            close(stepped(layer.stepper("int8"), *given), whole(as_held(layer, "int8"), *given))

    @pytest.mark.parametrize("kind", LESS)
    def test_projected(self, kind: Kind) -> None:
        layer = made(ProjectedLSTM(), Dense(5, 17, 9))
        given = inputs(layer, 3)
        close(stepped(layer.stepper(kind), *given), whole(as_held(layer, kind), *given))

    def test_rows_of_zeros(self) -> None:
        layer = made(GRU(), Dense(5, 17))
        nn.init.zeros_(layer.get_parameter("recur_weight"))
        given = inputs(layer, 3)
        close(stepped(layer.stepper("int8"), *given), whole(as_held(layer, "int8"), *given))

    def test_they_are_fewer(self) -> None:
        layer = made(GRU(), Dense(256, 256))
        sizes = [one._packed.nbytes for one in map(layer.stepper, ("full", *LESS)) if one._packed is not None]
        assert sizes[1] < 0.52 * sizes[0]
        assert sizes[2] < 0.27 * sizes[0]


class TestStates:
    @pytest.mark.parametrize("name", ["gru", "lstm", "zoneout", "constant-state", "minimal"])
    @pytest.mark.parametrize("compiled", [True, False])
    def test_what_goes_in_is_never_changed(self, name: str, compiled: bool, request: pytest.FixtureRequest) -> None:
        if not compiled:
            request.getfixturevalue("plain")
        layer = made(ALL[name], Dense(5, 17))
        one, (x, start, noise) = layer.stepper(), inputs(layer, 3)
        given = (x[:, 0], start, {key: mask[:, 0] for key, mask in noise.items()})
        kept = x.clone(), states.map(torch.clone, start), {key: mask.clone() for key, mask in noise.items()}
        first, again = one(*given), one(*given)
        equal(first, again)
        equal((x, start, *noise.values()), (*kept[:2], *kept[2].values()))

    @pytest.mark.parametrize("name", ["gru", "lstm", "constant-state", "minimal"])
    def test_what_came_out_is_never_overwritten(self, name: str) -> None:
        layer = made(ALL[name], Dense(5, 17))
        one, (x, state, _) = layer.stepper(), inputs(layer, 3)
        seen: list[tuple[Any, Any]] = []
        for t in range(T):
            result = one(x[:, t], state)
            seen.append((result, states.map(torch.clone, result)))
            state = result[1]
        for result, copy in seen:
            equal(result, copy)

    def test_a_state_may_be_read_twice(self) -> None:
        layer = made(LSTM(), Dense(5, 17))
        one, (x, start, _) = layer.stepper(), inputs(layer, 2)
        both = LSTM.State(start.h, start.h)
        close(one(x[:, 0], both)[0], layer.step(x[:, 0], both)[0].detach())

    def test_the_layers_states_go_in_and_come_out(self) -> None:
        layer = made(LSTM(), Dense(5, 17))
        x, start, _ = inputs(layer, 2, 40)
        _, middle = whole(layer, x[:, :20], start, {})
        y, state = layer.stepper()(x[:, 20], middle)
        close((y, state), (layer.step(x[:, 20], middle)[0].detach(), states.detach(layer.step(x[:, 20], middle)[1])))

    @pytest.mark.parametrize("name", ["gru", "zoneout"])
    def test_numbers_may_lie_in_any_order(self, name: str) -> None:
        layer = made(ALL[name], Dense(5, 17))
        one, (x, start, noise) = layer.stepper(), inputs(layer, 3)
        wanted = one(x[:, 0], start, {key: mask[:, 0] for key, mask in noise.items()})

        def turned(each: Tensor) -> Tensor:
            return each.t().contiguous().t()

        equal(one(turned(x[:, 0]), states.map(turned, start), {key: turned(m[:, 0]) for key, m in noise.items()}), wanted)
        negative = torch._neg_view(-x[:, 0])  # the same numbers, not yet negated
        assert negative.is_contiguous()
        equal(one(negative, start, {key: mask[:, 0] for key, mask in noise.items()}), wanted)

    def test_nothing_to_differentiate(self) -> None:
        layer = made(GRU(), Dense(5, 17))
        x, start, _ = inputs(layer, 2)
        y, state = layer.stepper()(x[:, 0].requires_grad_(), states.map(Tensor.requires_grad_, start))
        assert not y.requires_grad
        assert not state.h.requires_grad

    def test_another_default_device(self) -> None:
        layer = made(LSTM(), Dense(5, 17))
        one, (x, start, _) = layer.stepper(), inputs(layer, 2)
        wanted = one(x[:, 0], start)
        with torch.device("meta"):
            equal(one(x[:, 0], start), wanted)
            other = layer.stepper("int8")
            assert other(x[:, 0], other.initial(2))[0].device.type == "cpu"

    def test_in_inference_mode(self) -> None:
        layer = made(GRU(), Dense(5, 17))
        given = inputs(layer, 2)
        with torch.inference_mode():
            one = layer.stepper()
            inside = stepped(one, *given)
        equal(states.map(torch.clone, inside), stepped(one, *given))

    def test_bad_numbers_stay_in_their_row(self) -> None:
        layer = made(GRU(), Dense(5, 33))
        for kind in ("full", *LESS):
            one, (x, start, _) = layer.stepper(kind), inputs(layer, 9)
            clean, _ = one(x[:, 0], start)
            x[1, 0, 3], x[4, 0, 0] = torch.nan, torch.inf
            y, _ = one(x[:, 0], start)
            rows = [0, 2, 3, 5, 6, 7, 8]
            equal(y[rows], clean[rows])
            assert y[1].isnan().all()


class TestPlain:
    @pytest.mark.parametrize("kind", ["full", *LESS])
    @pytest.mark.parametrize(("name", "wiring"), PAIRS)
    def test_the_equation_gives_the_same(self, name: str, wiring: str, kind: Kind, plain: None) -> None:
        layer = made(ALL[name], WIRINGS[wiring]())
        one = layer.stepper(kind)
        assert one._packed is None
        for batch in (1, 3):
            given = inputs(layer, batch, 4)
            close(stepped(one, *given), whole(as_held(layer, kind), *given))

    @pytest.mark.parametrize("cell", [Mixing(), Twice()], ids=str)
    def test_cells_that_are_not_compiled(self, cell: Cell) -> None:
        layer = made(cell, Dense(5, 17))
        given = inputs(layer, 3)
        close(stepped(layer.stepper(), *given), whole(layer, *given))

    @pytest.mark.parametrize("kind", ["full", *LESS])
    @pytest.mark.parametrize("name", ["gru", "lstm", "peephole", "layer-norm-lstm"])
    def test_images(self, name: str, kind: Kind) -> None:
        layer = made(ALL[name], Conv2d(2, 3))
        given = inputs(layer, 2, 4)
        wanted = whole(as_held(layer, kind), *given)
        close(stepped(layer.stepper(kind), *given), wanted)
        assert (kind == "full") == wanted[0].allclose(whole(layer, *given)[0], atol=1e-6)

    def test_other_dtypes(self) -> None:
        layer = made(GRU(), Dense(5, 17), torch.bfloat16)
        given = inputs(layer, 2, 4)
        close(stepped(layer.stepper(), *given), whole(layer, *given))


def test_a_stepper_can_be_made_by_itself() -> None:
    layer = made(GRU(), Dense(5, 17))
    weights: Iterator[Any] = iter([layer.weights])
    one, given = Stepper(GRU(), Dense(5, 17), lambda: next(weights)), inputs(layer, 2)
    equal(stepped(one, *given), whole(layer, *given))  # the weights were asked for once
