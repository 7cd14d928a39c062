"""What the tasks that tell one label of a whole sequence share, of `transcripts` the sibling: network, training, measuring."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from recurra.data import Labelled, PairBatch, Ragged, Transcribed, TranscribedParts
from recurra.errors import DataError, UsageError
from recurra.layers import AttentionPooling, MaxPooling, MeanPooling
from recurra.metrics import fit_temperature, log_softmax
from recurra.models import Classifier
from recurra.tasks import classify, labelling, recipes
from recurra.tasks.evaluation import Evaluation
from recurra.tasks.labelling import Known
from recurra.tasks.options import EvaluationOptions, TranscriptOptions, TranscriptPrediction
from recurra.tasks.recipes import Setup
from recurra.tasks.runs import Run, origin
from recurra.tasks.transcripts import Kind, some_at_a_time
from recurra.train import Look, Loss

__all__ = ["begin", "evaluate", "network", "predict", "setup", "setup_of"]

LABELS = "labels.json"
SHOWN = 6  # labels that a look shows
WRITTEN = {"beam", "language", "language_weight", "bonus"}  # options of a search, which a label has none of
BESIDE = 20_000  # inputs that naive methods learn from


def begin(
    options: TranscriptOptions,
    parts: TranscribedParts,
    kind: Kind,
    data: Path | None,
    out: Path | None,
    files: Mapping[str, Any] = MappingProxyType({}),
) -> Run:
    """Learn the labels, see that all fits together, and make the run folder, in which `files` lie, too."""
    recipes.device(options)
    recipes.precision(options)
    known = _learnt(parts.learnt)
    model = network(options, kind, len(known.labels))
    recipes.check(options, model)
    _, notes = _readable(model, kind, parts.learnt)
    facts = origin(data, parts.name, parts.fingerprint, notes=[*parts.notes, *notes])
    return Run.create(out, options, facts, {LABELS: known.as_json(), **files})


def setup(options: TranscriptOptions, parts: TranscribedParts, kind: Kind, run: Run | None = None) -> Setup:
    """What there is to train, of a run or of none, and what its looks read and tell."""
    known = _learnt(parts.learnt) if run is None else _known(run)
    torch.manual_seed(options.seed)
    model = network(options, kind, len(known.labels))
    learnt, _ = _readable(model, kind, parts.learnt)
    batches = kind.batches(learnt.inputs, labelling.targets(known, learnt.texts))
    device, looked = recipes.device(options), parts.validation
    true = labelling.targets(known, looked.texts).flat[: len(looked)]

    def update(batch: PairBatch, _: Any) -> Loss:
        source, lengths, target, _ = batch.to(device)
        said, _ = model(source, None, lengths)
        return Loss(F.cross_entropy(said, target[:, 0]), len(source))

    def look() -> Look:
        said = _outputs(model, kind, looked.inputs)
        fine = np.flatnonzero((true >= 0) & np.isfinite(said).all(1))
        if not len(fine):
            raise DataError(f"{looked.name}: no label that is learnt among those looked at; wanted a larger held_out")
        model.temperature.fill_(fit_temperature(said[fine], true[fine]))
        loss = float(-log_softmax(said[fine], float(model.temperature))[np.arange(len(fine)), true[fine]].mean())
        best = np.nan_to_num(said).argmax(1)
        right = float((best == true).mean())
        pairs = ((looked.texts[k], known.labels[best[k]]) for k in range(min(SHOWN, len(looked))))
        shown = "\n".join(f"wanted  {wanted}   told  {told}" for wanted, told in pairs)
        return Look(loss + 1 - right, {"loss + error": loss + 1 - right, "log loss": loss, "accuracy": right}, shown)

    return Setup(model, update, batches, batches.per_epoch, look)


def setup_of(run: Run, parts: TranscribedParts, kind: Kind) -> Setup:
    """What a run trains."""
    return setup(_options(run), parts, kind, run)


def network(options: TranscriptOptions, kind: Kind, outputs: int) -> Classifier:
    """The network that the options describe, on its device."""
    recipes.network(options)
    front: Any = kind.front()
    layers = recipes.reader(options, front.size, bidirectional=options.bidirectional)
    kinds: dict[str, Any] = {"mean": MeanPooling, "max": MaxPooling, "attention": AttentionPooling}
    pooling = kinds[options.pooling](options.hidden)
    made = Classifier(nn.Identity(), layers, pooling, outputs, front=front, dropout=options.dropout)
    return made.to(recipes.device(options))


def evaluate(
    run: Run, learnt: Transcribed, asked: Transcribed, kind: Kind, chosen: EvaluationOptions, notes: Sequence[str] = ()
) -> Evaluation:
    """Log loss, accuracy, macro F1 and calibration, beside what needs no network where something `learnt` is there."""
    if not len(asked):
        raise DataError(f"{asked.name}: nothing to measure on")
    whole, said_so = _opened(run, kind), [*notes]
    own = recipes.held(whole.model, chosen.weights)
    said = [_outputs(model, kind, asked.inputs) for model in ((own,) if own is whole.model else (own, whole.model))]
    naive = _seen(learnt.take(range(min(BESIDE, len(learnt)))), kind) if len(learnt) else None
    figures, tables = classify.measured(whole, said, _seen(asked, kind), naive, chosen.weights, said_so)
    return Evaluation(run.options.task, Path(asked.name).name, figures, tuple(said_so), tables)


def predict(
    run: Run, kind: Kind, inputs: Iterable[tuple[Mapping[str, Any], NDArray[Any]]], how: TranscriptPrediction
) -> Iterator[Mapping[str, Any]]:
    """A row for each label of each input (T, C): what is said about the input, then rank, label and probability.

    An input that is too short to be read has no label, and its probability is None.

    Raises:
        UsageError: an option that only texts have.
    """
    if given := sorted(how.model_fields_set & WRITTEN):
        name = given[0]
        wanted = f"wanted a run with output=text, or no {name}"
        raise UsageError(f"{run.folder}: {name}={getattr(how, name)}: a label is not searched for; {wanted}")
    return _rows(run, kind, inputs, how)


def _rows(
    run: Run, kind: Kind, inputs: Iterable[tuple[Mapping[str, Any], NDArray[Any]]], how: TranscriptPrediction
) -> Iterator[Mapping[str, Any]]:
    whole = _opened(run, kind)
    model: Classifier = recipes.held(whole.model, how.weights)
    for about, row in some_at_a_time(inputs, partial(_outputs, model, kind)):
        if row is None or not np.isfinite(row).all():
            yield {**about, "rank": 1, "text": "", "probability": None}
            continue
        probable = np.exp(log_softmax(row[None], float(model.temperature)))[0]
        for rank, k in enumerate(np.argsort(-probable, kind="stable")[: how.best], 1):
            yield {**about, "rank": rank, "text": whole.known.labels[k], "probability": float(probable[k])}


def _opened(run: Run, kind: Kind) -> labelling.Opened:
    known = _known(run)
    model = network(_options(run), kind, len(known.labels))
    run.fill(model)
    options: Any = run.options  # of which nothing is asked that the task classify has and these have not
    return labelling.Opened(options, model.eval(), None, known)


def _learnt(learnt: Transcribed) -> Known:
    """The labels that there are to learn, and how many of each."""
    known = Known.of_labels(learnt.texts)
    if len(known.labels) < 2:
        raise DataError(f"{learnt.name}: one label only, {known.labels[0]}; wanted at least two to tell apart")
    return known


def _known(run: Run) -> Known:
    return Known.from_json(run.read(LABELS))


def _options(run: Run) -> TranscriptOptions:
    assert isinstance(run.options, TranscriptOptions)
    return run.options


def _there(model: Classifier, inputs: Ragged, share: float = 1.0) -> NDArray[np.int64]:
    """Which inputs give frames, if augmentation leaves such a share of their steps."""
    front: Any = model.front
    found: NDArray[np.int64] = front.frames(torch.from_numpy(np.floor(share * inputs.lengths).astype(np.int64))).numpy()
    return np.flatnonzero((found > 0) & (inputs.lengths > 0))


def _readable(model: Classifier, kind: Kind, learnt: Transcribed) -> tuple[Transcribed, list[str]]:
    """What can be learnt from, and notes of the rest."""
    there = _there(model, learnt.inputs, kind.shortest)
    out = sorted(set(range(len(learnt))) - set(there.tolist()))
    told = f"{Path(learnt.name).name}: {len(out):,} of {len(learnt):,} are too short to be read"
    notes = [f"{told} (the first in {learnt.counted} {learnt.lines[out[0]]}): left out"] if out else []
    if not len(there):
        raise DataError(f"{told}: nothing is left to learn from")
    return learnt.take(there.tolist()), notes


def _outputs(model: Classifier, kind: Kind, inputs: Ragged) -> NDArray[np.float64]:
    """(N, K) what the network says of each, NaN of those that are too short to be read."""
    there = _there(model, inputs)
    found = np.full((inputs.rows, model.head.out_features), np.nan)
    found[there] = labelling.outputs(model, inputs.take(there), kind.in_order)
    return found


def _seen(some: Transcribed, kind: Kind) -> Labelled:
    """Inputs and labels, as they stand beside naive methods."""
    rows = [kind.looks(some.inputs.row(k)) for k in range(len(some))]
    return Labelled(some.name, rows, some.texts, some.lines, some.counted)
