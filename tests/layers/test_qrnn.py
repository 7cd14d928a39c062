from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from recurra.cells import CandidateDropout
from recurra.engine import Fold
from recurra.errors import UsageError
from recurra.layers import QRNN, Dense, Recurrent
from recurra.layers.qrnn import Pooling
from tests.tolerance import close

LENGTHS = torch.tensor([12, 5, 0, 9])


def made(kernel: int = 3, zoneout: float = 0.0) -> QRNN:
    torch.manual_seed(0)
    layer = QRNN(3, 5, kernel=kernel, zoneout=zoneout).double()
    for weight in layer.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return layer


def defined(layer: QRNN, x: Tensor, before: Tensor, c: Tensor, kept: float = 0.0) -> Tensor:
    """Equations 1 to 4 of the paper, one row at a time: a convolution for each gate, and fo-pooling."""
    kernel = layer.line.taps
    weights = layer.pooling.weights["input_weight"].view(3, 5, kernel, 3).transpose(2, 3)
    biases = layer.pooling.weights["input_bias"].chunk(3)
    line = torch.cat([before, x], dim=1).transpose(1, 2)
    z, f, o = (F.conv1d(line, w, b).transpose(1, 2) for w, b in zip(weights, biases, strict=True))
    f, outputs = kept + (1 - kept) * torch.sigmoid(f), []
    for t in range(x.shape[1]):
        c = f[:, t] * c + (1 - f[:, t]) * torch.tanh(z[:, t])
        outputs.append(torch.sigmoid(o[:, t]) * c)
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("kernel", [1, 3])
def test_it_is_its_definition(kernel: int) -> None:
    layer, x = made(kernel), torch.randn(4, 12, 3, dtype=torch.float64, requires_grad=True)
    start = layer.State(torch.randn(4, kernel - 1, 3).double(), torch.randn(4, 5).double())
    assert layer.pooling.engine.name == "sweep"
    results = []
    for y in (layer(x, start)[0], defined(layer, x, *start)):
        weights = [weight for name, weight in layer.named_parameters()]
        results.append((y, torch.autograd.grad(y.cos().sum(), [x, *weights])))
    close(*results)


def test_chunks_ragged_and_with_resets_it_is_its_definition() -> None:
    layer, x = made(), torch.randn(4, 12, 3, dtype=torch.float64)
    zero = (torch.zeros(1, 2, 3).double(), torch.zeros(1, 5).double())
    resets = torch.zeros(4, 12, dtype=torch.bool)
    resets[0, 4] = resets[3, 8] = True
    first, middle = layer(x[:, :6], None, LENGTHS.clamp(max=6), resets[:, :6])
    second, _ = layer(x[:, 6:], middle, (LENGTHS - 6).clamp(min=0), resets[:, 6:])
    y = torch.cat([first, second], dim=1)
    for row, pieces in enumerate([[0, 4, 12], [0, 5], [0], [0, 8, 9]]):
        for a, b in pairwise(pieces):
            close(y[row : row + 1, a:b], defined(layer, x[row : row + 1, a:b], *zero))
        assert not y[row, pieces[-1] :].any()


def test_zoneout_is_one_minus_dropout_of_one_minus_f() -> None:
    layer, x = made(zoneout=0.25), torch.randn(2, 12, 3, dtype=torch.float64)
    zero = (torch.zeros(2, 2, 3).double(), torch.zeros(2, 5).double())
    close(layer.eval()(x)[0], defined(layer, x, *zero, kept=0.25))
    pooling = Recurrent(Pooling(0.25), Dense(3, 1000))
    pooling.place("input_weight", torch.zeros(3000, 3))
    _, state = pooling(torch.zeros(1, 8, 3), Pooling.State(torch.ones(1, 1000)))
    times = state.c.detach().log() / torch.sigmoid(torch.tensor(1.0)).log()  # how often each unit was written
    close(times, times.round())
    assert abs(float(times.mean()) - 6.0) < 0.15
    with pytest.raises(UsageError, match=r"^zoneout is 1.0; wanted 0 to below 1$"):
        QRNN(3, 5, zoneout=1.0)


def test_its_candidate_may_be_dropped() -> None:
    layer = Recurrent(CandidateDropout(Pooling(), 0.5), Dense(3, 400), engine=Fold())
    layer.place("input_bias", torch.ones(1200))
    y, _ = layer(torch.zeros(1, 1, 3))
    assert 100 < int((y == 0).sum()) < 300
