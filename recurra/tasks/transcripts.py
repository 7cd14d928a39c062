"""What the tasks that write down what a sequence says share: vocabulary, network, training, measuring, streaming."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.data import PairBatch, Ragged, Symbols, Transcribed, TranscribedParts
from recurra.decode import Guess, said
from recurra.errors import DataError
from recurra.losses import ctc
from recurra.metrics import TranscriptTotals, edit_distance, most_frequent, side_by_side
from recurra.models import Transcriber, Transcript, TransformerEncoder
from recurra.tasks import judging, recipes, searching
from recurra.tasks.evaluation import Evaluation, Figure
from recurra.tasks.options import EvaluationOptions, TranscriptOptions, TranscriptPrediction
from recurra.tasks.recipes import Setup
from recurra.tasks.runs import Run
from recurra.train import Batches, Look, Loss

__all__ = [
    "JUDGED",
    "JUDGES",
    "Kind",
    "Opened",
    "begin",
    "evaluate",
    "naive",
    "network",
    "opened",
    "predict",
    "sayable",
    "setup",
    "setup_of",
    "write",
]

JUDGED = "character error rate"
"""The figure by which networks are compared."""
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
        shortest: share of its steps that augmentation leaves an input at least.
    """

    front: Callable[[], nn.Module]
    batches: Callable[[Ragged, Ragged], Counted]
    in_order: Callable[[Ragged, Ragged], Iterator[tuple[NDArray[np.int64], PairBatch]]]
    baselines: Callable[[Transcribed, Transcribed], Mapping[str, list[str]]]
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
    model = network(options, kind, symbols)
    recipes.check(options, model)
    searching.scorer(searching.searched(options), options, symbols)
    _, _, notes = _usable(model, symbols, kind, parts.learnt)
    facts = {
        "source": parts.name if data is None else str(data.absolute()),
        "embedded": data is None,
        "fingerprint": parts.fingerprint,
        "notes": [*parts.notes, *notes],
    }
    return Run.create(out, options, facts, {"vocabulary.json": symbols.as_json(), **files})


def setup(options: TranscriptOptions, parts: TranscribedParts, kind: Kind, run: Run | None = None) -> Setup:
    """What there is to train, of a run or of none, and what its looks read and write."""
    recipes.network(options)
    symbols = _learnt(options, parts.learnt) if run is None else _known(run)
    torch.manual_seed(options.seed)
    model = network(options, kind, symbols)
    inputs, targets, _ = _usable(model, symbols, kind, parts.learnt)
    batches = kind.batches(inputs, targets)
    device = recipes.device(options)
    looked = parts.validation.take(range(min(LOOK, len(parts.validation))))

    def update(batch: PairBatch, _: Any) -> Loss:
        source, lengths, target, target_lengths = batch.to(device)
        found: Transcript = model(source, lengths)
        nats = ctc(found.log_probabilities, found.lengths, target, target_lengths)
        count = int(target_lengths.sum())
        return Loss(nats.sum() / max(1, count), count)

    def look() -> Look:
        found, nats = _greedy(model, symbols, kind, looked)
        totals = TranscriptTotals()
        totals.add(found, looked.texts)
        rate = totals.figures()["character error rate"]
        pairs = zip(looked.texts[:SHOWN], found[:SHOWN], strict=True)
        sample = "\n".join(f"wanted  {_start(wanted)}\nwritten {_start(written)}" for wanted, written in pairs)
        return Look(rate + TIE * nats, {"error rate": rate, "nats/symbol": nats}, sample)

    return Setup(model, update, batches, batches.per_epoch, look)


def setup_of(run: Run, parts: TranscribedParts, kind: Kind) -> Setup:
    """What a run trains."""
    return setup(_options(run), parts, kind, run)


