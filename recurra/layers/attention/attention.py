"""Attention to a memory: contexts and weights of one step or of all."""

from abc import ABC, abstractmethod
from typing import Any, final

import torch.nn.functional as F
from torch import Tensor, nn

from recurra.errors import ShapeError, UsageError
from recurra.layers.attention.alignments import Alignment, Softmax, masked_softmax
from recurra.layers.attention.memory import Memory, checked
from recurra.layers.attention.scores import Score
from recurra.lengths import check, cut

__all__ = ["Attention", "MultiHead", "SingleHead"]


class Attention(nn.Module, ABC):
    """Looks up a memory by queries: `prepare` once for each batch, then all steps at once, or one after the other.

    Shapes: memory (B, S, M = `memory_size`), queries (B, T, Q = `query_size`), contexts (B, T, M), weights (B, T, S).
    """

    query_size: int
    memory_size: int

    @abstractmethod
    def prepare(self, values: Tensor, lengths: Tensor | None = None) -> Memory:
        """Whatever does not depend on queries, for a memory (B, S, M) with rows of `lengths` (B,), each at least 1."""

    @abstractmethod
    def initial(self, memory: Memory) -> Any:
        """The state of attention that has not yet looked at anything."""

    @abstractmethod
    def forward(
        self, queries: Tensor, memory: Memory, state: Any = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Any]:
        """Queries (B, T, Q) -> contexts (B, T, M), weights (B, T, S), and the state after each row's last step.

        `lengths` (B,) are those of the queries; contexts and weights behind them are zero.
        """

    def step(self, query: Tensor, memory: Memory, state: Any) -> tuple[Tensor, Tensor, Any]:
        """One step: query (B, Q) -> context (B, M), weights (B, S), and the next state."""
        if query.dim() != 2:
            raise ShapeError(f"query is {tuple(query.shape)}; wanted ({len(memory.values)}, {self.query_size})")
        contexts, weights, state = self(query[:, None], memory, state)
        return contexts[:, 0], weights[:, 0], state

    def _checked(self, queries: Tensor, memory: Memory, lengths: Tensor | None) -> Tensor:
        """The queries, with zeros behind their lengths."""
        batch = len(memory.values)
        if queries.dim() != 3 or queries.shape[0] != batch or queries.shape[1] == 0 or queries.shape[2] != self.query_size:
            raise ShapeError(f"queries is {tuple(queries.shape)}; wanted ({batch}, T > 0, {self.query_size})")
        check(queries, lengths, None)
        return queries if lengths is None else cut(queries, lengths)


@final
class SingleHead(Attention):
    r"""One sum of the memory for each query, weighted by how well its positions fit.

    .. math:: a_t = \mathrm{alignment}(\mathrm{score}(q_t, m)) \qquad c_t = \sum_s a_{ts} m_s

    Args:
        score: :class:`Additive`, :class:`Dot` or :class:`General`.
        alignment: :class:`Softmax`, :class:`LocalWindow`, :class:`LocalPredictive`, :class:`Coverage` or :class:`Monotonic`.

    Weights are exactly zero behind a row's length. A row of length 0 is a ShapeError.

    Example:
        >>> import torch
        >>> from recurra.layers.attention import Additive, Coverage
        >>> attention = SingleHead(Additive(4, 6, 8), Coverage(8))
        >>> memory = attention.prepare(torch.zeros(2, 5, 6), lengths=torch.tensor([5, 2]))
        >>> contexts, weights, state = attention(torch.zeros(2, 3, 4), memory)  # teacher forcing: all steps at once
        >>> contexts.shape, weights[1, 0]
        (torch.Size([2, 3, 6]), tensor([0.5000, 0.5000, 0.0000, 0.0000, 0.0000], grad_fn=<SelectBackward0>))
        >>> context, weights, state = attention.step(torch.zeros(2, 4), memory, state)  # decoding: one more
    """

    def __init__(self, score: Score, alignment: Alignment | None = None) -> None:
        super().__init__()
        self.query_size, self.memory_size = score.query_size, score.memory_size
        self.score, self.alignment = score, alignment if alignment is not None else Softmax()

    def prepare(self, values: Tensor, lengths: Tensor | None = None) -> Memory:
        values, lengths = checked(values, lengths, self.memory_size)
        return Memory(values, self.score.keys(values), lengths)

    def initial(self, memory: Memory) -> Any:
        return self.alignment.initial(memory)

    def forward(
        self, queries: Tensor, memory: Memory, state: Any = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Any]:
        queries = self._checked(queries, memory, lengths)
        state = self.initial(memory) if state is None else state
        weights: Tensor = self.alignment(self.score, queries, memory, state)
        if lengths is not None:
            weights = cut(weights, lengths)
        return weights @ memory.values, weights, self.alignment.after(state, weights, lengths)


