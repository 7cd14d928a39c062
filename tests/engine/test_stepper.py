"""One step at a time: the bits of the sequence, from a snapshot of the weights."""

import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recurra import state as states
from recurra.cells import CELLS, GRU, LSTM, Cell, ProjectedLSTM
from recurra.engine import Fold, Stepper, Sweep, stepper
from recurra.engine.precision import Kind, held, spread
from recurra.errors import NumericError, ShapeError, UsageError
from recurra.layers import Conv2d, Dense, Diagonal, Heads, Recurrent
from recurra.wirings import Wiring
from tests.engine.cells import OWN, Mixing, Twice
from tests.tolerance import close, equal

ALL: dict[str, Cell] = CELLS | OWN | {"projected-lstm": ProjectedLSTM()}
LESS: tuple[Kind, ...] = ("bfloat16", "int8")
T = 16  # steps from which the sweep takes a sequence
WIRINGS: dict[str, Callable[[], Wiring]] = {
    "dense": lambda: Dense(5, 17),
    "plain": lambda: Dense(20, 33, bias=False),
    "heads": lambda: Heads(5, 18, 3),
    "diagonal": lambda: Diagonal(5, 17),
    "projected": lambda: Dense(5, 17, 9),
}
PROJECTED = {name for name, cell in ALL.items() if "projected" in cell.widths.values()}
PAIRS = [(name, wiring) for name in ALL for wiring in WIRINGS if (name in PROJECTED) == (wiring == "projected")]


def made(cell: Cell, wiring: Wiring, dtype: torch.dtype = torch.float32) -> Recurrent:
    torch.manual_seed(0)
    layer = Recurrent(cell, wiring, engine=Sweep() if Sweep().takes(cell, wiring) else Fold()).to(dtype)
    for name, weight in layer.named_parameters():
        if name not in cell.vectors:  # one of them divides
            torch.nn.init.normal_(weight, std=0.3)
    return layer


def inputs(layer: Recurrent, batch: int, steps: int = T) -> tuple[Tensor, Any, dict[str, Tensor]]:
    """x (B, T, I), a first state, noise."""
    torch.manual_seed(batch)
    like = layer.get_parameter("input_weight")
    extent = [4, 3] if isinstance(layer.wiring, Conv2d) else []
    x = torch.randn(batch, steps, 2 if extent else like.shape[1], *extent).to(like)
    start = states.map(torch.randn_like, layer.initial(batch, *extent))
    return x, start, {name: torch.rand(batch, steps, layer.wiring.units).to(like) for name in layer.cell.noise}


def stepped(one: Stepper, x: Tensor, state: Any, noise: dict[str, Tensor]) -> tuple[Tensor, Any]:
    """A sequence, step by step."""
    outputs = []
    for t in range(x.shape[1]):
        y, state = one(x[:, t], state, {name: mask[:, t] for name, mask in noise.items()})
        outputs.append(y)
    return torch.stack(outputs, dim=1), state


def whole(layer: Recurrent, x: Tensor, start: Any, noise: dict[str, Tensor]) -> tuple[Tensor, Any]:
    with torch.no_grad():
        return layer(x, start, noise=noise)  # type: ignore[no-any-return]


