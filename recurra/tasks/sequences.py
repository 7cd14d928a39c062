"""What the tasks that read one sequence and write another share: vocabularies, network, training, measuring."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import tee
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.data import Buckets, Competence, PairBatch, Pairs, Ragged, Sides, Symbols, in_order, read_sides, usable
from recurra.data.counts import told_count
from recurra.data.filters import measurable
from recurra.data.lines import lines
from recurra.errors import NumericError, UsageError
from recurra.layers.attention import mechanism
from recurra.lengths import mask
from recurra.metrics import KneserNey, Mean
from recurra.models import Bridge, Decoder, Encoder, EncoderDecoder, TransformerDecoder
from recurra.tasks import encoders, recipes
from recurra.tasks.options import SequenceOptions, SequencePrediction
from recurra.tasks.recipes import Setup
from recurra.tasks.runs import Run, origin
from recurra.tasks.seeds import ENCODER
from recurra.tasks.writing import Reach, Vocabulary, write
from recurra.train import Look, Loss, Shared, forced

__all__ = [
    "JUDGED",
    "Opened",
    "asked",
    "begin",
    "bounded",
    "examples",
    "grams",
    "known",
    "nats",
    "network",
    "opened",
    "pairs",
    "predict",
    "reach",
    "setup",
    "setup_of",
]

LOOK = 1000  # pairs that a look reads
SHOWN = 3  # of them, that it also writes
LETTERS = 400  # of a text that is shown
READ, ROWS = 16_000, 256  # symbols and rows of a batch that is only read
GREEDY = SequencePrediction(beam=1)
JUDGED = "nats per symbol"
"""The figure by which networks are compared: the only one that asks nothing of how targets are searched for."""
START = 0.1  # share of the pairs that a curriculum begins with
EASY = 0.5  # of the updates: then a curriculum has reached all pairs
CUT = 4  # times `longest`: so far sources are read that were not learnt from
GRAM = 3  # order of the n-grams of targets


def begin(options: SequenceOptions, pairs: Pairs, data: Path | None, out: Path | None) -> Run:
    """Learn the vocabularies, see that all fits together, and make the run folder."""
    options, first = encoders.learnt(options)
    recipes.device(options)
    recipes.precision(options)
    vocabulary = _learnt(options, pairs.learnt, first)
    made = network(options, vocabulary)
    recipes.check(options, made)
    files: dict[str, Any] = {"vocabulary.json": vocabulary.as_json()}
    if first is not None:
        encoders.start(made.encoder, first.weights)
        files[ENCODER] = first.weights.read_bytes()
    _, _, notes = _usable(options, vocabulary, pairs.learnt)
    notes += [] if first is None else _strange(options, vocabulary, pairs.learnt)
    facts = origin(data, pairs.name, pairs.fingerprint, notes=[*pairs.notes, *notes])
    return Run.create(out, options, facts, files)


def setup(options: SequenceOptions, pairs: Pairs, run: Run | None = None) -> Setup:
    """What there is to train, of a run or of none, and what its looks read and write."""
    if run is None:
        options, first = encoders.learnt(options)
        vocabulary, weights = _learnt(options, pairs.learnt, first), None if first is None else first.weights
    else:
        vocabulary, weights = known(run), run.folder / ENCODER if options.encoder else None
    torch.manual_seed(options.seed)
    model = network(options, vocabulary)
    if weights is not None:
        encoders.start(model.encoder, weights)
    sources, targets, _ = _usable(options, vocabulary, pairs.learnt)
    made = partial(Buckets, sources, targets, tokens=options.tokens, batch=options.batch, seed=options.seed)
    batches = made()
    if options.curriculum != "none":
        updates = recipes.steps(options, batches.per_epoch)
        pacing = Competence(max(1, round(EASY * updates * options.accumulate)), START)
        batches = made(pacing=pacing, difficulty=_difficulty(options.curriculum, targets, vocabulary.boundary))
    device = recipes.device(options)

    def update(item: Shared, _: Any) -> Loss:
        batch = item.batch.to(device)
        x, y, lengths = bounded(batch, vocabulary.boundary)
        memory, state = model.read(batch.source, batch.source_lengths)
        logits, _ = forced(model.decoder, x, item.share, state=state, lengths=lengths, memory=memory)
        inside = mask(lengths, x.shape[1])
        mean = F.cross_entropy(logits[inside], y[inside], label_smoothing=options.smoothing)
        return Loss(mean, int(batch.target_lengths.sum()) + len(x))

    read = reach(options)
    looked, shown = (pairs.validation.take(range(min(count, len(pairs.validation)))) for count in (LOOK, SHOWN))

    def look() -> Look:
        value = nats(model, vocabulary, looked, read).value
        try:
            said = [each[0].text if each else "" for each in write(model, vocabulary, shown.sources, GREEDY, read)]
        except NumericError:  # the training diverges; it notices that by itself
            said = [""] * len(shown)
        model.train()
        told = zip(*(map(_start, side) for side in (shown.sources, shown.targets, said)), strict=True)
        return Look(value, {"nats/symbol": value}, "\n".join(f"{a}\n  wanted  {b}\n  written {c}" for a, b, c in told))

    return Setup(model, update, recipes.forcing(options, batches, batches.per_epoch), batches.per_epoch, look)


def setup_of(run: Run, pairs: Pairs) -> Setup:
    """What a run trains."""
    return setup(_options(run), pairs, run)


def pairs(run: Run, read: Callable[[Any, Path | None], Pairs]) -> Pairs:
    """The pairs of a run, as a page reads them with its options from its data, which must be what they were."""
    found = read(run.options, run.data)
    run.check_data(found.fingerprint)
    return found


def asked(run: Run, data: Path, source: str, target: str) -> tuple[Sides, list[str]]:
    """The pairs of other data that can be measured on, read by the names of their sides, and notes of those that cannot."""
    return measurable(read_sides(data, source, target, _options(run).encoding))


def network(options: SequenceOptions, vocabulary: Vocabulary) -> EncoderDecoder:
    """The network that the options describe, on its device."""
    recipes.network(options)
    said = encoders.vectors(vocabulary.boundary + 1, options.embedding)
    read = said if options.shared else encoders.vectors(len(vocabulary.source), options.embedding)
    made = (_transformer if options.model == "transformer" else _recurrent)(options, read, said)
    return made.to(recipes.device(options))


def _recurrent(options: SequenceOptions, read: nn.Embedding, said: nn.Embedding) -> EncoderDecoder:
    encoder = encoders.encoder(options, read)
    dropped = options.model_copy(update={"input_dropout": options.input_dropout or options.dropout})
    decoder = Decoder(
        said,
        recipes.stack(dropped, options.embedding + options.hidden * options.feeding),
        options.hidden,
        None if options.attention == "none" else mechanism(options.attention, *[options.hidden] * 3),
        feeding=options.feeding,
        copying=options.copying,
        tied=options.tied,
        dropout=options.dropout,
    )
    return EncoderDecoder(encoder, decoder, Bridge(_ends(encoder), decoder.initial(1).layers))


def _transformer(options: SequenceOptions, read: nn.Embedding, said: nn.Embedding) -> EncoderDecoder:
    encoder = encoders.encoder(options, read)
    how: dict[str, Any] = {"layers": options.layers, "heads": options.heads, "dropout": options.dropout}
    return EncoderDecoder(encoder, TransformerDecoder(said, options.hidden, tied=options.tied, **how))


@torch.no_grad()
def _ends(encoder: Encoder) -> Any:
    """What states an encoder ends in, as an example."""
    _, ends = encoder.eval()(torch.zeros(1, 1, dtype=torch.long))
    encoder.train()
    return ends


class Opened(NamedTuple):
    """A trained run."""

    options: SequenceOptions
    model: EncoderDecoder
    vocabulary: Vocabulary


def opened(run: Run) -> Opened:
    """The network with its best weights, for use."""
    options, vocabulary = _options(run), known(run)
    model = network(options, vocabulary)
    run.fill(model)
    return Opened(options, model.eval(), vocabulary)


def _options(run: Run) -> SequenceOptions:
    assert isinstance(run.options, SequenceOptions)
    return run.options


def known(run: Run) -> Vocabulary:
    """The vocabularies of a run."""
    return Vocabulary.from_json(run.read("vocabulary.json"))


def reach(options: SequenceOptions) -> Reach:
    """How much of a source is read."""
    most = CUT * options.longest if options.reads == "all" else options.longest
    return Reach(most, options.reads == "last")


def examples(sides: Sides) -> list[str]:
    """Some of the sources to show: shorter and longer ones, none of them the longest."""
    ranked = sorted({source for source in sides.sources if source}, key=lambda source: (len(source), source))
    return [ranked[len(ranked) * share // 5] for share in range(1, 5)] if len(ranked) > 4 else ranked


def predict(
    run: Run, data: Path | None, how: SequencePrediction, source: Callable[[str], str] = str.strip
) -> Iterator[Mapping[str, Any]]:
    """The targets of each line of a file, as they are written, whose `source` it is; ``-`` reads what is typed."""
    if data is None:
        raise UsageError(f"{run.folder}: predict wants a file of lines: recurra predict {run.folder} FILE, or - to type them")
    return _lines(run, data, how, source)


def _lines(run: Run, data: Path, how: SequencePrediction, made: Callable[[str], str]) -> Iterator[Mapping[str, Any]]:
    options, model, vocabulary = opened(run)
    own = recipes.held(model, how.weights)
    sources, again = tee(map(made, lines(data, options.encoding)))
    for number, (source, found) in enumerate(zip(again, write(own, vocabulary, sources, how, reach(options)), strict=True), 1):
        ids = vocabulary.source.encode(source)
        read = Ragged.of([ids]).cut(*reach(options)).row(0)
        about = {"unknown": int(np.count_nonzero(read == 0)), "unread": len(ids) - len(read)}
        if not found:
            yield {"line": number, "rank": 1, "target": "", "nats_per_symbol": None} | about
        for rank, (text, log_probability, symbols) in enumerate(found, 1):
            yield {"line": number, "rank": rank, "target": text, "nats_per_symbol": -log_probability / symbols} | about


@torch.no_grad()
def nats(model: EncoderDecoder, vocabulary: Vocabulary, pairs: Sides, read: Reach) -> Mean:
    """Nats of each symbol of the true targets, the end included, each after all true ones before."""
    device, training = next(model.parameters()).device, model.training
    sources, targets = _encoded(vocabulary, pairs)
    encoded = sources.cut(*read), targets
    there = np.flatnonzero(encoded[0].lengths)  # from nothing nothing is read
    sums, counts = np.zeros(len(pairs)), np.zeros(len(pairs), np.int64)
    model.eval()
    for places, found in in_order(*(side.take(there) for side in encoded), tokens=READ, batch=ROWS):
        batch = found.to(device)
        x, y, lengths = bounded(batch, vocabulary.boundary)
        logits = model(batch.source, batch.source_lengths, x, lengths)
        each = F.cross_entropy(logits.transpose(1, 2), y, reduction="none")
        sums[there[places]] = each.where(mask(lengths, x.shape[1]), 0).double().sum(1).cpu().numpy()
        counts[there[places]] = lengths.cpu().numpy()
    model.train(training)
    return Mean(tuple(sums[there].tolist()), tuple(counts[there].tolist()))


def bounded(batch: PairBatch, boundary: int) -> tuple[Tensor, Tensor, Tensor]:
    """What a decoder reads, what it is to predict, and how much of it: the targets with the boundary before and behind."""
    x = F.pad(batch.target, (1, 0), value=boundary)
    y = F.pad(batch.target, (0, 1)).scatter(1, batch.target_lengths[:, None], boundary)
    return x, y, batch.target_lengths + 1


def _learnt(options: SequenceOptions, pairs: Sides, first: encoders.Learnt | None) -> Vocabulary:
    """The vocabularies of what is learnt from, that of the sources, if there is one, an encoder's own."""
    between = {"character": "", "word": " "}.get(options.unit, "\n")

    def learnt(texts: Iterable[str]) -> Symbols:
        return Symbols.learn(options.unit, between.join(texts), options.vocabulary)

    if options.shared:
        both = learnt([*pairs.sources, *pairs.targets]) if first is None else first.symbols
        return Vocabulary(both, both)
    return Vocabulary(learnt(pairs.sources) if first is None else first.symbols, learnt(pairs.targets))


