"""What torch does with a layer on the sweep in eager mode: transforms, autocast, saving for the way back, copying."""

import copy
import gc
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.utils.checkpoint import checkpoint

from recurra import drop_in
from recurra import state as states
from recurra.cells import GRU, LayerNormLSTM, PeepholeLSTM
from recurra.engine import Fold, Sweep
from recurra.layers import Stack
from tests.engine.cells import PLAIN, Zoneout
from tests.engine.torch_side import INPUTS, LENGTHS, NOISE, OWN_WARNING, RESETS, UNITS, Made, answers, given, layer
from tests.tolerance import close, equal


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    return Made(monkeypatch)


@pytest.mark.filterwarnings(OWN_WARNING)
class TestTransforms:
    def test_gradients_of_each_row(self) -> None:
        core, x = layer(LayerNormLSTM()), given()

        def loss(weights: dict[str, Tensor], row: Tensor) -> Tensor:
            y, state = torch.func.functional_call(core, weights, (row[None],))
            return torch.stack([y.square().sum(), state.c.sum()]).sum()

        weights = {name: weight.detach() for name, weight in core.named_parameters()}
        every = torch.func.vmap(torch.func.grad(loss), (None, 0))(weights, x)
        for k, row in enumerate(x):
            core.zero_grad()
            torch.autograd.backward(loss(dict(core.named_parameters()), row))
            close({n: g[k] for n, g in every.items()}["recur_weight"], core.get_parameter("recur_weight").grad)

    @pytest.mark.parametrize("way", ["func", "dual"])
    def test_forward_mode(self, way: str) -> None:
        core, x = layer(LayerNormLSTM(), dtype=torch.float64), given(dtype=torch.float64)
        along = torch.randn_like(x)
        if way == "func":
            slope: Any = torch.func.jvp(lambda v: core(v)[0], (x,), (along,))[1]
        else:
            with forward_ad.dual_level():
                slope = forward_ad.unpack_dual(core(forward_ad.make_dual(x, along))[0]).tangent  # type: ignore[no-untyped-call]
        wanted = (core(x + 1e-6 * along)[0] - core(x - 1e-6 * along)[0]) / 2e-6
        torch.testing.assert_close(slope, wanted, rtol=1e-6, atol=1e-8)

    def test_second_derivatives(self) -> None:
        core, x = layer(GRU(), dtype=torch.float64), given(1, 16, torch.float64)

        def loss(v: Tensor) -> Any:
            return core(v)[0].square().sum()

        other: Any = torch.autograd.functional
        close(torch.func.hessian(loss)(x), other.hessian(loss, x))

    def test_the_second_way_back_is_exact_under_autocast(self) -> None:
        core, x = layer(PeepholeLSTM()), given().requires_grad_()
        slopes = []
        for on in (False, True):
            (first,) = torch.autograd.grad(core(x)[0].square().sum(), x, create_graph=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=on):
                (again,) = torch.autograd.grad(core(x)[0].square().sum(), x, create_graph=True)
            close(first, again)
            slopes.append(torch.autograd.grad(again.square().sum(), x)[0])
        close(*slopes)


class TestAutocast:
    @pytest.mark.parametrize("steps", [3, 20])
    def test_cells_of_our_own_run_in_float32(self, steps: int) -> None:
        core, x = layer(LayerNormLSTM()), given(steps=steps)
        with torch.autocast("cpu", torch.bfloat16):
            y, state = core(x)
            half, after = core(x.bfloat16())
        close((y, state), Fold().run(core.cell, core.wiring, core.weights, core.job(x)))
        assert (half.dtype, after.c.dtype) == (torch.bfloat16, torch.float32)
        close(half, y.bfloat16())

    def test_gradients_come_back_as_the_weights_are(self) -> None:
        core, x = layer(PeepholeLSTM()), given()
        torch.autograd.backward(core(x)[0].sum())
        wanted = [weight.grad for weight in core.parameters()]
        core.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            torch.autograd.backward(core(x)[0].sum())
        equal([weight.grad for weight in core.parameters()], wanted)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
    @pytest.mark.parametrize("name", ["GRU", "RNN"])
    def test_cells_of_torch_give_what_torch_gives(self, name: str, dtype: torch.dtype) -> None:
        ours, theirs = getattr(drop_in, name)(INPUTS, UNITS), getattr(nn, name)(INPUTS, UNITS)
        ours.load_state_dict(theirs.state_dict())
        x = given().transpose(0, 1).to(dtype)
        with torch.autocast("cpu", torch.bfloat16):
            close(ours(x), theirs(x))

    def test_double_stays_double(self) -> None:
        core, x = layer(GRU(), dtype=torch.float64), given(dtype=torch.float64)
        with torch.autocast("cpu", torch.bfloat16):
            equal(core(x), core(x))
            assert core(x)[0].dtype == torch.float64


