"""The task `chat`: the last turns of a dialogue in, the next one out."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recurra.data import Dialogue, Pairs, Sides, read_dialogues, small_talk, split_dialogues
from recurra.data import examples as responses
from recurra.data.counts import told_count
from recurra.errors import DataError
from recurra.metrics import DistinctTotals, Nearest, SequenceTotals, most_frequent
from recurra.models import EncoderDecoder
from recurra.tasks import judging, recipes, sequences
from recurra.tasks.evaluation import Evaluation, Figure, Held
from recurra.tasks.options import Chat, Conversation, EvaluationOptions, SequencePrediction
from recurra.tasks.recipes import Setup
from recurra.tasks.runs import Run
from recurra.tasks.talking import SEPARATOR, Talk, drawn, told
from recurra.tasks.writing import write

__all__ = ["Conversation", "Prediction", "begin", "chat", "evaluate", "examples", "predict", "setup", "setup_of"]

Prediction = SequencePrediction

SMALL_TALK = "small talk that is made up"
JUDGED = sequences.JUDGED
EXACT = judging.Judge(SequenceTotals, ("exact match",))
WRITTEN = 1000  # responses that a measurement writes, at most
NOBODY_KNOWS = math.nan, math.nan  # the interval of a figure that is no mean
LARGEST = 700.0  # exponent of a number that there is


def begin(options: Chat, data: Path | None, out: Path | None) -> Run:
    """Read the dialogues, learn the vocabulary, and make the run folder."""
    return sequences.begin(options, _with_blanks(options, _read(options, data)), data, out)


def setup(options: Chat, data: Path | None) -> Setup:
    """What there is to train, for whoever needs no run: reads the data, makes no folder."""
    return sequences.setup(options, _with_blanks(options, _read(options, data)))


def setup_of(run: Run) -> Setup:
    """What a run trains, from the data that it learns from."""
    return sequences.setup_of(run, _with_blanks(_options(run), sequences.pairs(run, _read)))


def evaluate(run: Run, data: Path | None, chosen: EvaluationOptions) -> Evaluation:
    """How probable true responses are, with less and less before them; and what is written, beside responses learnt from."""
    pairs, whole = sequences.pairs(run, _read), sequences.opened(run)
    options = _options(run)
    asked = pairs.test if data is None else _asked(options, data)
    own = recipes.held(whole.model, chosen.weights)
    probable = judging.likely(whole, own, pairs.learnt, asked, chosen.weights)
    figures = [probable, _perplexity(whole, own, asked, probable, options.turns)]
    some = asked.take(np.unique(np.linspace(0, len(asked) - 1, min(WRITTEN, len(asked)), dtype=np.int64)).tolist())
    figures += _written(whole, own, pairs.learnt, some, chosen.weights)
    notes = [f"{told_count(len(asked), 'response')}, perplexity per {options.unit}; {len(some):,} were written, by a beam of 5"]
    if not options.blank:
        notes.append("blank=0: nothing was learnt without turns before it, so what they are worth cannot be told")
    return Evaluation(options.task, Path(asked.name).name, tuple(figures), tuple(notes))


def _perplexity(whole: sequences.Opened, own: EncoderDecoder, asked: Sides, probable: Figure, turns: int) -> Figure:
    """Among how many symbols each one is as good as guessed, with all turns and with less."""
    less = {"this run, told nothing": [SEPARATOR] * len(asked)}
    if turns > 1:
        last = (source.rpartition(SEPARATOR)[2] for source in asked.sources)
        less["this run, told the last turn"] = [SEPARATOR + turn for turn in last]
    beside = dict(probable.baselines)
    for who, sources in less.items():
        read = replace(asked, sources=sources)
        beside[who] = sequences.nats(own, whole.vocabulary, read, sequences.reach(whole.options)).value
    value, low, high = map(_exp, (probable.value, *probable.interval))
    held = None
    if probable.held is not None:
        full = _exp(probable.held.full)
        held = Held(probable.held.weights, full, value - full, NOBODY_KNOWS)
    return Figure("perplexity per symbol", value, (low, high), {who: _exp(nats) for who, nats in beside.items()}, held)


def _exp(nats: float) -> float:
    return math.inf if nats > LARGEST else math.exp(nats)


def _written(whole: sequences.Opened, own: EncoderDecoder, learnt: Sides, asked: Sides, weights: str) -> Iterator[Figure]:
    """Exact matches and variety of what is written."""
    options, model, vocabulary = whole
    reach = sequences.reach(options)

    def searched(by: EncoderDecoder) -> list[str]:
        return [found[0].text if found else "" for found in write(by, vocabulary, asked.sources, SequencePrediction(), reach)]

    ours, full = searched(own), None if own is model else searched(model)
    beside = {
        "this run, drawn as it chats": drawn(own, vocabulary, asked.sources, Conversation(), reach),
        "most frequent response": [most_frequent(learnt.targets)] * len(asked),
        "nearest context": Nearest(learnt.sources, learnt.targets)(asked.sources),
    }
    yield from judging.judged(EXACT, asked.targets, ours, full, beside, weights)
    own_kinds, others = _distinct(ours), {who: _distinct(said) for who, said in beside.items()}
    others |= {"the true responses": _distinct(asked.targets)}
    before = None if full is None else _distinct(full)
    for name, value in own_kinds.items():
        held = None if before is None else Held(weights, before[name], value - before[name], NOBODY_KNOWS)
        yield Figure(name, value, NOBODY_KNOWS, {who: kinds[name] for who, kinds in others.items()}, held, higher=True)


def _distinct(said: Sequence[str]) -> dict[str, float]:
    totals = DistinctTotals()
    totals.add(said)
    return totals.figures()


def predict(run: Run, data: Path | None, how: SequencePrediction) -> Iterator[Mapping[str, Any]]:
    """The response to each line of a file, a turn or several with tabs between them; ``-`` reads what is typed."""
    return sequences.predict(run, data, how, partial(_line, most=_options(run).turns))


def _line(line: str, most: int) -> str:
    turns = [turn for turn in (" ".join(part.split()) for part in line.split("\t")) if turn]
    return told(turns, most) if turns else ""


def chat(run: Run, how: Conversation) -> Talk:
    """A conversation with the run."""
    options, model, vocabulary = sequences.opened(run)
    return Talk(model, vocabulary, sequences.reach(options), _options(run).turns, how)


def examples(run: Run) -> list[str]:
    """Sources to show what a run does with."""
    return sequences.examples(sequences.pairs(run, _read).test)


def _read(options: Chat, data: Path | None) -> Pairs:
    share = options.held_out / 2
    if data is None:
        found = split_dialogues(SMALL_TALK, small_talk(), held_out=share)
    else:
        found = read_dialogues(data, options.encoding, held_out=share)
    parts = found.learnt, found.validation, found.test
    there = told_count(len(found.learnt), "dialogue")
    counts = f"{there} to learn from, {len(found.validation):,} for looks during training, {len(found.test):,} to measure on"
    if not all(parts):
        raise DataError(f"{found.source}: {counts}; wanted at least 1 of each: give more, or a larger held_out of one file")
    learnt, validation, test = (_sides(found.source, part, options.turns) for part in parts)
    return Pairs(found.source, learnt, validation, test, found.fingerprint, (*found.notes, counts))


def _sides(name: str, dialogues: Sequence[Dialogue], turns: int) -> Sides:
    """Every turn but the first of each dialogue, and those before it."""
    rows = [
        (told(context, turns), response, number)
        for number, dialogue in enumerate(dialogues, 1)
        for context, response in responses(dialogue, turns=turns)
    ]
    sources, targets, numbers = (list(side) for side in zip(*rows, strict=True))
    return Sides(name, sources, targets, numbers, counted="dialogue")


def _with_blanks(options: Chat, pairs: Pairs) -> Pairs:
    """The same, some responses learnt a second time with nothing before them."""
    learnt, share = pairs.learnt, options.blank
    again = learnt.take([k for k in range(len(learnt)) if int((k + 1) * share) > int(k * share)])
    more = replace(
        learnt,
        sources=[*learnt.sources, *[SEPARATOR] * len(again)],
        targets=[*learnt.targets, *again.targets],
        lines=[*learnt.lines, *again.lines],
    )
    return replace(pairs, learnt=more)


def _asked(options: Chat, data: Path) -> Sides:
    """The test part of a folder, or all of a file."""
    found = read_dialogues(data, options.encoding, held_out=0)
    return _sides(str(data), found.test or found.learnt, options.turns)


def _options(run: Run) -> Chat:
    assert isinstance(run.options, Chat)
    return run.options