def network(options: TranscriptOptions, kind: Kind, symbols: Symbols) -> Transcriber:
    """The network that the options describe, on its device."""
    front: Any = kind.front()
    if options.model == "transformer":
        how: dict[str, Any] = {"layers": options.layers, "heads": options.heads, "dropout": options.dropout}
        layers: nn.Module = TransformerEncoder(options.hidden, input_size=front.size, **how)
    else:
        layers = recipes.stack(options, front.size, output_dropout=options.dropout, bidirectional=options.bidirectional)
    return Transcriber(front, layers, options.hidden, len(symbols)).to(recipes.device(options))


class Opened(NamedTuple):
    """A trained run."""

    options: TranscriptOptions
    model: Transcriber
    symbols: Symbols


def opened(run: Run, kind: Kind) -> Opened:
    """The network with its best weights, for use."""
    options, symbols = _options(run), _known(run)
    model = network(options, kind, symbols)
    run.fill(model)
    return Opened(options, model.eval(), symbols)


class Written(NamedTuple):
    """A text that was found: the logarithm of its probability, and that together with what a language model adds."""

    text: str
    log_probability: float
    score: float


def write(whole: Opened, kind: Kind, inputs: Ragged, how: TranscriptPrediction) -> list[list[Written]]:
    """The texts of each input, the best first; of a greedy search the probability is that of its one way."""
    options, model, symbols = whole
    search = searching.search(how, options, symbols)
    found: list[list[Written]] = [[]] * inputs.rows
    for places, frames, lengths, _ in _frames(model, kind, inputs, _nothing(inputs.rows)):
        if search is None:
            best, (texts, _) = frames.amax(-1), said(frames, lengths)
            for place, row, length, numbers in zip(places, best, lengths.tolist(), texts, strict=True):
                score = float(row[:length].sum())
                found[place] = [Written(symbols.decode(numbers), score, score)]
        else:
            for place, row, length in zip(places, frames, lengths.tolist(), strict=True):
                found[place] = [_written(guess, symbols) for guess in search.guesses(row[:length], how.best)]
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
    options, model, symbols = whole = opened(run, kind)
    if not len(asked):
        raise DataError(f"{asked.name}: nothing to measure on")
    how = searching.searched(options)

    def outputs(own: Transcriber, how: TranscriptPrediction) -> list[str]:
        return [each[0].text for each in write(whole._replace(model=own), kind, asked.inputs, how)]

    own = recipes.held(model, chosen.weights)
    ours, full = outputs(own, how), None if own is model else outputs(model, how)
    beside = {"this run, greedily": outputs(own, how.model_copy(update={"beam": 1, "language": "none"}))}
    if options.language:
        beside["this run, without its language model"] = outputs(own, how.model_copy(update={"language": "none"}))
    beside |= kind.baselines(learnt, asked)
    figures = list[Figure]()
    for judge in judges:
        figures += judging.judged(judge, asked.texts, ours, full, beside, chosen.weights)
    return Evaluation(options.task, Path(asked.name).name, tuple(figures), (*notes, *_told(asked, ours, symbols, how)))


def predict(
    run: Run, kind: Kind, inputs: Iterable[tuple[Mapping[str, Any], NDArray[Any]]], how: TranscriptPrediction
) -> Iterator[Mapping[str, Any]]:
    """A row for each text of each input (T, C): what is said about the input, then rank, text and nats of a symbol.

    An input of no steps has no text, and its nats are None.
    """
    options, model, symbols = opened(run, kind)
    whole = Opened(options, recipes.held(model, how.weights), symbols)
    left = iter(inputs)
    while some := list(islice(left, AHEAD)):
        there = [k for k, (_, x) in enumerate(some) if len(x)]
        found: list[list[Written]] = [[] for _ in some]
        if there:
            rows = Ragged.of_vectors([some[k][1] for k in there], some[there[0]][1].shape[1])
            for k, texts in zip(there, write(whole, kind, rows, how), strict=True):
                found[k] = texts
        for (about, _), texts in zip(some, found, strict=True):
            for rank, (said_there, log_probability, _) in enumerate(texts or [Written("", -np.inf, -np.inf)], 1):
                nats = -log_probability / max(1, len(symbols.encode(said_there)))
                yield {**about, "rank": rank, "text": said_there, "nats_per_symbol": nats if np.isfinite(nats) else None}


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


