"""A Transformer that reads forwards only: it stands where recurrent layers do."""

from typing import Any, cast, final

import torch
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra import state as states
from recurra.engine.precision import Kind
from recurra.errors import ShapeError, UsageError
from recurra.layers import CausalSelfAttention, Dropout, Snapshot
from recurra.layers.core import steps
from recurra.models.transformer.parts import Feed, Past, block_states, checked_layers

__all__ = ["CausalTransformer"]


@final
class CausalTransformer(nn.Module):
    r"""Blocks of causal self-attention and a feed-forward network: a core, as recurrent layers are.

    .. math::
        z^{(l)} = y^{(l-1)} + \mathrm{attention}_l(\mathrm{norm}(y^{(l-1)})) \qquad
        y^{(l)} = z^{(l)} + W_l \, \mathrm{gelu}(V_l \, \mathrm{norm}(z^{(l)}) + b_l) + c_l

    and the output is :math:`\mathrm{norm}(y^{(L)})`, each norm a layer norm with weights of its own.

    Args:
        size: C, of its outputs and inside.
        layers: L, the number of blocks.
        heads: of attention; C divided by them must be even.
        context: how many steps each block looks at, the step itself among them; None for all. See below.
        dropout: share set to zero in training of what goes in, of what each part adds, and inside the feed-forward network.
        input_size: I, by default C; another one goes through a linear map.

    Shapes: x (B, T, I), y (B, T, C); the state is the tuple of the blocks' :class:`CausalSelfAttention.State
    <recurra.layers.attention.CausalSelfAttention.State>`. Positions are rotary, relative to each other, so they need no restart
    at a reset and have no end.

    With a context the state has ``context - 1`` positions for each block from the beginning, and what a step costs is bounded:
    streams may be endless. As each block looks at outputs of the one below, L of them see ``L (context - 1)`` steps back.
    Without one the state grows with every step, and `states` cannot be had.

    Source: Vaswani et al. 2017, arXiv:1706.03762; the norm first, Xiong et al. 2020, arXiv:2002.04745; states carried from
    window to window, Dai et al. 2019, arXiv:1901.02860; rotary positions, Su et al. 2021, arXiv:2104.09864.

    Example:
        >>> core = CausalTransformer(8, layers=2, heads=2, context=4)
        >>> y, state = core(torch.zeros(3, 7, 8))
        >>> y.shape, state[1].keys.shape
        (torch.Size([3, 7, 8]), torch.Size([3, 3, 8]))
    """

    def __init__(
        self,
        size: int,
        *,
        layers: int,
        heads: int,
        context: int | None = None,
        dropout: float = 0.0,
        input_size: int | None = None,
    ) -> None:
        super().__init__()
        self.input_size, self.size, self.context = input_size or size, size, context
        self.widen = nn.Identity() if self.input_size == size else nn.Linear(self.input_size, size)
        self.dropout = Dropout(dropout)
        every = range(checked_layers(layers))
        attentions = [CausalSelfAttention(size, heads=heads, context=context, rotary=True) for _ in every]
        self.past = nn.ModuleList(Past(attention, dropout) for attention in attentions)
        self.feed = nn.ModuleList(Feed(size, dropout) for _ in every)
        self.norm = nn.LayerNorm(size)

    def initial(self, batch: int, *extent: int) -> tuple[Any, ...]:
        """The state that `batch` rows start from: nothing read."""
        return tuple(cast("Past", past).attention.initial(batch) for past in self.past)

    def forward(
        self, x: Tensor, state: Any = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, tuple[Any, ...]]:
        """Run all blocks along x (B, T, I)."""
        if x.dim() != 3 or x.shape[1] == 0 or x.shape[2] != self.input_size:
            raise ShapeError(f"x is {tuple(x.shape)}; wanted (B, T > 0, {self.input_size})")
        ragged.check(x, lengths, resets)
        y = self.dropout(self.widen(x if lengths is None else ragged.cut(x, lengths)))
        after = []
        for past, feed, before in zip(self.past, self.feed, block_states(state, len(self.past)), strict=True):
            y, end = past(y, before, lengths, resets)
            y = feed(y)
            after.append(end)
        y = self.norm(y)
        return y if lengths is None else ragged.cut(y, lengths), tuple(after)

    sequence = forward

    def step(self, x: Tensor, state: Any, memory: None = None) -> tuple[Tensor, tuple[Any, ...]]:
        """One step: x (B, I) -> y (B, C), and the next state."""
        y, after = self(x[:, None], state)
        return y[:, 0], after

    def states(
        self, x: Tensor, state: Any = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Any, ...]:
        """Every block's state after every step, each field with T behind B; by steps, one after the other."""
        if self.context is None:
            raise UsageError("states of a CausalTransformer without a context grow with every step; wanted one with a context")
        ragged.check(x, lengths, resets)
        lengths, resets = (None if part is None else part.to(x.device) for part in (lengths, resets))
        every = [end for _, end in steps(self, x, self.initial(len(x)) if state is None else state, lengths, resets)]
        together: tuple[Any, ...] = states.map(lambda *fields: torch.stack(fields, dim=1), every[0], *every[1:])
        return together

    def stepper(self, weights: Kind = "full") -> Snapshot:
        """This core one step at a time, from a snapshot of its weights in this form."""
        return Snapshot(self, weights)
