"""The recurrent decoder: a language model that attends to what was read."""

from typing import Any, NamedTuple, cast, final

import torch
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra.errors import ShapeError, UsageError
from recurra.layers.attention import Attention
from recurra.layers.attention.memory import Memory
from recurra.layers.core import steps
from recurra.state import portable

__all__ = ["Decoder"]


@final
class Decoder(nn.Module):
    r"""Predicts the next symbol from all before it and from what attention finds in a memory.

    .. math::
        h_t = \mathrm{layers}(E[y_{t-1}]) \qquad c_t, a_t = \mathrm{attention}(h_t) \qquad
        o_t = \tanh(W [h_t; c_t] + b) \qquad p_t = \mathrm{softmax}(U o_t + d)

    Attention follows the recurrence, so a whole sequence is one sweep of the layers and one product for all steps (Luong et al.
    2015, arXiv:1508.04025). With `feeding` the layers read :math:`[E[y_{t-1}]; o_{t-1}]`, and steps are taken one by one. With
    `copying` a learnt share of the probability is that of what attention looks at in the source (See et al. 2017,
    arXiv:1704.04368):

    .. math::
        p_t = g_t \, \mathrm{softmax}(U o_t + d) + (1 - g_t) \sum_s a_{ts} \, [x_s] \qquad
        g_t = \sigma(v^\top [h_t; c_t; E[y_{t-1}]] + e)

    Without attention, the state that it starts from is all that it knows of the source (Sutskever et al. 2014).

    Args:
        embedding: V x I, the vectors of the symbols.
        layers: a core, I to H (I + H with `feeding`).
        hidden_size: H.
        attention: queries of H; None for none.
        feeding: let the layers know what was attended to (Luong et al. 2015, section 3.3).
        copying: symbols of the source can be said as they are; source and target need one vocabulary.
        tied: predict with the embedding matrix itself, through a map from H to I where they differ.
        dropout: share of the numbers of o set to zero in training.

    Shapes: symbols (B, T) -> logits (B, T, V). It is a core over symbols with a memory, which `prepare` makes.
    """

    @portable
    class State(NamedTuple):
        """The layers' state, attention's (an empty tuple before the first step, and always where it has none), and o (B, H)."""

        layers: Any
        attention: Any
        output: Any

    @portable
    class Source(NamedTuple):
        """The memory where symbols can be copied: what is attended to, and the symbols (B, S)."""

        memory: Memory
        symbols: Tensor

    def __init__(
        self,
        embedding: nn.Embedding,
        layers: nn.Module,
        hidden_size: int,
        attention: Attention | None = None,
        *,
        feeding: bool = False,
        copying: bool = False,
        tied: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if attention is None and (feeding or copying):
            raise UsageError(f"{'feeding' if feeding else 'copying'} needs attention; there is none")
        symbols, size = embedding.weight.shape
        self.feeding, self.copying, self.hidden_size = feeding, copying, hidden_size
        self.embedding, self.layers, self.attention = embedding, layers, attention
        self.combine = nn.Linear(hidden_size + (0 if attention is None else attention.memory_size), hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.narrow = nn.Linear(hidden_size, size) if tied and hidden_size != size else nn.Identity()
        self.output = nn.Linear(size if tied else hidden_size, symbols)
        nn.init.zeros_(self.output.bias)
        if tied:
            self.output.weight = embedding.weight
        if copying:
            assert attention is not None
            self.share = nn.Linear(hidden_size + attention.memory_size + size, 1)

    def prepare(self, values: Tensor, lengths: Tensor | None, symbols: Tensor) -> Any:
        """The memory, from an encoder's vectors (B, S, M) and the symbols (B, S) that they stand for."""
        if self.attention is None:
            return ()
        memory = self.attention.prepare(values, lengths)
        return self.Source(memory, symbols) if self.copying else memory

    def initial(self, batch: int, *extent: int) -> "Decoder.State":
        """The state that `batch` rows start from where nothing else is known."""
        output = self.combine.weight.new_zeros(batch, self.hidden_size) if self.feeding else ()
        return self.State(cast("Any", self.layers).initial(batch), (), output)

    def forward(
        self,
        x: Tensor,
        state: Any = None,
        lengths: Tensor | None = None,
        resets: Tensor | None = None,
        memory: Any = None,
    ) -> tuple[Tensor, Any]:
        """Logits of the symbol after each, x (B, T) -> (B, T, V), zero behind lengths."""
        if resets is not None:
            raise ShapeError(
                "resets came to a decoder; its rows belong to one memory each: give every sequence a row of its own"
            )
        ragged.check(x, lengths, None)
        state = self._started(self.initial(len(x)) if state is None else state, memory)
        if not self.feeding:
            e = self.embedding(x)
            y, layers = self.layers(e, state.layers, lengths)
            context, weights, attention = self._attend(y, memory, state.attention, lengths)
            logits, after = self._logits(y, context, weights, e, memory)[0], self.State(layers, attention, ())
        else:
            every = list(steps(self, x, state, lengths, None, memory))
            logits, after = torch.stack([said for said, _ in every], 1), every[-1][1]
        return logits if lengths is None else ragged.cut(logits, lengths), after

    sequence = forward

    def step(self, x: Tensor, state: Any, memory: Any = None) -> tuple[Tensor, Any]:
        """Logits of the next symbol, x (B,) -> (B, V)."""
        logits, _, after = self._step(x, self._started(state, memory), memory)
        return logits, after

    def weights(self, x: Tensor, state: Any, memory: Any, lengths: Tensor | None = None) -> Tensor:
        """(B, T, S): what is looked at in the source in predicting the symbol after each, x (B, T); zero behind lengths."""
        if self.attention is None:
            raise UsageError("this decoder has no attention; there are no weights")
        state, looked = self._started(state, memory), []
        if not self.feeding:
            y, _ = self.layers(self.embedding(x), state.layers, lengths)
            return self._attend(y, memory, state.attention, lengths)[1]
        for now in x.unbind(1):
            _, weights, state = self._step(now, state, memory)
            looked.append(weights)
        every = torch.stack(looked, 1)
        return every if lengths is None else ragged.cut(every, lengths)

    def _step(self, x: Tensor, state: Any, memory: Any) -> tuple[Tensor, Tensor, Any]:
        e = self.embedding(x)
        read = torch.cat([e, state.output], 1) if self.feeding else e
        y, layers = cast("Any", self.layers).step(read, state.layers)
        context, weights, attention = self._attend(y[:, None], memory, state.attention, None)
        logits, output = self._logits(y[:, None], context, weights, e[:, None], memory)
        return logits[:, 0], weights[:, 0], self.State(layers, attention, output[:, 0] if self.feeding else ())

    def _started(self, state: Any, memory: Any) -> Any:
        """The state with attention's own, once there is something to look at."""
        if self.attention is None or isinstance(state.attention, Tensor) or state.attention:
            return state
        return state._replace(attention=self.attention.initial(self._looked_at(memory)))

    def _looked_at(self, memory: Any) -> Memory:
        found = memory.memory if self.copying and isinstance(memory, self.Source) else memory
        if not isinstance(found, Memory):
            raise ShapeError(f"memory is {type(memory).__name__}; wanted what prepare() of this decoder gives")
        return found

    def _attend(self, y: Tensor, memory: Any, state: Any, lengths: Tensor | None) -> tuple[Tensor, Tensor, Any]:
        if self.attention is None:
            return y[..., :0], y[..., :0], ()
        found: tuple[Tensor, Tensor, Any] = self.attention(y, self._looked_at(memory), state, lengths)
        return found

    def _logits(self, y: Tensor, context: Tensor, weights: Tensor, e: Tensor, memory: Any) -> tuple[Tensor, Tensor]:
        """Logits (B, T, V), and o (B, T, H)."""
        output = torch.tanh(self.combine(torch.cat([y, context], 2)))
        logits: Tensor = self.output(self.narrow(self.dropout(output)))
        if not self.copying:
            return logits, output
        share: Tensor = self.share(torch.cat([y, context, e], 2))
        said = memory.symbols[:, None].expand(weights.shape)
        copied = torch.zeros_like(logits).scatter_add(2, said, weights)
        tiny = torch.finfo(logits.dtype).tiny
        own = nn.functional.logsigmoid(share) + logits.log_softmax(2)
        return torch.logaddexp(own, nn.functional.logsigmoid(-share) + copied.clamp(min=tiny).log()), output
