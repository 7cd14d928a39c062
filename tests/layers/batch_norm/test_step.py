import warnings
from typing import Any, Literal

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from recurra.cells import GRU, LSTM, Cell, Elman, Zoneout
from recurra.engine import Fold
from recurra.errors import UsageError
from recurra.layers import Conv1d, Dense, Diagonal, Recurrent, StepBatchNorm, batch_normed
from recurra.layers.batch_norm import NormedLSTM
from recurra.wirings import Wiring
from tests.tolerance import close, equal

LENGTHS = torch.tensor([6, 2, 0, *[5] * 14, *[6] * 7])
ROWS = len(LENGTHS)


def normed(cell: Cell, wiring: Wiring, how: Literal["step", "inside"], limit: int = 100) -> StepBatchNorm:
    layer = batch_normed(cell, wiring, how, limit=limit)
    assert isinstance(layer, StepBatchNorm)
    return layer


def made(how: Literal["step", "inside"] = "inside", limit: int = 4) -> StepBatchNorm:
    torch.manual_seed(0)
    layer = normed(LSTM(), Dense(3, 5), how, limit)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return layer.double()


def lstm(layer: StepBatchNorm, x: Tensor, lengths: Tensor, running: dict[str, Tensor]) -> Tensor:
    """The equations of the paper, torch's batch norm at every step; `running` are moments to move in training, or to use."""
    w = layer.layer.weights
    h, c, outputs = torch.zeros(len(x), 5).double(), torch.zeros(len(x), 5).double(), []

    def norm(name: str, v: Tensor, gain: Tensor, shift: Tensor | None, t: int) -> Tensor:
        place = min(t, layer.limit - 1)
        mean, var = running[f"{name}_mean"][place], running[f"{name}_var"][place]
        return F.batch_norm(v, mean, var, gain, shift, training=layer.training, momentum=0.1)

    for t in range(x.shape[1]):
        rows = (lengths > t).nonzero().flatten()
        products = norm("input", x[rows, t] @ w["input_weight"].T, layer.input_gain, w["input_bias"], t)
        if layer.inside:
            products = products + norm(
                "recur", h[rows] @ w["recur_weight"].T, layer.get_parameter("recur_gain"), w["recur_bias"], t
            )
        else:
            products = products + h[rows] @ w["recur_weight"].T + w["recur_bias"]
        i, f, g, o = products.chunk(4, dim=1)
        inner = torch.sigmoid(f) * c[rows] + torch.sigmoid(i) * torch.tanh(g)
        seen = norm("norm_cell", inner, w["norm_cell_weight"], w["norm_cell_bias"], t) if layer.inside else inner
        y = torch.sigmoid(o) * torch.tanh(seen)
        h, c = h.index_copy(0, rows, y), c.index_copy(0, rows, inner)
        outputs.append(torch.zeros(len(x), 5).double().index_copy(0, rows, y))
    return torch.stack(outputs, dim=1)


def buffers(layer: StepBatchNorm) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in layer.named_buffers()}


@pytest.mark.parametrize("how", ["step", "inside"])
@pytest.mark.parametrize("lengths", [torch.full((ROWS,), 6), LENGTHS], ids=["whole", "ragged"])
def test_it_is_the_paper_s(how: Literal["step", "inside"], lengths: Tensor) -> None:
    layer = made(how, limit=6)
    running = buffers(layer)
    for _ in range(2):
        x = 1 + 2 * torch.randn(ROWS, 6, 3).double().requires_grad_()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # few rows are as long as the longest
            both = layer(x, None, lengths)[0], lstm(layer, x, lengths, running)
        close(*((y, torch.autograd.grad(y.cos().sum(), [x, *layer.parameters()])) for y in both))
    kept = buffers(layer)
    assert kept.pop("reached") == 6
    close(tuple(kept.values()), tuple(running[name] for name in kept))
    layer.eval()
    close(layer(x, None, lengths)[0], lstm(layer, x, lengths, running))


def test_the_last_statistics_are_for_all_later_steps() -> None:
    layer, x = made(limit=3), torch.randn(ROWS, 9, 3).double()
    layer(x)
    first = made(limit=3)
    first(x[:, :2])
    for name in ("input_mean", "recur_var", "norm_cell_mean"):
        close(getattr(layer, name)[:2], getattr(first, name)[:2])
        assert not torch.allclose(getattr(layer, name)[2], getattr(first, name)[2])
    kept = buffers(layer)
    products = x[:, 2:] @ layer.layer.weights["input_weight"].T
    close(kept["input_mean"][2], 0.1 * products.mean((0, 1)).detach())  # the mean of what later steps had, moved once a call
    layer.eval()
    close(layer(x)[0], lstm(layer, x, torch.full((ROWS,), 9), buffers(layer)))


