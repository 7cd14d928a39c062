"""What the task `read` makes of writing: its data, the front of its network, its batches, and one label of a whole piece."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from recurra.data import Labelled, PairBatch, Ragged, Transcribed, TranscribedParts, in_order
from recurra.data.distortions import STRETCH, Distorted, distort_image, distort_ink
from recurra.data.numerals import numerals
from recurra.data.writing_parts import WritingParts, read_writings, split_writings
from recurra.data.writings import Look as Way
from recurra.data.writings import Writings, find_writings
from recurra.errors import DataError, UsageError
from recurra.layers import AttentionPooling, Columns, Front, MaxPooling, MeanPooling, ResNet, convolutions
from recurra.metrics import NearestSeries, fit_temperature, log_softmax
from recurra.models import Classifier, TransformerEncoder
from recurra.tasks import labelling, recipes
from recurra.tasks.labelling import Known
from recurra.tasks.options import Read
from recurra.tasks.recipes import Setup
from recurra.tasks.transcripts import Kind, naive
from recurra.train import Look, Loss

__all__ = [
    "Seen",
    "beside",
    "found",
    "front",
    "kind",
    "known",
    "labelled",
    "labels",
    "network",
    "read",
    "seen",
    "transcribed",
    "whole",
]

PRINTED = "dates and prices in a small font, slanted and noisy"
TOKENS, ROWS = 16_000, 64  # of a batch that is only read
BESIDE = 20_000  # pieces that the nearest is looked for among
SHOWN = 6  # labels that a look shows
KERNEL = 5


class Seen(NamedTuple):
    """What a network must know of the writing that it reads: images or ink, and how many numbers a step has."""

    kind: str
    size: int


def seen(some: Writings) -> Seen:
    """What there is to know of some writing."""
    return Seen(some.kind, some.inputs[0].shape[1])


def read(options: Read, data: Path | None) -> WritingParts:
    """The writing that a run learns from, in its parts."""
    if data is not None:
        return read_writings(data, _way(options), test=options.test, held_out=options.held_out)
    if options.output == "label":
        raise UsageError("output=label: the lines that come without a file say too much for a label; name a file or folder")
    images, texts = numerals(height=options.height)
    lines = list(range(1, len(texts) + 1))
    names, nothing = [f"line {line}" for line in lines], list[tuple[str, ...]]([()] * len(lines))
    printed = Writings(PRINTED, "images", list(images), texts, names, lines, nothing, [""] * len(lines))
    return split_writings(printed, held_out=options.held_out)


def found(options: Read, data: Path, of: Seen) -> Writings:
    """All that is in a file or folder, refused where a run reads something else."""
    writings = find_writings(data, _way(options))
    if writings.kind != of.kind:
        raise DataError(f"{data}: {writings.kind}; wanted {of.kind}, as the run learnt from")
    return writings


def _way(options: Read) -> Way:
    return Way(options.height, options.widest, options.image, options.text, options.encoding)


def front(options: Read, of: Seen) -> nn.Module:
    """What stands before the layers."""
    images = of.kind == "images"
    stride = options.stride or (4 if images else 1)
    chosen = options.front if options.front != "auto" else ("resnet" if images else "convolution")
    if chosen == "resnet":
        if not images:
            raise UsageError(f"front=resnet: {of.kind} has no pixels; wanted convolution or none")
        sizes = (max(2, options.channels // 2), options.channels, options.channels)
        strides = tuple((2, 2 if stride > 2**k else 1) for k in range(3))
        how: dict[str, Any] = {"blocks": options.blocks, "dropout": options.dropout}
        return Columns(ResNet(1, sizes, strides=strides, **how), of.size)
    if chosen == "convolution":
        strides_of_two = [2 if stride > 2**k else 1 for k in range(max(2, stride.bit_length() - 1))]
        sizes_of_all = [options.channels * (2 if images else 1)] * len(strides_of_two)
        return convolutions(of.size, sizes_of_all, kernel=KERNEL, strides=strides_of_two, dropout=options.dropout)
    if options.stride > 1:
        raise UsageError(f"front=none and stride={options.stride}: without a front every step is a frame; wanted stride=0")
    return convolutions(of.size, (options.channels,), kernel=1, strides=(1,))


def kind(options: Read, of: Seen) -> Kind:
    """What the tasks that write text share asks of this one."""
    distort: Any = distort_image if of.kind == "images" else distort_ink
    strength = options.distortion
    made = {"tokens": options.tokens, "batch": options.batch, "seed": options.seed}
    return Kind(
        front=partial(front, options, of),
        batches=lambda inputs, targets: Distorted(inputs, targets, distort, strength, **made),
        in_order=partial(in_order, tokens=TOKENS, batch=ROWS),
        baselines=partial(_naive, of),
        shortest=1 - STRETCH * strength if of.kind == "images" else 1.0,
    )


def _naive(of: Seen, learnt: Transcribed, asked: Transcribed) -> dict[str, list[str]]:
    """What needs no network: the most frequent text, and that of the piece that looks most alike."""
    if not len(learnt):
        return {}
    some = learnt.take(range(min(BESIDE, len(learnt))))
    rows = [[_looks(of, side.inputs.row(k)) for k in range(len(side))] for side in (some, asked)]
    return naive(learnt, asked) | {"piece that looks most alike": NearestSeries(rows[0], some.texts)(rows[1])}


def _looks(of: Seen, row: NDArray[Any]) -> NDArray[Any]:
    """What is compared of a piece: columns, or where pen points lie."""
    return row if of.kind == "images" else row[:, 2:4]


def transcribed(writings: Writings) -> Transcribed:
    """Pieces and texts as the tasks that write text share them."""
    size = next((each.shape[1] for each in writings.inputs), 1)
    inputs = Ragged.of_vectors(writings.inputs, size)
    return Transcribed(writings.name, inputs, writings.texts, writings.lines, writings.counted)


def whole(parts: WritingParts) -> TranscribedParts:
    """The same of all parts."""
    learnt, validation, test = (transcribed(part) for part in (parts.learnt, parts.validation, parts.test))
    return TranscribedParts(parts.name, learnt, validation, test, parts.fingerprint, parts.notes)


def labelled(writings: Writings, of: Seen) -> Labelled:
    """Pieces and labels, as they stand beside naive methods."""
    inputs = [_looks(of, row) for row in writings.inputs]
    return Labelled(writings.name, inputs, writings.texts, writings.lines, writings.counted)


def beside(learnt: Writings) -> Writings:
    """As many as the nearest is looked for among."""
    return learnt.take(range(min(BESIDE, len(learnt))))


def known(writings: Writings) -> Known:
    """The labels that there are to learn, and how many of each."""
    counts = Counter(writings.texts)
    every = sorted(counts, key=lambda label: (len(label), label) if label.isdecimal() else (10**9, label))
    if len(every) < 2:
        raise DataError(f"{writings.name}: one label only, {every[0]}; wanted at least two to tell apart")
    return Known((), tuple(every), tuple(counts[label] for label in every))


def network(options: Read, of: Seen, outputs: int) -> Classifier:
    """The network that says one label of a whole piece, on its device."""
    recipes.network(options)
    first = front(options, of)
    size = cast("Front", first).size
    if options.model == "transformer":
        how: dict[str, Any] = {"layers": options.layers, "heads": options.heads, "dropout": options.dropout}
        layers: nn.Module = TransformerEncoder(options.hidden, input_size=size, **how)
    else:
        layers = recipes.stack(options, size, bidirectional=options.bidirectional)
    kinds: dict[str, Any] = {"mean": MeanPooling, "max": MaxPooling, "attention": AttentionPooling}
    made = Classifier(
        nn.Identity(), layers, kinds[options.pooling](options.hidden), outputs, front=first, dropout=options.dropout
    )
    return made.to(recipes.device(options))


def labels(options: Read, parts: WritingParts, facts: Known) -> Setup:
    """What there is to train where one label is read of each piece."""
    torch.manual_seed(options.seed)
    of = seen(parts.learnt)
    model = network(options, of, len(facts.labels))
    inputs = Ragged.of_vectors(parts.learnt.inputs, of.size)
    batches = kind(options, of).batches(inputs, labelling.targets(facts, parts.learnt.texts))
    device, validation = recipes.device(options), parts.validation
    looked, true = (
        Ragged.of_vectors(validation.inputs, of.size),
        labelling.targets(facts, validation.texts).flat[: len(validation)],
    )

    def update(batch: PairBatch, _: Any) -> Loss:
        source, lengths, target, _ = batch.to(device)
        said, _ = model(source, None, lengths)
        return Loss(F.cross_entropy(said, target[:, 0]), len(source))

    def look() -> Look:
        said = labelling.outputs(model, looked)
        fine = np.flatnonzero((true >= 0) & np.isfinite(said).all(1))
        if not len(fine):
            raise DataError(f"{validation.name}: no label that is learnt among those looked at; wanted a larger held_out")
        model.temperature.fill_(fit_temperature(said[fine], true[fine]))
        loss = float(-log_softmax(said[fine], float(model.temperature))[np.arange(len(fine)), true[fine]].mean())
        best = np.nan_to_num(said).argmax(1)
        pairs = ((validation.texts[k], facts.labels[best[k]]) for k in range(min(SHOWN, len(validation))))
        shown = "\n".join(f"wanted  {wanted}   told  {told}" for wanted, told in pairs)
        return Look(loss, {"log loss": loss, "accuracy": float((best == true).mean())}, shown)

    return Setup(model, update, batches, batches.per_epoch, look)
