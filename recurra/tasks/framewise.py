"""Transcripts by frames, each of which says a symbol or the blank: what is learnt, and what is written."""

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.data import PairBatch, Ragged, Symbols
from recurra.decode import Guess, said
from recurra.engine.precision import Kind
from recurra.losses import align, ctc, frames_wanted
from recurra.models import Transcriber, Transcript
from recurra.tasks import recipes, searching
from recurra.tasks.options import TranscriptOptions, TranscriptPrediction

__all__ = ["Framewise", "frames_of", "sayable"]


class Framewise(NamedTuple):
    """A network whose frames are read by connectionist temporal classification."""

    options: TranscriptOptions
    model: Transcriber
    symbols: Symbols

    def held(self, weights: Kind) -> Self:
        """The same, the matrices of its recurrent layers held in fewer bytes."""
        return self._replace(model=recipes.held(self.model, weights))

    def wanted(self, targets: Ragged) -> NDArray[np.int64]:
        """(N,) how many frames each target takes at least: one a symbol, and one between two that are equal."""
        return frames_of(targets)

    def loss(self, batch: PairBatch) -> Tensor:
        """(B,): nats of each target."""
        found: Transcript = self.model(batch.source, batch.source_lengths)
        return ctc(found.log_probabilities, found.lengths, batch.target, batch.target_lengths)

    def look(self, batch: PairBatch, known: Tensor) -> tuple[list[list[int]], float, int]:
        """What is written greedily; nats of the true targets that are `known` (B,) and fit; how many symbols these have."""
        frames, lengths = self._read(batch)
        texts, _ = said(frames, lengths)
        rows = known & (frames_wanted(batch.target, batch.target_lengths) <= lengths)
        if not bool(rows.any()):
            return texts, 0.0, 0
        told = batch.target_lengths[rows]
        nats = ctc(frames[rows], lengths[rows], batch.target[rows], told)
        return texts, float(nats.double().sum()), int(told.sum())

    def writer(self, how: TranscriptPrediction) -> Callable[[PairBatch], list[list[Guess]]]:
        """What writes the texts of a batch, the best first; of a greedy search the probability is that of its one way."""
        search = searching.search(how, self.options, self.symbols)

        def write(batch: PairBatch) -> list[list[Guess]]:
            frames, lengths = self._read(batch)
            if search is not None:
                return [search.guesses(row[:count], how.best) for row, count in zip(frames, lengths.tolist(), strict=True)]
            scores = [float(row[:count].sum()) for row, count in zip(frames.amax(-1), lengths.tolist(), strict=True)]
            return [[Guess(text, score, score)] for text, score in zip(said(frames, lengths)[0], scores, strict=True)]

        return write

    def where(self, batch: PairBatch) -> list[tuple[list[int], NDArray[np.float64]]]:
        """What is written greedily of each row, N symbols, and (N, T') how surely the frames that say each do."""
        frames, lengths = self._read(batch)
        return [
            (text, _sure(row[:count], text))
            for row, count, text in zip(frames, lengths.tolist(), said(frames, lengths)[0], strict=True)
        ]

    def _read(self, batch: PairBatch) -> Transcript:
        device = next(self.model.parameters()).device
        found: Transcript = self.model(batch.source.to(device), batch.source_lengths.to(device))
        return Transcript(sayable(found.log_probabilities.cpu()), found.lengths.cpu())


def frames_of(targets: Ragged) -> NDArray[np.int64]:
    """(N,) how many frames each target takes at least: one a symbol, and one between two that are equal."""
    flat = targets.flat
    equal = np.append(0, (flat[1:] == flat[:-1]).cumsum())  # of a place with the one before, up to each place
    begins, lengths = targets.starts[:-1], targets.lengths
    lasts = begins + np.maximum(lengths, 1) - 1
    found: NDArray[np.int64] = lengths + equal[lasts] - equal[begins]
    return found


def _sure(frames: Tensor, text: list[int]) -> NDArray[np.float64]:
    """(N, T') the probability of each symbol in those of the frames (T', V + 1) which say it on the most probable way."""
    found = np.zeros((len(text), len(frames)))
    if text:
        target = torch.tensor(text)
        places = align(frames[None], torch.tensor([len(frames)]), target[None], torch.tensor([len(text)])).places[0]
        [at] = (places >= 0).nonzero(as_tuple=True)
        found[places[at], at] = frames[at, target[places[at]]].exp()
    return found


def sayable(frames: Tensor) -> Tensor:
    """Frames that never say the unknown symbol."""
    return frames.index_fill(-1, torch.zeros(1, dtype=torch.long), -torch.inf)
