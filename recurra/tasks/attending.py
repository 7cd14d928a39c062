"""Transcripts by a decoder that looks at what was read and writes symbol by symbol: its network, what it learns and writes."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from recurra import lengths as ragged
from recurra.data import PairBatch, Ragged, Symbols
from recurra.decode import Beam, Guess, Never, beam_search
from recurra.engine.precision import Kind
from recurra.errors import NumericError
from recurra.layers.attention import mechanism
from recurra.losses import ctc, frames_wanted
from recurra.models import Attended, AttentionTranscriber, Decoder, Transcriber, TransformerDecoder
from recurra.tasks import encoders, recipes, searching
from recurra.tasks.options import TranscriptOptions, TranscriptPrediction
from recurra.tasks.sequences import bounded

__all__ = ["Attending", "attending"]

GREEDY = TranscriptPrediction(beam=1)
ROWS = 256  # hypotheses that are followed side by side, of all inputs together


def attending(options: TranscriptOptions, reader: Transcriber) -> AttentionTranscriber:
    """The network that the options describe around what reads: one layer of its cell writes, or a Transformer as deep."""
    size = options.hidden
    vectors = encoders.vectors(reader.blank + 1, size)
    if options.model == "transformer":
        how: dict[str, Any] = {"layers": options.layers, "heads": options.heads, "dropout": options.dropout}
        return AttentionTranscriber(reader, TransformerDecoder(vectors, size, **how))
    one = options.model_copy(update={"layers": 1, "input_dropout": options.input_dropout or options.dropout})
    layers = recipes.stack(one, size * (1 + options.feeding))
    looks = mechanism(options.attention, size, size, size)
    decoder = Decoder(vectors, layers, size, looks, feeding=options.feeding, dropout=options.dropout)
    return AttentionTranscriber(reader, decoder)


class Attending(NamedTuple):
    """A network whose decoder attends to its frames."""

    options: TranscriptOptions
    model: AttentionTranscriber
    symbols: Symbols

    def held(self, weights: Kind) -> Self:
        """The same, the matrices of its recurrent layers held in fewer bytes."""
        return self._replace(model=recipes.held(self.model, weights))

    def wanted(self, targets: Ragged) -> NDArray[np.int64]:
        """(N,) how many frames each target takes at least: one to look at."""
        return np.ones(targets.rows, np.int64)

    def loss(self, batch: PairBatch) -> Tensor:
        """(B,): nats of each target with its end, a share of them those by frames where the target fits into these."""
        x, y, lengths = bounded(batch, self.model.boundary)
        logits, frames = self.model(batch.source, batch.source_lengths, x, lengths)
        nats, share = _nats(logits, y, lengths), self.options.ctc_weight
        fits = frames_wanted(batch.target, batch.target_lengths) <= frames.lengths
        if not share or not bool(fits.any()):
            return nats
        told = ctc(*(part[fits] for part in (*frames, batch.target, batch.target_lengths)))
        return nats.masked_scatter(fits, (1 - share) * nats[fits] + share * told)

    def look(self, batch: PairBatch, known: Tensor) -> tuple[list[list[int]], float, int]:
        """What is written greedily; nats of the true targets that are `known` (B,); how many symbols these have, and ends."""
        texts: list[list[int]] = [[] for _ in batch.source]
        places, own = self._there(batch)
        if not len(places):
            return texts, 0.0, 0
        heard = self.model.read(own.source, own.source_lengths)
        with suppress(NumericError):  # the training diverges; it notices that by itself
            for place, [guess] in zip(places.tolist(), self._guesses(heard, searching.hypotheses(GREEDY)), strict=True):
                texts[place] = guess.symbols
        x, y, lengths = bounded(own, self.model.boundary)
        nats = _nats(self.model.decoder(x, heard.state, lengths, memory=heard.memory)[0], y, lengths).cpu()
        return texts, float(nats[known[places]].double().sum()), int(lengths.cpu()[known[places]].sum())

    def writer(self, how: TranscriptPrediction) -> Callable[[PairBatch], list[list[Guess]]]:
        """What writes the texts of a batch, the best first; where there is nothing to look at, nothing."""
        search = searching.hypotheses(how)

        def write(batch: PairBatch) -> list[list[Guess]]:
            found: list[list[Guess]] = [[Guess([], 0.0, 0.0)] for _ in batch.source]
            places, own = self._there(batch)
            size = max(1, ROWS // how.beam)
            for k in range(0, len(places), size):
                heard = self.model.read(own.source[k : k + size], own.source_lengths[k : k + size])
                for place, guesses in zip(places[k : k + size].tolist(), self._guesses(heard, search), strict=True):
                    found[place] = guesses
            return found

        return write

    def where(self, batch: PairBatch) -> list[tuple[list[int], NDArray[np.float64]]]:
        """What is written greedily of each row, N symbols; (N + 1, T') how attention to the frames is shared, the end last."""
        found: list[tuple[list[int], NDArray[np.float64]]] = [([], np.zeros((0, 0)))] * len(batch.source)
        places, own = self._there(batch)
        for place, source, count in zip(places.tolist(), own.source, own.source_lengths, strict=True):
            heard = self.model.read(source[None, : int(count)], count[None])
            [[guess]] = self._guesses(heard, searching.hypotheses(GREEDY))
            x = torch.tensor([[self.model.boundary, *guess.symbols]], device=source.device)
            weights = self.model.decoder.weights(x, heard.state, heard.memory)[0]
            found[place] = guess.symbols, weights.double().cpu().numpy()
        return found

    def _there(self, batch: PairBatch) -> tuple[Tensor, PairBatch]:
        """The places of those inputs of a batch that have a frame to look at, and these, on the network's device."""
        [places] = self.model.frames(batch.source_lengths).nonzero(as_tuple=True)
        return places, PairBatch(*(part[places] for part in batch)).to(next(self.model.parameters()).device)

    def _guesses(self, heard: Attended, search: Beam) -> list[list[Guess]]:
        end, lengths = self.model.boundary, heard.frames.lengths
        found = beam_search(
            self.model.decoder,
            torch.full((len(lengths), 1), end, device=self.model.pace.device),
            search,
            steps=torch.tensor([self.model.most(count) for count in lengths.tolist()]),
            end=end,
            state=heard.state,
            memory=heard.memory,
            constraints=[Never((0,))],
        )
        rows = zip(*(part.tolist() for part in found), strict=True)
        return [
            [Guess(text[:count], score, own) for text, count, score, own in zip(*row, strict=True) if score > -torch.inf]
            for row in rows
        ]


def _nats(logits: Tensor, y: Tensor, lengths: Tensor) -> Tensor:
    """(B,): nats of all symbols of each row, from logits (B, T, V)."""
    each = F.cross_entropy(logits.transpose(1, 2), y, reduction="none")
    return each.where(ragged.mask(lengths, y.shape[1]), 0).sum(1)
