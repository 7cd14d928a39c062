"""The task `translate`: lines in, lines out; sentences, spellings, word forms, commands."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recurra.data import Pairs, date_pairs, read_pairs, split_pairs
from recurra.metrics import SequenceTotals, TranslationTotals
from recurra.tasks import judging, sequences
from recurra.tasks.evaluation import Evaluation
from recurra.tasks.options import EvaluationOptions, SequencePrediction, Translate
from recurra.tasks.recipes import Setup
from recurra.tasks.runs import Run

__all__ = ["Prediction", "begin", "evaluate", "examples", "predict", "setup", "setup_of"]

Prediction = SequencePrediction

DATES = "dates as people write them, and in ISO 8601"
JUDGED = sequences.JUDGED
JUDGES = (
    judging.Judge(TranslationTotals, ("BLEU", "chrF")),
    judging.Judge(SequenceTotals, ("exact match",)),
    judging.Judge(SequenceTotals, ("error rate",), higher=False),
)


def begin(options: Translate, data: Path | None, out: Path | None) -> Run:
    """Read the pairs, learn the vocabularies, and make the run folder."""
    return sequences.begin(options, _read(options, data), data, out)


def setup(options: Translate, data: Path | None) -> Setup:
    """What there is to train, for whoever needs no run: reads the data, makes no folder."""
    return sequences.setup(options, _read(options, data))


def setup_of(run: Run) -> Setup:
    """What a run trains, from the data that it learns from."""
    return sequences.setup_of(run, sequences.pairs(run, _read))


def evaluate(run: Run, data: Path | None, chosen: EvaluationOptions) -> Evaluation:
    """BLEU, chrF, exact matches and errors, beside copying the source and the target of the nearest source learnt from."""
    assert isinstance(run.options, Translate)
    pairs = sequences.pairs(run, _read)
    asked, notes = pairs.test, list[str]()
    if data is not None:
        asked, notes = sequences.asked(run, data, run.options.source, run.options.target)
    return judging.evaluate(run, pairs.learnt, asked, chosen, JUDGES, notes)


def predict(run: Run, data: Path | None, how: SequencePrediction) -> Iterator[Mapping[str, Any]]:
    """What each line of a file is in the other language, as it is written; ``-`` reads what is typed."""
    return sequences.predict(run, data, how)


def examples(run: Run) -> list[str]:
    """Sources to show what a run does with."""
    return sequences.examples(sequences.pairs(run, _read).test)


def _read(options: Translate, data: Path | None) -> Pairs:
    if data is None:
        return split_pairs(DATES, *date_pairs(), held_out=options.held_out)
    return read_pairs(data, options.source, options.target, encoding=options.encoding, held_out=options.held_out)
