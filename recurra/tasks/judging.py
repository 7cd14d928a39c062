"""How well the tasks that read one sequence and write another do it: judges of what is written, and of what is probable."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recurra.data import Ragged, Sides
from recurra.data.counts import told_count
from recurra.errors import DataError, UsageError
from recurra.metrics import Mean, PairTotals, sequence_baselines
from recurra.models import EncoderDecoder
from recurra.tasks import recipes, sequences
from recurra.tasks.evaluation import Evaluation, Figure, Held
from recurra.tasks.options import EvaluationOptions, SequencePrediction
from recurra.tasks.runs import Run
from recurra.tasks.writing import write

__all__ = ["Judge", "evaluate", "judged", "likely"]

SEARCHED = SequencePrediction()


class Judge(NamedTuple):
    """Totals that say how near outputs are to references, and which of their figures are told."""

    totals: Callable[[], PairTotals]
    names: tuple[str, ...]
    higher: bool = True


def evaluate(
    run: Run,
    learnt: Sides,
    asked: Sides,
    chosen: EvaluationOptions,
    judges: Sequence[Judge],
    notes: Sequence[str] = (),
    leads: Sequence[int] = (),
    searched: SequencePrediction = SEARCHED,
) -> Evaluation:
    """The figures of what is written, by a beam, greedily and naively; and how probable the true targets are."""
    options, model, vocabulary = whole = sequences.opened(run)
    if not len(asked):
        raise DataError(f"{asked.name}: no pairs to measure on")
    said = [*notes]

    def outputs(own: EncoderDecoder, how: SequencePrediction) -> list[str]:
        return [each[0].text if each else "" for each in write(own, vocabulary, asked.sources, how, sequences.reach(options))]

    own = recipes.held(model, chosen.weights)
    ours, full = outputs(own, searched), None if own is model else outputs(model, searched)
    beside = {"this run, greedily": outputs(own, searched.model_copy(update={"beam": 1}))}
    naive = sequence_baselines(learnt.sources, learnt.targets, leads=leads)
    beside |= {name: baseline(asked.sources) for name, baseline in naive.items()}
    figures = list[Figure]()
    for judge in judges:
        try:
            figures += judged(judge, asked.targets, ours, full, beside, chosen.weights)
        except UsageError as error:  # a library that counts is not installed
            said.append(f"no {' and '.join(judge.names)}: {error}")
    probable = likely(whole, own, learnt, asked, chosen.weights)
    unknown = sum(int(np.count_nonzero(ids == 0)) for ids in map(vocabulary.source.encode, asked.sources))
    read = f"{told_count(len(asked), 'pair')}, {told_count(unknown, 'symbol')} of the sources unknown"
    said.append(f"{read}; written by a beam of {searched.beam}")
    return Evaluation(options.task, Path(asked.name).name, (*figures, probable), tuple(said))


def judged(
    judge: Judge, wanted: Sequence[Any], ours: Any, full: Any, beside: Mapping[str, Any], weights: str
) -> Iterator[Figure]:
    """How near outputs are to what is wanted, beside others, and beside those of full weights where there are such."""

    def totals(outputs: Any) -> PairTotals:
        made = judge.totals()
        made.add(outputs, wanted)
        return made

    own, others = totals(ours), {who: totals(outputs).figures() for who, outputs in beside.items()}
    before = None if full is None else totals(full)
    for name in judge.names:
        held = None
        if before is not None:
            value, *ends = own.difference(before, name)
            held = Held(weights, before.figures()[name], value, (ends[0], ends[1]))
        naive = {who: figures[name] for who, figures in others.items()}
        yield Figure(name, own.figures()[name], own.interval(name), naive, held, judge.higher)


def likely(whole: sequences.Opened, own: EncoderDecoder, learnt: Sides, asked: Sides, weights: str) -> Figure:
    """Nats of a symbol of the true targets, beside n-grams that know no source."""
    options, model, vocabulary = whole
    mean, held = sequences.nats(own, vocabulary, asked, sequences.reach(options)), None
    if own is not model:
        full = sequences.nats(model, vocabulary, asked, sequences.reach(options))
        change = Mean(tuple(a - b for a, b in zip(mean.sums, full.sums, strict=True)), mean.counts)
        held = Held(weights, full.value, change.value, change.interval())
    ours, theirs = (Ragged.of(map(vocabulary.target.encode, sides.targets)) for sides in (asked, learnt))
    rows = sequences.grams(theirs, ours, vocabulary.boundary).mean(1)
    naive = {f"{order}-gram that sees no source": value for order, value in enumerate(rows.tolist(), 1)}
    return Figure(sequences.JUDGED, mean.value, mean.interval(), naive, held)
