"""A network that writes down what it has read by looking at it, symbol by symbol."""

import math
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from recurra.models.decoder import Decoder
from recurra.models.transcriber import Transcriber, Transcript
from recurra.models.transformer import TransformerDecoder

__all__ = ["Attended", "AttentionTranscriber"]

ROOM = 4.0  # times as many symbols a frame as texts have on average may be written
SPARE = 10  # symbols more


class Attended(NamedTuple):
    """What a network has read: the memory that its decoder attends to, the state that this starts from, and the frames."""

    memory: Any
    state: Any
    frames: Transcript


@final
class AttentionTranscriber(nn.Module):
    r"""Writes the symbols of a sequence one after another, and looks at all frames for each.

    .. math:: p(y \mid x) = \prod_n p\big(y_n \mid y_{<n}, \, \mathrm{layers}(\mathrm{front}(x))\big)

    Args:
        reader: front and layers, and what their frames say by themselves: a second thing that they may learn from, which shows
            attention the way along the sequence (Kim et al. 2017, arXiv:1609.06773).
        decoder: a core over V + 1 symbols that attends to a memory of H and prepares it; number V begins and ends a text.

    Shapes: x (B, T, C) with `lengths` (B,), of at least one frame each, and texts (B, S) that begin with number V -> logits
    (B, S, V + 1) of what follows each symbol, and the :class:`Transcript` of the frames.

    Texts may have more symbols than there are frames. The buffer `pace`, how many symbols of a text a frame stands for on
    average, is set by whoever trains; :meth:`most` tells by it where a search may stop.

    Source: Chan et al. 2016, arXiv:1508.01211; Bahdanau et al. 2016, arXiv:1508.04395.

    Example:
        >>> from recurra.layers import GRU, convolutions
        >>> from recurra.layers.attention import mechanism
        >>> reader = Transcriber(convolutions(3, (8,), kernel=3, strides=(2,)), GRU(8, 6), 6, 11)
        >>> decoder = Decoder(nn.Embedding(12, 5), GRU(5, 6), 6, mechanism("additive", 6, 6, 6))
        >>> model = AttentionTranscriber(reader, decoder).eval()
        >>> logits, frames = model(torch.zeros(2, 9, 3), torch.tensor([9, 4]), torch.tensor([[11, 1, 2]] * 2))
        >>> logits.shape, frames.lengths, model.most(5)
        (torch.Size([2, 3, 12]), tensor([5, 2]), 30)
    """

    pace: Tensor

    def __init__(self, reader: Transcriber, decoder: Decoder | TransformerDecoder) -> None:
        super().__init__()
        self.reader, self.decoder = reader, decoder
        self.register_buffer("pace", torch.ones(()))

    @property
    def boundary(self) -> int:
        """V, the number of the symbol that begins and ends a text."""
        return self.reader.blank

    def frames(self, lengths: Tensor) -> Tensor:
        """(B,): how many frames so many steps give."""
        return self.reader.frames(lengths)

    def most(self, frames: int) -> int:
        """How many symbols may be written for so many frames."""
        return math.ceil(ROOM * float(self.pace) * frames) + SPARE

    def read(self, x: Tensor, lengths: Tensor | None = None) -> Attended:
        """Read whole sequences, of at least one frame each."""
        values, frames = self.reader.read(x, lengths)
        memory = self.decoder.prepare(values, frames.to(values.device), x)
        return Attended(memory, self.decoder.initial(len(x)), Transcript(self.reader.told(values), frames))

    def forward(
        self, x: Tensor, lengths: Tensor | None, texts: Tensor, text_lengths: Tensor | None = None
    ) -> tuple[Tensor, Transcript]:
        """Teacher forcing: the logits after each symbol of the true texts, and what the frames say."""
        memory, state, frames = self.read(x, lengths)
        logits: Tensor = self.decoder(texts, state, text_lengths, memory=memory)[0]
        return logits, frames
