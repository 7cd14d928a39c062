"""Music as a language: notes that begin and end, steps of time, and how hard keys are struck."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from recurra.data.midi import SECOND
from recurra.data.pieces import KEYS, LOUDNESS, LOWEST, Piece, pitch_name

__all__ = ["BORDER", "EVENTS", "event_name", "events_of", "piece_of"]

SHIFTS, LEVELS = 100, 32
LEVEL = 128 // LEVELS  # velocities that are one
BORDER = 0
"""Stands before a piece and behind it."""
ON, OFF = 1, 1 + KEYS
SHIFT = OFF + KEYS
STRUCK = SHIFT + SHIFTS
EVENTS = STRUCK + LEVELS
"""How many there are: the border, a key pressed and let go, 1 to 100 steps of time, 32 levels of velocity."""


def events_of(piece: Piece) -> NDArray[np.int64]:
    """The events of a piece, without borders, after Oore et al. 2018 (arXiv:1808.03715).

    At each step keys are let go before others are pressed, the lowest first; a level stands before the first key that has it.

    Example:
        >>> piece = Piece.of("two", [(0, 50, 60, 80), (50, 250, 64, 80)], steps=250, rate=100)
        >>> [event_name(event) for event in events_of(piece).tolist()]
        ['velocity 80', 'C4 on', '50 steps', 'C4 off', 'E4 on', '100 steps', '100 steps', 'E4 off']
    """
    when = np.concatenate([piece.end, piece.start])
    kind = np.repeat([0, 1], len(piece))  # ends before beginnings
    key, level = np.tile(piece.pitch - LOWEST, 2), np.tile(piece.velocity // LEVEL, 2)
    made, now, loud = list[int](), 0, -1
    for k in np.lexsort((key, kind, when)).tolist():
        for gap in _shifts(int(when[k]) - now):
            made.append(SHIFT + gap - 1)
        now = int(when[k])
        if kind[k] and level[k] != loud:
            loud = int(level[k])
            made.append(STRUCK + loud)
        made.append(int((ON if kind[k] else OFF) + key[k]))
    return np.array(made, np.int64)


def piece_of(events: Iterable[int], name: str = "", rate: float = SECOND) -> Piece:
    """The piece that events tell, whatever they are: a key pressed again begins anew.

    What sounds at the end sounds up to the end.

    Example:
        >>> piece = Piece.of("two", [(0, 50, 60, 80), (50, 250, 64, 100)], steps=250, rate=100)
        >>> again = piece_of(events_of(piece))
        >>> again.start, again.end, again.velocity
        (array([ 0, 50]), array([ 50, 250]), array([ 82, 102]))
    """
    sounding, notes, now, loud = dict[int, tuple[int, int]](), list[tuple[int, int, int, int]](), 0, LOUDNESS

    def let_go(key: int) -> None:
        first, struck = sounding.pop(key)
        notes.append((first, max(now, first + 1), key + LOWEST, struck))

    for event in events:
        if event == BORDER:
            continue
        if event < OFF:
            if event - ON in sounding:
                let_go(event - ON)
            sounding[event - ON] = (now, loud)
        elif event < SHIFT:
            if event - OFF in sounding:
                let_go(event - OFF)
        elif event < STRUCK:
            now += event - SHIFT + 1
        else:
            loud = max(1, (event - STRUCK) * LEVEL + LEVEL // 2)
    for key in list(sounding):
        let_go(key)
    return Piece.of(name, notes, steps=max([now, 1, *(end for _, end, _, _ in notes)]), rate=rate)


def event_name(event: int) -> str:
    """An event in words."""
    if event == BORDER:
        return "border"
    if event < OFF:
        return f"{pitch_name(event - ON + LOWEST)} on"
    if event < SHIFT:
        return f"{pitch_name(event - OFF + LOWEST)} off"
    if event < STRUCK:
        return f"{event - SHIFT + 1} steps"
    return f"velocity {(event - STRUCK) * LEVEL}"


def _shifts(gap: int) -> list[int]:
    whole, rest = divmod(gap, SHIFTS)
    return [SHIFTS] * whole + ([rest] if rest else [])
