"""What blocks of Transformers are made of: each part normalises what it reads, and adds what it finds to it."""

from typing import Any, final

import torch
from torch import Tensor, nn

from recurra.errors import ShapeError, UsageError
from recurra.layers import CausalSelfAttention, Dropout, MultiHead
from recurra.layers.attention.memory import Memory
from recurra.layers.core import describe

__all__ = ["Across", "Around", "Feed", "Past", "block_states", "checked_layers", "sinusoids"]

WIDER = 4
"""How much wider the inner layer of a feed-forward part is, as in Vaswani et al. 2017."""
BASE = 10_000.0
"""Of the wavelengths of positions, as there."""


@final
class Past(nn.Module):
    """Adds to each vector what its step finds in itself and in those before it."""

    def __init__(self, attention: CausalSelfAttention, dropout: float) -> None:
        super().__init__()
        self.norm, self.attention, self.dropout = nn.LayerNorm(attention.size), attention, Dropout(dropout)

    def forward(self, x: Tensor, state: Any, lengths: Tensor | None, resets: Tensor | None) -> tuple[Tensor, Any]:
        """Vectors (B, T, C) and the state before -> vectors, and the state after."""
        y, state = self.attention(self.norm(x), state, lengths, resets)
        return x + self.dropout(y), state


@final
class Around(nn.Module):
    """Adds to each vector what its position finds in all of its row."""

    def __init__(self, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(size), MultiHead(size, size, size, heads=heads)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Vectors (B, S, C) -> vectors."""
        read = self.norm(x)
        found: Tensor = self.dropout(self.attention.contexts(read, self.attention.prepare(read, lengths), lengths))
        return x + found


@final
class Across(nn.Module):
    """Adds to each vector what its step finds in a memory."""

    def __init__(self, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(size), MultiHead(size, size, size, heads=heads)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, memory: Memory, lengths: Tensor | None) -> Tensor:
        """Vectors (B, T, C) -> vectors."""
        found: Tensor = self.dropout(self.attention.contexts(self.norm(x), memory, lengths))
        return x + found

    def weights(self, x: Tensor, memory: Memory, lengths: Tensor | None) -> Tensor:
        """(B, T, S): how much each step looks at each position, the mean over heads."""
        return self.attention.heads_of(self.norm(x), memory, lengths).mean(1)


@final
class Feed(nn.Module):
    r"""Adds to each vector what a network with one inner layer makes of it, :math:`W_2 \, \mathrm{gelu}(W_1 x + b_1) + b_2`."""

    def __init__(self, size: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.wide, self.narrow = nn.LayerNorm(size), nn.Linear(size, WIDER * size), nn.Linear(WIDER * size, size)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Vectors (B, T, C) -> vectors."""
        inner = self.dropout(nn.functional.gelu(self.wide(self.norm(x))))
        found: Tensor = self.dropout(self.narrow(inner))
        return x + found


def sinusoids(places: Tensor, size: int) -> Tensor:
    r"""Vectors (..., C) that tell places (...) apart, sines first: they are not learnt, so any place has one.

    .. math:: [\sin(p / \lambda_0), \sin(p / \lambda_1), \dots, \cos(p / \lambda_0), \dots] \qquad \lambda_j = 10000^{2 j / C}

    Source: Vaswani et al. 2017, arXiv:1706.03762, there with sines and cosines by turns.

    Example:
        >>> sinusoids(torch.tensor([0, 5]), 4)
        tensor([[ 0.0000,  0.0000,  1.0000,  1.0000],
                [-0.9589,  0.0500,  0.2837,  0.9988]])
    """
    half = -(-size // 2)
    speeds = BASE ** -(torch.arange(half, device=places.device) * 2 / size)
    angles = places[..., None] * speeds
    return torch.cat([angles.sin(), angles.cos()], dim=-1)[..., :size]


def checked_layers(layers: int) -> int:
    """How many blocks there are, at least one."""
    if layers < 1:
        raise UsageError(f"layers is {layers}; wanted at least 1")
    return layers


def block_states(state: Any, count: int) -> tuple[Any, ...]:
    """The states of all blocks; None for each where there is none."""
    if state is None:
        return (None,) * count
    if type(state) is not tuple or len(state) != count:
        came = f"a tuple of {len(state)}" if type(state) is tuple else describe(state)
        raise ShapeError(f"state is {came}; wanted a tuple of {count}, one for each block")
    return state
