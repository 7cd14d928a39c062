"""Four voices that go from chord to chord by rule: what `compose` learns where no music is given."""

import random
from collections.abc import Sequence
from functools import cache
from itertools import combinations, pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.pieces import LOUDNESS, Piece

__all__ = ["RATE", "cadences"]

RATE = 4.0
"""Steps a second: eighths at 120 quarter notes a minute."""
STEPS = 2  # of a chord
VOICES = ((60, 79), (55, 72), (48, 67), (40, 60))  # the range of each, the highest first
MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 11)  # degrees in semitones; minor with its raised seventh
NEXT = {  # degrees of chords, counted from 0, that may follow each, likelier ones more often
    0: (3, 3, 4, 4, 5, 1),
    1: (4, 4, 6),
    3: (4, 4, 0, 1),
    4: (0, 0, 0, 5),
    5: (3, 1, 1),
    6: (0,),
}
PHRASES, CHORDS = (3, 5), 8  # in a piece; in a phrase, of which the last two are the dominant and the tonic


def cadences(count: int = 400, seed: int = 0) -> list[Piece]:
    """Pieces of three to five phrases of eight chords, in any key; what they are depends on the seed alone.

    Chords follow one another as in common practice and phrases close on dominant and tonic. Each voice goes to the nearest note
    that completes the chord, the bass has the root, no two voices move in parallel fifths or octaves where that can be helped,
    and between two notes of the soprano a third apart the one in the middle may pass.

    Example:
        >>> [piece] = cadences(1)
        >>> print(piece.opening(8))
        A#2 F3 F4 C#5 | A#2 F3 F4 C5 | D#3 F#3 D#4 A#4 | = | A#2 F3 C#4 A#4 | = | F2 F3 C4 A4 | =
    """
    draw = random.Random(seed)
    return [_piece(f"cadences, piece {k}", draw) for k in range(1, count + 1)]


def _piece(name: str, draw: random.Random) -> Piece:
    key, scale = _one(draw, range(12)), _one(draw, (MAJOR, MAJOR, MINOR))
    voices: list[list[int]] = []
    for _ in range(PHRASES[0] + int(draw.random() * (PHRASES[1] - PHRASES[0] + 1))):
        for degree in _phrase(draw):
            chord = tuple((key + scale[(degree + third) % 7]) % 12 for third in (0, 2, 4))
            found = _voicings(chord)
            place = _nearest(found, voices[-1]) if voices else int(draw.random() * len(found))
            voices.append(found[place].tolist())
    notes = [note for k in range(len(VOICES)) for note in _line([chord[k] for chord in voices], k, key, scale, draw)]
    return Piece.of(name, notes, steps=STEPS * len(voices), rate=RATE)


def _phrase(draw: random.Random) -> list[int]:
    degrees = [0]
    while len(degrees) < CHORDS - 2:
        degrees.append(_one(draw, NEXT[degrees[-1]]))
    return [*degrees, 4, 0]


@cache
def _voicings(chord: tuple[int, ...]) -> NDArray[np.int64]:
    """(N, 4) all ways to give a chord, its root first, to the voices: complete, in order, the upper three within octaves."""
    places = [[pitch for pitch in range(low, high + 1) if pitch % 12 in chord] for low, high in VOICES[:-1]]
    low, high = VOICES[-1]
    bass = [pitch for pitch in range(low, high + 1) if pitch % 12 == chord[0]]
    found = [
        voices
        for voices in product(*places, bass)
        if all(upper > lower for upper, lower in pairwise(voices))
        and all(upper - lower <= 12 for upper, lower in pairwise(voices[:-1]))
        and {pitch % 12 for pitch in voices} == set(chord)
    ]
    return np.array(found)


def _nearest(found: NDArray[np.int64], last: list[int]) -> int:
    """The voicing that moves least, drawn a little to the middle, and has no parallels where another can be had."""
    moved = found - np.array(last)
    cost = 100 * np.abs(moved).sum(1) + np.abs(found - 64).sum(1)
    for k, n in combinations(range(len(VOICES)), 2):
        apart, before = (found[:, k] - found[:, n]) % 12, (last[k] - last[n]) % 12
        cost += 900 * ((apart == before) & (before in (0, 7)) & (moved[:, k] != 0))
    return int(cost.argmin())


def _line(
    pitches: list[int], voice: int, key: int, scale: tuple[int, ...], draw: random.Random
) -> list[tuple[int, int, int, int]]:
    """The notes of a voice: those that stay are held, and some of the soprano's thirds are filled."""
    notes, since = list[tuple[int, int, int, int]](), 0
    for k, pitch in enumerate(pitches):
        following = pitches[k + 1] if k + 1 < len(pitches) else None
        if following == pitch and (k + 1) % CHORDS:  # a phrase begins anew
            continue
        end = STEPS * (k + 1)
        between = [(key + degree) % 12 for degree in scale]
        passing = [p for p in range(min(pitch, following) + 1, max(pitch, following)) if p % 12 in between] if following else []
        if voice == 0 and len(passing) == 1 and draw.random() < 0.6:
            notes += [(since, end - 1, pitch, LOUDNESS), (end - 1, end, passing[0], LOUDNESS)]
        else:
            notes.append((since, end, pitch, LOUDNESS))
        since = end
    return notes


def _one(draw: random.Random, some: Sequence[Any]) -> Any:
    return some[int(draw.random() * len(some))]
