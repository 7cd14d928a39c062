"""Writing targets for sources with a network that has learnt to, and with what vocabularies."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from recurra.data import PairBatch, Ragged, Symbols, in_order
from recurra.decode import Automaton, Beam, Constraint, Never, NoRepeat, Prefix, beam_search, coverage_penalty, total, wu
from recurra.errors import UsageError
from recurra.models import EncoderDecoder
from recurra.tasks.options import SequencePrediction

__all__ = ["Reach", "Vocabulary", "Written", "write"]

AHEAD = 512  # sources that are sorted by length before they are written, and held at a time
READ, ROWS = 8000, 128  # symbols and rows of a batch of them, all hypotheses together


class Reach(NamedTuple):
    """How much of a source is read: so many symbols at most, the first or the last."""

    most: int
    last: bool = False


class Vocabulary(NamedTuple):
    """The symbols of sources and of targets, which may be the same ones."""

    source: Symbols
    target: Symbols

    @property
    def boundary(self) -> int:
        """The number of the symbol that begins and ends a target."""
        return len(self.target)

    def as_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {"source": self.source.as_json(), "target": None if self.target is self.source else self.target.as_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The inverse of `as_json`."""
        source = Symbols.from_json(value["source"])
        return cls(source, source if value["target"] is None else Symbols.from_json(value["target"]))


class Written(NamedTuple):
    """A target that was written: its text, the logarithm of its probability, and of how many symbols, the end included."""

    text: str
    log_probability: float
    symbols: int


def write(
    model: EncoderDecoder, vocabulary: Vocabulary, sources: Iterable[str], how: SequencePrediction, reach: Reach
) -> Iterator[list[Written]]:
    """The targets of each source, the best first, in constant memory; an empty source has none."""
    model.eval()
    left = iter(sources)
    search, pattern = _beam(how), _pattern(how, vocabulary)
    while some := list(islice(left, AHEAD)):
        encoded = Ragged.of(map(vocabulary.source.encode, some)).cut(*reach)
        there = np.flatnonzero(encoded.lengths)
        nothing = Ragged.of([[]] * len(there))
        found: list[list[Written]] = [[] for _ in some]
        for places, batch in in_order(encoded.take(there), nothing, tokens=READ // how.beam, batch=max(1, ROWS // how.beam)):
            for place, each in zip(there[places], _written(model, vocabulary, batch, how, search, pattern), strict=True):
                found[place] = each
        yield from found


def _beam(how: SequencePrediction) -> Beam:
    penalty = wu(how.length_penalty) if how.length_penalty else total
    coverage = partial(_uncovered, beta=how.coverage_penalty) if how.coverage_penalty else None
    return Beam(how.beam, how.best, penalty, coverage, how.groups, how.diversity)


def _uncovered(state: Any, memory: Any, beta: float) -> Tensor:
    if not isinstance(state.attention, Tensor) or state.attention.shape != memory.values.shape[:2]:
        raise UsageError(f"coverage_penalty={beta}: this run's attention does not keep what it saw; wanted attention=coverage")
    return coverage_penalty(state.attention, memory.lengths, beta)


def _pattern(how: SequencePrediction, vocabulary: Vocabulary) -> list[Constraint]:
    if not how.pattern:
        return []
    texts = ["", *(vocabulary.target.decode([number]) for number in range(1, len(vocabulary.target))), ""]
    return [Automaton.of(how.pattern, texts, end=vocabulary.boundary)]


@torch.no_grad()
def _written(
    model: EncoderDecoder,
    vocabulary: Vocabulary,
    batch: PairBatch,
    how: SequencePrediction,
    search: Beam,
    pattern: Sequence[Constraint],
) -> list[list[Written]]:
    """The targets of one batch of sources."""
    device, end, rows = next(model.parameters()).device, vocabulary.boundary, len(batch.source)
    source, lengths = batch.source.to(device), batch.source_lengths.to(device)
    constraints: list[Constraint] = [Never((0,)), *pattern]
    if how.no_repeat:
        constraints.append(NoRepeat(how.no_repeat))
    if how.prefix:
        begun = torch.from_numpy(vocabulary.target.encode(how.prefix)).to(device)
        constraints.append(Prefix(begun.expand(rows, -1)))
    memory, state = model.read(source, lengths)
    found = beam_search(
        model.decoder,
        torch.full((rows, 1), end, device=device),
        search,
        steps=how.longest or 2 * lengths + 50,
        end=end,
        state=state,
        memory=memory,
        constraints=constraints,
    )
    return [
        [
            Written(vocabulary.target.decode(symbols[:length]), score, length + 1)
            for symbols, length, score in zip(*row, strict=True)
            if score > -torch.inf
        ]
        for row in zip(found.symbols.tolist(), found.lengths.tolist(), found.log_probabilities.tolist(), strict=True)
    ]
