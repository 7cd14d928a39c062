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


def made(context: int | None = None, *, rotary: bool = False) -> CausalSelfAttention:
    torch.manual_seed(0)
    layer = CausalSelfAttention(C, heads=2, context=context, rotary=rotary).double()
    for weight in layer.parameters():
        nn.init.normal_(weight)
    return layer


@pytest.fixture(params=[(None, False), (3, False), (None, True), (3, True)], ids=["all", "context", "rotary", "context-rotary"])
def layer(request: pytest.FixtureRequest) -> CausalSelfAttention:
    context, rotary = request.param
    return made(context, rotary=rotary)


@pytest.fixture
def x() -> Tensor:
    return torch.randn(B, T, C, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("context", [None, 1, 3, T + 1])
def test_it_is_that_of_torch(context: int | None, x: Tensor) -> None:
    layer, held = made(context), (context or 1) - 1
    theirs = nn.MultiheadAttention(C, 2, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([layer.query.weight, layer.key.weight, layer.value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([layer.query.bias, layer.key.bias, layer.value.bias]))
        theirs.out_proj.load_state_dict(layer.output.state_dict())
    back = torch.arange(T)[:, None] - torch.arange(T)
    y, weights = theirs(x, x, x, attn_mask=(back < 0) | (back >= (context or T)))
    close(layer(x)[0], y)
    close(layer.weights(x)[..., held:], weights)
    assert not layer.weights(x)[..., :held].any()  # places of the state, where nothing was read


def test_rotary_positions_are_turns_of_complex_numbers(x: Tensor) -> None:
    """Numbers j and j + 2 of four are one complex number; the first turns by a radian a step, the second by a hundredth."""
    layer = CausalSelfAttention(C, heads=1, rotary=True).double()
    q, k = (torch.complex(*part.chunk(2, dim=2)) for part in (layer.query(x), layer.key(x)))
    back = (torch.arange(T)[:, None] - torch.arange(T)).double()
    turns = torch.polar(torch.ones(T, T, 2, dtype=torch.float64), back[..., None] * torch.tensor([1.0, 0.01]))
    energies = torch.einsum("btj,bsj,tsj->bts", q, k.conj(), turns).real / 2
    close(layer.weights(x), energies.masked_fill(back < 0, -torch.inf).softmax(-1))


def test_only_rotary_positions_tell_the_order(x: Tensor) -> None:
    swapped = x[:, [1, 0, *range(2, T)]]
    close(made()(swapped)[0][:, 2:], made()(x)[0][:, 2:])
    assert not made(rotary=True)(swapped)[0][:, 2:].allclose(made(rotary=True)(x)[0][:, 2:])


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
    assert short.inside.sum(1).tolist() == [min(n, (layer.context or 9) - 1) for n in (1, 6, 6)]


def test_rows_can_be_reordered(layer: CausalSelfAttention, x: Tensor) -> None:
    rows = torch.tensor([2, 0, 2])
    _, state = layer(x[:, :3])
    close(layer.step(x[rows, 3], states.take(state, rows))[0], layer.step(x[:, 3], state)[0][rows])


def test_gradients(layer: CausalSelfAttention, x: Tensor) -> None:
    lengths = torch.tensor([2, 1])
    x = x[:2, :3].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: layer(x, lengths=lengths)[0], (x,))


def test_bad_input(x: Tensor) -> None:
    with pytest.raises(UsageError, match="heads is 3; wanted a divisor of size=4"):
        CausalSelfAttention(4, heads=3)
    with pytest.raises(UsageError, match="context is 0; wanted at least 1 step"):
        CausalSelfAttention(4, heads=2, context=0)
    with pytest.raises(UsageError, match="heads is 2, of 3 numbers each; rotary positions want an even number"):
        CausalSelfAttention(6, heads=2, rotary=True)
    with pytest.raises(ShapeError, match=r"state is .*keys \(3, 4, 4\).*; wanted .*keys \(3, 2, 4\)"):
        made(3)(x, made(5).initial(B))
    with pytest.raises(ShapeError, match=r"x is \(3, 6, 3\); wanted \(B, T > 0, 4\)"):
        made()(x[..., :3])
