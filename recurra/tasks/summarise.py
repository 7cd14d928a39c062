"""The task `summarise`: a text in, a few words that say what it says out."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from recurra.data import DocstringPairs, Pairs, Sides, docstring_pairs, read_pairs
from recurra.data.counts import told_count
from recurra.errors import DataError
from recurra.metrics import RougeTotals
from recurra.tasks import judging, sequences
from recurra.tasks.evaluation import Evaluation
from recurra.tasks.options import EvaluationOptions, Summarise, SummaryPrediction
from recurra.tasks.recipes import Setup
from recurra.tasks.runs import Run

__all__ = ["Prediction", "begin", "evaluate", "examples", "predict", "setup", "setup_of"]

Prediction = SummaryPrediction

DOCSTRINGS = "docstrings of Python's standard library, and their first lines"
JUDGED = sequences.JUDGED
JUDGES = (judging.Judge(RougeTotals, ("ROUGE-1", "ROUGE-2", "ROUGE-L")),)
LEADS = (1, 3)


def begin(options: Summarise, data: Path | None, out: Path | None) -> Run:
    """Read the pairs, learn the vocabularies, and make the run folder."""
    return sequences.begin(options, _read(options, data), data, out)


def setup(options: Summarise, data: Path | None) -> Setup:
    """What there is to train, for whoever needs no run: reads the data, makes no folder."""
    return sequences.setup(options, _read(options, data))


def setup_of(run: Run) -> Setup:
    """What a run trains, from the data that it learns from."""
    return sequences.setup_of(run, sequences.pairs(run, _read))


def evaluate(run: Run, data: Path | None, chosen: EvaluationOptions) -> Evaluation:
    """ROUGE, beside the first sentence and the first three, the whole text, and the summary of the nearest text learnt from."""
    assert isinstance(run.options, Summarise)
    pairs = sequences.pairs(run, _read)
    asked, notes = pairs.test, [] if run.data else [_small(pairs)]
    if data is not None:
        asked, notes = sequences.asked(run, data, run.options.source, run.options.target)
    return judging.evaluate(run, pairs.learnt, asked, chosen, JUDGES, notes, LEADS, SummaryPrediction())


def predict(run: Run, data: Path | None, how: SummaryPrediction) -> Iterator[Mapping[str, Any]]:
    """The summary of each line of a file, as it is written; ``-`` reads what is typed."""
    return sequences.predict(run, data, how)


def examples(run: Run) -> list[str]:
    """Sources to show what a run does with."""
    return sequences.examples(sequences.pairs(run, _read).test)


def _read(options: Summarise, data: Path | None) -> Pairs:
    if data is None:
        return _docstrings(docstring_pairs(), options.held_out)
    return read_pairs(data, options.source, options.target, encoding=options.encoding, held_out=options.held_out)


def _docstrings(found: DocstringPairs, held_out: float) -> Pairs:
    """No package stands on two sides: half of what is held out is for looks, half to measure on."""
    rest, test = found.split(held_out / 2)
    learnt, validation = rest.split(held_out / (2 - held_out))
    if not (len(learnt.sources) and len(validation.sources) and len(test.sources)):
        raise DataError(f"{DOCSTRINGS}: held_out={held_out:g} leaves a part without a package; wanted about 0.2")
    pairs = Pairs(DOCSTRINGS, _sides(learnt), _sides(validation), _sides(test), found.fingerprint, ())
    counts = f"{told_count(len(pairs.learnt), 'pair')} to learn from, {len(pairs.validation):,} for looks during training"
    return replace(pairs, notes=(_small(pairs), f"{counts}, {len(pairs.test):,} to measure on"))


def _sides(part: DocstringPairs) -> Sides:
    return Sides(DOCSTRINGS, [*part.sources], [*part.targets], [*range(1, len(part.sources) + 1)], counted="pair")


def _small(pairs: Pairs) -> str:
    count = sum(map(len, (pairs.learnt, pairs.validation, pairs.test)))
    return f"{told_count(count, 'pair')} in all, split by package: few, to try things with; give pairs of your own"
