"""A Transformer that writes, attending to what was read."""

from typing import Any, NamedTuple, cast, final

import torch
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra.errors import ShapeError, UsageError
from recurra.layers import CausalSelfAttention, Dropout
from recurra.layers.attention.memory import Memory
from recurra.models.transformer.parts import Across, Feed, Past, block_states, checked_layers, sinusoids
from recurra.state import portable

__all__ = ["TransformerDecoder"]


@final
class TransformerDecoder(nn.Module):
    r"""Predicts the next symbol from all before it and from a memory, which every block attends to.

    .. math::
        u = y^{(l-1)} + \mathrm{past}_l(\mathrm{norm}(y^{(l-1)})) \qquad
        z = u + \mathrm{memory}_l(\mathrm{norm}(u)) \qquad
        y^{(l)} = z + \mathrm{feed}_l(\mathrm{norm}(z))

    .. math:: y^{(0)}_t = \mathrm{norm}(E[x_t]) + p_t \qquad \mathrm{logits}_t = U \, \mathrm{norm}(y^{(L)}_t) + b

    p are :func:`sinusoids`, counted from the beginning of a row and from every reset, so targets may be of any length.

    Args:
        embedding: V x I, the vectors of the symbols.
        size: C, of the vectors inside.
        layers: L, the number of blocks.
        heads: of attention; they divide C.
        memory_size: M, of the memory's vectors, by default C; another one goes through a linear map.
        dropout: share set to zero in training of what goes in, of what each part adds, and inside the feed-forward network.
        tied: predict with the embedding matrix itself, through a map from C to I where they differ.

    Shapes: symbols (B, T) -> logits (B, T, V). It is a core over symbols with a memory, which `prepare` makes: for each block
    the keys and values of all positions. Its state grows with every step.

    Source: Vaswani et al. 2017, arXiv:1706.03762; the norm first, Xiong et al. 2020, arXiv:2002.04745.

    Example:
        >>> decoder = TransformerDecoder(nn.Embedding(11, 8), 8, layers=2, heads=2)
        >>> memory = decoder.prepare(torch.zeros(3, 5, 8), torch.tensor([5, 2, 1]))
        >>> logits, state = decoder(torch.zeros(3, 4, dtype=torch.long), memory=memory)
        >>> following, state = decoder.step(torch.zeros(3, dtype=torch.long), state, memory)
        >>> logits.shape, following.shape
        (torch.Size([3, 4, 11]), torch.Size([3, 11]))
    """

    @portable
    class State(NamedTuple):
        """The place of the next symbol (B,), and what every block has read."""

        place: Tensor
        blocks: tuple[Any, ...]

    def __init__(
        self,
        embedding: nn.Embedding,
        size: int,
        *,
        layers: int,
        heads: int,
        memory_size: int | None = None,
        dropout: float = 0.0,
        tied: bool = False,
    ) -> None:
        super().__init__()
        symbols, given = embedding.weight.shape
        self.size, self.memory_size, self.embedding = size, memory_size or size, embedding
        self.widen = nn.Identity() if given == size else nn.Linear(given, size)
        self.read, self.dropout = nn.LayerNorm(size), Dropout(dropout)
        self.bridge = nn.Identity() if self.memory_size == size else nn.Linear(self.memory_size, size)
        every = range(checked_layers(layers))
        self.past = nn.ModuleList(Past(CausalSelfAttention(size, heads=heads), dropout) for _ in every)
        self.across = nn.ModuleList(Across(size, heads, dropout) for _ in every)
        self.feed = nn.ModuleList(Feed(size, dropout) for _ in every)
        self.norm = nn.LayerNorm(size)
        self.narrow = nn.Linear(size, given) if tied and given != size else nn.Identity()
        self.output = nn.Linear(given if tied else size, symbols)
        nn.init.zeros_(self.output.bias)
        if tied:
            self.output.weight = embedding.weight

    def prepare(self, values: Tensor, lengths: Tensor | None = None, symbols: Tensor | None = None) -> tuple[Memory, ...]:
        """The memory, from vectors (B, S, M) with rows of `lengths` (B,), each at least 1. It needs no source symbols."""
        if values.dim() != 3 or values.shape[2] != self.memory_size:
            raise ShapeError(f"memory is {tuple(values.shape)}; wanted (B, S > 0, {self.memory_size})")
        ragged.check(values, lengths, None)
        read = self.bridge(values if lengths is None else ragged.cut(values, lengths))
        return tuple(cast("Across", across).attention.prepare(read, lengths) for across in self.across)

    def initial(self, batch: int, *extent: int) -> State:
        """The state that `batch` rows start from: nothing written."""
        place = self.norm.weight.new_zeros(batch, dtype=torch.long)
        return self.State(place, tuple(cast("Past", past).attention.initial(batch) for past in self.past))

    def forward(
        self,
        x: Tensor,
        state: Any = None,
        lengths: Tensor | None = None,
        resets: Tensor | None = None,
        memory: Any = None,
    ) -> tuple[Tensor, State]:
        """Logits of the symbol after each, x (B, T) -> (B, T, V)."""
        y, _, after = self._run(x, state, lengths, resets, memory)
        logits: Tensor = self.output(self.narrow(self.norm(y)))
        return logits if lengths is None else ragged.cut(logits, lengths), after

    sequence = forward

    def step(self, x: Tensor, state: Any, memory: Any = None) -> tuple[Tensor, State]:
        """Logits of the next symbol, x (B,) -> (B, V)."""
        logits, after = self(x[:, None], state, memory=memory)
        return logits[:, 0], after

    def weights(self, x: Tensor, state: Any, memory: Any, lengths: Tensor | None = None) -> Tensor:
        """(B, T, S): how much the last block looks at each position of the source, the mean over heads; x is (B, T)."""
        _, looking, _ = self._run(x, state, lengths, None, memory)
        return cast("Across", self.across[-1]).weights(looking, memory[-1], lengths)

    def _run(
        self, x: Tensor, state: Any, lengths: Tensor | None, resets: Tensor | None, memory: Any
    ) -> tuple[Tensor, Tensor, State]:
        """What the last block gives, what it looks into the memory with, and the state after."""
        if x.dim() != 2 or x.shape[1] == 0:
            raise ShapeError(f"x is {tuple(x.shape)}; wanted (B, T > 0) of symbols")
        ragged.check(x, lengths, resets)
        count = len(self.past)
        if type(memory) is not tuple or len(memory) != count or not all(isinstance(each, Memory) for each in memory):
            raise UsageError(f"memory is {type(memory).__name__}; wanted what prepare() of this decoder gives")
        state = self.initial(len(x)) if state is None else state
        places, place = _places(x, state.place, lengths, resets)
        e = self.embedding(x if lengths is None else ragged.cut(x, lengths))
        y = self.read(self.widen(e))
        y, after = self.dropout(y + sinusoids(places, self.size).to(y)), []
        for past, across, feed, before, known in zip(
            self.past, self.across, self.feed, block_states(state.blocks, count), memory, strict=True
        ):
            looking, end = past(y, before, lengths, resets)
            y = feed(across(looking, known, lengths))
            after.append(end)
        return y, looking, self.State(place, tuple(after))


def _places(x: Tensor, place: Tensor, lengths: Tensor | None, resets: Tensor | None) -> tuple[Tensor, Tensor]:
    """The place of every symbol (B, T), and that of the one after the row's last."""
    steps = torch.arange(x.shape[1], device=x.device)
    places = place[:, None] + steps
    if resets is not None:
        last = torch.where(resets.to(x.device), steps, -1).cummax(1).values
        places = torch.where(last < 0, places, steps - last)
    if lengths is None:
        return places, places[:, -1] + 1
    ends = lengths.to(x.device).long()
    reached = places.gather(1, (ends - 1).clamp(min=0)[:, None])[:, 0] + 1
    return places, torch.where(ends > 0, reached, place)
