import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from recurra import state as states
from recurra.errors import ShapeError, UsageError
from recurra.layers import MLSTM
from recurra.layers.core import steps
from recurra.layers.mlstm import CHUNK
from tests.tolerance import as_near, close

STEPS = 2 * CHUNK + 5
LENGTHS = torch.tensor([STEPS, CHUNK + 1, 0, 90])


def made(dtype: torch.dtype = torch.float64, spread: float = 0.5) -> MLSTM:
    torch.manual_seed(0)
    layer = MLSTM(3, 8, heads=2)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.add_(spread * torch.randn_like(weight))
    return layer.to(dtype)


def by_steps(layer: MLSTM, x: Tensor, start: Any, lengths: Tensor | None, resets: Tensor | None) -> tuple[Tensor, Any]:
    start = layer.initial(len(x)) if start is None else start
    outputs, after = zip(*steps(layer, x, start, lengths, resets), strict=True)
    return torch.stack(outputs, dim=1), after[-1]


def test_a_step_is_the_equation_without_stabiliser() -> None:
    layer, x = made(), torch.randn(1, 6, 3).double()
    state, c, n = layer.initial(1), torch.zeros(2, 4, 4).double(), torch.zeros(2, 4).double()
    for t in range(6):
        y, state = layer.step(x[:, t], state)
        q, k, v, o = (layer.weight @ x[0, t] + layer.bias).chunk(4)
        i, f = (layer.gate_weight @ x[0, t] + layer.gate_bias).chunk(2)
        i, f, q, k, v = i.exp(), torch.sigmoid(f), q.view(2, 4), k.view(2, 4) / 2, v.view(2, 4)
        h = []
        for head in range(2):
            c[head] = f[head] * c[head] + i[head] * torch.outer(v[head], k[head])
            n[head] = f[head] * n[head] + i[head] * k[head]
            h.append(c[head] @ q[head] / (n[head] @ q[head]).abs().clamp(min=1))
        close(y[0], torch.sigmoid(o) * torch.cat(h))
        close(state.c[0] * state.m.exp()[0, :, None, None], c.mT)
        close(state.n[0] * state.m.exp()[0, :, None], n)
        c, n = c.detach(), n.detach()


@pytest.mark.parametrize("ragged", [False, True], ids=["whole", "ragged"])
def test_chunks_side_by_side_are_countone_after_the_other(ragged: bool) -> None:
    layer, x = made(), torch.randn(4, STEPS, 3).double().requires_grad_()
    lengths, resets = (LENGTHS, torch.rand(4, STEPS) < 0.03) if ragged else (None, None)
    start = states.map(lambda part: torch.randn_like(part).requires_grad_(), layer.initial(4))
    results = []
    for y, end in (layer(x, start, lengths, resets), by_steps(layer, x, start, lengths, resets)):
        loss = y.cos().mean() + sum(part.sin().mean() for part in end)
        results.append((y, tuple(end), torch.autograd.grad(loss, [x, *start, *layer.parameters()])))
    close(*results)


@pytest.mark.parametrize("level", [0.0, 200.0, -200.0])
def test_no_gate_overflows_in_float32(level: float) -> None:
    layer, x = made(torch.float32, spread=0.2), torch.randn(2, STEPS, 3)
    with torch.no_grad():
        layer.gate_bias[:2] += level
        layer.gate_bias[2:] -= level
    exact, _ = by_steps(copy.deepcopy(layer).double(), x.double(), None, None, None)
    one, _ = by_steps(layer, x, None, None, None)
    y, _ = layer(x.requires_grad_())
    as_near(y, one, exact, "y")
    gradients = torch.autograd.grad(y.sum(), [x, *layer.parameters()])
    assert all(bool(each.isfinite().all()) for each in gradients)


def test_it_recalls_by_key_what_stands_far_before() -> None:
    layer = MLSTM(8, 4, heads=1).double()
    with torch.no_grad():
        for weight in layer.parameters():
            weight.zero_()
        eye = torch.eye(4).double()
        q, k, v, _ = layer.weight.chunk(4)
        q[:, :4], k[:, :4], v[:, 4:] = 20 * eye, 20 * eye, eye
        layer.gate_bias[1] = layer.bias[12:] = 20.0  # keep all, show all
    values = torch.randn(4, 4).double()
    x = torch.zeros(1, 200, 8).double()
    x[0, :4] = torch.cat([torch.eye(4).double(), values], dim=1)
    x[0, -1, 2] = 1.0  # asks for the third
    y, _ = layer(x)  # the key was written twice: with its value, and by the question with zero
    torch.testing.assert_close(y[0, -1], values[2] / 2, rtol=1e-6, atol=1e-6)


def test_time_grows_with_the_countalone() -> None:
    layer = MLSTM(3, 8, heads=2)
    sizes = []
    for count in (4 * CHUNK, 8 * CHUNK):
        held = 0

        def pack(tensor: Tensor) -> Tensor:
            nonlocal held
            held += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            layer(torch.zeros(1, count, 3))
        sizes.append(held)
    assert 1.9 < sizes[1] / sizes[0] < 2.1


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: MLSTM(3, 6, heads=4), "MLSTM: sizes 3 and 6 and 4 heads; wanted at least 1 of each, and a hidden size that"),
        (lambda: MLSTM(0, 8), "MLSTM: sizes 0 and 8"),
        (lambda: MLSTM(3, 8)(torch.zeros(2, 5, 4)), "x is (2, 5, 4); wanted (B, T > 0, 3)"),
        (lambda: MLSTM(3, 8)(torch.zeros(2, 5, 3), MLSTM(3, 8).initial(1)), "state is MLSTM.State(c (1, 4, 2, 2), n (1, 4, 2)"),
    ],
)
def test_refusals(call: Any, says: str) -> None:
    with pytest.raises((UsageError, ShapeError)) as caught:
        call()
    assert str(caught.value).startswith(says)