class TestMemory:
    def test_nothing_is_kept_without_gradients(self, made: Made) -> None:
        core, kept = layer(GRU()), []
        wanted = core(given())
        for mode in (torch.no_grad, torch.inference_mode):
            with mode():
                y, state = core(given())
            equal((y, state), states.map(Tensor.detach, wanted))
            assert y.is_inference() == state.h.is_inference() == (mode is torch.inference_mode)
            kept.append(made.alive)
        assert kept == [1, 1]  # those of `wanted`

    def test_what_autograd_drops_is_gone(self, made: Made) -> None:
        core = layer(GRU())
        gc.disable()
        try:
            y, state = core(given())
            assert made.alive == 1
            del y, state
            assert made.alive == 0
            answers(core, core)
            assert made.alive == 0
        finally:
            gc.enable()

    def test_checkpoints_free_the_buffers(self, made: Made) -> None:
        core = layer(GRU())

        def run(x: Tensor) -> Any:
            result = checkpoint(core, x, use_reentrant=False)
            assert made.alive == 0
            return result

        found = answers(core, run)
        assert len(made) == 2
        equal(found, answers(core, core))

    def test_saved_tensors_may_be_moved(self) -> None:
        core = layer(GRU())

        def run(x: Tensor) -> Any:
            with torch.autograd.graph.saved_tensors_hooks(lambda each: (each.device, each.clone()), lambda pair: pair[1]):
                return core(x)

        equal(answers(core, run), answers(core, core))

    def test_what_changes_between_the_ways(self) -> None:
        core, x, lengths, resets = layer(GRU()), given().requires_grad_(), LENGTHS.clone(), RESETS.clone()
        wanted = torch.autograd.grad(core(x, lengths=LENGTHS, resets=RESETS)[0].sum(), x)
        y, _ = core(x, lengths=lengths, resets=resets)
        lengths.zero_()
        resets.logical_not_()
        equal(torch.autograd.grad(y.sum(), x, retain_graph=True), wanted)
        equal(torch.autograd.grad(y.sum(), x), wanted)

    def test_noise_must_not_change(self) -> None:
        core, x = layer(Zoneout()), given().requires_grad_()
        noise = {name: mask.clone() for name, mask in NOISE.items()}
        y, _ = core(x, noise=noise)
        noise["keep_c"].zero_()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            torch.autograd.backward(y.sum())

    def test_inference_tensors_are_not_saved(self) -> None:
        core = layer(GRU())
        with torch.inference_mode():
            x = given()
        with torch.no_grad():
            equal(core(x)[0], core(x.clone())[0])
        with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
            core(x)

    @pytest.mark.parametrize("rows", [0, 3])
    def test_gradients_without_a_step(self, rows: int) -> None:
        found = []
        for engine in (Sweep(), Fold()):
            core = layer(PeepholeLSTM())
            core.engine = engine
            x, start = given(rows).requires_grad_(), core.initial(rows)
            leaves = [x, *(part.requires_grad_() for part in start), *core.parameters()]
            y, end = core(x, start, torch.zeros(rows, dtype=torch.long))
            sums = y.sum() + 2 * end.h.sum() + 3 * end.c.sum()
            grads = torch.autograd.grad(sums, leaves, allow_unused=True, materialize_grads=True)
            found.append([part.detach() for part in (y, *end, *grads)])
        equal(*found)


class TestLayers:
    def test_weights_may_be_lent(self) -> None:
        core, x = layer(GRU()), given()
        lent = {name: (weight + 0.1).detach().requires_grad_() for name, weight in core.named_parameters()}
        y, _ = torch.func.functional_call(core, lent, (x,))
        torch.autograd.backward(y.sum())
        other = layer(GRU())
        other.load_state_dict(lent)
        wanted, _ = other(x)
        torch.autograd.backward(wanted.sum())
        equal(y.detach(), wanted.detach())
        equal([weight.grad for weight in lent.values()], [weight.grad for weight in other.parameters()])

    def test_weights_may_be_computed(self) -> None:
        core, x = nn.utils.parametrizations.weight_norm(layer(GRU()), "recur_weight"), given()
        y, _ = core(x)
        torch.autograd.backward(y.sum())
        found = [weight.grad for weight in core.parameters()]
        core.zero_grad()
        core.engine = Fold()
        wanted, _ = core(x)
        torch.autograd.backward(wanted.sum())
        close((y.detach(), *found), (wanted.detach(), *(weight.grad for weight in core.parameters())))

    @pytest.mark.parametrize("other", [copy.deepcopy, lambda core: pickle.loads(pickle.dumps(core))], ids=["copy", "pickle"])
    def test_copies(self, other: Callable[[Any], Any]) -> None:
        core = Stack(layer(LayerNormLSTM()), layer(GRU(), inputs=UNITS))
        twin = other(core)
        equal(twin(given())[0].detach(), core(given())[0].detach())
        assert repr(twin) == repr(core)
        nn.init.zeros_(twin.layers[0].recur_weight)
        assert not torch.equal(twin(given())[0], core(given())[0])

    def test_another_kind_of_tensor_takes_the_fold(self) -> None:
        class Special(Tensor):
            pass

        core, x = layer(GRU()), given()
        assert type(core(x.as_subclass(Special))[0]) is Special
        core.recur_weight.data = core.recur_weight.data.double()
        with pytest.raises(RuntimeError, match="dtype"):
            core(x)

    @pytest.mark.parametrize("name", PLAIN)
    def test_half_precision_takes_what_there_is(self, name: str) -> None:
        y, _ = layer(PLAIN[name]).bfloat16()(given().bfloat16())
        assert y.dtype == torch.bfloat16
