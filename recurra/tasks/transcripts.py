"""What the tasks that write down what a sequence says share: vocabulary, network, training, measuring, streaming."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from recurra.data import PairBatch, Ragged, Symbols, Transcribed, TranscribedParts
from recurra.data.counts import told_count
from recurra.decode import Guess
from recurra.errors import DataError
from recurra.metrics import TranscriptTotals, edit_distance, most_frequent, side_by_side
from recurra.models import AttentionTranscriber, Transcriber
from recurra.tasks import judging, recipes, searching
from recurra.tasks.attending import Attending, attending
from recurra.tasks.evaluation import Evaluation, Figure
from recurra.tasks.framewise import Framewise
from recurra.tasks.options import EvaluationOptions, TranscriptOptions, TranscriptPrediction
from recurra.tasks.recipes import Setup
from recurra.tasks.runs import Run, origin
from recurra.train import Batches, Look, Loss

__all__ = [
    "JUDGES",
    "Kind",
    "Opened",
    "begin",
    "evaluate",
    "naive",
    "network",
    "opened",
    "predict",
    "setup",
    "setup_of",
    "some_at_a_time",
    "write",
]

JUDGES = (
    judging.Judge(TranscriptTotals, ("character error rate", "word error rate"), higher=False),
    judging.Judge(TranscriptTotals, ("exact lines",)),
)
"""What is told of texts that were written down, all of it."""
LOOK = 500  # inputs that a look reads
SHOWN = 4  # of them, that it shows
TIE = 1e-6  # of the nats of a symbol, that equal error rates are told apart by
LETTERS = 200  # of a text that is shown
WRONG = 3  # transcripts that are shown beside what was wanted when it is measured
AHEAD = 128  # inputs that are read before they are written down


Answer = TypeVar("Answer")
Opened = Framewise | Attending
"""A trained run, by what its decoder is: options, network, vocabulary."""


class Counted(Batches, Protocol):
    """Batches, and how many of them pass over the data once."""

    per_epoch: int


class Kind(NamedTuple):
    """What a task brings: how its inputs become batches and frames, and what anybody could write.

    Attributes:
        front: :class:`~recurra.layers.Front`, newly made, with start weights.
        batches: of inputs and targets, in another order and company each epoch; augmented, as a function of (seed, step).
        in_order: of inputs and targets, once, with the places of each batch; as they are.
        baselines: texts that naive methods write for the second, from the first, by their names.
        looks: what naive methods see of an input (T, C), where one label is told of it.
        shortest: share of its steps that augmentation leaves an input at least.
    """

    front: Callable[[], nn.Module]
    batches: Callable[[Ragged, Ragged], Counted]
    in_order: Callable[[Ragged, Ragged], Iterator[tuple[NDArray[np.int64], PairBatch]]]
    baselines: Callable[[Transcribed, Transcribed], Mapping[str, list[str]]]
    looks: Callable[[NDArray[Any]], NDArray[Any]]
    shortest: float = 1.0


def naive(learnt: Transcribed, asked: Transcribed) -> dict[str, list[str]]:
    """What needs no look at the inputs: the most frequent text, and the one that is nearest to all others."""
    some = list(dict.fromkeys(learnt.texts))[:LOOK]
    middle = min(some, key=lambda one: sum(edit_distance(one, other) for other in some[:: max(1, len(some) // 50)]))
    texts = {"most frequent text": most_frequent(learnt.texts), "text nearest to all": middle}
    return {name: [text] * len(asked) for name, text in texts.items()}


def begin(
    options: TranscriptOptions,
    parts: TranscribedParts,
    kind: Kind,
    data: Path | None,
    out: Path | None,
    files: Mapping[str, Any] = MappingProxyType({}),
) -> Run:
    """Learn the vocabulary, see that all fits together, and make the run folder, in which `files` lie, too."""
    recipes.network(options)
    recipes.device(options)
    recipes.precision(options)
    symbols = _learnt(options, parts.learnt)
    whole = _made(options, kind, symbols)
    recipes.check(options, whole.model)
    whole.writer(searching.searched(options))
    _, _, notes = _usable(whole, kind, parts.learnt)
    facts = origin(data, parts.name, parts.fingerprint, notes=[*parts.notes, *notes])
    return Run.create(out, options, facts, {"vocabulary.json": symbols.as_json(), **files})


def setup(options: TranscriptOptions, parts: TranscribedParts, kind: Kind, run: Run | None = None) -> Setup:
    """What there is to train, of a run or of none, and what its looks read and write."""
    recipes.network(options)
    symbols = _learnt(options, parts.learnt) if run is None else _known(run)
    torch.manual_seed(options.seed)
    whole = _made(options, kind, symbols)
    inputs, targets, _ = _usable(whole, kind, parts.learnt)
    if isinstance(whole, Attending):
        whole.model.pace.fill_(targets.lengths.sum() / _there(whole, inputs.lengths).sum())
    batches = kind.batches(inputs, targets)
    device = recipes.device(options)
    looked = parts.validation.take(range(min(LOOK, len(parts.validation))))

    def update(batch: PairBatch, _: Any) -> Loss:
        nats, count = whole.loss(batch.to(device)), int(batch.target_lengths.sum())
        return Loss(nats.sum() / max(1, count), count)

    def look() -> Look:
        found, nats = _greedy(whole, kind, looked)
        totals = TranscriptTotals()
        totals.add(found, looked.texts)
        rate = totals.figures()["character error rate"]
        pairs = zip(looked.texts[:SHOWN], found[:SHOWN], strict=True)
        sample = "\n".join(f"wanted  {_start(wanted)}\nwritten {_start(written)}" for wanted, written in pairs)
        return Look(rate + TIE * nats, {"error rate": rate, "nats/symbol": nats}, sample)

    return Setup(whole.model, update, batches, batches.per_epoch, look)


def setup_of(run: Run, parts: TranscribedParts, kind: Kind) -> Setup:
    """What a run trains."""
    return setup(_options(run), parts, kind, run)


def network(options: TranscriptOptions, kind: Kind, symbols: Symbols) -> Transcriber | AttentionTranscriber:
    """The network that the options describe, on its device."""
    front: Any = kind.front()
    layers = recipes.reader(options, front.size, bidirectional=options.bidirectional, output_dropout=options.dropout)
    reader = Transcriber(front, layers, options.hidden, len(symbols))
    return (attending(options, reader) if options.decoder == "attention" else reader).to(recipes.device(options))


def _made(options: TranscriptOptions, kind: Kind, symbols: Symbols) -> Opened:
    """A new network, as what it learns and writes."""
    model = network(options, kind, symbols)
    if isinstance(model, AttentionTranscriber):
        return Attending(options, model, symbols)
    return Framewise(options, model, symbols)


def opened(run: Run, kind: Kind) -> Opened:
    """The network with its best weights, for use."""
    whole = _made(_options(run), kind, _known(run))
    run.fill(whole.model)
    whole.model.eval()
    return whole


class Written(NamedTuple):
    """A text that was found: the logarithm of its probability, that together with what a language model adds, and its symbols.

    Of these are as many as the probability is of: the end is one where the decoder says it.
    """

    text: str
    log_probability: float
    score: float
    symbols: int


@torch.no_grad()
def write(whole: Opened, kind: Kind, inputs: Ragged, how: TranscriptPrediction) -> list[list[Written]]:
    """The texts of each input, the best first; of a greedy search by frames the probability is that of its one way."""
    written = whole.writer(how)
    found: list[list[Written]] = [[]] * inputs.rows
    for places, batch in kind.in_order(inputs, _nothing(inputs.rows)):
        for place, guesses in zip(places, written(batch), strict=True):
            found[place] = [_written(whole, guess) for guess in guesses]
    return found


def evaluate(
    run: Run,
    learnt: Transcribed,
    asked: Transcribed,
    kind: Kind,
    chosen: EvaluationOptions,
    notes: Sequence[str] = (),
    judges: Sequence[judging.Judge] = JUDGES,
) -> Evaluation:
    """The figures of what is written, by a beam, greedily and naively, and what went wrong most."""
    whole = opened(run, kind)
    if not len(asked):
        raise DataError(f"{asked.name}: nothing to measure on")
    options, how = whole.options, searching.searched(whole.options)

    def outputs(own: Opened, how: TranscriptPrediction) -> list[str]:
        return [each[0].text for each in write(own, kind, asked.inputs, how)]

    own = whole.held(chosen.weights)
    ours, full = outputs(own, how), None if own.model is whole.model else outputs(whole, how)
    beside = {"this run, greedily": outputs(own, how.model_copy(update={"beam": 1, "language": "none"}))}
    if options.language:
        beside["this run, without its language model"] = outputs(own, how.model_copy(update={"language": "none"}))
    beside |= kind.baselines(learnt, asked)
    figures = list[Figure]()
    for judge in judges:
        figures += judging.judged(judge, asked.texts, ours, full, beside, chosen.weights)
    return Evaluation(options.task, Path(asked.name).name, tuple(figures), (*notes, *_told(asked, ours, whole.symbols, how)))


def predict(
    run: Run, kind: Kind, inputs: Iterable[tuple[Mapping[str, Any], NDArray[Any]]], how: TranscriptPrediction
) -> Iterator[Mapping[str, Any]]:
    """A row for each text of each input (T, C): what is said about the input, then rank, text and nats of a symbol.

    A decoder with attention says the end, too, which counts as a symbol. An input of no steps has no text, and its nats are
    None.
    """
    whole = opened(run, kind).held(how.weights)
    for about, texts in some_at_a_time(inputs, lambda rows: write(whole, kind, rows, how)):
        for rank, one in enumerate(texts or [Written("", -np.inf, -np.inf, 0)], 1):
            nats = -one.log_probability / max(1, one.symbols)
            yield {**about, "rank": rank, "text": one.text, "nats_per_symbol": nats if np.isfinite(nats) else None}


def some_at_a_time(
    inputs: Iterable[tuple[Mapping[str, Any], NDArray[Any]]], tell: Callable[[Ragged], Iterable[Answer]]
) -> Iterator[tuple[Mapping[str, Any], Answer | None]]:
    """What is told of each input (T, C), of which few are in memory at once; None of those without a step."""
    left = iter(inputs)
    while some := list(islice(left, AHEAD)):
        there = [x for _, x in some if len(x)]
        told = iter(tell(Ragged.of_vectors(there, there[0].shape[1])) if there else ())
        for about, x in some:
            yield about, next(told) if len(x) else None


def _learnt(options: TranscriptOptions, learnt: Transcribed) -> Symbols:
    between = {"character": "", "word": " "}.get(options.unit, "\n")
    return Symbols.learn(options.unit, between.join(learnt.texts), options.vocabulary)


def _known(run: Run) -> Symbols:
    return Symbols.from_json(run.read("vocabulary.json"))


def _options(run: Run) -> TranscriptOptions:
    assert isinstance(run.options, TranscriptOptions)
    return run.options


def _nothing(rows: int) -> Ragged:
    return Ragged.of([[]] * rows)


def _usable(whole: Opened, kind: Kind, part: Transcribed) -> tuple[Ragged, Ragged, list[str]]:
    """What can be learnt from, as symbols, and notes of the rest: texts that want more frames than their inputs have."""
    targets = Ragged.of(map(whole.symbols.encode, part.texts))
    wanted = whole.wanted(targets)
    there = _there(whole, np.floor(kind.shortest * part.inputs.lengths).astype(np.int64))
    fits = (wanted <= there) & (part.inputs.lengths > 0)
    notes, (out,) = list[str](), np.nonzero(~fits)
    if len(out):
        where = f"{part.counted} {part.lines[out[0]]}: {wanted[out[0]]:,} frames wanted, {there[out[0]]:,} there"
        told = f"{len(out):,} of {len(part):,} have texts longer than their inputs can say (the first in {where}): left out"
        notes.append(f"{Path(part.name).name}: {told}")
    if not fits.any():
        raise DataError(f"{'; '.join(notes) or part.name}: nothing is left to learn from")
    places = np.flatnonzero(fits)
    return part.inputs.take(places), targets.take(places), notes


def _there(whole: Opened, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) how many frames inputs of these lengths give."""
    found: NDArray[np.int64] = whole.model.frames(torch.from_numpy(lengths)).numpy()
    return found