@final
class MultiHead(Attention):
    r"""Scaled dot products in several subspaces at once.

    .. math::
        a^n_t = \mathrm{softmax}\big((W^n q_t)^\top U^n m / \sqrt{H / N}\big) \qquad
        c_t = W_o \, [\sum_s a^1_{ts} V^1 m_s; \dots; \sum_s a^N_{ts} V^N m_s]

    Args:
        query_size: Q.
        memory_size: M, also the size of contexts.
        hidden_size: H, of all heads together.
        heads: N, which divides H.

    Its weights are the mean over heads; `heads_of` gives them apart, and `contexts` leaves them out, which needs less memory.
    Attention of a sequence to itself, in both directions, is this with one tensor as queries and memory. All maps have biases,
    so it is ``torch.nn.MultiheadAttention`` where the three sizes are one. Source: Vaswani et al. 2017, arXiv:1706.03762.

    Example:
        >>> import torch
        >>> attention, x = MultiHead(6, 6, 8, heads=2), torch.randn(2, 5, 6)
        >>> contexts, weights, _ = attention(x, attention.prepare(x, torch.tensor([5, 3])))
        >>> contexts.shape, weights.shape
        (torch.Size([2, 5, 6]), torch.Size([2, 5, 5]))
    """

    def __init__(self, query_size: int, memory_size: int, hidden_size: int, *, heads: int) -> None:
        super().__init__()
        if heads < 1 or hidden_size % heads:
            raise UsageError(f"heads is {heads}; wanted a divisor of hidden_size={hidden_size}")
        self.query_size, self.memory_size, self.heads = query_size, memory_size, heads
        self.query = nn.Linear(query_size, hidden_size)
        self.key = nn.Linear(memory_size, hidden_size)
        self.value = nn.Linear(memory_size, hidden_size)
        self.output = nn.Linear(hidden_size, memory_size)

    def prepare(self, values: Tensor, lengths: Tensor | None = None) -> Memory:
        values, lengths = checked(values, lengths, self.memory_size)
        return Memory(self.value(values), self.key(values), lengths)

    def initial(self, memory: Memory) -> tuple[()]:
        return ()

    def forward(
        self, queries: Tensor, memory: Memory, state: Any = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor, tuple[()]]:
        weights = self.heads_of(queries, memory, lengths)
        contexts = self.output((weights @ split_heads(memory.values, self.heads)).transpose(1, 2).flatten(2))
        return contexts if lengths is None else cut(contexts, lengths), weights.mean(1), ()

    def heads_of(self, queries: Tensor, memory: Memory, lengths: Tensor | None = None) -> Tensor:
        """The weights of every head, (B, N, T, S)."""
        queries = self._checked(queries, memory, lengths)
        q, k = split_heads(self.query(queries), self.heads), split_heads(memory.keys, self.heads)
        weights = masked_softmax(q @ k.mT * q.shape[-1] ** -0.5, memory.inside[:, None])
        return weights if lengths is None else cut(weights.transpose(1, 2), lengths).transpose(1, 2)

    def contexts(self, queries: Tensor, memory: Memory, lengths: Tensor | None = None) -> Tensor:
        """The contexts alone (B, T, M), by ``torch.nn.functional.scaled_dot_product_attention``."""
        queries = self._checked(queries, memory, lengths)
        q, k, v = (split_heads(x, self.heads) for x in (self.query(queries), memory.keys, memory.values))
        y: Tensor = self.output(
            F.scaled_dot_product_attention(q, k, v, attn_mask=memory.inside[:, None]).transpose(1, 2).flatten(2)
        )
        return y if lengths is None else cut(y, lengths)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, T, H) -> (B, N, T, H / N)."""
    return x.reshape(*x.shape[:2], heads, x.shape[2] // heads).transpose(1, 2)
