"""Causal self-attention: its equation by torch's own layer, and what every core promises."""

import math

import pytest
import torch
from torch import Tensor, nn

from recurra import state as states
from recurra.errors import ShapeError, UsageError
from recurra.layers import Core
from recurra.layers.attention import CausalSelfAttention
from tests.tolerance import close

B, T, C = 3, 6, 4


@pytest.fixture
def layer() -> CausalSelfAttention:
    torch.manual_seed(0)
    made = CausalSelfAttention(C, heads=2).double()
    for weight in made.parameters():
        nn.init.normal_(weight)
    return made


@pytest.fixture
def x() -> Tensor:
    return torch.randn(B, T, C, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_it_is_that_of_torch(layer: CausalSelfAttention, x: Tensor) -> None:
    theirs = nn.MultiheadAttention(C, 2, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([layer.query.weight, layer.key.weight, layer.value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([layer.query.bias, layer.key.bias, layer.value.bias]))
        theirs.out_proj.load_state_dict(layer.output.state_dict())
    y, weights = theirs(x, x, x, attn_mask=torch.ones(T, T, dtype=torch.bool).triu(1))
    close(layer(x)[0], y)
    close(layer.weights(x), weights)


def test_steps_and_chunks_equal_the_sequence(layer: CausalSelfAttention, x: Tensor) -> None:
    assert isinstance(layer, Core)
    y, end = layer(x)
    state = layer.initial(B)
    for t in range(T):
        at, state = layer.step(x[:, t], state)
        close(at, y[:, t])
    close(state, end)
    first, middle = layer(x[:, :4])
    second, last = layer(x[:, 4:], middle)
    close(torch.cat([first, second], 1), y)
    close(last, end)


def test_ragged_chunks(layer: CausalSelfAttention, x: Tensor) -> None:
    """Rows that end at different places go on from there; what stands behind a length does not matter."""
    lengths = torch.tensor([4, 0, 2])
    ruined = torch.where(torch.arange(T)[:, None] < lengths[:, None, None], x, math.nan)
    y, state = layer(ruined, lengths=lengths)
    more = torch.randn(B, 3, C, dtype=torch.float64)
    after, _ = layer(more, state)
    for row, n in enumerate(lengths.tolist()):
        assert not y[row, n:].any()
        whole, _ = layer(torch.cat([x[row : row + 1, :n], more[row : row + 1]], 1))
        close(y[row : row + 1, :n], whole[:, :n])
        close(after[row : row + 1], whole[:, n:])
        assert not layer.weights(ruined, lengths=lengths)[row, n:].any()
    after.sum().backward()
    assert all(p.grad.isfinite().all() for p in layer.parameters() if p.grad is not None)


def test_resets_begin_anew(layer: CausalSelfAttention, x: Tensor) -> None:
    resets = torch.zeros(B, T, dtype=torch.bool)
    resets[0, 2] = resets[1, 0] = resets[2, 5] = True
    y, state = layer(x, resets=resets)
    close(y[0, 2:], layer(x[:1, 2:])[0][0])
    close(y[1], layer(x[1:2])[0][0])
    close(y[2, 5:], layer(x[2:, 5:])[0][0])
    after, _ = layer.step(x[:, 0], state)  # the next chunk is in the same episode
    close(after[0], layer(torch.cat([x[:1, 2:], x[:1, :1]], 1))[0][0, -1])
    _, short = layer(x, state, torch.tensor([3, 0, 5]), resets)  # resets behind the end are none
    assert short.start.tolist() == [8, 0, 5]


def test_rows_can_be_reordered(layer: CausalSelfAttention, x: Tensor) -> None:
    rows = torch.tensor([2, 0, 2])
    _, state = layer(x[:, :3])
    close(layer.step(x[rows, 3], states.take(state, rows))[0], layer.step(x[:, 3], state)[0][rows])


def test_gradients(layer: CausalSelfAttention, x: Tensor) -> None:
    lengths = torch.tensor([2, 1])
    x = x[:2, :3].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: layer(x, lengths=lengths)[0], (x,))


def test_bad_input(layer: CausalSelfAttention, x: Tensor) -> None:
    with pytest.raises(UsageError, match="heads is 3; wanted a divisor of size=4"):
        CausalSelfAttention(4, heads=3)
    with pytest.raises(ShapeError, match=r"x is \(3, 6, 3\); wanted \(B, T > 0, 4\)"):
        layer(x[..., :3])
