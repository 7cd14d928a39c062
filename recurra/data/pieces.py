"""Pieces of music as notes on a grid, and as rolls: which of a piano's keys sound at each step."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError, ShapeError

__all__ = ["KEYS", "LOUDNESS", "LOWEST", "Piece", "pitch_name"]

LOWEST, KEYS = 21, 88
"""The lowest key of a piano, A0, as MIDI counts pitches, and how many keys there are."""
LOUDNESS = 80
"""The velocity of notes of which nothing says how hard they are struck; MIDI's are 1 to 127."""
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

Whole = NDArray[np.int64]


@final
@dataclass(frozen=True, eq=False)
class Piece:
    """Notes, each of which sounds from a step up to another, in a piece of so many steps.

    Attributes:
        name: where it was read.
        start: (N,) the step at which each note begins; notes are in the order of their starts, then of their pitches.
        end: (N,) the first step at which it does not sound any more.
        pitch: (N,) as MIDI counts: 60 is the C in the middle, a semitone is 1; all are keys of a piano.
        velocity: (N,) how hard it is struck, 1 to 127.
        steps: how many steps the piece has, silence at its end included.
        rate: steps a second at which it is played.

    Example:
        >>> piece = Piece.of("chord", [(0, 4, 60, 80), (0, 4, 64, 80), (2, 4, 67, 80)], steps=4, rate=2.0)
        >>> piece.roll().sum(1).tolist(), piece.seconds, piece.moved(2).pitch.tolist()
        ([2, 2, 3, 3], 2.0, [62, 66, 69])
    """

    name: str
    start: Whole
    end: Whole
    pitch: Whole
    velocity: Whole
    steps: int
    rate: float

    @classmethod
    def of(cls, name: str, notes: Iterable[tuple[int, int, int, int]], *, steps: int, rate: float) -> Self:
        """A piece from (start, end, pitch, velocity) of each note, in any order."""
        start, end, pitch, velocity = np.array(list(notes), np.int64).reshape(-1, 4).T
        order = np.lexsort((pitch, start))
        return cls(name, start[order], end[order], pitch[order], velocity[order], steps, rate)

    @classmethod
    def of_roll(cls, name: str, roll: NDArray[Any], rate: float) -> Self:
        """A piece from a roll (T, 88): neighbouring steps of a key are one note."""
        if roll.ndim != 2 or roll.shape[1] != KEYS:
            raise ShapeError(f"{name}: a roll of shape {roll.shape}; wanted (steps, {KEYS})")
        edges = np.diff(np.pad(roll.astype(np.int8), ((1, 1), (0, 0))), axis=0)
        pitch, start = np.nonzero(edges.T == 1)  # by key, then by step
        _, end = np.nonzero(edges.T == -1)
        struck = np.full(len(pitch), LOUDNESS)
        return cls.of(name, np.stack([start, end, pitch + LOWEST, struck], 1).tolist(), steps=len(roll), rate=rate)

    def __len__(self) -> int:
        """How many notes there are."""
        return len(self.pitch)

    @property
    def seconds(self) -> float:
        """How long it takes to play."""
        return self.steps / self.rate

    def roll(self) -> NDArray[np.uint8]:
        """(T, 88): 1 where a key sounds. A note that is struck again at once is one note here."""
        roll = np.zeros((self.steps, KEYS), np.uint8)
        for start, end, pitch in zip(self.start.tolist(), self.end.tolist(), self.pitch.tolist(), strict=True):
            roll[start:end, pitch - LOWEST] = 1
        return roll

    def moved(self, semitones: int) -> Self:
        """The same, higher or lower; refused where a note would leave the keys."""
        pitch = self.pitch + semitones
        if len(pitch) and not (pitch.min() >= LOWEST and pitch.max() < LOWEST + KEYS):
            raise DataError(f"{self.name}: moved by {semitones} semitones it leaves the keys of a piano")
        return replace(self, pitch=pitch)

    def room(self) -> tuple[int, int]:
        """By how many semitones it can be moved down and up; of a piece without notes by none."""
        if not len(self.pitch):
            return 0, 0
        return int(self.pitch.min()) - LOWEST, LOWEST + KEYS - 1 - int(self.pitch.max())

    def stretched(self, ratio: float) -> Self:
        """The same, its steps this many times as long; of each note at least one is left."""
        start, end = (np.rint(each * ratio).astype(np.int64) for each in (self.start, self.end))
        return replace(self, start=start, end=np.maximum(end, start + 1), steps=max(1, round(self.steps * ratio)))

    def timed(self, rate: float) -> Self:
        """The same at another number of steps a second; it takes as long to play."""
        return self if rate == self.rate else replace(self.stretched(rate / self.rate), rate=rate)

    def opening(self, steps: int) -> Self:
        """Its first steps; notes that sound on are cut."""
        left = self.start < steps
        parts = {name: getattr(self, name)[left] for name in ("start", "pitch", "velocity")}
        return replace(self, **parts, end=np.minimum(self.end[left], steps), steps=min(steps, self.steps))

    def __str__(self) -> str:
        """What sounds at each step, eight of them a line."""
        return "\n".join(_lines(self.roll()))


def pitch_name(pitch: int) -> str:
    """The name of a pitch, its octave counted so that the C in the middle is C4.

    >>> pitch_name(60), pitch_name(21)
    ('C4', 'A0')
    """
    return f"{NAMES[pitch % 12]}{pitch // 12 - 1}"


def _lines(roll: NDArray[np.uint8], wide: int = 8) -> list[str]:
    told, before = list[str](), ""
    for frame in roll:
        now = " ".join(pitch_name(LOWEST + key) for key in np.flatnonzero(frame).tolist()) or "-"
        told.append("=" if now == before else now)
        before = now
    return [" | ".join(told[k : k + wide]) for k in range(0, len(told), wide)]
