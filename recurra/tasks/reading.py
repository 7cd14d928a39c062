"""What the task `read` makes of writing: its data, the front of its network, and its batches."""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray
from torch import nn

from recurra.data import Ragged, Transcribed, TranscribedParts, in_order
from recurra.data.distortions import STRETCH, Distorted, distort_image, distort_ink
from recurra.data.numerals import numerals
from recurra.data.writing_parts import WritingParts, read_writings, split_writings
from recurra.data.writings import Look as Way
from recurra.data.writings import Writings, find_writings
from recurra.errors import DataError, UsageError
from recurra.layers import columns, convolutions
from recurra.metrics import NearestSeries
from recurra.tasks.options import Read
from recurra.tasks.transcripts import Kind, naive

__all__ = [
    "Seen",
    "found",
    "front",
    "kind",
    "read",
    "seen",
    "transcribed",
    "whole",
]

PRINTED = "dates and prices in a small font, slanted and noisy"
TOKENS, ROWS = 16_000, 64  # of a batch that is only read
BESIDE = 20_000  # pieces that the nearest is looked for among
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
        return columns(of.size, options.channels, stride=stride, blocks=options.blocks, dropout=options.dropout)
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
        looks=partial(_looks, of),
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
