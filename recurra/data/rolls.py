"""Rolls of music as researchers keep them: JSON lists of the pitches at each step, or arrays of 0 and 1."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.corpus import as_written
from recurra.data.parts import part_of
from recurra.data.pieces import KEYS, LOWEST, Piece
from recurra.errors import DataError

__all__ = ["LONGEST", "read_array_rolls", "read_json_rolls", "write_json_roll"]

PITCHES = 128  # of MIDI
LONGEST = 1_000_000
"""Steps that a piece may have."""
BYTES = 2_000_000_000  # of an array, which is held whole


def read_json_rolls(path: Path, rate: float) -> dict[str, list[Piece]]:
    """Pieces by part from JSON: a list of pieces, or an object that names parts, such as ``{"train": [...], "valid": [...]}``.

    A piece is a list of steps, a step a list of the pitches that sound, as MIDI counts them; numbers below zero are silence,
    as files of four voices write it. Where no part is told its name is empty.

    Raises:
        DataError: no JSON, another form, no pitches of a piano.
    """
    try:
        found = json.loads(as_written(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: no JSON ({error}); wanted lists of pieces, of steps, of pitches") from None
    every = {"": found} if isinstance(found, list) else found
    if not isinstance(every, dict):
        raise DataError(f"{path}: {type(found).__name__}; wanted a list of pieces, or an object with one for each part")
    read: dict[str, list[Piece]] = {}
    for key, pieces in every.items():
        where = f"{path}, {key}" if every is found else str(path)
        if not isinstance(pieces, list):
            raise DataError(f"{where}: {type(pieces).__name__}; wanted a list of pieces")
        part = part_of(key)
        if part is None and key:
            raise DataError(f"{where}: no part of this name is known; wanted train, valid or test")
        read.setdefault(part or "", []).extend(_piece(f"{where}, piece {k}", each, rate) for k, each in enumerate(pieces, 1))
    return read


def _piece(name: str, steps: Any, rate: float) -> Piece:
    if not isinstance(steps, list):
        raise DataError(f"{name}: {type(steps).__name__}; wanted a list of steps")
    if len(steps) > LONGEST:
        raise DataError(f"{name}: {len(steps):,} steps; wanted at most {LONGEST:,}")
    roll = np.zeros((len(steps), KEYS), np.uint8)
    for number, step in enumerate(steps):
        for pitch in step if isinstance(step, list) else [step]:
            if isinstance(pitch, bool) or not isinstance(pitch, int | float) or pitch != pitch // 1:
                raise DataError(f"{name}, step {number + 1}: {str(pitch)[:40]}; wanted pitches, which are whole numbers")
            if pitch < 0:
                continue
            if not LOWEST <= pitch < LOWEST + KEYS:
                wanted = f"{LOWEST} to {LOWEST + KEYS - 1}, the keys of a piano"
                raise DataError(f"{name}, step {number + 1}: pitch {pitch:g}; wanted {wanted}")
            roll[number, int(pitch) - LOWEST] = 1
    return Piece.of_roll(name, roll, rate)


def read_array_rolls(path: Path, rate: float) -> dict[str, list[Piece]]:
    """Pieces by part from ``.npz``: an array (T, 88), or (T, 128) of all pitches of MIDI, for each; not zero is a sound.

    Names of arrays may tell their parts, as ``train_1``, ``valid_1``, ``test_1`` do; of all others its name is empty.

    Raises:
        DataError: no such file, arrays of other shapes, of objects, of no numbers, or too large.
    """
    read: dict[str, list[Piece]] = {}
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as arrays:
            for key in arrays.files:
                roll = _of_keys(f"{path}, array {key}", arrays[key])
                read.setdefault(part_of(key) or "", []).append(Piece.of_roll(f"{path}, {key}", roll, rate))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: no arrays that can be read ({str(error).partition(chr(10))[0]}); wanted .npz") from None
    return read


def _of_keys(name: str, roll: NDArray[Any]) -> NDArray[Any]:
    if roll.ndim != 2 or roll.shape[1] not in (KEYS, PITCHES) or roll.dtype.kind not in "buif":
        raise DataError(f"{name}: {roll.dtype} of shape {roll.shape}; wanted numbers of shape (steps, {KEYS} or {PITCHES})")
    if len(roll) > LONGEST or roll.nbytes > BYTES:
        raise DataError(f"{name}: {len(roll):,} steps; wanted at most {LONGEST:,}")
    if roll.dtype.kind == "f" and not np.isfinite(roll).all():
        raise DataError(f"{name}: a number that is not finite, at step {int(np.argmin(np.isfinite(roll).all(1))) + 1}")
    sounds: NDArray[np.bool_] = roll != 0
    if roll.shape[1] == PITCHES:
        outside = np.flatnonzero(sounds.any(0) & ((np.arange(PITCHES) < LOWEST) | (np.arange(PITCHES) >= LOWEST + KEYS)))
        if len(outside):
            raise DataError(f"{name}: pitch {outside[0]}; wanted {LOWEST} to {LOWEST + KEYS - 1}, the keys of a piano")
        sounds = sounds[:, LOWEST : LOWEST + KEYS]
    return sounds


def write_json_roll(pieces: Sequence[Piece]) -> bytes:
    """The bytes of a JSON file of pieces, as `read_json_rolls` reads them."""
    steps = [[(np.flatnonzero(frame) + LOWEST).tolist() for frame in piece.roll()] for piece in pieces]
    return json.dumps(steps).encode()