def as_held(layer: Recurrent, kind: Kind) -> Recurrent:
    """The layer with its weights rounded."""
    other = made(layer.cell, layer.wiring)
    other.load_state_dict(spread(*held(layer.cell, {name: each.detach() for name, each in layer.weights.items()}, kind)))
    return other


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steppers made in this test run the equation itself."""
    monkeypatch.setattr(stepper, "refusal", lambda *_: "refused")


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
    @pytest.mark.parametrize(("name", "wiring"), [*((name, "dense") for name in CELLS), ("reset-before", "plain")])
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
    @pytest.mark.parametrize("name", [*CELLS, "reset-before", "layer-norm-lstm", "zoneout", "minimal", "two-maps"])
    def test_bfloat16_is_the_layer_with_rounded_weights(self, name: str) -> None:
        for wiring in ("dense", "heads", "diagonal") if name == "gru" else ("dense",):
            layer = made(ALL[name], WIRINGS[wiring]())
            given = inputs(layer, 3)
            equal(stepped(layer.stepper("bfloat16"), *given), whole(as_held(layer, "bfloat16"), *given))

    @pytest.mark.parametrize("name", [*CELLS, "reset-before", "layer-norm-lstm", "zoneout", "minimal", "two-maps"])
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


def in_place(layer: Recurrent) -> None:
    with torch.no_grad():
        for weight in layer.parameters():
            weight.mul_(0.5)


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


@pytest.mark.parametrize("compiled", [True, False])
class TestErrors:
    @pytest.fixture(autouse=True)
    def _way(self, compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        if not compiled:
            monkeypatch.setattr(stepper, "refusal", lambda *_: "refused")

    @pytest.mark.parametrize("size", [4, 6])
    def test_x_of_another_size(self, size: int) -> None:
        one = made(GRU(), Dense(5, 17)).stepper()
        for batch in (0, 2):
            with pytest.raises(ShapeError, match=rf"^x is \({batch}, .*{size}\).*; wanted \(.*5\)"):
                one(torch.zeros(batch, size), one.initial(batch))
        with pytest.raises(ShapeError, match=r"^x is \(2, .*5\)"):
            one(torch.zeros(2, 1, 5), one.initial(2))

    def test_x_of_another_dtype(self) -> None:
        one = made(GRU(), Dense(5, 17)).stepper()
        with pytest.raises(ShapeError) as caught:
            one(torch.zeros(2, 5, dtype=torch.float64), one.initial(2))
        assert str(caught.value) == "x is (2, 5) of torch.float64 on cpu; wanted (2, 5) of torch.float32 on cpu"

    def test_x_on_another_device(self) -> None:
        one = made(GRU(), Dense(5, 17)).stepper()
        with pytest.raises(ShapeError) as caught:
            one(torch.zeros(2, 5, device="meta"), one.initial(2))
        assert str(caught.value) == "x is (2, 5) of torch.float32 on meta; wanted (2, 5) of torch.float32 on cpu"

    @pytest.mark.parametrize("field", [torch.zeros(3, 17), torch.zeros(2, 16), torch.zeros(17), torch.zeros(2, 17).double()])
    def test_a_state_that_does_not_fit(self, field: Tensor) -> None:
        one = made(LSTM(), Dense(5, 17)).stepper()
        with pytest.raises(ShapeError) as caught:
            one(torch.zeros(2, 5), LSTM.State(torch.zeros(2, 17), field))
        came = f"{tuple(field.shape)} of {field.dtype} on cpu"
        assert str(caught.value) == f"c is {came}; wanted (2, 17) of torch.float32 on cpu"

    @pytest.mark.parametrize(
        "state", [None, (torch.zeros(2, 17),), LSTM.State(torch.zeros(2, 17), torch.zeros(2, 17)), torch.zeros(2, 17)]
    )
    def test_a_state_of_another_kind(self, state: Any) -> None:
        one = made(GRU(), Dense(5, 17)).stepper()
        with pytest.raises(ShapeError) as caught:
            one(torch.zeros(2, 5), state)
        assert str(caught.value) == f"state is {type(state).__name__}; wanted GRU.State, as initial(2) gives it"

    def test_noise(self) -> None:
        one, x, mask = made(OWN["zoneout"], Dense(5, 17)).stepper(), torch.zeros(2, 5), torch.zeros(2, 17)
        for noise in ({}, {"keep_h": mask}, {"keep_h": mask, "keep_c": mask, "more": mask}):
            with pytest.raises(UsageError) as caught:
                one(x, one.initial(2), noise)
            assert str(caught.value) == f"Zoneout() got noise {sorted(noise)}; wanted ['keep_c', 'keep_h']"
        with pytest.raises(ShapeError, match=r"^keep_c is \(2, 1\) of torch.float32 on cpu; wanted \(2, 17\) of "):
            one(x, one.initial(2), {"keep_h": mask, "keep_c": torch.zeros(2, 1)})
        other = made(GRU(), Dense(5, 17)).stepper()
        with pytest.raises(UsageError, match=r"^GRU\(\) got noise \['keep'\]; wanted \[\]$"):
            other(x, other.initial(2), {"keep": mask})

    def test_an_unknown_kind(self) -> None:
        kind: Any = "int4"
        with pytest.raises(UsageError) as caught:
            made(GRU(), Dense(5, 17)).stepper(kind)
        assert str(caught.value) == "weights is 'int4'; wanted one of full, bfloat16, int8"

    @pytest.mark.parametrize("kind", LESS)
    def test_weights_that_cannot_be_held(self, kind: Kind) -> None:
        layer = made(GRU(), Dense(5, 17))
        with pytest.raises(UsageError, match=rf"^input_weight is torch.float64; wanted torch.float32, to hold it as {kind}$"):
            made(GRU(), Dense(5, 17), torch.float64).stepper(kind)
        with torch.no_grad():
            layer.get_parameter("recur_weight")[3, 4] = torch.inf
        with pytest.raises(NumericError, match=r"^recur_weight has numbers that are not finite; wanted finite ones"):
            layer.stepper(kind)

    def test_after_an_error_it_goes_on(self) -> None:
        layer = made(LSTM(), Dense(5, 17))
        one, given = layer.stepper(), inputs(layer, 2, 4)
        wanted = stepped(one, *given)
        for bad in (LSTM.State(torch.zeros(2, 17), torch.zeros(2, 3)), LSTM.State(torch.zeros(5, 17), torch.zeros(5, 17))):
            with pytest.raises(ShapeError):
                one(given[0][:, 0], bad)
        equal(stepped(one, *given), wanted)

    def test_no_rows(self) -> None:
        for cell, wiring, width in ((LSTM(), Dense(5, 17), 17), (ProjectedLSTM(), Dense(5, 17, 9), 9)):
            one = made(cell, wiring).stepper()
            y, state = one(torch.zeros(0, 5), one.initial(0))
            assert y.shape == (0, width)
            assert state.c.shape == (0, 17)


class TestThreads:
    def test_many_share_one(self) -> None:
        layer = made(GRU(), Dense(5, 33))
        one, found = layer.stepper(), list[bool]()
        given = {batch: inputs(layer, batch) for batch in (1, 2, 3, 4)}
        wanted = {batch: whole(layer, *each) for batch, each in given.items()}

        def work(batch: int) -> None:
            for _ in range(20):
                y, state = stepped(one, *given[batch])
                found.append(y.equal(wanted[batch][0]) and state.h.equal(wanted[batch][1].h))

        run_all(partial(work, batch) for batch in given)
        assert found == [True] * 80

    def test_one_may_renew_the_weights_that_others_step_with(self) -> None:
        layer = made(GRU(), Dense(5, 33))
        one, (x, start, _) = layer.stepper(), inputs(layer, 2)
        wanted = [one(x[:, 0], start)[0]]
        original = {name: weight.clone() for name, weight in layer.state_dict().items()}
        in_place(layer)
        one.refresh()
        wanted.append(one(x[:, 0], start)[0])
        found = list[bool]()

        def step() -> None:
            for _ in range(200):
                y, _ = one(x[:, 0], start)
                found.append(any(y.equal(each) for each in wanted))

        def renew() -> None:
            for _ in range(20):
                layer.load_state_dict(original)
                one.refresh()
                in_place(layer)
                one.refresh()

        run_all([step, step, renew])
        assert found == [True] * 400

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_a_forked_child_goes_on_alone(self) -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            layer = made(LSTM(), Dense(256, 512))  # so large that two threads share a step
            one, (x, start, _) = layer.stepper(), inputs(layer, 1)
            wanted, _ = one(x[:, 0], start)
            assert one._team == 2
            child = os.fork()
            if child == 0:
                os._exit(0 if one(x[:, 0], start)[0].equal(wanted) else 1)
        finally:
            torch.set_num_threads(before)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0


def run_all(works: Any) -> None:
    workers = [threading.Thread(target=work) for work in works]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def test_a_stepper_can_be_made_by_itself() -> None:
    layer = made(GRU(), Dense(5, 17))
    weights: Iterator[Any] = iter([layer.weights])
    one, given = Stepper(GRU(), Dense(5, 17), lambda: next(weights)), inputs(layer, 2)
    equal(stepped(one, *given), whole(layer, *given))  # the weights were asked for once
