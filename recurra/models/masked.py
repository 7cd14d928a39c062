"""A language model that sees both sides of what it tells."""

from typing import final

from torch import Tensor, nn

from recurra.models.encoder_decoder import Encoder

__all__ = ["MaskedLanguageModel"]


@final
class MaskedLanguageModel(nn.Module):
    r"""Tells symbols from all that stands around them.

    .. math:: p(y_t \mid x) = \mathrm{softmax}(W \, \mathrm{encoder}(x)_t + b)

    Args:
        encoder: reads V + 1 symbols; the last one, number V, is the mask, which hides what is to be told.
        size: M, of the encoder's vectors.
        symbols: V, of the vocabulary.

    Shapes: symbols (B, S), `chosen` (B, S) of truth values, N of them true, `lengths` (B,) -> logits (N, V) of the chosen
    places, row by row.

    Source: Devlin et al. 2019, arXiv:1810.04805.

    Example:
        >>> import torch
        >>> from recurra.layers import GRU, Bidirectional
        >>> encoder = Encoder(nn.Embedding(12, 8), Bidirectional(GRU(8, 3), GRU(8, 3)))
        >>> symbols = torch.tensor([[4, 11, 6], [11, 5, 2]])
        >>> MaskedLanguageModel(encoder, 6, 11)(symbols, symbols == 11).shape
        torch.Size([2, 11])
    """

    def __init__(self, encoder: Encoder, size: int, symbols: int) -> None:
        super().__init__()
        self.encoder, self.output = encoder, nn.Linear(size, symbols)

    def forward(self, symbols: Tensor, chosen: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Logits of what stands at the chosen places."""
        values, _ = self.encoder(symbols, lengths)
        logits: Tensor = self.output(values[chosen])
        return logits
