"""What the task `transcribe` hears: its data as samples, the frames that a network reads, and what sounds alike."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.data import Ragged, Transcribed, TranscribedParts
from recurra.data.archives import Place, contents
from recurra.data.audio import read_sound, sound_pieces, sound_rate
from recurra.data.counts import told_count
from recurra.data.dial_tones import RATE, dial_tones
from recurra.data.recordings import RecordingParts, Recordings, find_recordings, read_recordings, split_recordings
from recurra.data.resampling import resample
from recurra.data.utterances import Heard, SpeechBatches, hear, sounds_in_order
from recurra.errors import DataError, UsageError
from recurra.layers import Chain, LogMel, RunningMean, SpecAugment, Standardised, WholeNorm, columns, convolutions
from recurra.tasks import transcripts
from recurra.tasks.console import terminal
from recurra.tasks.options import Transcribe
from recurra.tasks.transcripts import Kind

__all__ = ["front", "in_pieces", "kind", "nearest", "read", "told", "typed", "whole"]

Samples = NDArray[np.float32]

DIALLED = "numbers that this program dials"
MOST = 16_000  # samples a second that are taken where nobody says how many
READ, ROWS = 32_000, 256  # frames of 10 ms and recordings of a batch that is only read
FITTED = 600  # seconds of sound whose statistics stand for all
KERNEL = 5  # frames that a convolution sees
LONG, SHORT = 100, 20  # frames that a running mean of a band begins with, and one of loudness
SECTIONS = 8  # of a recording that are compared with those of others
SLOW = 2.0  # seconds after which decoding tells how far it is


def read(options: Transcribe, data: Path | None) -> tuple[Transcribe, TranscribedParts]:
    """The data, heard, and the options with the rate that they are heard at."""
    if data is None:
        if options.output == "label":
            raise UsageError("output=label: the numbers that come without a file say too much for a label; name a folder")
        return _dialled(options)
    found = read_recordings(
        data, options.audio, options.text, options.group, encoding=options.encoding, held_out=options.held_out
    )
    options = options.model_copy(update={"rate": options.rate or _rate_of(found)})
    parts, notes = list[Transcribed](), list(found.notes)
    for part in (found.learnt, found.validation, found.test):
        heard, more = _transcribed(part, _heard(options, part, found.fingerprint))
        parts.append(heard)
        notes += [note for note in more if note not in notes]
    if not all(map(len, parts)):
        raise DataError(f"{found.name}: {'; '.join(notes)}: nothing is left to learn from or to measure on")
    learnt, validation, test = parts
    return options, TranscribedParts(found.name, learnt, validation, test, found.fingerprint, tuple(notes))


def told(options: Transcribe, data: Path) -> tuple[Transcribed, list[str]]:
    """Other recordings with what is said in them, and notes of what was left out."""
    found = find_recordings(data, options.audio, options.text, encoding=options.encoding)
    some = found.take([k for k, text in enumerate(found.texts) if text])
    silent = len(found) - len(some)
    notes = [f"{data.name}: {silent:,} of {told_count(len(found), 'recording')} without a text: left out"] if silent else []
    heard, more = _transcribed(some, _heard(options, some))
    return heard, [*found.notes, *notes, *more]


def kind(options: Transcribe, learnt: Transcribed | None = None) -> Kind:
    """How recordings become batches and frames; `learnt` has the statistics that a new network begins with."""
    statistics = cache(lambda: None if learnt is None else _some_frames(options, learnt))
    sizes: dict[str, Any] = {"rate": options.rate, "tokens": options.tokens, "batch": options.batch}
    return Kind(
        front=lambda: front(options, statistics()),
        batches=partial(SpeechBatches, **sizes, seed=options.seed, speeds=options.speeds),
        in_order=partial(sounds_in_order, rate=options.rate, tokens=READ, batch=ROWS),
        baselines=partial(_naive, options),
        looks=partial(_looks, cache(lambda: LogMel(options.rate, options.bins))),
        shortest=10 / 11 if options.speeds else 1.0,
    )


def front(options: Transcribe, frames: Tensor | None = None) -> Chain:
    """From samples to what the layers read, normed by the statistics of frames (N, bins) if there are such."""
    bins, standardised = options.bins, Standardised(options.bins)
    if frames is not None:
        standardised.fit(frames)
    layers: list[nn.Module] = [LogMel(options.rate, bins), standardised]
    layers += _normalised(options.normalise, bins)
    if options.masks:
        count = options.masks
        layers.append(SpecAugment(bins, bands=count, band=options.band, spans=count, span=options.span))
    if options.front == "resnet":
        return Chain(*layers, columns(bins, options.channels or 16, stride=options.stride, dropout=options.dropout))
    small = max(k for k in range(1, options.stride + 1) if options.stride % k == 0 and k * k <= options.stride)
    strides, sizes = (options.stride // small, small), (options.channels or 64,) * 2
    return Chain(*layers, convolutions(bins, sizes, kernel=KERNEL, strides=strides, dropout=options.dropout))


def _normalised(how: str, bins: int) -> list[nn.Module]:
    """What takes the voice and the room of a recording from its frames."""
    shared = how.endswith("level")
    if how.startswith("running"):
        return [RunningMean(bins, prior=SHORT if shared else LONG, shared=shared)]
    return [WholeNorm(bins, shared=shared)] if how.startswith("whole") else []


def whole(options: Transcribe, found: Recordings) -> Iterator[tuple[Mapping[str, Any], Samples]]:
    """Recordings (T, 1) and what there is to say of each; one that cannot be read is empty, if it is not the only one."""
    for k, source in contents(found.places):
        name, problem = str(found.places[k]), ""
        try:
            samples = read_sound(source, options.rate, name=name).samples
        except DataError as error:
            if len(found) == 1:
                raise
            samples, problem = np.zeros(0, np.float32), str(error)
        yield {"file": name, "seconds": round(len(samples) / options.rate, 3), "problem": problem}, samples[:, None]


def in_pieces(options: Transcribe, found: Recordings, seconds: float) -> Iterator[tuple[Mapping[str, Any], Iterator[Samples]]]:
    """Recordings piece by piece."""
    for k, source in contents(found.places):
        name = str(found.places[k])
        yield {"file": name}, sound_pieces(source, seconds, options.rate, name=name)


def typed(rate: int, seconds: float) -> Iterator[Samples]:
    """Raw samples that come through standard input, 16 bits each, the low byte first, one channel, at the run's rate."""
    size = 2 * max(1, round(rate * seconds))
    while piece := sys.stdin.buffer.read(size):
        yield np.frombuffer(piece[: len(piece) // 2 * 2], "<i2").astype(np.float32) / np.float32(32768)


def nearest(options: Transcribe, learnt: Transcribed, asked: Transcribed) -> list[str]:
    """For each recording the text of the learnt one that is most like it in sections: mean frames, however loud."""
    ours, theirs = (_sections(options, part.inputs) for part in (asked, learnt))
    return [learnt.texts[int(row.argmin())] for row in torch.cdist(ours, theirs)]


@torch.no_grad()
def _looks(made: Callable[[], LogMel], samples: NDArray[Any]) -> NDArray[Any]:
    """Frames, however loud."""
    frames: Tensor = made()(torch.from_numpy(np.asarray(samples, np.float32))[None])[0][0]
    found: NDArray[Any] = (frames - frames.mean() if len(frames) else frames.new_zeros(1, frames.shape[1])).numpy()
    return found


def _naive(options: Transcribe, learnt: Transcribed, asked: Transcribed) -> dict[str, list[str]]:
    return transcripts.naive(learnt, asked) | {"recording most alike": nearest(options, learnt, asked)}


@torch.no_grad()
def _sections(options: Transcribe, sounds: Ragged) -> Tensor:
    """(N, sections * bins + 1): what each recording is like, and how long."""
    layer = LogMel(options.rate, options.bins)
    found = torch.zeros(sounds.rows, SECTIONS * options.bins + 1)
    for places, batch in sounds_in_order(sounds, _nothing(sounds), rate=options.rate, tokens=READ, batch=ROWS):
        frames, _ = layer(batch.source, lengths=batch.source_lengths)
        for place, row, count in zip(places, frames, layer.frames(batch.source_lengths).clamp(min=1).tolist(), strict=True):
            parts = F.adaptive_avg_pool1d(row[:count].T[None], SECTIONS)
            found[place] = torch.cat([(parts - parts.mean()).flatten(), torch.tensor([count]).log()])
    return found


@torch.no_grad()
def _some_frames(options: Transcribe, learnt: Transcribed) -> Tensor:
    """(N, bins) frames of some recordings, evenly from all."""
    sounds, layer = learnt.inputs, LogMel(options.rate, options.bins)
    every = max(1, int(np.ceil(sounds.lengths.sum() / options.rate / FITTED)))
    rows = (layer(torch.from_numpy(sounds.row(k))[None])[0][0] for k in range(0, sounds.rows, every) if len(sounds.row(k)))
    return torch.cat([torch.zeros(0, options.bins), *rows])


def _dialled(options: Transcribe) -> tuple[Transcribe, TranscribedParts]:
    options = options.model_copy(update={"rate": options.rate or RATE})
    sounds, texts = dial_tones()
    places = [Place(Path(f"{k}.wav")) for k in range(len(texts))]
    recordings = Recordings(DIALLED, places, texts, [""] * len(texts), list(range(1, len(texts) + 1)))
    found, rows = (
        split_recordings(recordings, "dial-tones-1", held_out=options.held_out),
        dict(zip(places, sounds, strict=True)),
    )

    def heard(part: Recordings) -> Transcribed:
        inputs = _resampled([rows[place] for place in part.places], options.rate)
        return Transcribed(DIALLED, inputs, part.texts, part.lines, part.counted)

    parts = (heard(found.learnt), heard(found.validation), heard(found.test))
    seconds = sum(map(len, sounds)) / RATE
    note = f"{DIALLED}: {len(texts):,} numbers, {seconds / 60:.0f} minutes of tones in noise; small, to try the task out"
    return options, TranscribedParts(DIALLED, *parts, found.fingerprint, (note, *found.notes))


def _resampled(sounds: Iterable[Samples], rate: int) -> Ragged:
    return Ragged.of_vectors([resample(sound, RATE, rate)[:, None] for sound in sounds], 1)


def _rate_of(found: RecordingParts) -> int:
    """That of the first recording that can be read."""
    for k, source in contents(found.learnt.places):
        try:
            return min(MOST, sound_rate(source, name=str(found.learnt.places[k])))
        except DataError:
            continue
    raise DataError(
        f"{found.name}: none of {told_count(len(found.learnt), 'recording')} can be read; say which: recurra predict tells each"
    )


def _heard(options: Transcribe, recordings: Recordings, fingerprint: str = "") -> Heard:
    how: dict[str, Any] = {"longest": options.longest, "fingerprint": fingerprint}
    return hear(recordings, options.rate, **how, progress=_progress(Path(recordings.name).name))


def _transcribed(recordings: Recordings, heard: Heard) -> tuple[Transcribed, list[str]]:
    """What could be heard, and notes of what could not and of what was strange."""
    kept = [k for k, problem in enumerate(heard.problems) if not problem]
    some, sounds = recordings.take(kept), heard.sounds.take(np.array(kept, np.int64))
    return Transcribed(recordings.name, sounds, some.texts, some.lines, some.counted), heard.notes(recordings)


def _progress(name: str) -> Callable[[int, int], None]:
    """Where somebody looks at a terminal, how many recordings are decoded, if that takes long."""
    console, start = terminal(quiet=not sys.stdout.isatty()), time.monotonic()

    def show(done: int, count: int) -> None:
        if time.monotonic() - start > SLOW:
            console.print(
                f"{name}: {done:,} of {told_count(count, 'recording')} decoded",
                end="\n" if done == count else "\r",
                highlight=False,
            )

    return show


def _nothing(sounds: Ragged) -> Ragged:
    return Ragged.of([[]] * sounds.rows)
