"""The task `translate`: lines in, lines out; sentences, spellings, word forms, commands."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recurra.data import Pairs, date_pairs, read_pairs, read_sides, split_pairs
from recurra.data.filters import measurable
from recurra.metrics import SequenceTotals, TranslationTotals
from recurra.tasks import recipes, sequences
from recurra.tasks.evaluation import Evaluation
from recurra.tasks.options import EvaluationOptions, SequencePrediction, Translate
from recurra.tasks.recipes import Setup
from recurra.tasks.runs import Run
from recurra.train import Report

__all__ = ["Prediction", "begin", "evaluate", "examples", "predict", "setup", "setup_of", "train"]

Prediction = SequencePrediction

DATES = "dates as people write them, and in ISO 8601"
JUDGED = sequences.JUDGED
JUDGES = (
    sequences.Judge(TranslationTotals, ("BLEU", "chrF")),
    sequences.Judge(SequenceTotals, ("exact match",)),
    sequences.Judge(SequenceTotals, ("error rate",), higher=False),
)


def begin(options: Translate, data: Path | None, out: Path | None) -> Run:
    """Read the pairs, learn the vocabularies, and make the run folder."""
    return sequences.begin(options, _read(options, data), data, out)


def setup(options: Translate, data: Path | None) -> Setup:
    """What there is to train, for whoever needs no run: reads the data, makes no folder."""
    return sequences.setup(options, _read(options, data))


def train(run: Run) -> Iterator[Report]:
    """Train, or go on from the newest checkpoint; yield a report for each look at the validation part."""
    yield from recipes.train(_options(run), setup_of(run), run.folder)


def setup_of(run: Run) -> Setup:
    """What a run trains, from the data that it learns from."""
    return sequences.setup(_options(run), _pairs(run), run)


def evaluate(run: Run, data: Path | None, chosen: EvaluationOptions) -> Evaluation:
    """BLEU, chrF, exact matches and errors, beside copying the source and the target of the nearest source learnt from."""
    pairs = _pairs(run)
    if data is None:
        asked, notes = pairs.test, list[str]()
    else:
        asked, notes = measurable(read_sides(data, _options(run).source, _options(run).target, _options(run).encoding))
    return sequences.evaluate(run, pairs.learnt, asked, chosen, JUDGES, notes)


def predict(run: Run, data: Path | None, how: SequencePrediction) -> Iterator[Mapping[str, Any]]:
    """What each line of a file is in the other language, as it is written; ``-`` reads what is typed."""
    return sequences.predict(run, data, how)


def examples(run: Run) -> list[str]:
    """Sources to show what a run does with."""
    return sequences.examples(_pairs(run).test)


def _read(options: Translate, data: Path | None) -> Pairs:
    if data is None:
        return split_pairs(DATES, *date_pairs(), held_out=options.held_out)
    return read_pairs(data, options.source, options.target, encoding=options.encoding, held_out=options.held_out)


def _pairs(run: Run) -> Pairs:
    pairs = _read(_options(run), None if run.facts["data"]["embedded"] else Path(run.source))
    run.check_data(pairs.fingerprint)
    return pairs


def _options(run: Run) -> Translate:
    assert isinstance(run.options, Translate)
    return run.options
