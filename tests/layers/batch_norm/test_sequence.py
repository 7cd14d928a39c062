import copy
import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from recurra.cells import GRU, LSTM
from recurra.errors import UsageError
from recurra.layers import Conv2d, Dense, Heads, Recurrent, SequenceBatchNorm, Stack, batch_normed
from recurra.lengths import mask
from recurra.wirings import Wiring
from recurra.wirings.wiring import parts
from tests.tolerance import close, equal

LENGTHS = torch.tensor([7, 3, 0, 5, 7])


def made(wiring: Wiring) -> SequenceBatchNorm:
    torch.manual_seed(0)
    layer = SequenceBatchNorm(Recurrent(LSTM(), wiring))
    with torch.no_grad():
        for weight in layer.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return layer.double()


def given(layer: SequenceBatchNorm, rows: int = 5) -> Tensor:
    extent = (4, 3) if isinstance(layer.layer.wiring, Conv2d) else ()
    return 2 + 3 * torch.randn(rows, 7, 3, *extent, dtype=torch.float64)


def defined(layer: SequenceBatchNorm, norm: nn.Module, x: Tensor, lengths: Tensor | None) -> Tensor:
    """torch's own batch norm of the flattened products of all steps that count; then the cell, step by step."""
    inner, wiring, weights = layer.layer, layer.layer.wiring, layer.layer.weights
    there = torch.ones(x.shape[:2], dtype=torch.bool) if lengths is None else mask(lengths, x.shape[1])
    products = wiring.read(x[there], weights["input_weight"], None)
    last = products.movedim(1, -1)
    normed = functional_call(norm, {"weight": layer.gain, "bias": weights["input_bias"]}, (last.flatten(0, -2),))
    gates = torch.zeros(*x.shape[:2], *products.shape[1:]).double()
    gates = gates.index_put((there,), normed.view(last.shape).movedim(-1, 1))
    outputs, state = [], inner.initial(len(x), *x.shape[3:])
    for t in range(x.shape[1]):
        y, state = inner.cell.step(parts(inner.cell.gates, gates[:, t], 1), state, wiring.bind(inner.cell, weights, {}))
        outputs.append(y)
    return torch.stack(outputs, dim=1) * there.view(*there.shape, *[1] * (x.dim() - 2))


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
@pytest.mark.parametrize("wiring", [Dense(3, 4), Heads(3, 4, 2), Conv2d(3, 2)], ids=lambda wiring: type(wiring).__name__)
def test_it_is_torch_s_batch_norm_of_the_products_of_all_steps(wiring: Wiring, lengths: Tensor | None) -> None:
    layer, norm = made(wiring), nn.BatchNorm1d(4 * wiring.units).double()
    for _ in range(2):
        x = given(layer).requires_grad_()
        both = layer(x, None, lengths)[0], defined(layer, norm, x, lengths)
        close(*((y, torch.autograd.grad(y.cos().sum(), [x, *layer.parameters()])) for y in both))
    close(layer.mean, norm.running_mean)
    close(layer.var, norm.running_var)
    layer.eval()
    close(layer(x, None, lengths)[0], defined(layer, norm.eval(), x, lengths))


def test_it_runs_compiled() -> None:
    layer = batch_normed(GRU(), Dense(3, 4))
    y, _ = layer(torch.randn(8, 16, 3))
    assert isinstance(layer, SequenceBatchNorm)
    assert layer.layer.engine.name == "sweep"
    assert "Swept" in str(y.grad_fn)


def test_padding_has_no_say() -> None:
    layer, other = made(Dense(3, 4)), made(Dense(3, 4))
    x = given(layer)
    spoilt = torch.where(mask(LENGTHS, 7)[..., None], x, torch.nan)
    close(layer(spoilt, None, LENGTHS), other(x, None, LENGTHS))
    close(layer.var, other.var)


def test_moments_are_exact_far_from_zero() -> None:
    layer = SequenceBatchNorm(Recurrent(LSTM(), Dense(3, 4)))
    x = 1000 + torch.randn(64, 50, 3)
    layer(x)
    products = x.double().flatten(0, 1) @ layer.layer.weights["input_weight"].double().T
    torch.testing.assert_close(10 * (layer.var.double() - 0.9), products.var(0), rtol=1e-3, atol=1e-5)


def test_only_calls_in_training_move_the_running_moments() -> None:
    layer = made(Dense(3, 4))
    x, state = given(layer), copy.deepcopy(layer.state_dict())
    layer.states(x)
    layer(x, None, torch.zeros(5, dtype=torch.long))
    layer.eval()(x)
    equal(tuple(layer.state_dict().values()), tuple(state.values()))
    layer.train()(x)
    assert not layer.mean.equal(state["mean"])


def test_a_state_dict_holds_all_that_a_run_goes_on_from() -> None:
    layer, x = made(Dense(3, 4)), [given(made(Dense(3, 4))) for _ in range(3)]
    layer(x[0])
    other = made(Dense(3, 4))
    other.load_state_dict(layer.state_dict())
    equal(other(x[1]), layer(x[1]))
    equal(other.eval()(x[2]), layer.eval()(x[2]))


@pytest.mark.parametrize("kind", ["full", "int8"])
def test_its_stepper_has_the_norm_in_its_weights(kind: str) -> None:
    layer = SequenceBatchNorm(Recurrent(GRU(), Dense(3, 8)))
    layer(1 + 2 * torch.randn(16, 20, 3))
    stack = Stack(layer).eval()
    one, x = stack.stepper(kind), torch.randn(4, 6, 3)  # type: ignore[arg-type]
    state = one.initial(4)
    with torch.no_grad():
        whole, _ = stack(x)
    for t in range(6):
        y, state = one(x[:, t], state)
        assert (y - whole[:, t]).abs().max() < (1e-5 if kind == "full" else 0.05)


def test_few_values_are_told_once() -> None:
    layer = batch_normed(GRU(), Dense(3, 4))
    with pytest.warns(UserWarning, match=r"^batch norm: 15 values make a moment; wanted at least 16, take larger batches$"):
        layer(torch.randn(5, 3, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(torch.randn(5, 3, 3))
        batch_normed(GRU(), Dense(3, 4))(torch.randn(4, 4, 3))
        batch_normed(GRU(), Dense(3, 4)).eval()(torch.randn(1, 3, 3))


def test_refusals() -> None:
    with pytest.raises(UsageError, match=r"has no bias; wanted one, for the shift$"):
        SequenceBatchNorm(Recurrent(GRU(), Dense(3, 4, bias=False)))
    with pytest.raises(UsageError, match=r"^batch norm 'layer'; wanted 'sequence', 'step' or 'inside'$"):
        batch_normed(GRU(), Dense(3, 4), "layer")  # type: ignore[arg-type]
