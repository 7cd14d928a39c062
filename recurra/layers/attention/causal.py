"""Attention of a sequence to its own past."""

from typing import NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recurra.errors import ShapeError, UsageError
from recurra.layers.attention.alignments import masked_softmax
from recurra.layers.attention.attention import split_heads
from recurra.lengths import check, cut
from recurra.state import portable

__all__ = ["CausalSelfAttention"]


@final
class CausalSelfAttention(nn.Module):
    r"""Multi-head attention of each step to itself and all before it: a core whose state is all that it has read.

    .. math:: y_t = W_o \, [h^1_t; \dots; h^N_t] \qquad
        h^n_t = \sum_{s \le t} \mathrm{softmax}_{s \le t}\big((W^n x_t)^\top U^n x_s / \sqrt{C / N}\big) V^n x_s

    Args:
        size: C, of inputs and outputs.
        heads: N, which divides C.

    Shapes: x (B, T, C), y (B, T, C); the state grows by T positions with each call. `lengths` and `resets` as everywhere: see
    :mod:`recurra.lengths`. Positions are not told apart: add to x what tells them. Source: Vaswani et al. 2017,
    arXiv:1706.03762.

    Example:
        >>> layer, x = CausalSelfAttention(6, heads=2), torch.randn(2, 5, 6)
        >>> y, state = layer(x[:, :4])
        >>> last, state = layer.step(x[:, 4], state)
        >>> state.keys.shape, layer.weights(x).shape
        (torch.Size([2, 5, 6]), torch.Size([2, 5, 5]))
    """

    @portable
    class State(NamedTuple):
        """Keys and values (B, S, C) of what was read, how much of it each row has (B,), where its last episode began (B,)."""

        keys: Tensor
        values: Tensor
        lengths: Tensor
        start: Tensor

    def __init__(self, size: int, *, heads: int) -> None:
        super().__init__()
        if heads < 1 or size % heads:
            raise UsageError(f"heads is {heads}; wanted a divisor of size={size}")
        self.size, self.heads = size, heads
        self.query, self.key, self.value = (nn.Linear(size, size) for _ in range(3))
        self.output = nn.Linear(size, size)

    def initial(self, batch: int, *extent: int) -> State:
        """The state that `batch` rows start from: nothing read."""
        nothing, zero = self.output.weight.new_zeros(batch, 0, self.size), self.output.weight.new_zeros(batch, dtype=torch.long)
        return self.State(nothing, nothing, zero, zero)

    def forward(
        self, x: Tensor, state: State | None = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Run along x (B, T, C)."""
        q, state, seen = self._read(x, state, lengths, resets)
        k, v = split_heads(state.keys, self.heads), split_heads(state.values, self.heads)
        y = self.output(F.scaled_dot_product_attention(q, k, v, attn_mask=seen).transpose(1, 2).flatten(2))
        return y if lengths is None else cut(y, lengths), state

    sequence = forward

    def step(self, x: Tensor, state: State, memory: None = None) -> tuple[Tensor, State]:
        """One step: x (B, C) -> y (B, C), and the next state."""
        y, state = self(x[:, None], state)
        return y[:, 0], state

    def weights(
        self, x: Tensor, state: State | None = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> Tensor:
        """(B, T, S): how much each step looks at each position read, the mean over heads; S counts all since the beginning."""
        q, state, seen = self._read(x, state, lengths, resets)
        k = split_heads(state.keys, self.heads)
        weights = masked_softmax(q @ k.mT * q.shape[-1] ** -0.5, seen).mean(1)
        return weights if lengths is None else cut(weights, lengths)

    def _read(
        self, x: Tensor, state: State | None, lengths: Tensor | None, resets: Tensor | None
    ) -> tuple[Tensor, State, Tensor]:
        """Queries by head, the state after x, and what each step may look at, (B, 1, T, S)."""
        if x.dim() != 3 or x.shape[1] == 0 or x.shape[2] != self.size:
            raise ShapeError(f"x is {tuple(x.shape)}; wanted (B, T > 0, {self.size})")
        check(x, lengths, resets)
        state = self.initial(len(x)) if state is None else state
        x = x if lengths is None else cut(x, lengths)
        batch, steps, _ = x.shape
        read = torch.full_like(state.lengths, steps) if lengths is None else lengths.to(state.lengths)
        places = state.lengths[:, None] + torch.arange(steps, device=x.device)
        index = places[..., None].expand(-1, -1, self.size)
        keys, values = (
            F.pad(old, (0, 0, 0, steps)).scatter(1, index, new)
            for old, new in ((state.keys, self.key(x)), (state.values, self.value(x)))
        )
        start = state.start[:, None].expand(-1, steps)
        if resets is not None:
            start = torch.maximum(start, places.where(resets, 0).cummax(1).values)
        every = torch.arange(keys.shape[1], device=x.device)
        seen = (every <= places[..., None]) & (every >= start[..., None])
        last = torch.where(read > 0, start[torch.arange(batch, device=x.device), (read - 1).clamp(min=0)], state.start)
        after = self.State(keys, values, state.lengths + read, last)
        return split_heads(self.query(x), self.heads), after, seen[:, None]
