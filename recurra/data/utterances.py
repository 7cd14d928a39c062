"""Recordings in memory, and as batches of similar length, some of them faster or slower than they were said."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray

from recurra.data.archives import Place, contents
from recurra.data.audio import LONGEST, read_sound
from recurra.data.buckets import Buckets, PairBatch
from recurra.data.counts import told_count
from recurra.data.feature_cache import kept
from recurra.data.ragged import Ragged
from recurra.data.recordings import Recordings
from recurra.data.resampling import resample
from recurra.errors import DataError, UsageError

__all__ = ["FRAME", "SPEEDS", "Heard", "SpeechBatches", "hear", "sounds_in_order"]

FRAME = 100
"""Frames a second, by which batches are measured."""

SPEEDS = (9, 10, 11)
"""Tenths of the speed that something was said at. Source: Ko et al. 2015, audio augmentation for speech recognition."""

TOLD = 20  # recordings after which progress is shown again


@dataclass(frozen=True)
class Heard:
    """Recordings as samples.

    Attributes:
        sounds: samples (T, 1) of each, empty where a recording could not be read.
        remarks: of each, what was found strange about it.
        problems: of each, why it could not be read; empty where it could.
    """

    sounds: Ragged
    remarks: list[tuple[str, ...]]
    problems: list[str]

    def notes(self, recordings: Recordings) -> list[str]:
        """What there is to say about all of them: how many are so and so, and the first."""
        name = Path(recordings.name).name
        kinds = Counter(remark for remarks in self.remarks for remark in remarks)
        told, every = [], told_count(len(recordings), "recording")
        for remark, count in kinds.items():
            first = recordings.places[next(k for k, remarks in enumerate(self.remarks) if remark in remarks)]
            told.append(f"{name}: {count:,} of {every} {remark} (the first is {_short(first)})")
        wrong = [problem for problem in self.problems if problem]
        if wrong:
            told.append(f"{name}: {len(wrong):,} of {every} left out, the first: {wrong[0]}")
        return told

    def take(self, places: Sequence[int]) -> "Heard":
        """Some of them, in the order that is asked for."""
        rows = self.sounds.take(np.asarray(places, np.int64))
        return Heard(rows, [self.remarks[k] for k in places], [self.problems[k] for k in places])


def hear(
    recordings: Recordings,
    rate: int,
    *,
    longest: float = LONGEST,
    fingerprint: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Heard:
    """Decode recordings and bring them to one rate; what cannot be read is a problem of its own, and does not stop the others.

    Args:
        recordings: which.
        rate: samples a second.
        longest: seconds that one may have.
        fingerprint: of the data; with it the samples are kept on disk for the next time.
        progress: told now and then how many are done, of how many.
    """

    def make() -> dict[str, torch.Tensor]:
        rows: list[NDArray[np.float32]] = [np.zeros((0, 1), np.float32)] * len(recordings)
        remarks, problems = [[""]] * len(recordings), [""] * len(recordings)
        for done, (k, source) in enumerate(contents(recordings.places), 1):
            try:
                sound = read_sound(source, rate, name=str(recordings.places[k]), longest=longest)
                rows[k], remarks[k] = sound.samples[:, None], [*sound.remarks]
            except DataError as error:
                remarks[k], problems[k] = [], str(error)
            if progress is not None and (done % TOLD == 0 or done == len(recordings)):
                progress(done, len(recordings))
        sounds = Ragged.of_vectors(rows, 1)
        told = np.frombuffer(json.dumps([remarks, problems]).encode(), np.uint8)
        samples, starts = torch.from_numpy(sounds.flat), torch.from_numpy(sounds.starts)
        return {"samples": samples, "starts": starts, "told": torch.from_numpy(told.copy())}

    names = [str(place) for place in recordings.places]
    about = {"kind": "samples", "data": fingerprint, "names": names, "rate": rate, "longest": longest}
    found = kept(about, make) if fingerprint else make()
    remarks, problems = json.loads(bytes(found["told"].numpy()))
    return Heard(Ragged(found["samples"].numpy(), found["starts"].numpy()), [tuple(each) for each in remarks], problems)


@final
class SpeechBatches:
    """Recordings of similar length side by side with their targets, as `Buckets` makes them; a step counts as 10 ms of sound.

    With `speeds` each recording of a batch is 0.9, 1 or 1.1 times as fast, its pitch with it, by resampling. Batch k is a
    function of (seed, k) alone: a resumed run needs to know only its step.

    Args:
        sounds: samples (T, 1) of each.
        targets: symbols of each.
        rate: samples a second.
        tokens: frames of 10 ms and symbols of a batch at most, padding included.
        batch: recordings of a batch at most.
        seed: of order and speeds.
        speeds: whether speeds are drawn.

    Example:
        >>> sounds = Ragged.of_vectors([np.ones((8000, 1))] * 8, 1)
        >>> batches = SpeechBatches(sounds, Ragged.of([[1, 2]] * 8), rate=8000, tokens=420, batch=16, seed=0)
        >>> batches[0].source.shape, batches.per_epoch
        (torch.Size([4, 8000, 1]), 2)
    """

    def __init__(
        self, sounds: Ragged, targets: Ragged, *, rate: int, tokens: int, batch: int, seed: int, speeds: bool = False
    ) -> None:
        if rate % 10 and speeds:
            raise UsageError(f"rate={rate}: wanted a multiple of 10 where speeds are drawn")
        self.sounds, self.targets, self.rate, self.seed, self.speeds = sounds, targets, rate, seed, speeds
        self.buckets = Buckets(_frames(sounds, rate), targets, tokens=tokens, batch=batch, seed=seed)
        self.per_epoch, self.padding = self.buckets.per_epoch, self.buckets.padding

    def __getitem__(self, step: int) -> PairBatch:
        places = self.buckets.places(step)
        rows = [self.sounds.row(int(place)) for place in places]
        if self.speeds:
            random = np.random.default_rng([self.seed, step, 2])
            tenths = random.choice(SPEEDS, size=len(rows))
            rows = [_said(row, self.rate, int(speed)) for row, speed in zip(rows, tenths, strict=True)]
        return _batch(Ragged.of_vectors(rows, 1), self.targets.take(places))


def sounds_in_order(
    sounds: Ragged, targets: Ragged, *, rate: int, tokens: int, batch: int
) -> Iterator[tuple[NDArray[np.int64], PairBatch]]:
    """Every recording once, the longest first, in batches as large as `SpeechBatches` makes them; with their places.

    Example:
        >>> sounds = Ragged.of_vectors([np.ones((n, 1)) for n in (80, 800)], 1)
        >>> [(k.tolist(), b.source.shape[1]) for k, b in sounds_in_order(sounds, sounds, rate=8000, tokens=10, batch=9)]
        [([1], 800), ([0], 80)]
    """
    frames = _frames(sounds, rate)
    order = np.argsort(-sounds.lengths, kind="stable")
    widths = np.maximum(frames.lengths, 1) + np.maximum(targets.lengths, 1)
    begin = 0
    while begin < len(order):
        end = begin + 1
        while end < len(order) and end - begin < batch and widths[order[begin]] * (end + 1 - begin) <= tokens:
            end += 1
        places = order[begin:end]
        yield places, _batch(sounds.take(places), targets.take(places))
        begin = end


def _frames(sounds: Ragged, rate: int) -> Ragged:
    """Sequences of as many steps as there are frames; nothing is in them."""
    return Ragged(np.zeros(1, np.int32), np.append(0, (-(-sounds.lengths * FRAME // rate)).cumsum()))


def _said(row: NDArray[np.float32], rate: int, tenths: int) -> NDArray[np.float32]:
    return row if tenths == 10 else resample(row[:, 0], rate * tenths // 10, rate)[:, None]


def _batch(sounds: Ragged, targets: Ragged) -> PairBatch:
    every = np.arange(sounds.rows)
    x, y = (torch.from_numpy(rows.padded(every)) for rows in (sounds, targets))
    return PairBatch(x, torch.from_numpy(sounds.lengths), y, torch.from_numpy(targets.lengths))


def _short(place: Place) -> str:
    return place.member or place.file.name