def _usable(model: Transcriber, symbols: Symbols, kind: Kind, part: Transcribed) -> tuple[Ragged, Ragged, list[str]]:
    """What can be learnt from, as symbols, and notes of the rest: texts that want more frames than their inputs have."""
    targets = Ragged.of(map(symbols.encode, part.texts))
    wanted, there = _wanted(targets), _there(model, np.floor(kind.shortest * part.inputs.lengths).astype(np.int64))
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


def _wanted(targets: Ragged) -> NDArray[np.int64]:
    """(N,) how many frames each target takes at least: one a symbol, and one between two that are equal."""
    flat = targets.flat
    equal = np.append(0, (flat[1:] == flat[:-1]).cumsum())  # of a place with the one before, up to each place
    begins, lengths = targets.starts[:-1], targets.lengths
    lasts = begins + np.maximum(lengths, 1) - 1
    found: NDArray[np.int64] = lengths + equal[lasts] - equal[begins]
    return found


def _there(model: Transcriber, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) how many frames inputs of these lengths give."""
    found: NDArray[np.int64] = model.frames(torch.from_numpy(lengths)).numpy()
    return found


@torch.no_grad()
def _frames(
    model: Transcriber, kind: Kind, inputs: Ragged, targets: Ragged
) -> Iterator[tuple[NDArray[np.int64], Tensor, Tensor, PairBatch]]:
    """The places of each batch, what its frames say, how many there are of each, and the batch itself."""
    device, training = next(model.parameters()).device, model.training
    model.eval()
    for places, batch in kind.in_order(inputs, targets):
        found: Transcript = model(batch.source.to(device), batch.source_lengths.to(device))
        yield places, sayable(found.log_probabilities.cpu()), found.lengths.cpu(), batch
    model.train(training)


def sayable(frames: Tensor) -> Tensor:
    """Frames that never say the unknown symbol."""
    return frames.index_fill(-1, torch.zeros(1, dtype=torch.long), -torch.inf)


@torch.no_grad()
def _greedy(model: Transcriber, symbols: Symbols, kind: Kind, part: Transcribed) -> tuple[list[str], float]:
    """The text of each input, and nats of each symbol of the true ones, of those that fit and are known."""
    targets = Ragged.of(map(symbols.encode, part.texts))
    fits = _wanted(targets) <= _there(model, part.inputs.lengths)
    known = np.array([bool(targets.row(k).all()) for k in range(targets.rows)])
    texts, nats, count = [""] * len(part), 0.0, 0
    for places, frames, lengths, batch in _frames(model, kind, part.inputs, targets):
        for place, numbers in zip(places, said(frames, lengths)[0], strict=True):
            texts[place] = symbols.decode(numbers)
        rows = torch.from_numpy((fits & known)[places])
        if bool(rows.any()):
            told = batch.target_lengths[rows]
            nats += float(ctc(frames[rows], lengths[rows], batch.target[rows], told).double().sum())
            count += int(told.sum())
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
    yield f"{len(asked):,} texts, {unknown:,} of their symbols unknown; written {searched}; of the words {', '.join(kinds)}"
    worst = sorted(range(len(asked)), key=lambda k: -edit_distance(ours[k], asked.texts[k]))[:WRONG]
    for k in (k for k in worst if ours[k] != asked.texts[k]):
        yield f"{asked.counted} {asked.lines[k]}\n{side_by_side(_start(ours[k]), _start(asked.texts[k]))}"


def _start(said_there: str) -> str:
    """As much of a text as is shown."""
    return said_there if len(said_there) <= LETTERS else f"{said_there[:LETTERS]} ..."


def _written(guess: Guess, symbols: Symbols) -> Written:
    return Written(symbols.decode(guess.symbols), guess.log_probability, guess.score)
