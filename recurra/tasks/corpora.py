"""What the tasks that learn from raw text share: the text in its parts, its symbols, and n-grams to stand beside."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from recurra.data import Corpus, Streams, Symbols, read, reference
from recurra.data.counts import told_count
from recurra.errors import DataError
from recurra.metrics import KneserNey
from recurra.tasks import recipes
from recurra.tasks.options import Mask, Text
from recurra.tasks.runs import Run, origin

__all__ = ["Asked", "Parts", "asked", "begin", "kept", "measurable", "ngrams", "parts", "symbols"]

NGRAM_SYMBOLS = 5_000_000  # that the n-grams learn from


class Parts(NamedTuple):
    """A text: its symbols, what is learnt from, and what is held out."""

    symbols: Symbols
    learnt: str
    held_out: str


def begin(options: Mask | Text, data: Path | None, out: Path | None, model: Callable[[Any, Symbols], nn.Module]) -> Run:
    """Read the text, learn the vocabulary, see that all fits together, and make the run folder."""
    recipes.network(options)
    recipes.device(options)
    recipes.precision(options)
    corpus = _corpus(options, data)
    learnt, held_out = corpus.split(options.held_out)
    symbols = Symbols.learn(options.unit, learnt, options.vocabulary)
    Streams(symbols.encode(learnt), options.batch, options.window, options.seed)
    recipes.check(options, model(options, symbols))
    measurable(symbols.encode(held_out), f"{corpus.source}: held_out={options.held_out}")
    facts = origin(data, corpus.source, corpus.fingerprint, characters=corpus.characters)
    return Run.create(out, options, facts, {"vocabulary.json": symbols.as_json()})


def parts(options: Mask | Text, data: Path | None) -> Parts:
    """A text as a run would learn from it, for whoever needs none."""
    recipes.network(options)
    learnt, held_out = _corpus(options, data).split(options.held_out)
    return Parts(Symbols.learn(options.unit, learnt, options.vocabulary), learnt, held_out)


def kept(run: Run) -> Parts:
    """The text of a run, which must be what it was."""
    options = _options(run)
    corpus = _corpus(options, run.data)
    run.check_data(corpus.fingerprint)
    return Parts(symbols(run), *corpus.split(options.held_out))


def symbols(run: Run) -> Symbols:
    """The symbols of a run."""
    return Symbols.from_json(run.read("vocabulary.json"))


class Asked(NamedTuple):
    """What is measured on, and what n-grams can learn from; nothing where a note says why."""

    name: str
    text: str
    learnt: str
    notes: list[str]


def asked(run: Run, data: Path | None) -> Asked:
    """Another text, or the part that a run held out."""
    if data is None:
        _, learnt, held_out = kept(run)
        return Asked("the held-out part", held_out, learnt, [])
    text = read(data, _options(run).encoding).text
    try:
        return Asked(str(data), text, kept(run).learnt, [])
    except DataError as error:
        return Asked(str(data), text, "", [f"no n-gram baselines, they need the learning text: {error}"])


def measurable(ids: NDArray[np.int64], name: str) -> NDArray[np.int64]:
    """The symbols, if there are enough of them to measure on."""
    if len(ids) < 2:
        raise DataError(f"{name}: {told_count(len(ids), 'symbol')} to measure on; wanted at least 2")
    return ids


def ngrams(symbols: Symbols, learnt: str, ids: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """(T,) nats of every symbol under n-grams of each order, by name."""
    order = 8 if symbols.unit == "character" else 5
    return KneserNey(symbols.encode(learnt)[-NGRAM_SYMBOLS:], len(symbols), order).by_name(ids)


def _corpus(options: Mask | Text, data: Path | None) -> Corpus:
    return reference() if data is None else read(data, options.encoding)


def _options(run: Run) -> Mask | Text:
    assert isinstance(run.options, Mask | Text)
    return run.options
