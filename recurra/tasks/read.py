"""The task `read`: print and handwriting in, images or pen points; text out, letter by letter, or one label of each piece."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recurra.data.writing_parts import WritingParts
from recurra.data.writings import Writings
from recurra.errors import DataError, UsageError
from recurra.tasks import reading, told
from recurra.tasks.evaluation import Evaluation
from recurra.tasks.options import EvaluationOptions, Read, TranscriptPrediction
from recurra.tasks.placed import Placed, find_places
from recurra.tasks.reading import Seen
from recurra.tasks.recipes import Setup
from recurra.tasks.runs import Run

__all__ = ["Prediction", "begin", "evaluate", "placed", "predict", "setup", "setup_of"]

Prediction = TranscriptPrediction

SEEN = "writing.json"


def begin(options: Read, data: Path | None, out: Path | None) -> Run:
    """See the writing, learn letters or labels, and make the run folder."""
    parts = reading.read(options, data)
    of = reading.seen(parts.learnt)
    files = {SEEN: of._asdict()}
    return told.by(options).begin(options, reading.whole(parts), reading.kind(options, of), data, out, files)


def setup(options: Read, data: Path | None) -> Setup:
    """What there is to train, for whoever needs no run: sees the data, makes no folder."""
    parts = reading.read(options, data)
    return told.by(options).setup(options, reading.whole(parts), reading.kind(options, reading.seen(parts.learnt)))


def setup_of(run: Run) -> Setup:
    """What a run trains, from the data that it learns from."""
    options = _options(run)
    return told.by(options).setup_of(run, reading.whole(_parts(run)), reading.kind(options, _seen(run)))


def evaluate(run: Run, data: Path | None, chosen: EvaluationOptions) -> Evaluation:
    """Errors in characters and words, or in labels, beside the most frequent one and that of the piece most alike."""
    options, of, notes = _options(run), _seen(run), list[str]()
    learnt: Writings | None = None
    try:
        parts = _parts(run)
        learnt = parts.learnt
    except DataError as error:
        if data is None:
            raise
        notes.append(f"no baselines, they need what was learnt from: {error}")
    asked = parts.test if data is None else _measurable(reading.found(options, data, of), notes)
    beside = reading.transcribed(asked.take([]) if learnt is None else learnt)
    return told.by(options).evaluate(run, beside, reading.transcribed(asked), reading.kind(options, of), chosen, notes)


def placed(run: Run, count: int) -> list[Placed]:
    """Where in some of what the run was measured on each symbol is seen that it writes."""
    of = _seen(run)
    unit = "columns" if of.kind == "images" else "points"
    return find_places(run, reading.kind(_options(run), of), reading.transcribed(_parts(run).test), count, unit)


def predict(run: Run, data: Path | None, how: TranscriptPrediction) -> Iterator[Mapping[str, Any]]:
    """What a file says, or each of a table, an archive, a folder; of those of several that cannot be read, why."""
    if data is None:
        raise UsageError(f"{run.folder}: predict wants images or pen points: recurra predict {run.folder} FILE, or a folder")
    options, of = _options(run), _seen(run)
    asked = reading.found(options, data, of)
    if len(asked) == 1 and asked.problems[0]:
        raise DataError(asked.problems[0])
    about = [{"input": name, "problem": problem} for name, problem in zip(asked.names, asked.problems, strict=True)]
    return told.by(options).predict(run, reading.kind(options, of), zip(about, asked.inputs, strict=True), how)


def _measurable(asked: Writings, notes: list[str]) -> Writings:
    """What can be read and has a text, if there is any."""
    kept = [k for k, text in enumerate(asked.texts) if text and not asked.problems[k]]
    if not kept:
        raise DataError(f"{asked.name}: nothing with a text to measure on; wanted a.txt beside a.png, or a table of both")
    if len(kept) < len(asked):
        notes.append(f"{len(asked) - len(kept):,} of {len(asked):,} cannot be read, or have no text: left out")
    return asked.take(kept)


def _parts(run: Run) -> WritingParts:
    parts = reading.read(_options(run), run.data)
    run.check_data(parts.fingerprint)
    return parts


def _seen(run: Run) -> Seen:
    return Seen(**run.read(SEEN))


def _options(run: Run) -> Read:
    assert isinstance(run.options, Read)
    return run.options
