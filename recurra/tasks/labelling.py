"""What reads whole sequences for the task `classify`: what a run knows of its data, its network, and what that says."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import nn

from recurra.data import Labelled, LabelledParts, PairBatch, Ragged, Symbols, Words, in_order
from recurra.data.word_vectors import read_word_vectors
from recurra.errors import DataError, ModelFileError, UsageError
from recurra.layers import AttentionPooling, LastPooling, MaxPooling, MeanPooling, Pooling, convolutions
from recurra.metrics import log_softmax
from recurra.models import Classifier, Standardised
from recurra.tasks import encoders, recipes
from recurra.tasks.options import Classify
from recurra.tasks.runs import Run

__all__ = [
    "Known",
    "Learnt",
    "Opened",
    "encoded",
    "known",
    "learn",
    "measurable",
    "network",
    "opened",
    "outputs",
    "start",
    "targets",
    "told",
]

READ, ROWS = 32_000, 256  # steps and rows of a batch that is only read
BETWEEN = {"character": "", "word": " "}
Ordered = Callable[[Ragged, Ragged], Iterator[tuple[NDArray[np.int64], PairBatch]]]
"""From inputs and targets to batches of them, each once, with their places."""
ordered: Ordered = partial(in_order, tokens=READ, batch=ROWS)


@dataclass(frozen=True)
class Known:
    """What a run knows of its data.

    Attributes:
        channels: the names of the channels of series; none of text.
        labels: those there are, in their order; none of numbers.
        counts: how often each was there to learn from.
        centre: the mean of numbers.
        spread: their standard deviation.
    """

    channels: tuple[str, ...]
    labels: tuple[str, ...]
    counts: tuple[int, ...]
    centre: float = 0.0
    spread: float = 1.0

    @classmethod
    def of(cls, parts: LabelledParts, output: str) -> Self:
        """What is there to learn from."""
        if output == "number":
            numbers = np.array([float(label) for label in parts.learnt.labels])
            return cls(parts.learnt.channels, (), (), float(numbers.mean()), float(numbers.std()) or 1.0)
        return cls.of_labels(parts.learnt.labels, parts.learnt.channels)

    @classmethod
    def of_labels(cls, told: Sequence[str], channels: tuple[str, ...] = ()) -> Self:
        """The labels that there are, numbers by their value before all else, and how many of each."""
        counts = Counter(told)
        labels = sorted(counts, key=_natural)
        return cls(channels, tuple(labels), tuple(counts[label] for label in labels))

    @property
    def outputs(self) -> int:
        """K, of the network."""
        return len(self.labels) or 1

    @property
    def shares(self) -> NDArray[np.float64]:
        """(K,) of each label among what was learnt from."""
        return np.array(self.counts, np.float64) / max(1, sum(self.counts))

    def as_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The inverse of `as_json`."""
        try:
            channels, labels, counts = (tuple(value[name]) for name in ("channels", "labels", "counts"))
            return cls(channels, labels, counts, float(value["centre"]), float(value["spread"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"labels.json: not one that recurra writes ({error!r})") from None


class Opened(NamedTuple):
    """A trained run: its options, its network, the symbols of its texts, and what it knows of its data."""

    options: Classify
    model: Classifier
    symbols: Symbols | None
    known: Known

    def encoded(self, inputs: Iterable[Any]) -> Ragged:
        """Inputs as the network reads them."""
        return encoded(self.options, self.symbols, self.known, inputs)


def opened(run: Run) -> Opened:
    """The network with its best weights, for use."""
    assert isinstance(run.options, Classify)
    symbols, facts = known(run)
    model = network(run.options, symbols, facts)
    run.fill(model)
    return Opened(run.options, model.eval(), symbols, facts)


def known(run: Run) -> tuple[Symbols | None, Known]:
    """The symbols of a run, if it reads text, and what else it knows of its data."""
    facts = Known.from_json(run.read("labels.json"))
    return None if facts.channels else Symbols.from_json(run.read("vocabulary.json")), facts


class Learnt(NamedTuple):
    """What there is to learn from, what is known of it before, and, as safetensors, what the network starts as, if anything."""

    parts: LabelledParts
    symbols: Symbols | None
    known: Known
    start: bytes | None = None
    notes: tuple[str, ...] = ()


def learn(options: Classify, parts: LabelledParts) -> tuple[Classify, Learnt]:
    """The options as they are to be kept, and what is learnt from: its vocabulary and labels, and where the network starts.

    Raises:
        UsageError: options that the data do not admit, or that what the network starts as does not.
    """
    options, first = encoders.learnt(options)
    options = _resolved(options, parts)
    facts, text = Known.of(parts, options.output), parts.learnt.inputs
    if parts.learnt.kind == "series":
        return options, Learnt(parts, None, facts)
    if first is not None:
        ids = np.concatenate([first.symbols.encode(one) for one in text])
        unknown = int(np.count_nonzero(ids == 0))
        told = f"encoder={options.encoder}: {unknown:,} of {len(ids):,} symbols are unknown to its vocabulary"
        return options, Learnt(parts, first.symbols, facts, first.weights.read_bytes(), (told,) if unknown else ())
    symbols = Symbols.learn(options.unit, BETWEEN.get(options.unit, "\n").join(text), options.vocabulary)
    if not options.vectors:
        return options, Learnt(parts, symbols, facts)
    if not isinstance(symbols, Words):
        raise UsageError(f"vectors={options.vectors}: of words; wanted unit=word")
    read = read_word_vectors(Path(options.vectors), symbols.entries)
    size = read.matrix.shape[1]
    if "embedding" in options.model_fields_set and options.embedding != size:
        raise UsageError(f"embedding={options.embedding}: the vectors of {options.vectors} have {size}; leave embedding out")
    tensors = {"vectors": torch.from_numpy(read.matrix), "places": torch.from_numpy(np.flatnonzero(read.found) + 1)}
    options = options.model_copy(update={"embedding": size})
    return options, Learnt(parts, symbols, facts, save(tensors), read.notes)


def _resolved(options: Classify, parts: LabelledParts) -> Classify:
    """The options with what a symbol is; refused where options and data do not fit."""
    if parts.learnt.kind == "series":
        for name in ("encoder", "vectors", "word_dropout"):
            if getattr(options, name):
                raise UsageError(f"{name}={getattr(options, name)}: {parts.name} holds series; wanted text for that")
        return options
    if options.unit != "auto":
        return options
    several = sum(len(text.split()) > 2 for text in parts.learnt.inputs)
    return options.model_copy(update={"unit": "word" if 2 * several >= len(parts.learnt) else "character"})


def network(options: Classify, symbols: Symbols | None, facts: Known, series: Sequence[NDArray[Any]] = ()) -> Classifier:
    """The network that the options describe, on its device; `series` are those whose scale is to be learnt."""
    recipes.network(options)
    embedding: nn.Module
    if symbols is None:
        size = len(facts.channels)
        embedding = Standardised.of(series, size)
    else:
        size = options.embedding
        embedding = encoders.vectors(len(symbols), size)
    front = None
    if options.convolution:
        how: dict[str, Any] = {"kernel": options.convolution, "strides": (options.stride,), "dropout": options.input_dropout}
        front = convolutions(size, (options.hidden,), **how)
    first = options.hidden if options.convolution else size
    # vectors of symbols that go in are dropped as those that go out are; numbers of a series are not
    dropped = options.input_dropout or (options.dropout if symbols is not None and not options.convolution else 0.0)
    own = options.model_copy(update={"input_dropout": dropped})
    made = Classifier(
        embedding,
        recipes.reader(own, first, bidirectional=options.bidirectional),
        _pooling(options),
        facts.outputs,
        front=front,
        dropout=options.dropout,
        word_dropout=options.word_dropout,
    )
    return made.to(recipes.device(options))


@torch.no_grad()
def start(model: Classifier, options: Classify, content: bytes) -> None:
    """Give a network what it starts as: the reading of another run, or vectors of words."""
    if options.encoder:
        encoders.start(model, content)
        return
    tensors = load(content)
    places = tensors["places"]
    model.embedding.get_parameter("weight")[places] = tensors["vectors"][places - 1].to(next(model.parameters()))


def _pooling(options: Classify) -> Pooling:
    both = options.bidirectional and options.model == "recurrent"
    kinds: dict[str, Any] = {
        "last": partial(LastPooling, backwards=options.hidden // 2 if both else 0),
        "mean": MeanPooling,
        "max": MaxPooling,
        "attention": AttentionPooling,
    }
    made: Pooling = kinds[options.pooling](options.hidden)
    return made


def encoded(options: Classify, symbols: Symbols | None, facts: Known, inputs: Iterable[Any]) -> Ragged:
    """Texts as symbols, or series as vectors; of each the first `longest` steps."""
    if symbols is not None:
        return Ragged.of(map(symbols.encode, inputs)).cut(options.longest)
    return Ragged.of_vectors(inputs, len(facts.channels)).cut(options.longest)


def targets(facts: Known, labels: Sequence[str]) -> Ragged:
    """What is to be told of each: its label's number, or -1 where that was never learnt; or its number, on the scale of all."""
    if not facts.labels:
        return Ragged.of_vectors([np.array([[(float(label) - facts.centre) / facts.spread]]) for label in labels], 1)
    places = {label: k for k, label in enumerate(facts.labels)}
    return Ragged.of([[places.get(label, -1)] for label in labels])


@torch.no_grad()
def outputs(model: Classifier, rows: Ragged, ordered: Ordered = ordered) -> NDArray[np.float64]:
    """(N, K) what the network says of each, NaN of those without a step; `ordered` makes the batches."""
    device, training = next(model.parameters()).device, model.training
    found = np.full((rows.rows, model.head.out_features), math.nan)
    there = np.flatnonzero(rows.lengths)
    model.eval()
    for places, batch in ordered(rows.take(there), Ragged.of([[]] * len(there))):
        said, _ = model(batch.source.to(device), None, batch.source_lengths.to(device))
        found[there[places]] = said.double().cpu().numpy()
    model.train(training)
    return found


def told(whole: Opened, said: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, K) probabilities, or (N, 1) numbers, from what the network says; of nothing, the shares of labels, or their mean."""
    facts, there = whole.known, np.isfinite(said).all(1, keepdims=True)
    if not facts.labels:
        return np.where(there, said, 0.0) * facts.spread + facts.centre
    probable = np.exp(log_softmax(np.where(there, said, 0.0), float(whole.model.temperature)))
    return np.where(there, probable, facts.shares)


def measurable(asked: Labelled) -> Labelled:
    """Those that have a label, if there are any."""
    there = asked.take([k for k, label in enumerate(asked.labels) if label])
    if not len(there):
        raise DataError(f"{asked.name}: no labels to measure on; wanted some")
    return there


def _natural(label: str) -> tuple[bool, float, str]:
    """Numbers by their value, before all else."""
    try:
        value = float(label)
    except ValueError:
        value = math.nan
    return not math.isfinite(value), value if math.isfinite(value) else 0.0, label
