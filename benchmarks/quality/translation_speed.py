"""Target symbols learnt from a second, beside an encoder-decoder of the same size in plain PyTorch on the same batches.

Run: scripts/quality translation_speed   (needs RECURRA_DATA; two minutes; nothing else should run beside it)

A bidirectional GRU reads, a GRU with general attention writes. Both learn in turn, in one process, from the same batches of
Multi30k with the same optimiser; the median of the rounds counts.
"""

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmarks.machine import describe, write_result
from benchmarks.quality.trainings import data_sets, kept
from benchmarks.quality.translation import NAME, RATES, multi30k
from recurra.data import PairBatch, Pairs, read_pairs
from recurra.models import EncoderDecoder
from recurra.tasks import recipes, sequences
from recurra.tasks.options import Translate
from recurra.train import Loss, Shared

__all__ = ["Plain", "Rates", "compared", "main", "plain_update"]

OPTIONS = Translate(source="en", target="de", hidden=256, embedding=256, vocabulary=6000, device="cpu")
WARM, UPDATES, ROUNDS = 3, 15, 7


def main() -> None:
    """Measure, print, and put the figures into benchmarks/results/translation.json."""
    before = kept(NAME)
    if not before:
        sys.exit(f"benchmarks/results/{NAME}.json: not there yet; scripts/quality {NAME} makes it")
    with TemporaryDirectory() as folder:
        pairs = read_pairs(multi30k(data_sets(), Path(folder)), "en", "de")
    rates = compared(OPTIONS, pairs, UPDATES, ROUNDS)
    print(rates)
    sizes = OPTIONS.model_dump(include={"hidden", "embedding", "vocabulary", "batch", "tokens"})
    write_result(NAME, before | {RATES: {**rates._asdict(), "options": sizes, "machine": describe()}})


@final
class Plain(nn.Module):
    """What one writes by hand: packed sequences, attention by batched products.

    Shapes: source (B, S) and target (B, T) of symbol numbers -> logits (B, T, V).
    """

    def __init__(self, sources: int, targets: int, embedding: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.read, self.said = nn.Embedding(sources, embedding), nn.Embedding(targets, embedding)
        self.encoder = nn.GRU(embedding, hidden // 2, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(hidden, hidden)
        self.decoder = nn.GRU(embedding, hidden, batch_first=True)
        self.key = nn.Linear(hidden, hidden, bias=False)
        self.combine = nn.Linear(2 * hidden, hidden)
        self.output = nn.Linear(hidden, targets)
        self.dropout = nn.Dropout(dropout)

    def forward(self, source: Tensor, source_lengths: Tensor, target: Tensor, target_lengths: Tensor) -> Tensor:
        """Teacher forcing: the logits after each symbol of the true target."""
        read, ends = _packed(self.encoder, self.dropout(self.read(source)), source_lengths)
        start = torch.tanh(self.bridge(torch.cat([ends[0], ends[1]], 1)))
        said, _ = _packed(self.decoder, self.dropout(self.said(target)), target_lengths, start[None])
        scores = torch.bmm(said, self.key(read).transpose(1, 2))
        behind = torch.arange(source.shape[1]) >= source_lengths[:, None]
        weights = scores.masked_fill(behind[:, None], -torch.inf).softmax(2)
        context = torch.bmm(weights, read)
        logits: Tensor = self.output(self.dropout(torch.tanh(self.combine(torch.cat([said, context], 2)))))
        return logits


def _packed(layer: nn.GRU, x: Tensor, lengths: Tensor, start: Tensor | None = None) -> tuple[Tensor, Tensor]:
    packed, ends = layer(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False), start)
    return pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])[0], ends


def plain_update(model: Plain, boundary: int, smoothing: float) -> Callable[[PairBatch], Loss]:
    """The loss of a batch: every symbol of each target and its end."""

    def update(batch: PairBatch) -> Loss:
        x = F.pad(batch.target, (1, 0), value=boundary)
        y = F.pad(batch.target, (0, 1)).scatter(1, batch.target_lengths[:, None], boundary)
        lengths = batch.target_lengths + 1
        inside = torch.arange(y.shape[1]) < lengths[:, None]
        logits = model(batch.source, batch.source_lengths, x, lengths)
        return Loss(F.cross_entropy(logits[inside], y[inside], label_smoothing=smoothing), int(lengths.sum()))

    return update


class Rates(NamedTuple):
    """Target symbols a second, the medians of all rounds, and how many weights each network has."""

    recurra: float
    plain: float
    recurra_weights: int
    plain_weights: int


def compared(options: Translate, pairs: Pairs, updates: int, rounds: int) -> Rates:
    """Both networks trained in turn, each round from batches that neither has seen."""
    made = sequences.setup(options, pairs)
    assert isinstance(made.model, EncoderDecoder)
    read, said = made.model.encoder.embedding.num_embeddings, made.model.decoder.embedding.num_embeddings
    plain = Plain(read, said, options.embedding, options.hidden, options.dropout)
    theirs = plain_update(plain, said - 1, options.smoothing)
    sides: tuple[tuple[nn.Module, Callable[[Shared], Loss]], ...] = (
        (made.model, lambda item: made.update(item, made.carry)),
        (plain, lambda item: theirs(item.batch)),
    )
    optimizers = [recipes.make_optimizer(options, model) for model, _ in sides]
    found: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        steps = range(WARM) if not turn else range(WARM + (turn - 1) * updates, WARM + turn * updates)
        batches = [made.batches[step] for step in steps]
        for rates, (model, update), optimizer in zip(found, sides, optimizers, strict=True):
            rate = _rate(model.train(), update, optimizer, batches, options.clip)
            if turn:
                rates.append(rate)
    ours, others = (sum(weight.numel() for weight in model.parameters()) for model, _ in sides)
    return Rates(statistics.median(found[0]), statistics.median(found[1]), ours, others)


def _rate(
    model: nn.Module,
    update: Callable[[Shared], Loss],
    optimizer: torch.optim.Optimizer,
    batches: Sequence[Shared],
    clip: float,
) -> float:
    begun, symbols = time.perf_counter(), 0
    for item in batches:
        loss = update(item)
        optimizer.zero_grad()
        loss.mean.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        symbols += loss.items
    return symbols / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
