"""The language model, over recurrent layers or any other core."""

from collections.abc import Callable
from typing import Any, cast, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra.engine.precision import Kind
from recurra.errors import UsageError
from recurra.layers import Core

__all__ = ["LanguageModel"]

UNKNOWN = 0


@final
class LanguageModel(nn.Module):
    r"""Predicts the next symbol from all before it.

    .. math:: p_t = \mathrm{softmax}(E' \, \mathrm{stack}(E[x_1], \dots, E[x_t]) + b)

    Args:
        symbols: V, the size of the vocabulary.
        embedding_size: I, the size of the vector that stands for a symbol.
        stack: a core that is a module, I to `hidden_size`: recurrent layers, or a
            :class:`~recurra.models.CausalTransformer`; dropout of what goes in, between and out is its own.
        hidden_size: H, the size of the stack's outputs.
        tied: predict with the embedding matrix itself (Press & Wolf 2017), through a map from H to I where they differ.
        embedding_dropout: share of the symbols whose vectors are zero in a call in training, wherever they stand, the others
            scaled to make up for it (Gal & Ghahramani 2016, arXiv:1512.05287); in predicting with a tied matrix none is.
        word_dropout: share of the symbols that are read as the unknown one, 0, in training (Bowman et al. 2016,
            arXiv:1511.06349); what is predicted stays as it is.

    Shapes: symbols (B, T) -> logits (B, T, V). It is a core over symbols: its state is the stack's.

    Example:
        >>> from recurra.layers import LSTM
        >>> model = LanguageModel(65, 16, LSTM(16, 32), 32)
        >>> logits, state = model(torch.zeros(2, 7, dtype=torch.long))
        >>> logits.shape, model.step(torch.zeros(2, dtype=torch.long), state)[0].shape
        (torch.Size([2, 7, 65]), torch.Size([2, 65]))
    """

    def __init__(
        self,
        symbols: int,
        embedding_size: int,
        stack: nn.Module,
        hidden_size: int,
        *,
        tied: bool = False,
        embedding_dropout: float = 0.0,
        word_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for name, share in (("embedding_dropout", embedding_dropout), ("word_dropout", word_dropout)):
            if not 0 <= share < 1:
                raise UsageError(f"{name} is {share}; wanted 0 to below 1")
        self.embedding_dropout, self.word_dropout = embedding_dropout, word_dropout
        self.embedding = nn.Embedding(symbols, embedding_size)
        nn.init.normal_(self.embedding.weight, std=0.5 if not tied else embedding_size**-0.5)
        self.stack = stack
        self.narrow = nn.Linear(hidden_size, embedding_size) if tied and hidden_size != embedding_size else nn.Identity()
        self.output = nn.Linear(embedding_size if tied else hidden_size, symbols)
        nn.init.zeros_(self.output.bias)
        if tied:
            self.output.weight = self.embedding.weight

    def initial(self, batch: int, *extent: int) -> tuple[Any, ...]:
        """The state that `batch` rows start from."""
        state: tuple[Any, ...] = cast("Core", self.stack).initial(batch, *extent)
        return state

    def forward(
        self, x: Tensor, state: Any = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, tuple[Any, ...]]:
        """Logits of the symbol after each, x (B, T) -> (B, T, V), zero behind lengths."""
        y, state = self.stack(self._embedded(x), state, lengths, resets)
        logits = self.output(self.narrow(y))
        return logits if lengths is None else ragged.cut(logits, lengths), state

    sequence = forward

    def step(self, x: Tensor, state: Any, memory: Any = None) -> tuple[Tensor, tuple[Any, ...]]:
        """Logits of the next symbol, x (B,) -> (B, V)."""
        y, state = cast("Core", self.stack).step(self._embedded(x), state, memory)
        return self.output(self.narrow(y)), state

    def stepper(self, weights: Kind = "full") -> Callable[[Tensor, Any], tuple[Tensor, tuple[Any, ...]]]:
        """`step` without dropout or a gradient, the stack by its stepper, from a snapshot of its weights in this form."""
        stack = cast("Any", self.stack).stepper(weights)

        @torch.no_grad()
        def step(x: Tensor, state: Any) -> tuple[Tensor, tuple[Any, ...]]:
            y, state = stack(self.embedding(x), state)
            return self.output(self.narrow(y)), state

        return step

    def _embedded(self, x: Tensor) -> Tensor:
        """The vectors of the symbols, some left out in training."""
        if self.training and self.word_dropout:
            x = x.masked_fill(torch.rand(x.shape, device=x.device) < self.word_dropout, UNKNOWN)
        if not (self.training and self.embedding_dropout):
            return cast("Tensor", self.embedding(x))
        matrix = self.embedding.weight
        kept = F.dropout(torch.ones_like(matrix[:, :1]), self.embedding_dropout)
        return F.embedding(x, matrix * kept)

    @property
    def parameter_count(self) -> int:
        """How many numbers it has learnt, those in two places counted once."""
        return sum(weight.numel() for weight in self.parameters())

    @torch.no_grad()
    def nats(self, x: Tensor, y: Tensor, state: Any, lengths: Tensor | None = None) -> tuple[Tensor, Any]:
        """(B, T): the negative log-probability of each target `y` after the symbols `x`; and the state at the end."""
        logits, state = self(x, state, lengths)
        return nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none").view(y.shape), state
