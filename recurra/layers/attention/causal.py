"""Attention of a sequence to its own past."""

from typing import NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recurra.errors import ShapeError, UsageError
from recurra.layers.attention.alignments import masked_softmax
from recurra.layers.attention.attention import split_heads
from recurra.layers.core import given
from recurra.lengths import check, cut
from recurra.state import portable

__all__ = ["CausalSelfAttention"]

BASE = 10_000.0
"""Of the wavelengths of rotary positions, as in Su et al. 2021."""


@final
class CausalSelfAttention(nn.Module):
    r"""Multi-head attention of each step to itself and to those before it: a core whose state is what it has read.

    .. math:: y_t = W_o \, [h^1_t; \dots; h^N_t] \qquad
        h^n_t = \sum_{s \le t} \mathrm{softmax}_{s \le t}\big((R_t W^n x_t)^\top R_s U^n x_s / \sqrt{C / N}\big) V^n x_s

    Args:
        size: C, of inputs and outputs.
        heads: N, which divides C.
        context: how many steps each looks at, itself among them; None for all. Memory is then bounded: the state holds
            ``context - 1`` positions, and a sequence is read in blocks of ``context`` steps.
        rotary: tell positions apart by how far they lie from each other: :math:`R_t` turns pairs of numbers by angles that
            grow with t (Su et al. 2021, arXiv:2104.09864), so what it says depends on :math:`t - s` alone and no stream is
            too long. C / N must be even. Without it R is 1: add to x what tells positions.

    Shapes: x (B, T, C), y (B, T, C); without a context the state grows by T positions with each call. `lengths` and `resets`
    as everywhere: see :mod:`recurra.lengths`. Source: Vaswani et al. 2017, arXiv:1706.03762.

    Example:
        >>> layer, x = CausalSelfAttention(6, heads=2), torch.randn(2, 5, 6)
        >>> y, state = layer(x[:, :4])
        >>> last, state = layer.step(x[:, 4], state)
        >>> state.keys.shape, layer.weights(x).shape
        (torch.Size([2, 5, 6]), torch.Size([2, 5, 5]))
        >>> CausalSelfAttention(8, heads=2, context=3, rotary=True)(torch.randn(2, 50, 8))[1].keys.shape
        torch.Size([2, 2, 8])
    """

    @portable
    class State(NamedTuple):
        """Keys and values (B, S, C) of what was read, the newest last; above 0 in `inside` (B, S) where a place holds one.

        Rows that have read less have empty places before it. What stood before a reset is empty too.
        """

        keys: Tensor
        values: Tensor
        inside: Tensor

    def __init__(self, size: int, *, heads: int, context: int | None = None, rotary: bool = False) -> None:
        super().__init__()
        if heads < 1 or size % heads:
            raise UsageError(f"heads is {heads}; wanted a divisor of size={size}")
        if context is not None and context < 1:
            raise UsageError(f"context is {context}; wanted at least 1 step, or None for all")
        if rotary and size // heads % 2:
            raise UsageError(f"heads is {heads}, of {size // heads} numbers each; rotary positions want an even number")
        self.size, self.heads, self.context, self.rotary = size, heads, context, rotary
        self.query, self.key, self.value = (nn.Linear(size, size) for _ in range(3))
        self.output = nn.Linear(size, size)

    def initial(self, batch: int, *extent: int) -> State:
        """The state that `batch` rows start from: nothing read."""
        weight, held = self.output.weight, (self.context or 1) - 1
        return self.State(*(weight.new_zeros(batch, held, *size) for size in ((self.size,), (self.size,), ())))

    def forward(
        self, x: Tensor, state: State | None = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Run along x (B, T, C)."""
        line = self._line(x, state, lengths, resets)
        steps, together = x.shape[1], self.context or x.shape[1]
        parts = list[Tensor]()
        for first in range(0, steps, together):
            q, k, v, seen = self._looking(line, first, min(first + together, steps))
            parts.append(F.scaled_dot_product_attention(q, k, v, attn_mask=seen))
        y = self.output(torch.cat(parts, dim=2).transpose(1, 2).flatten(2))
        return y if lengths is None else cut(y, lengths), self._after(line, lengths)

    sequence = forward

    def step(self, x: Tensor, state: State, memory: None = None) -> tuple[Tensor, State]:
        """One step: x (B, C) -> y (B, C), and the next state."""
        y, state = self(x[:, None], state)
        return y[:, 0], state

    def weights(
        self, x: Tensor, state: State | None = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> Tensor:
        """(B, T, S): how much each step looks at each position, the mean over heads; S counts those of the state, then x."""
        q, k, _, seen = self._looking(self._line(x, state, lengths, resets), 0, x.shape[1])
        weights = masked_softmax(q @ k.mT * q.shape[-1] ** -0.5, seen).mean(1)
        return weights if lengths is None else cut(weights, lengths)

    def extra_repr(self) -> str:
        return f"{self.size}, heads={self.heads}, context={self.context}, rotary={self.rotary}"

    def _line(self, x: Tensor, state: State | None, lengths: Tensor | None, resets: Tensor | None) -> "_Line":
        """What the state holds and what x brings, in one line."""
        if x.dim() != 3 or x.shape[1] == 0 or x.shape[2] != self.size:
            raise ShapeError(f"x is {tuple(x.shape)}; wanted (B, T > 0, {self.size})")
        check(x, lengths, resets)
        start = self.initial(len(x))
        state = given(state, start) if state is None or self.context else state
        x = x if lengths is None else cut(x, lengths)
        new = self.State(self.key(x), self.value(x), torch.ones_like(x[..., 0]))
        keys, values, inside = (torch.cat([old, part.to(old)], dim=1) for old, part in zip(state, new, strict=True))
        held = state.keys.shape[1]
        pieces = None if resets is None else F.pad(resets.to(x.device).cumsum(1), (held, 0))
        return _Line(self.query(x), keys, values, inside, pieces)

    def _looking(self, line: "_Line", first: int, last: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Queries, keys and values by head of the steps from `first` to `last`, and which keys each may look at."""
        held = line.keys.shape[1] - line.queries.shape[1]
        near, now = slice(first, held + last), slice(held + first, held + last)
        q, k, v = line.queries[:, first:last], line.keys[:, near], line.values[:, near]
        q, k, v = (split_heads(part.to(q), self.heads) for part in (q, k, v))
        if self.rotary:
            q, k = _turned(q, held), _turned(k, 0)
        places = torch.arange(k.shape[2], device=q.device)
        back = places[held:, None] - places
        seen = (back >= 0) & (line.inside[:, None, near] > 0)
        if self.context is not None:
            seen = seen & (back < self.context)
        if line.pieces is not None:
            seen = seen & (line.pieces[:, now, None] == line.pieces[:, None, near])
        return q, k, v, seen[:, None]

    def _after(self, line: "_Line", lengths: Tensor | None) -> State:
        """The state after each row's last step: the newest places, of which those of earlier pieces are empty."""
        size, steps = line.keys.shape[1], line.queries.shape[1]
        kept = size if self.context is None else self.context - 1
        parts = [line.keys, line.values, line.inside, *([] if line.pieces is None else [line.pieces])]
        if lengths is None:
            parts = [part[:, size - kept :] for part in parts]
        else:
            index = lengths.to(line.keys.device).long()[:, None] + torch.arange(kept, device=line.keys.device)
            rows = torch.arange(len(index), device=index.device)[:, None]
            empty = kept - (size - steps)
            parts = [F.pad(part, (*[0, 0] * (part.dim() - 2), empty, 0))[rows, index] for part in parts]
        keys, values, inside, *pieces = parts
        for piece in pieces:
            own = piece == piece[:, -1:]
            keys, values = (torch.where(own[..., None], part, 0.0) for part in (keys, values))
            inside = torch.where(own, inside, 0.0)
        return self.State(keys, values, inside)


class _Line(NamedTuple):
    """Queries (B, T, C) of a call, and keys and values (B, S + T, C) of the state's places and then its own.

    `inside` (B, S + T) is above 0 where a place holds something; `pieces` (B, S + T) counts resets.
    """

    queries: Tensor
    keys: Tensor
    values: Tensor
    inside: Tensor
    pieces: Tensor | None


def _turned(x: Tensor, first: int) -> Tensor:
    """Vectors by head (B, N, T, D) at places from `first` on: numbers j and j + D / 2 are a pair that turns with the place."""
    half, number = x.shape[-1] // 2, torch.promote_types(x.dtype, torch.float32)
    speeds = BASE ** -(torch.arange(half, device=x.device, dtype=number) / half)
    angles = torch.arange(first, first + x.shape[2], device=x.device, dtype=number)[:, None] * speeds
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    one, other = x.chunk(2, dim=-1)
    return torch.cat([one * cos - other * sin, one * sin + other * cos], dim=-1)
