"""MIDI and ABC as pieces of music, and pieces as MIDI; both through the library symusic."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recurra.data.corpus import as_written
from recurra.data.lines import readable
from recurra.data.pieces import KEYS, LOWEST, Piece
from recurra.data.rolls import LONGEST
from recurra.errors import DataError, UsageError

__all__ = ["ABC", "MIDI", "SECOND", "Heard", "midi_bytes", "read_abc", "read_midi"]

MIDI, ABC = (".mid", ".midi"), (".abc",)
"""How names of files end."""
SECOND = 100
"""Steps a second where time is not counted in quarter notes."""
TEMPO = 120.0  # quarter notes a minute where nothing says how many
BYTES = 20_000_000  # of a file
TICKS = 480  # a quarter note of what is written
TUNE = re.compile(r"^X:", re.MULTILINE)


class Heard(NamedTuple):
    """A piece, and what was found out about it: phrases that fit behind "a piece"."""

    piece: Piece
    remarks: tuple[str, ...] = ()


def read_midi(source: Path | bytes, grid: int, *, name: str = "") -> Heard:
    """One MIDI file as a piece of `grid` steps a quarter note; 0 keeps its tempo, as steps of a hundredth of a second.

    Percussion is left out, and pitches that no piano has; the remarks say so. All instruments become one.

    Raises:
        DataError: no such file, no MIDI, cut off, no notes, more than a million steps.
        UsageError: the library symusic is not installed.
    """
    name = name or str(source)
    content = source if isinstance(source, bytes) else _read(source)
    library = _symusic()
    try:
        score = library.Score.from_midi(content)
    except (RuntimeError, ValueError, OverflowError) as error:
        raise DataError(f"{name}: no MIDI that can be read ({_reason(error)}); wanted .mid, whole") from None
    return _heard(score, name, grid)


def read_abc(source: Path | bytes, grid: int, *, name: str = "") -> Iterator[tuple[str, Heard | DataError]]:
    """The tunes of an ABC file, each by its name; chords that are written above a tune sound with it.

    A tune that cannot be read is given as the error that says why; steps are those of `read_midi`.
    """
    name = name or str(source)
    text = source.decode("utf-8", "replace") if isinstance(source, bytes) else as_written(source, "latin-1")
    starts = [found.start() for found in TUNE.finditer(text)]
    if not starts:
        raise DataError(f"{name}: no tune in it; wanted ABC, where each begins with a line X:")
    library = _symusic()
    for number, (first, end) in enumerate(zip(starts, [*starts[1:], len(text)], strict=True), 1):
        where = f"{name}, tune {number}"
        try:
            with _silent():  # it runs a program that talks
                score = library.Score.from_abc(text[first:end])
            heard: Heard | DataError = _heard(score, where, grid)
        except (RuntimeError, ValueError, OverflowError):
            heard = DataError(f"{where}: no ABC that can be read; wanted a line K: with its key, and notes after it")
        except DataError as error:
            heard = error
        yield where, heard


def _heard(score: Any, name: str, grid: int) -> Heard:
    if score.ticks_per_quarter <= 0:
        raise DataError(f"{name}: {score.ticks_per_quarter} ticks a quarter note; wanted 1 or more")
    timed, per = (score.to("quarter"), grid) if grid else (score.to("second"), SECOND)
    tracks = [track.notes.numpy() for track in timed.tracks if not track.is_drum]
    drums = sum(len(track.notes) for track in timed.tracks if track.is_drum)
    if not sum(len(track["pitch"]) for track in tracks):
        raise DataError(f"{name}: no notes in it{' but percussion' if drums else ''}; wanted at least one")
    start, length, pitch, velocity = (
        np.concatenate([track[key].astype(np.float64) for track in tracks]) for key in ("time", "duration", "pitch", "velocity")
    )
    first = np.rint(start * per)
    last = np.maximum(np.rint((start + length) * per), first + 1)
    if not np.isfinite(last).all() or last.max() > LONGEST or first.min() < 0:
        raise DataError(f"{name}: notes up to step {last.max():,.0f}; wanted 0 to {LONGEST:,}")
    fine = (pitch >= LOWEST) & (pitch < LOWEST + KEYS)
    remarks = ["with percussion, which is left out"] if drums else []
    if not fine.all():
        remarks.append("with notes that no piano has, which are left out")
    if not fine.any():
        raise DataError(f"{name}: none of its notes is a key of a piano")
    notes = np.stack([first, last, pitch, np.clip(velocity, 1, 127)], 1)[fine].astype(np.int64)
    tempo = timed.tempos[0].qpm if len(timed.tempos) else TEMPO
    rate = grid * (tempo if 1 <= tempo <= 1000 else TEMPO) / 60 if grid else SECOND
    return Heard(Piece.of(name, notes.tolist(), steps=int(last[fine].max()), rate=float(rate)), tuple(remarks))


def midi_bytes(piece: Piece) -> bytes:
    """A piece as a MIDI file of one piano, at 120 quarter notes a minute.

    Raises:
        UsageError: the library symusic is not installed.
    """
    library = _symusic()
    score, ticks = library.Score(TICKS), TICKS * TEMPO / 60 / piece.rate  # of a step
    score.tempos.append(library.Tempo(0, qpm=TEMPO))
    track = library.Track(name="recurra", program=0)
    for start, end, pitch, velocity in zip(piece.start, piece.end, piece.pitch, piece.velocity, strict=True):
        first, last = round(start * ticks), round(end * ticks)
        track.notes.append(library.Note(first, max(1, last - first), int(pitch), int(velocity)))
    score.tracks.append(track)
    written: bytes = score.dumps_midi()
    return written


def _read(file: Path) -> bytes:
    with readable(file):
        size = file.stat().st_size
        if not size:
            raise DataError(f"{file}: 0 bytes; wanted a MIDI file")
        if size > BYTES:
            raise DataError(f"{file}: {size:,} bytes, nothing of which was decoded; wanted at most {BYTES:,}")
        return file.read_bytes()


@contextmanager
def _silent() -> Iterator[None]:
    """What other programs write on standard output and error is lost."""
    sys.stdout.flush()
    kept = [os.dup(number) for number in (1, 2)]
    with Path(os.devnull).open("w") as nothing:
        try:
            for number in (1, 2):
                os.dup2(nothing.fileno(), number)
            yield
        finally:
            for number, before in zip((1, 2), kept, strict=True):
                os.dup2(before, number)
                os.close(before)


def _reason(error: Exception) -> str:
    said = " ".join(str(error).split()).removeprefix("MiniMidi: ").removesuffix(": iostream error")
    return said[:120].rstrip(".!") or type(error).__name__


def _symusic() -> Any:
    try:
        import symusic
    except ImportError:
        raise UsageError("MIDI and ABC need the symusic library; type: pip install 'recurra[music]'") from None
    return symusic
