"""Scores of attention: how well each query fits each position of the memory."""

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

__all__ = ["Additive", "Dot", "General", "Score"]

LARGEST = 1 << 24
"""Numbers that additive attention holds at once; longer batches go in parts, computed again on the way back."""


class Score(nn.Module, ABC):
    """Compares queries with the positions of a memory: `keys` once for each memory, `forward` for each query.

    Shapes: queries (B, T, `query_size`), memory (B, S, `memory_size`), keys (B, S, `key_size`), energies (B, T, S).
    """

    query_size: int
    memory_size: int
    key_size: int

    @abstractmethod
    def keys(self, values: Tensor) -> Tensor:
        """(B, S, M) -> (B, S, K): what queries are compared with."""

    @abstractmethod
    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        """(B, T, Q), (B, S, K) -> (B, T, S): the higher, the better it fits."""


@final
class Additive(Score):
    r"""Additive score: a network of one hidden layer.

    .. math:: e_{ts} = v^\top \tanh(W q_t + U m_s + b)

    Shapes: q (Q,), m (M,), hidden layer (K,). All (T, S, K) sums of a batch are held at once while they are few; else they are
    made in parts, and again on the way back. Source: Bahdanau et al. 2015, arXiv:1409.0473.

    Example:
        >>> score = Additive(4, 6, 8)
        >>> score(torch.zeros(2, 3, 4), score.keys(torch.zeros(2, 5, 6))).shape
        torch.Size([2, 3, 5])
    """

    def __init__(self, query_size: int, memory_size: int, hidden_size: int) -> None:
        super().__init__()
        self.query_size, self.memory_size, self.key_size = query_size, memory_size, hidden_size
        self.query = nn.Linear(query_size, hidden_size)
        self.key = nn.Linear(memory_size, hidden_size, bias=False)
        self.energy = nn.Linear(hidden_size, 1, bias=False)

    def keys(self, values: Tensor) -> Tensor:
        keys: Tensor = self.key(values)
        return keys

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        q: Tensor = self.query(queries)
        steps = max(1, LARGEST // max(1, keys.numel()))
        if q.shape[1] <= steps:
            return self._energies(q, keys)
        parts = [
            checkpoint(self._energies, part, keys, use_reentrant=False, preserve_rng_state=False)
            for part in torch.split(q, steps, dim=1)
        ]
        return torch.cat(parts, dim=1)

    def _energies(self, q: Tensor, keys: Tensor) -> Tensor:
        energies: Tensor = self.energy(torch.tanh(q[:, :, None] + keys[:, None]))
        return energies[..., 0]


@final
class Dot(Score):
    r"""Dot product of query and memory, which must be of one size; no weights.

    .. math:: e_{ts} = q_t^\top m_s \; [\, / \sqrt{M} \text{ if scaled} \,]

    Source: Luong et al. 2015, arXiv:1508.04025; scaled: Vaswani et al. 2017, arXiv:1706.03762.

    Example:
        >>> score = Dot(4, scaled=True)
        >>> score(torch.ones(1, 1, 4), score.keys(torch.ones(1, 2, 4)))
        tensor([[[2., 2.]]])
    """

    def __init__(self, size: int, *, scaled: bool = False) -> None:
        super().__init__()
        self.query_size = self.memory_size = self.key_size = size
        self.scale = size**-0.5 if scaled else 1.0

    def keys(self, values: Tensor) -> Tensor:
        return values

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        return self.scale * queries @ keys.mT

    def extra_repr(self) -> str:
        return f"{self.key_size}, scaled={self.scale != 1}"


@final
class General(Score):
    r"""Dot product of the query with a learnt map of the memory.

    .. math:: e_{ts} = q_t^\top W m_s

    Shapes: q (Q,), m (M,), W (Q, M). Source: Luong et al. 2015, arXiv:1508.04025.

    Example:
        >>> score = General(4, 6)
        >>> score(torch.zeros(2, 3, 4), score.keys(torch.zeros(2, 5, 6))).shape
        torch.Size([2, 3, 5])
    """

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.query_size = self.key_size = query_size
        self.memory_size = memory_size
        self.key = nn.Linear(memory_size, query_size, bias=False)

    def keys(self, values: Tensor) -> Tensor:
        keys: Tensor = self.key(values)
        return keys

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        return queries @ keys.mT