def _encoded(vocabulary: Vocabulary, pairs: Sides) -> tuple[Ragged, Ragged]:
    source, target = vocabulary
    return Ragged.of(map(source.encode, pairs.sources)), Ragged.of(map(target.encode, pairs.targets))


def _usable(options: SequenceOptions, vocabulary: Vocabulary, pairs: Sides) -> tuple[Ragged, Ragged, list[str]]:
    """The pairs that are learnt from, as symbols, and notes of those that are not."""
    whole, targets = _encoded(vocabulary, pairs)
    sources = whole.cut(*reach(options))
    places, notes = usable(pairs, sources, targets, longest=options.longest, ratio=options.ratio or None)
    cut = int(np.count_nonzero(whole.lengths > sources.lengths))
    if cut and options.reads != "all":
        told = f"{Path(pairs.name).name}: of {told_count(cut, 'source')} longer than longest={options.longest:,} symbols"
        notes.append(f"{told} only the {options.reads} {options.longest:,} are read")
    return sources.take(places), targets.take(places), notes


def _strange(options: SequenceOptions, vocabulary: Vocabulary, pairs: Sides) -> list[str]:
    """A note of the symbols that the vocabulary of an encoder lacks, if there are any."""
    sources, targets = _encoded(vocabulary, pairs)
    ids = np.concatenate([side.flat[: side.starts[-1]] for side in (sources, targets)[: 1 + options.shared]])
    unknown = int(np.count_nonzero(ids == 0))
    told = f"encoder={options.encoder}: {unknown:,} of {len(ids):,} symbols are unknown to its vocabulary"
    return [told] if unknown else []


def _start(text: str) -> str:
    """As much of a text as a look shows."""
    text = text.strip()
    return text if len(text) <= LETTERS else f"{text[:LETTERS]} ..."


def _difficulty(kind: str, targets: Ragged, boundary: int) -> NDArray[np.float64]:
    """How hard each target is: its length, or the nats of all its symbols under an n-gram of all targets."""
    if kind == "length":
        return targets.lengths.astype(np.float64)
    each = grams(targets, targets, boundary)[GRAM - 1]
    return np.add.reduceat(each, targets.starts[:-1] + np.arange(targets.rows))


def grams(learnt: Ragged, asked: Ragged, boundary: int) -> NDArray[np.float64]:
    """(3, T) nats of each symbol and each end of targets, under unigrams, bigrams and trigrams of those learnt from."""
    return KneserNey(_ended(learnt, boundary), boundary + 1, GRAM).nats(_ended(asked, boundary))


def _ended(targets: Ragged, boundary: int) -> NDArray[np.int64]:
    """All targets in a row, each with its end."""
    return np.insert(targets.flat[: targets.starts[-1]].astype(np.int64), targets.starts[1:], boundary)
