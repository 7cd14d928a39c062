"""mLSTM: a recurrent layer whose memory is a matrix, run in chunks that are parallel inside."""

import math
from typing import NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra import state as states
from recurra.engine.precision import Kind
from recurra.errors import ShapeError, UsageError
from recurra.layers.core import given, steps
from recurra.layers.snapshot import Snapshot
from recurra.state import portable
from recurra.wirings.starts import glorot

__all__ = ["MLSTM"]

CHUNK = 64
"""Steps that are run side by side."""

LARGE = 60.0
"""The largest power of e in the denominator, and minus the smallest: far beyond, where it changes nothing."""


@final
class MLSTM(nn.Module):
    r"""LSTM with a matrix memory in each head: values are written under keys, and read by queries.

    .. math::
        &q = W_q x + b_q \quad k = (W_k x + b_k) / \sqrt d \quad v = W_v x + b_v \quad o = \sigma(W_o x + b_o) \\
        &i = e^{w_i x + b_i} \quad f = \sigma(w_f x + b_f) \\
        &C' = f C + i\, k v^\top \quad n' = f n + i\, k \quad h = o \odot \frac{C'^\top q}{\max(|n'^\top q|, 1)}

    Args:
        input_size: I, the size of each input vector.
        hidden_size: H, the number of units; a multiple of `heads`.
        heads: n, each of d = H / n units with gates i and f and a memory C of its own.

    Shapes: x (B, T, I), y (B, T, H); the state is C (B, n, d, d), n (B, n, d) and m (B, n). C and n are held divided by
    :math:`e^m`, where m is the largest power that is in them, so that no gate overflows (the stabiliser). ``weight`` (4 H, I)
    is for q, k, v and o, ``gate_weight`` (2 n, I) for i and f; both start Glorot-uniform, part by part. The forget biases
    start between 3 and 6, from head to head, and all others at 0.

    `step` is the equation; a sequence runs in chunks of 64 steps, each a product of queries and keys, so its time grows with T.
    It is plain torch, on any device. Source: Beck et al. 2024, arXiv:2405.04517.

    Example:
        >>> layer = MLSTM(3, 8, heads=2)
        >>> y, state = layer(torch.zeros(5, 7, 3))
        >>> y.shape, state.c.shape
        (torch.Size([5, 7, 8]), torch.Size([5, 2, 4, 4]))
    """

    @portable
    class State(NamedTuple):
        """The memory of every head, key by value; the sum of its keys; and the power of e that both are divided by."""

        c: Tensor
        n: Tensor
        m: Tensor

    def __init__(self, input_size: int, hidden_size: int, *, heads: int = 4) -> None:
        super().__init__()
        if min(input_size, hidden_size, heads) < 1 or hidden_size % heads:
            came = f"sizes {input_size} and {hidden_size} and {heads} heads"
            raise UsageError(f"MLSTM: {came}; wanted at least 1 of each, and a hidden size that is a multiple of heads")
        self.heads = heads
        self.weight = nn.Parameter(torch.empty(4 * hidden_size, input_size))
        self.bias = nn.Parameter(torch.empty(4 * hidden_size))
        self.gate_weight = nn.Parameter(torch.empty(2 * heads, input_size))
        self.gate_bias = nn.Parameter(torch.empty(2 * heads))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Fill the weights with their start values again."""
        glorot(self.weight, 4)
        nn.init.zeros_(self.bias)
        glorot(self.gate_weight, 2)
        nn.init.zeros_(self.gate_bias)
        self.gate_bias[self.heads :] = torch.linspace(3, 6, self.heads)

    @property
    def input_size(self) -> int:
        """I, the size of each input vector."""
        return self.weight.shape[1]

    @property
    def hidden_size(self) -> int:
        """H, the number of units."""
        return len(self.weight) // 4

    def initial(self, batch: int, *extent: int) -> State:
        """The state that `batch` rows start from: zeros."""
        size = self.hidden_size // self.heads
        shapes = ((batch, self.heads, size, size), (batch, self.heads, size), (batch, self.heads))
        return self.State(*(self.weight.new_zeros(shape) for shape in shapes))

    def forward(
        self, x: Tensor, state: State | None = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Run along x (B, T, I), chunk by chunk."""
        x, state, lengths, resets = self._checked(x, state, lengths, resets)
        q, k, v, i, f, o = self._read(x)
        if lengths is not None:  # behind the end nothing is written and nothing forgotten
            inside = ragged.mask(lengths, x.shape[1])[:, None]
            i, f = i.masked_fill(~inside, -torch.inf), f.masked_fill(~inside, 0.0)
            resets = None if resets is None else resets & inside[:, 0]
        outputs = []
        for t in range(0, x.shape[1], CHUNK):
            now = slice(t, t + CHUNK)
            fresh = None if resets is None else resets[:, None, now]
            h, state = _chunk(q[:, :, now], k[:, :, now], v[:, :, now], i[:, :, now], f[:, :, now], fresh, state)
            outputs.append(h)
        y = o * torch.cat(outputs, dim=2).transpose(1, 2).flatten(2)
        return y if lengths is None else ragged.cut(y, lengths), state

    sequence = forward

    def step(self, x: Tensor, state: State, memory: None = None) -> tuple[Tensor, State]:
        """One step of the equations above, x (B, I) -> y (B, H)."""
        x, (c, n, m), *_ = self._checked(x[:, None], state, None, None)
        *parts, o = self._read(x)
        q, k, v, i, f = (part[:, :, 0] for part in parts)
        top = torch.maximum(f + m, i)
        keep, write = torch.exp(f + m - top), torch.exp(i - top)
        c = keep[..., None, None] * c + (write[..., None] * k)[..., :, None] * v[..., None, :]
        n = keep[..., None] * n + write[..., None] * k
        h = torch.einsum("bhkv,bhk->bhv", c, q) / _denominator((n * q).sum(-1), top)[..., None]
        return o[:, 0] * h.flatten(1), self.State(c, n, top)

    def states(
        self, x: Tensor, state: State | None = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> State:
        """The state after every step, each field with T behind B; by steps, one after the other."""
        every = [after for _, after in steps(self, *self._checked(x, state, lengths, resets))]
        stacked: MLSTM.State = states.map(lambda *fields: torch.stack(fields, dim=1), every[0], *every[1:])
        return stacked

    def stepper(self, weights: Kind = "full") -> Snapshot:
        """This layer one step at a time, from a snapshot of its weights in this form."""
        return Snapshot(self, weights)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, heads={self.heads}"

    def _checked(
        self, x: Tensor, state: State | None, lengths: Tensor | None, resets: Tensor | None
    ) -> tuple[Tensor, State, Tensor | None, Tensor | None]:
        if x.dim() != 3 or x.shape[1] == 0 or x.shape[2] != self.input_size:
            raise ShapeError(f"x is {tuple(x.shape)}; wanted (B, T > 0, {self.input_size})")
        ragged.check(x, lengths, resets)
        lengths, resets = (None if part is None else part.to(x.device) for part in (lengths, resets))
        x = x if lengths is None else ragged.cut(x, lengths)
        return x, given(state, self.initial(len(x))), lengths, resets

    def _read(self, x: Tensor) -> tuple[Tensor, ...]:
        """q, k and v (B, n, T, d), the logarithms of i and f (B, n, T), and o (B, T, H)."""
        *vectors, o = F.linear(x, self.weight, self.bias).chunk(4, dim=2)
        shape = (*x.shape[:2], self.heads, self.hidden_size // self.heads)
        q, k, v = (part.reshape(shape).transpose(1, 2) for part in vectors)
        i, f = F.linear(x, self.gate_weight, self.gate_bias).transpose(1, 2).chunk(2, dim=1)
        return q, k / math.sqrt(shape[-1]), v, i, F.logsigmoid(f), torch.sigmoid(o)


def _chunk(
    q: Tensor, k: Tensor, v: Tensor, i: Tensor, f: Tensor, fresh: Tensor | None, state: MLSTM.State
) -> tuple[Tensor, MLSTM.State]:
    """A chunk of steps side by side: h without its gate (B, n, T, d), and the state after.

    A step reads what earlier steps of the chunk wrote, and the state before it, each with a power of e: its own input gate's
    and those of the forget gates since. Where a reset lies between, the power is minus infinity.
    """
    total = f.cumsum(-1)
    start = total + state.m[..., None]  # the power of the state that the chunk, or what follows a reset, begins with
    if fresh is not None:
        before = torch.where(fresh, total - f, torch.inf).cummin(-1).values  # powers only fall: the least is the last reset's
        start = torch.where(before.isinf(), start, total - before)
        f = f.masked_fill(fresh, -torch.inf)
    own = _between(f) + i[..., None, :]
    m = torch.maximum(start, own.amax(-1))
    written, kept = torch.exp(own - m[..., None]), torch.exp(f.cumsum(-1) + state.m[..., None] - m)
    weight = written * (q @ k.mT)
    bottom = weight.sum(-1) + kept * (q @ state.n[..., None]).squeeze(-1)
    h = (weight @ v + kept[..., None] * (q @ state.c)) / _denominator(bottom, m)[..., None]
    last, keys = kept[..., -1, None], written[..., -1, :, None] * k
    return h, MLSTM.State(last[..., None] * state.c + keys.mT @ v, last * state.n + keys.sum(-2), m[..., -1])


def _between(f: Tensor) -> Tensor:
    """(..., T) -> (..., T, T): at t, s the sum of f behind s up to t; minus infinity where s is behind t."""
    steps = f.shape[-1]
    later = torch.ones(steps, steps, dtype=torch.bool, device=f.device).tril(-1)
    sums = torch.where(later, f[..., :, None], 0.0).cumsum(-2)  # not a difference of sums, which would lose small ones
    return sums.masked_fill(later.mT, -torch.inf)


def _denominator(bottom: Tensor, m: Tensor) -> Tensor:
    return torch.maximum(bottom.abs(), torch.exp((-m).clamp(-LARGE, LARGE)))
