"""Sound from files: decoded by soundfile, checked, mixed to one channel, at the rate that is asked for."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.data.resampling import RATES, Resampler, resample
from recurra.errors import DataError, UsageError

__all__ = ["AUDIO", "Sound", "read_sound", "sound_pieces", "sound_rate"]

AUDIO = frozenset({".aif", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".rf64", ".w64", ".wav"})
"""How names of files of sound end."""

LONGEST = 3600.0
"""Seconds that a sound may have where nobody says anything."""

CHANNELS = 64
FULL, SHARE = 0.999, 0.01  # a sound is called clipped where so many of its samples are at full scale
CUT = re.compile(r"^(?:data|SSND)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)  # of what libsndfile says about a header


class Sound(NamedTuple):
    """Samples (N,) between -1 and 1, how many a second, and what was found out about them."""

    samples: NDArray[np.float32]
    rate: int
    remarks: tuple[str, ...] = ()


def read_sound(source: Path | bytes, rate: int = 0, *, name: str = "", longest: float = LONGEST) -> Sound:
    """A whole sound, as the mean of its channels, at the wanted rate; 0 leaves the rate as it is.

    What the header says is checked before anything is decoded. The remarks are phrases that fit behind "a recording": ``of 2
    channels, whose mean is read``, ``of 44,100 samples a second, read at 16,000``, ``cut off before its declared end``,
    ``silent``, ``clipped``.

    Args:
        source: a file, or what is in it.
        rate: samples a second that are wanted.
        name: what messages call the sound; the path, if there is one.
        longest: seconds that it may have.

    Raises:
        DataError: no such file, no sound, no samples, samples that are no numbers, longer than `longest`.
        UsageError: the library soundfile is not installed.
    """
    name = name or str(source)
    with _opened(source, name, longest) as file:
        declared, own = file.frames, file.samplerate
        found = _decoded(file, name, -1)
        remarks = _of_header(file, declared, len(found))
    samples = _mixed(found, name, 0)
    if not len(samples):
        raise DataError(f"{name}: no samples in it; wanted a sound of some length")
    loudest = float(np.abs(samples).max())
    if loudest == 0:
        remarks.append("silent")
    elif np.count_nonzero(np.abs(found) >= FULL) > SHARE * found.size:
        remarks.append("clipped")
    if rate and rate != own:
        remarks.append(f"of {own:,} samples a second, read at {rate:,}")
        samples = resample(samples, own, rate)
    return Sound(samples, rate or own, tuple(remarks))


def sound_rate(source: Path | bytes, *, name: str = "") -> int:
    """How many samples a second a sound has, of which nothing is decoded."""
    with _opened(source, name or str(source), float("inf")) as file:
        return int(file.samplerate)


def sound_pieces(source: Path | bytes, seconds: float, rate: int = 0, *, name: str = "") -> Iterator[NDArray[np.float32]]:
    """A sound piece by piece, each of about so many seconds, and of no more held than a piece; together they are the whole.

    Nothing limits how long it may be.

    Raises:
        DataError: as for `read_sound`, where the piece is reached in which something is wrong.
        UsageError: no time above 0.
    """
    if not seconds > 0:
        raise UsageError(f"pieces of {seconds} seconds; wanted a time above 0")
    name = name or str(source)
    with _opened(source, name, float("inf")) as file:
        resampler = Resampler(file.samplerate, rate or file.samplerate)
        state, read, size = resampler.initial(), 0, max(1, round(seconds * file.samplerate))
        while len(found := _decoded(file, name, size)):
            piece, state = resampler(_mixed(found, name, read), state)
            read += len(found)
            if len(piece):
                yield piece
    if not read:
        raise DataError(f"{name}: no samples in it; wanted a sound of some length")
    if len(rest := resampler.last(state)):
        yield rest


@contextmanager
def _opened(source: Path | bytes, name: str, longest: float) -> Iterator[Any]:
    """A file whose header promises what can be read."""
    library = _soundfile()
    try:
        _is_there(source, name)
        with library.SoundFile(io.BytesIO(source) if isinstance(source, bytes) else str(source)) as file:
            _check(file, name, longest)
            yield file
    except library.SoundFileError as error:
        reason = str(getattr(error, "error_string", error)).rstrip(". ")
        raise DataError(f"{name}: no sound that can be read ({reason}); wanted .wav, .flac, .ogg, .mp3 or their like") from None
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror or error})") from None


def _is_there(source: Path | bytes, name: str) -> None:
    if isinstance(source, Path):
        if source.is_dir():
            raise DataError(f"{name}: a folder; wanted a file of sound")
        if not source.exists():
            raise DataError(f"{name}: no such file")
        if source.suffix.lower() == ".raw":
            raise DataError(f"{name}: samples without a header; wanted .wav, .flac, .ogg, .mp3 or their like")
    if not (len(source) if isinstance(source, bytes) else source.stat().st_size):
        raise DataError(f"{name}: 0 bytes; wanted a file of sound")


def _check(file: Any, name: str, longest: float) -> None:
    if not RATES[0] <= file.samplerate <= RATES[1]:
        raise DataError(f"{name}: {file.samplerate:,} samples a second; wanted {RATES[0]:,} to {RATES[1]:,}")
    if file.channels > CHANNELS:
        raise DataError(f"{name}: {file.channels} channels; wanted at most {CHANNELS}")
    seconds = file.frames / file.samplerate
    if seconds > longest:
        raise DataError(f"{name}: {seconds:,.1f} seconds, nothing of which was decoded; wanted at most longest={longest:g}")


def _decoded(file: Any, name: str, frames: int) -> NDArray[np.float32]:
    """(N, C) the next samples, or all there are."""
    try:
        found: NDArray[np.float32] = file.read(frames, dtype="float32", always_2d=True)
    except MemoryError:
        raise DataError(f"{name}: {file.frames:,} samples of {file.channels} channels do not fit into memory") from None
    return found


def _mixed(found: NDArray[np.float32], name: str, before: int) -> NDArray[np.float32]:
    """(N,) the mean of the channels."""
    samples = found[:, 0] if found.shape[1] == 1 else found.mean(1)
    wrong = ~np.isfinite(samples)
    if wrong.any():
        place = int(wrong.argmax())
        raise DataError(f"{name}: sample {before + place + 1:,} is {samples[place]}; wanted finite numbers")
    return np.ascontiguousarray(samples)


def _of_header(file: Any, declared: int, found: int) -> list[str]:
    remarks = [f"of {file.channels} channels, whose mean is read"] if file.channels > 1 else []
    said = CUT.search(file.extra_info)
    if found < declared or (said and int(said[1]) > int(said[2])):
        remarks.append("cut off before its declared end")
    return remarks


def _soundfile() -> Any:
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: its own library is missing
        raise UsageError("sound needs the soundfile library; type: pip install 'recurra[audio]'") from None
    return soundfile
