"""The task `tag`: which words of a sentence are an entity, and what it is."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, tee
from pathlib import Path
from typing import Any

import torch

from recurra.data import (
    Buckets,
    Entity,
    PairBatch,
    Sentence,
    Tagged,
    TaggedParts,
    entities,
    lines,
    notices,
    of_text,
    of_words,
    read_tagged,
    read_tagged_parts,
    read_texts,
    split_tagged,
    tags_of,
    word_places,
)
from recurra.data.conll import blocks, has_columns, token_column
from recurra.data.counts import told_count
from recurra.data.lines import STANDARD_INPUT
from recurra.data.sentences import blank_places
from recurra.errors import DataError, UsageError
from recurra.metrics import EntityLookup, EntityTotals, Mean, TagLookup, confused_entities, entity_totals_by_label
from recurra.models import Tagger
from recurra.tasks import recipes, tagging
from recurra.tasks.evaluation import Evaluation, Figure, Held, Rows
from recurra.tasks.options import EvaluationOptions, Tag, TagPrediction
from recurra.tasks.recipes import Setup
from recurra.tasks.runs import Run, origin
from recurra.tasks.seeds import ENCODER
from recurra.tasks.tagging import Forms, Learnt, Lexicon
from recurra.train import Look, Loss

__all__ = ["Prediction", "begin", "evaluate", "predict", "setup", "setup_of"]

Prediction = TagPrediction

JUDGED = "1 - F1"
"""The figure by which networks are compared, and of which looks keep the best."""
NAMES = ("F1", "precision", "recall")
LOOK = 2000  # sentences that a look reads
SHOWN = 3  # of them, that it also shows
COLUMNS = ("label", "true", "found", "right", *NAMES, "F1 from", "to")


def begin(options: Tag, data: Path | None, out: Path | None) -> Run:
    """Read the sentences, learn the lexicon, see that all fits together, and make the run folder."""
    recipes.network(options)
    recipes.device(options)
    recipes.precision(options)
    parts = _read(options, data)
    options, learnt = tagging.learn(options, parts.learnt)
    recipes.check(options, tagging.network(options, learnt.lexicon))
    _, notes = _usable(options, parts.learnt)
    files: dict[str, Any] = {"vocabulary.json": learnt.lexicon.as_json()}
    if learnt.vectors is not None:
        files[ENCODER] = learnt.vectors
    facts = origin(data, parts.name, parts.fingerprint, notes=[*parts.notes, *learnt.notes, *notes])
    return Run.create(out, options, facts, files)


def setup(options: Tag, data: Path | None) -> Setup:
    """What there is to train, for whoever needs no run: reads the data, makes no folder."""
    recipes.network(options)
    parts = _read(options, data)
    return _setup(*tagging.learn(options, parts.learnt), parts)


def setup_of(run: Run) -> Setup:
    """What a run trains, from the data that it learns from."""
    first = run.folder / ENCODER
    return _setup(_options(run), Learnt(_known(run), first.read_bytes() if first.exists() else None), _parts(run))


def _setup(options: Tag, learnt: Learnt, parts: TaggedParts) -> Setup:
    lexicon = learnt.lexicon
    torch.manual_seed(options.seed)
    model = tagging.network(options, lexicon)
    if learnt.vectors is not None:
        tagging.start(model, learnt.vectors)
    sentences, device = _usable(options, parts.learnt)[0].sentences, recipes.device(options)
    forms, targets = Forms(lexicon, sentences), lexicon.targets(sentences)
    batches = Buckets(forms.rows, targets, tokens=options.tokens, batch=options.batch, seed=options.seed)

    def update(item: PairBatch, _: Any) -> Loss:
        batch, tags = forms.batch(item).to(device), item.target.to(device)
        words = int(item.source_lengths.sum())
        return Loss(model.nats(model(batch), tags, batch.lengths).sum() / words, words)

    looked = parts.validation.sentences[:LOOK]
    shown = [k for k, sentence in enumerate(looked) if sentence.entities][:SHOWN]

    def look() -> Look:
        found = _found(model, lexicon, looked)
        wrong = 1 - _totals(found, [sentence.entities for sentence in looked]).figures()["F1"]
        nats = tagging.nats(model, lexicon, looked).value
        model.train()
        told = (f"wanted  {_marked(looked[k])}\nfound   {_marked(looked[k], found[k])}" for k in shown)
        return Look(wrong, {JUDGED: wrong, "nats/tag": nats}, "\n".join(told))

    return Setup(model, update, batches, batches.per_epoch, look)


def evaluate(run: Run, data: Path | None, chosen: EvaluationOptions) -> Evaluation:
    """Strict figures of entities, of all and of each label, beside what looking words and entities up comes to."""
    lexicon, parts = _known(run), _parts(run)
    asked = parts.test if data is None else read_tagged(data, **_how(_options(run)))
    notes = [] if data is None else list(asked.notes)
    model = _trained(run)
    own = recipes.held(model, chosen.weights)
    sentences, wanted = asked.sentences, [sentence.entities for sentence in asked.sentences]
    ours, beside = _found(own, lexicon, sentences), _looked_up(parts.learnt, lexicon.scheme, sentences)
    totals, naive = _totals(ours, wanted), {who: _totals(found, wanted).figures() for who, found in beside.items()}
    before = None if own is model else _totals(_found(model, lexicon, sentences), wanted)
    figures = list[Figure]()
    for name in NAMES:
        held = None if before is None else _held(chosen, totals, before, name)
        others = {who: each[name] for who, each in naive.items()}
        figures.append(Figure(name, totals.figures()[name], totals.interval(name), others, held, higher=True))
    right = _right(ours, sentences, lexicon.scheme)
    others = {who: _right(found, sentences, lexicon.scheme).value for who, found in beside.items()}
    figures.append(Figure("accuracy", right.value, right.interval(), others, higher=True))
    f1, (low, high) = figures[0].value, figures[0].interval
    figures.append(Figure(JUDGED, 1 - f1, (1 - high, 1 - low), {who: 1 - each["F1"] for who, each in naive.items()}))
    nats = tagging.nats(own, lexicon, sentences)
    figures.append(Figure("nats per tag", nats.value, nats.interval(), {}))
    unknown = Forms(lexicon, sentences).unknown
    notes.append(
        f"{told_count(len(sentences), 'sentence')} of {told_count(sum(right.counts), 'word')}, {unknown:,} of them unknown"
    )
    strange = sorted({one.label for found in wanted for one in found} - set(parts.learnt.labels))
    if strange and data is not None:
        notes.append(f"labels that were not learnt: {', '.join(strange)}; none of them can be found")
    tables = Rows("labels", COLUMNS, tuple(_by_label(ours, wanted))), _confusion(ours, sentences)
    return Evaluation("tag", Path(asked.name).name, tuple(figures), tuple(notes), tables)


def _by_label(found: Sequence[Sequence[Entity]], wanted: Sequence[Sequence[Entity]]) -> Iterator[tuple[str | int | float, ...]]:
    for label, totals in entity_totals_by_label(found, wanted).items():
        figures, (low, high) = totals.figures(), totals.interval("F1")
        yield (label, *totals.counts, *(figures[name] for name in NAMES), low, high)


def _confusion(found: Sequence[Sequence[Entity]], sentences: Sequence[Sentence]) -> Rows:
    """What was told of what, the most frequent first; nothing is empty; with the words of which it was told most often."""
    rows = list[tuple[str | int, ...]]()
    for (true, told, same), places in confused_entities(found, [sentence.entities for sentence in sentences]).items():
        words = Counter(" ".join(sentences[row].words[start:end]) for row, start, end in places)
        ends = ("same" if same else "other") if true and told else ""
        rows.append((true, told, ends, len(places), words.most_common(1)[0][0]))
    rows.sort(key=lambda row: (-int(row[3]), row[:3]))
    return Rows("confusion", ("true", "told", "ends", "count", "most often"), tuple(rows), shown=False)


def _right(found: Sequence[Sequence[Entity]], sentences: Sequence[Sentence], scheme: str) -> Mean:
    """The share of the words with the right tag."""
    sums, counts = list[float](), list[int]()
    for one, sentence in zip(found, sentences, strict=True):
        told, true = (tags_of(each, len(sentence.words), scheme) for each in (one, sentence.entities))
        sums.append(sum(map(str.__eq__, told, true)))
        counts.append(len(true))
    return Mean(tuple(sums), tuple(counts))


def _totals(found: Sequence[Sequence[Entity]], wanted: Sequence[Sequence[Entity]]) -> EntityTotals:
    made = EntityTotals()
    made.add(found, wanted)
    return made


def _held(chosen: EvaluationOptions, own: EntityTotals, full: EntityTotals, name: str) -> Held:
    value, *ends = own.difference(full, name)
    return Held(chosen.weights, full.figures()[name], value, (ends[0], ends[1]))


def _looked_up(learnt: Tagged, scheme: str, sentences: Sequence[Sentence]) -> dict[str, list[list[Entity]]]:
    """What is found without a network."""
    words, known = [one.words for one in learnt.sentences], [one.entities for one in learnt.sentences]
    scheme = scheme if scheme == "words" else "iob2"
    by_tag = TagLookup(words, [tags_of(one.entities, len(one.words), scheme) for one in learnt.sentences], "O")
    by_name, surely = EntityLookup(words, known), EntityLookup(words, known, sure=True)
    return {
        "tag of each word": [entities(by_tag(one.words), scheme) for one in sentences],
        "entities learnt": [[Entity(*each) for each in by_name(one.words)] for one in sentences],
        "entities learnt, if mostly such": [[Entity(*each) for each in surely(one.words)] for one in sentences],
    }


def _found(model: Tagger, lexicon: Lexicon, sentences: Sequence[Sentence]) -> list[list[Entity]]:
    return [[one.entity for one in found] for found in tagging.find(model, lexicon, sentences)]


def predict(run: Run, data: Path | None, how: TagPrediction) -> Iterator[Mapping[str, Any]]:
    """The entities of each line of a file, with their places in it; ``-`` reads what is typed."""
    if data is None:
        raise UsageError(f"{run.folder}: predict wants a file: recurra predict {run.folder} FILE, or - to type lines")
    return _rows(run, data, how)


def _rows(run: Run, data: Path, how: TagPrediction) -> Iterator[Mapping[str, Any]]:
    lexicon, model = _known(run), recipes.held(_trained(run), how.weights)
    sentences, again = tee(_sentences(_options(run), data, how))
    for sentence, found in zip(again, tagging.find(model, lexicon, sentences), strict=True):
        told = [one for one in found if one.probability >= how.least]
        for (start, end, label), probability in told:
            first, last = sentence.places[start][0], sentence.places[end - 1][1]
            place = {"line": sentence.line, "start": first, "end": last, "label": label}
            yield place | {"text": sentence.text[first:last], "probability": probability}
        if not told:
            yield {"line": sentence.line, "start": None, "end": None, "label": None, "text": "", "probability": None}


def _sentences(options: Tag, data: Path, how: TagPrediction) -> Iterator[Sentence]:
    """The sentences of a file, one after the other."""
    if data != STANDARD_INPUT and not any(map(str.strip, lines(data, options.encoding))):
        raise DataError(f"{data}: nothing in it; wanted at least one sentence")
    read = lines(data, options.encoding)
    kind, form = data.name.removesuffix(".gz").rpartition(".")[2].lower(), how.form
    if form == "auto":
        form = "jsonl" if kind in ("jsonl", "ndjson") else "conll" if kind in ("conll", "iob", "bio") else "lines"
        first = list(islice(read, 1))
        form = "conll" if form == "lines" and any(map(has_columns, first)) else form
        read = chain(first, read)
    if form == "conll":
        for numbers, rows in blocks(data, read):
            yield of_words([row[token_column(rows, options.token)] for row in rows], (), numbers[0])
    else:
        cut = word_places if how.words == "signs" else blank_places
        for number, text in read_texts(data, read, options.text) if form == "jsonl" else enumerate(read, 1):
            yield of_text(text, number, cut)


def _marked(sentence: Sentence, found: Iterable[Entity] | None = None) -> str:
    """A sentence with its entities in brackets."""
    words = list(sentence.words)
    for start, end, label in sentence.entities if found is None else found:
        words[start] = f"[{words[start]}"
        words[end - 1] += f"]{label}"
    return " ".join(words)


def _trained(run: Run) -> Tagger:
    model = tagging.network(_options(run), _known(run))
    run.fill(model)
    return model.eval()


def _read(options: Tag, data: Path | None) -> TaggedParts:
    if data is None:
        return split_tagged(notices(), held_out=options.held_out)
    return read_tagged_parts(data, **_how(options), held_out=options.held_out)


def _how(options: Tag) -> dict[str, Any]:
    """How a file is read."""
    return {name: getattr(options, name) for name in ("token", "tag", "text", "spans", "encoding")}


def _parts(run: Run) -> TaggedParts:
    parts = _read(_options(run), run.data)
    run.check_data(parts.fingerprint)
    return parts


def _usable(options: Tag, learnt: Tagged) -> tuple[Tagged, list[str]]:
    """The sentences that are short enough to learn from, and a note of the others."""
    kept = [k for k, sentence in enumerate(learnt.sentences) if len(sentence.words) <= options.longest]
    if not kept:
        raise DataError(
            f"{learnt.name}: every sentence is longer than longest={options.longest:,} words: part them, or raise it"
        )
    left = len(learnt) - len(kept)
    told = f"{Path(learnt.name).name}: {told_count(left, 'sentence')} of more than longest={options.longest:,} words: left out"
    return learnt.take(kept), [told] if left else []


def _known(run: Run) -> Lexicon:
    return Lexicon.from_json(run.read("vocabulary.json"))


def _options(run: Run) -> Tag:
    assert isinstance(run.options, Tag)
    return run.options