@torch.no_grad()
def _greedy(whole: Opened, kind: Kind, part: Transcribed) -> tuple[list[str], float]:
    """The text of each input, and nats of each symbol of the true ones, of those that fit and are known."""
    targets = Ragged.of(map(whole.symbols.encode, part.texts))
    known = torch.tensor([bool(targets.row(k).all()) for k in range(targets.rows)])
    texts, nats, count, training = [""] * len(part), 0.0, 0, whole.model.training
    whole.model.eval()
    for places, batch in kind.in_order(part.inputs, targets):
        found, more, symbols = whole.look(batch, known[torch.from_numpy(places)])
        nats, count = nats + more, count + symbols
        for place, numbers in zip(places, found, strict=True):
            texts[place] = whole.symbols.decode(numbers)
    whole.model.train(training)
    return texts, nats / max(1, count)


def _told(asked: Transcribed, ours: list[str], symbols: Symbols, how: TranscriptPrediction) -> Iterator[str]:
    """What there is to say about a measurement: how much of what kind was wrong, and the worst, side by side."""
    totals = TranscriptTotals()
    totals.add(ours, asked.texts)
    kinds = [
        f"{value:.2%} {name.removeprefix('words ')}" for name, value in totals.figures().items() if name.startswith("words ")
    ]
    unknown = sum(int(np.count_nonzero(symbols.encode(wanted) == 0)) for wanted in asked.texts)
    searched = "greedily" if how.beam == 1 else f"by a beam of {how.beam}"
    there = f"{told_count(len(asked), 'text')}, {unknown:,} of their symbols unknown"
    yield f"{there}; written {searched}; of the words {', '.join(kinds)}"
    worst = sorted(range(len(asked)), key=lambda k: -edit_distance(ours[k], asked.texts[k]))[:WRONG]
    for k in (k for k in worst if ours[k] != asked.texts[k]):
        yield f"{asked.counted} {asked.lines[k]}\n{side_by_side(_start(ours[k]), _start(asked.texts[k]))}"


def _start(said_there: str) -> str:
    """As much of a text as is shown."""
    return said_there if len(said_there) <= LETTERS else f"{said_there[:LETTERS]} ..."


def _written(whole: Opened, guess: Guess) -> Written:
    symbols = len(guess.symbols) + isinstance(whole, Attending)
    return Written(whole.symbols.decode(guess.symbols), guess.log_probability, guess.score, symbols)