def test_steps_that_no_training_reached_take_the_last_statistics() -> None:
    layer, short = made(limit=50), made(limit=2)
    x = torch.randn(ROWS, 8, 3).double()
    layer(x[:, :2])
    short(x[:, :2])
    assert int(layer.reached) == 2
    close(layer.eval()(x)[0], short.eval()(x)[0])


def test_in_training_chunks_count_on_and_resets_count_anew() -> None:
    layer, other = made(limit=6), made(limit=6)
    x = torch.randn(ROWS, 6, 3).double()
    _, middle = layer(x[:, :3])
    _, end = layer(x[:, 3:], middle)
    other(x)
    close(tuple(buffers(layer).values()), tuple(buffers(other).values()))
    assert end.steps.eq(6).all()
    resets = torch.zeros(ROWS, 3, dtype=torch.bool)
    resets[:5, 1] = True
    _, end = layer(x[:, :3], None, None, resets)
    assert end.steps.tolist() == [2.0] * 5 + [3.0] * (ROWS - 5)


def test_a_row_in_evaluation_is_a_function_of_itself() -> None:
    layer, x = made(), torch.randn(ROWS, 6, 3).double()
    layer(x)
    layer.eval()
    y, _ = layer(x)
    x[1:] = 100 * torch.randn_like(x[1:])
    close(layer(x)[0][0], y[0])


@pytest.mark.parametrize("wiring", [Conv1d(3, 5), Diagonal(3, 5)], ids=lambda wiring: type(wiring).__name__)
def test_other_wirings_have_moments_for_each_channel(wiring: Any) -> None:
    layer = normed(Elman(), wiring, "inside", 2)
    extent = (6,) if isinstance(wiring, Conv1d) else ()
    x = torch.randn(16, 2, 3, *extent)
    layer(x)
    products = wiring.read(x[:, 0], layer.layer.weights["input_weight"], None).transpose(0, 1).flatten(1)
    kept = buffers(layer)
    close(kept["input_mean"][0], 0.1 * products.mean(1).detach())
    close(kept["input_var"][0], 0.9 + 0.1 * products.var(1).detach())


def test_gains_start_at_a_tenth_inside() -> None:
    layer = normed(LSTM(), Dense(3, 5), "inside")
    assert layer.layer.cell == NormedLSTM()
    weights = layer.layer.weights
    for gain in (layer.input_gain, layer.get_parameter("recur_gain"), weights["norm_cell_weight"]):
        equal(gain.detach(), torch.full_like(gain, 0.1))
    assert normed(GRU(), Dense(3, 5), "step").input_gain.eq(1).all()
    inside = normed(Zoneout(LSTM(), 0.1), Dense(3, 5), "inside").layer.cell
    assert inside == Zoneout(NormedLSTM(), 0.1)


def test_few_rows_are_told_once() -> None:
    layer = batch_normed(GRU(), Dense(3, 4), "step")
    with pytest.warns(UserWarning, match=r"^batch norm: 3 values make a moment; wanted at least 16, take larger batches$"):
        layer(torch.randn(20, 3, 3), None, torch.tensor([3] * 3 + [1] * 17))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(torch.randn(3, 3, 3))


def test_resumed_it_goes_on_as_it_would_have() -> None:
    layer, x = made(), torch.randn(3, ROWS, 6, 3).double()
    layer(x[0])
    other = made()
    other.load_state_dict(layer.state_dict())
    equal(other(x[1]), layer(x[1]))
    equal(other.eval()(x[2]), layer.eval()(x[2]))


def test_its_stepper_steps_as_it_is_evaluated() -> None:
    layer, x = made(), torch.randn(ROWS, 6, 3).double()
    layer(x)
    one = layer.stepper()
    state, (whole, _) = one.initial(ROWS), layer.eval()(x)
    for t in range(6):
        y, state = one(x[:, t], state)
        close(y, whole[:, t].detach())


def test_refusals() -> None:
    with pytest.raises(UsageError, match=r"^limit is 0; wanted at least 1$"):
        batch_normed(GRU(), Dense(3, 4), "step", limit=0)
    with pytest.raises(UsageError, match=r"runs in Python; wanted Recurrent\(cell, wiring, engine=Fold\(\)\)$"):
        StepBatchNorm(Recurrent(GRU(), Dense(3, 4)))
    with pytest.raises(UsageError, match=r"runs in Python"):
        StepBatchNorm(Recurrent(GRU(), Dense(3, 4), engine=Fold(), memory="low"))
