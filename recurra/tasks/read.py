"""The task `read`: print and handwriting in, images or pen points; text out, letter by letter, or one label of each piece."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recurra.data import Ragged
from recurra.data.writing_parts import WritingParts
from recurra.data.writings import Writings
from recurra.errors import DataError, UsageError
from recurra.metrics import log_softmax
from recurra.models import Classifier
from recurra.tasks import classify, labelling, reading, recipes, transcripts
from recurra.tasks.evaluation import Evaluation
from recurra.tasks.labelling import Known
from recurra.tasks.options import EvaluationOptions, Read, TranscriptPrediction
from recurra.tasks.reading import Seen
from recurra.tasks.recipes import Setup
from recurra.tasks.runs import Run

__all__ = ["Prediction", "begin", "evaluate", "predict", "setup", "setup_of"]

Prediction = TranscriptPrediction

SEEN, LABELS = "writing.json", "labels.json"


def begin(options: Read, data: Path | None, out: Path | None) -> Run:
    """See the writing, learn letters or labels, and make the run folder."""
    parts = reading.read(options, data)
    of = reading.seen(parts.learnt)
    files: dict[str, Any] = {SEEN: of._asdict()}
    if options.output == "text":
        return transcripts.begin(options, reading.whole(parts), reading.kind(options, of), data, out, files)
    recipes.device(options)
    recipes.precision(options)
    known = reading.known(parts.learnt)
    recipes.check(options, reading.network(options, of, len(known.labels)))
    facts = {
        "source": str(data.absolute()) if data is not None else parts.name,
        "embedded": data is None,
        "fingerprint": parts.fingerprint,
        "notes": [*parts.notes],
    }
    return Run.create(out, options, facts, files | {LABELS: known.as_json()})


def setup(options: Read, data: Path | None) -> Setup:
    """What there is to train, for whoever needs no run: sees the data, makes no folder."""
    parts = reading.read(options, data)
    if options.output == "label":
        return reading.labels(options, parts, reading.known(parts.learnt))
    return transcripts.setup(options, reading.whole(parts), reading.kind(options, reading.seen(parts.learnt)))


def setup_of(run: Run) -> Setup:
    """What a run trains, from the data that it learns from."""
    parts = _parts(run)
    if _options(run).output == "label":
        return reading.labels(_options(run), parts, _known(run))
    return transcripts.setup_of(run, reading.whole(parts), reading.kind(_options(run), _seen(run)))


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
    if options.output == "text":
        beside = reading.transcribed(asked.take([]) if learnt is None else learnt)
        return transcripts.evaluate(run, beside, reading.transcribed(asked), reading.kind(options, of), chosen, notes)
    whole = _opened(run)
    own = recipes.held(whole.model, chosen.weights)
    rows = Ragged.of_vectors(asked.inputs, of.size)
    said = [labelling.outputs(model, rows) for model in ((own,) if own is whole.model else (own, whole.model))]
    naive = None if learnt is None else reading.labelled(reading.beside(learnt), of)
    figures, tables = classify.measured(whole, said, reading.labelled(asked, of), naive, chosen.weights, notes)
    return Evaluation(options.task, Path(asked.name).name, figures, tuple(notes), tables)


def predict(run: Run, data: Path | None, how: TranscriptPrediction) -> Iterator[Mapping[str, Any]]:
    """What a file says, or each of a table, an archive, a folder; of what cannot be read, why."""
    if data is None:
        raise UsageError(f"{run.folder}: predict wants images or pen points: recurra predict {run.folder} FILE, or a folder")
    options, of = _options(run), _seen(run)
    asked = reading.found(options, data, of)
    about = [{"input": name, "problem": problem} for name, problem in zip(asked.names, asked.problems, strict=True)]
    if options.output == "text":
        return transcripts.predict(run, reading.kind(options, of), zip(about, asked.inputs, strict=True), how)
    return _labels(run, asked, about, how)


def _labels(run: Run, asked: Writings, about: list[dict[str, str]], how: TranscriptPrediction) -> Iterator[Mapping[str, Any]]:
    whole = _opened(run)
    model: Classifier = recipes.held(whole.model, how.weights)
    said = labelling.outputs(model, Ragged.of_vectors(asked.inputs, _seen(run).size))
    for one, row in zip(about, said, strict=True):
        if not np.isfinite(row).all():
            yield {**one, "rank": 1, "text": "", "probability": None}
            continue
        probable = np.exp(log_softmax(row[None], float(model.temperature)))[0]
        for rank, k in enumerate(np.argsort(-probable, kind="stable")[: how.best], 1):
            yield {**one, "rank": rank, "text": whole.known.labels[k], "probability": float(probable[k])}


def _opened(run: Run) -> labelling.Opened:
    known = _known(run)
    model = reading.network(_options(run), _seen(run), len(known.labels))
    run.fill(model)
    options: Any = _options(run)  # of which nothing is asked that the task classify has and this one not
    return labelling.Opened(options, model.eval(), None, known)


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


def _known(run: Run) -> Known:
    return Known.from_json(run.read(LABELS))


def _seen(run: Run) -> Seen:
    return Seen(**run.read(SEEN))


def _options(run: Run) -> Read:
    assert isinstance(run.options, Read)
    return run.options
