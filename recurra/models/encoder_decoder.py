"""A sequence read by one network and answered by another."""

from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra import state as states
from recurra.errors import DataError, ShapeError
from recurra.models.decoder import Decoder
from recurra.models.transformer import TransformerDecoder

__all__ = ["Bridge", "Encoder", "EncoderDecoder", "Reading"]


class Reading(NamedTuple):
    """What was read: the memory that a decoder attends to, and the state that it starts from."""

    memory: Any
    state: Any


@final
class Encoder(nn.Module):
    """Reads symbols into vectors.

    Args:
        embedding: V x I, the vectors of the symbols; a decoder may share it.
        layers: any layers over sequences, I to M: a stack, of bidirectional ones too, or a Transformer's encoder.

    Shapes: symbols (B, S), `lengths` (B,), each at least 1 -> vectors (B, S, M), zero behind each row's length, and the layers'
    states at the ends.

    Example:
        >>> from recurra.cells import GRU
        >>> from recurra.layers import Bidirectional, Dense, Recurrent, Stack
        >>> both = Bidirectional(Recurrent(GRU(), Dense(8, 6)), Recurrent(GRU(), Dense(8, 6)))
        >>> values, (ends,) = Encoder(nn.Embedding(10, 8), Stack(both))(torch.ones(2, 5, dtype=torch.long))
        >>> values.shape, ends.forward.h.shape
        (torch.Size([2, 5, 12]), torch.Size([2, 6]))
    """

    def __init__(self, embedding: nn.Embedding, layers: nn.Module) -> None:
        super().__init__()
        self.embedding, self.layers = embedding, layers

    def forward(self, symbols: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Any]:
        """Read whole sequences."""
        if symbols.dim() != 2 or 0 in symbols.shape:
            raise ShapeError(f"source is {tuple(symbols.shape)}; wanted (B > 0, S > 0)")
        ragged.check(symbols, lengths, None)
        if lengths is not None and int(lengths.min()) == 0:
            raise DataError(f"row {int(lengths.argmin())} of the source is empty; wanted at least one symbol")
        values, ends = self.layers(self.embedding(symbols), None, lengths)
        return values, ends


@final
class Bridge(nn.Module):
    r"""From the states in which an encoder ended to that in which a decoder starts.

    .. math:: s^{(k)}_f = \tanh(W^{(k)}_f \, [e^{(k)}_1; e^{(k)}_2; \dots] + b^{(k)}_f)

    for each field f of each layer k of the decoder that is (B, H), of whatever cell; :math:`e^{(k)}_j` are those of the
    encoder's layer k, of its last one where it has fewer, both directions together. Other fields start as they always do.

    Args:
        ends: states of the encoder, and
        start: of the decoder, as examples of what they are made of.

    Source: Bahdanau et al. 2015, arXiv:1409.0473, appendix A, there for one layer.

    Example:
        >>> from recurra.layers import GRU, LSTM
        >>> bridge = Bridge(GRU(3, 4).initial(1), LSTM(3, 5, layers=2).initial(1))
        >>> [(state.h.shape, state.c.shape) for state in bridge(GRU(3, 4).initial(7), LSTM(3, 5, layers=2).initial(7))]
        [(torch.Size([7, 5]), torch.Size([7, 5])), (torch.Size([7, 5]), torch.Size([7, 5]))]
    """

    def __init__(self, ends: Any, start: Any) -> None:
        super().__init__()
        sizes = [sum(field.shape[1] for field in _flat(end).values()) for end in ends]
        self.maps = nn.ModuleDict()
        for k, layer in enumerate(start):
            for name, field in _flat(layer).items():
                size = sizes[min(k, len(sizes) - 1)]
                if size:
                    self.maps[f"{k}-{name.replace('.', '-')}"] = nn.Linear(size, field.shape[1])

    def forward(self, ends: Any, start: Any) -> Any:
        """The decoder's state, in the place of `start`."""
        read = [torch.cat(list(fields.values()), 1) if (fields := _flat(end)) else None for end in ends]
        bridged = []
        for k, layer in enumerate(start):
            fields = states.named(layer)
            for name in _flat(layer):
                key = f"{k}-{name.replace('.', '-')}"
                if key in self.maps:
                    fields[name] = torch.tanh(self.maps[key](read[min(k, len(read) - 1)]))
            bridged.append(states.rebuild(layer, fields))
        return tuple(bridged)


@final
class EncoderDecoder(nn.Module):
    r"""Reads a source and writes a target, symbol by symbol.

    .. math:: p(y \mid x) = \prod_t p\big(y_t \mid y_{<t}, \, \mathrm{encoder}(x)\big)

    Args:
        encoder: :class:`Encoder`, over any layers.
        decoder: a core over symbols that attends to a memory and prepares it: :class:`~recurra.models.Decoder`, or
            :class:`~recurra.models.TransformerDecoder`.
        bridge: from the encoder's ends to the decoder's state; without one the decoder starts from its initial state.

    Shapes: source (B, S) and target (B, T) of symbol numbers -> logits (B, T, V). A target begins with the boundary symbol, and
    the prediction of its last symbol is that boundary again.

    Decoding is :mod:`recurra.decode` over ``model.decoder``, with the memory and state of a :class:`Reading`.

    Source: Sutskever et al. 2014, arXiv:1409.3215; with attention, Bahdanau et al. 2015, arXiv:1409.0473.

    Example:
        >>> from recurra.decode import greedy
        >>> from recurra.layers import GRU
        >>> from recurra.layers.attention import mechanism
        >>> from recurra.models import Decoder
        >>> encoder = Encoder(nn.Embedding(11, 8), GRU(8, 6))
        >>> decoder = Decoder(nn.Embedding(11, 8), GRU(8, 6), 6, mechanism("general", 6, 6, 6))
        >>> model = EncoderDecoder(encoder, decoder, Bridge(GRU(8, 6).initial(1), decoder.initial(1).layers)).eval()
        >>> source, boundary = torch.tensor([[1, 2, 3], [4, 5, 0]]), torch.tensor([[10], [10]])
        >>> model(source, torch.tensor([3, 2]), boundary).shape
        torch.Size([2, 1, 11])
        >>> memory, state = model.read(source, torch.tensor([3, 2]))
        >>> said = list(greedy(model.decoder, boundary, steps=5, end=10, state=state, memory=memory))
    """

    def __init__(self, encoder: Encoder, decoder: Decoder | TransformerDecoder, bridge: Bridge | None = None) -> None:
        super().__init__()
        self.encoder, self.decoder, self.bridge = encoder, decoder, bridge

    def read(self, source: Tensor, lengths: Tensor | None = None) -> Reading:
        """Read sources (B, S), each of at least one symbol."""
        values, ends = self.encoder(source, lengths)
        state: Any = self.decoder.initial(len(source))
        if self.bridge is not None:
            state = state._replace(layers=self.bridge(ends, state.layers))
        return Reading(self.decoder.prepare(values, lengths, source), state)

    def forward(
        self, source: Tensor, source_lengths: Tensor | None, target: Tensor, target_lengths: Tensor | None = None
    ) -> Tensor:
        """Teacher forcing: the logits after each symbol of the true target."""
        memory, state = self.read(source, source_lengths)
        logits: Tensor = self.decoder(target, state, target_lengths, memory=memory)[0]
        return logits


def _flat(state: Any) -> dict[str, Tensor]:
    """The fields of a state that are a vector for each row."""
    return {name: field for name, field in states.named(state).items() if field.dim() == 2 and field.is_floating_point()}
