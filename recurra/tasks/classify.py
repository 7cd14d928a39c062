"""The task `classify`: one label, or one number, for a whole sequence: sentences, names, series of sensors, DNA."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from recurra.data import (
    Buckets,
    Labelled,
    LabelledParts,
    PairBatch,
    read_inputs,
    read_labelled,
    split_labelled,
    syllables,
)
from recurra.data.counts import told_count
from recurra.data.label_streams import stream_inputs
from recurra.data.labels import channel_order, channels_told, note
from recurra.errors import DataError, UsageError
from recurra.metrics import CalibrationTotals, fit_temperature, log_softmax, wilson
from recurra.metrics.classification import ClassTotals, NumberTotals, ProbabilityTotals
from recurra.metrics.label_baselines import label_baselines, number_baselines
from recurra.tasks import labelling, recipes
from recurra.tasks.evaluation import Evaluation, Figure, Rows
from recurra.tasks.judging import Judge, judged
from recurra.tasks.labelling import Learnt, Opened
from recurra.tasks.options import Classify, ClassifyPrediction, EvaluationOptions
from recurra.tasks.recipes import Setup
from recurra.tasks.runs import Run, origin
from recurra.tasks.seeds import ENCODER
from recurra.train import Look, Loss

__all__ = ["Prediction", "begin", "evaluate", "kept", "measured", "predict", "setup", "setup_of"]

Prediction = ClassifyPrediction

SYLLABLES = "names of syllables in Unicode, and their scripts"
LOOK = 4000  # sequences that a look reads, evenly spread
SHOWN = 3  # of them, that it also shows
LETTERS = 200  # of a text that is shown
LEAST = 1e-300  # that a probability counts for
AHEAD = 512  # sequences that are sorted by length before they are read, and held at a time


def begin(options: Classify, data: Path | None, out: Path | None) -> Run:
    """Read the data, learn vocabulary and labels, see that all fits together, and make the run folder."""
    recipes.network(options)
    recipes.device(options)
    recipes.precision(options)
    parts = _read(options, data)
    options, learnt = labelling.learn(options, parts)
    made = labelling.network(options, learnt.symbols, learnt.known)
    recipes.check(options, made)
    files: dict[str, Any] = {"labels.json": learnt.known.as_json()}
    if learnt.symbols is not None:
        files["vocabulary.json"] = learnt.symbols.as_json()
    if learnt.start is not None:
        labelling.start(made, options, learnt.start)
        files[ENCODER] = learnt.start
    facts = origin(data, parts.name, parts.fingerprint, notes=[*parts.notes, *learnt.notes, *_cut(options, learnt)])
    return Run.create(out, options, facts, files)


def setup(options: Classify, data: Path | None) -> Setup:
    """What there is to train, for whoever needs no run: reads the data, learns the vocabulary, makes no folder."""
    recipes.network(options)
    return _setup(*labelling.learn(options, _read(options, data)))


def setup_of(run: Run) -> Setup:
    """What a run trains, from the data that it learns from."""
    first = run.folder / ENCODER
    start = first.read_bytes() if first.exists() else None
    return _setup(_options(run), Learnt(kept(run), *labelling.known(run), start))


def _setup(options: Classify, learnt: Learnt) -> Setup:
    parts, symbols, known, start, _ = learnt
    torch.manual_seed(options.seed)
    model = labelling.network(options, symbols, known, parts.learnt.inputs if symbols is None else ())
    if start is not None:
        labelling.start(model, options, start)
    encoded = partial(labelling.encoded, options, symbols, known)
    wanted = labelling.targets(known, parts.learnt.labels)
    how: dict[str, Any] = {"tokens": options.tokens, "batch": options.batch, "seed": options.seed}
    drawn = wanted.flat[: len(parts.learnt)] if options.balance == "sampling" else None
    batches = Buckets(encoded(parts.learnt.inputs), wanted, classes=drawn, **how)
    device, weights = recipes.device(options), None
    if options.balance == "loss":
        weights = torch.from_numpy(1 / (len(known.labels) * known.shares)).float().to(device)

    def update(batch: PairBatch, _: Any) -> Loss:
        source, lengths, target, _ = batch.to(device)
        said, _ = model(source, None, lengths)
        if known.labels:
            mean = F.cross_entropy(said, target[:, 0], weights, label_smoothing=options.smoothing)
        else:
            mean = F.mse_loss(said, target[:, 0])
        return Loss(mean, len(source))

    validation = parts.validation
    places = np.unique(np.linspace(0, len(validation) - 1, min(LOOK, len(validation))).astype(np.int64))
    looked = validation.take(places.tolist())
    read, true = encoded(looked.inputs), labelling.targets(known, looked.labels).flat[: len(looked)]
    whole = Opened(options, model, symbols, known)
    shown = [k * (len(looked) - 1) // (SHOWN - 1) for k in range(SHOWN)]

    def look() -> Look:
        said = labelling.outputs(model, read)
        if not known.labels:
            told = labelling.told(whole, said)[:, 0]
            wrong = float(np.sqrt(np.square(told - np.array(looked.labels, np.float64)).mean()))
            return Look(wrong, {"RMSE": wrong}, _told(looked, {k: f"{told[k]:.4g}" for k in shown}))
        fine = np.flatnonzero((true >= 0) & np.isfinite(said).all(1))
        model.temperature.fill_(fit_temperature(said[fine], true[fine]))
        probable = labelling.told(whole, said)
        loss = -float(np.log(probable[fine, true[fine]].clip(LEAST)).mean()) if len(fine) else math.nan
        best = probable.argmax(1)
        examples = {k: f"{known.labels[best[k]]} ({probable[k, best[k]]:.2f})" for k in shown}
        right = float((best == true).mean())
        value = loss + 1 - right  # the loss alone prefers weights that are less sure, and more often wrong
        return Look(value, {"loss + error": value, "log loss": loss, "accuracy": right}, _told(looked, examples))

    return Setup(model, update, batches, batches.per_epoch, look)


def evaluate(run: Run, data: Path | None, chosen: EvaluationOptions) -> Evaluation:
    """Log loss, accuracy, macro F1 and calibration of labels, or errors of numbers, beside what needs no network."""
    whole, notes, parts = labelling.opened(run), list[str](), None
    if data is None:
        parts = kept(run)
        asked = parts.test
    else:
        asked = labelling.measurable(_inputs(whole, data))
        try:
            parts = kept(run)
        except DataError as error:
            notes.append(f"no baselines, they need what was learnt from: {error}")
    own = recipes.held(whole.model, chosen.weights)
    rows = whole.encoded(asked.inputs)
    said = [labelling.outputs(model, rows) for model in ((own,) if own is whole.model else (own, whole.model))]
    learnt, tables = None if parts is None else parts.learnt, tuple[Rows, ...]()
    if whole.known.labels:
        figures, tables = measured(whole, said, asked, learnt, chosen.weights, notes)
    else:
        figures = _numbers(whole, said, asked, learnt, chosen.weights)
    if whole.symbols is not None:
        ids = rows.flat[: rows.starts[-1]]
        notes.append(
            f"{told_count(len(asked), 'text')}, {np.count_nonzero(ids == 0):,} of {told_count(len(ids), 'symbol')} unknown"
        )
    return Evaluation("classify", Path(asked.name).name, figures, tuple(notes), tables)


def measured(
    whole: Opened, said: list[NDArray[np.float64]], asked: Labelled, learnt: Labelled | None, weights: str, notes: list[str]
) -> tuple[tuple[Figure, ...], tuple[Rows, ...]]:
    """The figures of labels on what was asked, beside what needs no network, and their tables; notes are added to."""
    labels, beside = whole.known.labels, dict[str, list[str]]()
    probable = [labelling.told(whole, each) for each in said]
    ours = [[labels[k] for k in each.argmax(1)] for each in probable]
    sides: tuple[list[int], list[int]] = ([], [])
    for k, label in enumerate(asked.labels):
        sides[label in labels].append(k)
    strange, known = sides
    notes += note(asked, "with a label that was never learnt", strange, "wrong in every case")
    figures = list[Figure]()
    if known:
        true, shares = [asked.labels[k] for k in known], np.tile(whole.known.shares, (len(known), 1))
        judge = Judge(partial(ProbabilityTotals, labels), ("log loss",), higher=False)
        some = [each[known] for each in probable]
        figures += judged(judge, true, some[0], some[-1] if some[1:] else None, {"frequency of labels": shares}, weights)
    if learnt is not None:
        try:
            found = label_baselines(learnt.inputs, learnt.labels)
            beside = {name: baseline(asked.inputs) for name, baseline in found.items()}
        except UsageError as error:  # more n-grams than can be counted
            notes.append(f"no baselines: {error}")
    totals = ClassTotals(labels)
    totals.add(ours[0], asked.labels)
    judge = Judge(partial(ClassTotals, labels), ("accuracy", "macro F1"))
    figures += judged(judge, asked.labels, ours[0], ours[-1] if ours[1:] else None, beside, weights)
    figures.append(_calibration(probable[0], np.exp(log_softmax(np.nan_to_num(said[0]))), ours[0], asked.labels))
    notes.append(f"temperature {float(whole.model.temperature):.3g}, by what was looked at during training")
    return tuple(figures), (_by_label(totals), _confusion(totals))


def _calibration(probable: NDArray[np.float64], plain: NDArray[np.float64], ours: list[str], true: list[str]) -> Figure:
    """How far probabilities are from what they promise, beside those without the temperature."""
    right, found = [a == b for a, b in zip(ours, true, strict=True)], list[CalibrationTotals]()
    for each in (probable, plain):
        found.append(CalibrationTotals())
        found[-1].add(each.max(1).tolist(), right)
    [(name, value)], [(_, before)] = (totals.figures().items() for totals in found)
    return Figure(name, value, found[0].interval(name), {"this run, without temperature": before})


def _by_label(totals: ClassTotals) -> Rows:
    rows = []
    for label, precision, recall, f1, support in totals.rows():
        ends = wilson(round(recall * support), support) if support else (np.nan, np.nan)
        rows.append((label, precision, recall, *ends, f1, support))
    return Rows("by label", ("label", "precision", "recall", "recall_from", "recall_to", "F1", "count"), tuple(rows))


def _confusion(totals: ClassTotals) -> Rows:
    """How often what is told of what, where it is at all; the true label of those that were never learnt is empty."""
    counts, labels = totals.confusion(), (*totals.classes, "")
    cells = ((labels[true], labels[told], int(counts[true, told])) for true, told in np.argwhere(counts))
    return Rows("confusion", ("true", "told", "count"), tuple(cells), shown=False)


def _numbers(
    whole: Opened, said: list[NDArray[np.float64]], asked: Labelled, learnt: Labelled | None, weights: str
) -> tuple[Figure, ...]:
    ours = [labelling.told(whole, each)[:, 0] for each in said]
    true, beside = _floats(asked), dict[str, Any]()
    if learnt is not None:
        found = number_baselines(learnt.inputs, _floats(learnt))
        beside = {name: baseline(asked.inputs) for name, baseline in found.items()}
    judges = Judge(NumberTotals, ("RMSE", "MAE"), higher=False), Judge(NumberTotals, ("R2",))
    full = ours[-1] if ours[1:] else None
    return tuple(each for judge in judges for each in judged(judge, true, ours[0], full, beside, weights))


def _floats(asked: Labelled) -> list[float]:
    try:
        return [float(label) for label in asked.labels]
    except ValueError as error:
        raise DataError(f"{asked.name}: {error}; wanted numbers, as the run learnt") from None


def predict(run: Run, data: Path | None, how: ClassifyPrediction) -> Iterator[Mapping[str, Any]]:
    """The label of each text or series of a file, the most probable ones first; ``-`` reads lines that are typed."""
    if data is None:
        raise UsageError(f"{run.folder}: predict wants a file: recurra predict {run.folder} FILE, or - to type lines")
    whole = labelling.opened(run)
    if how.best > 1 and not whole.known.labels:
        raise UsageError(f"best={how.best}: of labels; {run.folder} tells numbers")
    return _predicted(whole, recipes.held(whole.model, how.weights), data, how)


def _predicted(whole: Opened, own: Any, data: Path, how: ClassifyPrediction) -> Iterator[Mapping[str, Any]]:
    left = _each(whole, data)
    while some := list(islice(left, AHEAD)):
        rows = whole.encoded(each for _, each in some)
        told = labelling.told(whole, labelling.outputs(own, rows))
        for place, (number, each) in enumerate(some):
            about: dict[str, Any] = {}
            if whole.symbols is not None:
                read = rows.row(place)
                about = {"unknown": int(np.count_nonzero(read == 0)), "unread": _steps(whole, each) - len(read)}
            if not whole.known.labels:
                yield {"line": number, "number": float(told[place, 0])} | about
                continue
            best = np.argsort(-told[place], kind="stable")[: how.best]
            for rank, k in enumerate(best, 1):
                said = {"label": whole.known.labels[k], "probability": float(told[place, k])}
                yield {"line": number, "rank": rank} | said | about


def _steps(whole: Opened, text: str) -> int:
    assert whole.symbols is not None
    return len(whole.symbols.encode(text))


def _each(whole: Opened, data: Path) -> Iterator[tuple[int, Any]]:
    """Each input with its row, refused where it is not what the run reads."""
    options, known = whole.options, whole.known
    how: dict[str, Any] = {"text": options.text, "label": options.label, "encoding": options.encoding}
    channels, left = stream_inputs(data, **how, known=known.labels)
    order = _fitting(data, channels, known.channels)
    return ((number, value[:, order] if order else value) for number, value in left)


def _inputs(whole: Opened, data: Path) -> Labelled:
    """What a file holds, refused where it is not what the run reads."""
    options, known = whole.options, whole.known
    read = read_inputs(data, text=options.text, label=options.label, encoding=options.encoding, known=known.labels)
    order = _fitting(data, read.channels, known.channels)
    return replace(read, inputs=[value[:, order] for value in read.inputs], channels=known.channels) if order else read


def _fitting(data: Path, channels: tuple[str, ...], known: tuple[str, ...]) -> list[int]:
    """Where the channels of series stand that the run learnt from; refused where they are others."""
    order = channel_order(channels, known)
    if order is None:
        raise DataError(f"{data}: {channels_told(channels)}; wanted {channels_told(known)}, as the run learnt from")
    return order


def _told(looked: Labelled, told: Mapping[int, str]) -> str:
    """Some of what a look read, by its place, and what is told of it."""
    shown = []
    for k, said in told.items():
        text = looked.inputs[k] if looked.kind == "text" else f"series of {told_count(len(looked.inputs[k]), 'step')}"
        cut = text if len(text) <= LETTERS else f"{text[:LETTERS]} ..."
        shown.append(f"{cut}\n  wanted  {looked.labels[k]}\n  told    {said}")
    return "\n".join(shown)


def _cut(options: Classify, learnt: Learnt) -> list[str]:
    """A note of those that are not read to their end."""
    read = learnt.parts.learnt
    sizes = [len(each) if learnt.symbols is None else len(learnt.symbols.encode(each)) for each in read.inputs]
    long = [k for k, size in enumerate(sizes) if size > options.longest]
    return note(read, f"of more than longest={options.longest:,} steps", long, "only these are read")


def _read(options: Classify, data: Path | None) -> LabelledParts:
    number = options.output == "number"
    if data is None:
        if number:
            raise UsageError("output=number: the data that come without a file have labels; name a file with numbers")
        return split_labelled(SYLLABLES, *syllables(), held_out=options.held_out)
    how: dict[str, Any] = {"encoding": options.encoding, "held_out": options.held_out, "number": number}
    return read_labelled(data, text=options.text, label=options.label, **how)


def kept(run: Run) -> LabelledParts:
    """The data of a run, which must be what they were."""
    parts = _read(_options(run), run.data)
    run.check_data(parts.fingerprint)
    return parts


def _options(run: Run) -> Classify:
    assert isinstance(run.options, Classify)
    return run.options
