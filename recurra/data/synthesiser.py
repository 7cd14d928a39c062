"""Music as sound: tones of a few partials that die away, written as WAV; no soundfont is needed."""

import io
import wave
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recurra.data.pieces import Piece

__all__ = ["RATE", "sound_of", "wav_bytes"]

RATE = 22_050
"""Samples a second."""
PARTIALS = ((1, 1.0), (2, 0.45), (3, 0.22), (4, 0.12), (5, 0.06), (6, 0.03))  # times the pitch, and how loud
RISE, FALL, TAIL = 0.006, 0.05, 0.35  # seconds: to full strength, after the end of a note, at the end of all
HALF, LOWEST_HALF = 0.45, 0.12  # seconds after which half is left of the middle C; of any tone at least
PEAK = 0.9


def sound_of(piece: Piece, rate: int = RATE) -> NDArray[np.float32]:
    """(N,) samples between -1 and 1: every note as a sum of partials, struck at once and dying away, higher ones sooner.

    Example:
        >>> piece = Piece.of("A", [(0, 2, 69, 80)], steps=2, rate=2.0)
        >>> sound = sound_of(piece)
        >>> spectrum = np.abs(np.fft.rfft(sound[:RATE]))  # of one second: a place is a Hertz
        >>> int(spectrum.argmax()), len(sound)
        (440, 29767)
    """
    samples = np.zeros(int((piece.seconds + TAIL) * rate), np.float64)
    for start, end, pitch, velocity in zip(piece.start, piece.end, piece.pitch, piece.velocity, strict=True):
        first = int(start / piece.rate * rate)
        tone = _tone(int(pitch), float((end - start) / piece.rate), rate) * (velocity / 127) ** 1.5
        room = samples[first : first + len(tone)]
        room += tone[: len(room)]
    loudest = np.abs(samples).max(initial=0.0)
    return (samples * (PEAK / loudest if loudest else 0.0)).astype(np.float32)


def wav_bytes(pieces: Sequence[Piece], rate: int = RATE) -> bytes:
    """The bytes of a WAV file of 16 bits, one channel, of pieces one after the other."""
    samples = np.concatenate([sound_of(piece, rate) for piece in pieces])
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())
    return content.getvalue()


def _tone(pitch: int, seconds: float, rate: int) -> NDArray[np.float64]:
    time = np.arange(int((seconds + FALL) * rate)) / rate
    hertz = 440.0 * 2 ** ((pitch - 69) / 12)
    tone = np.zeros_like(time)
    for times, loud in PARTIALS:
        if times * hertz < rate / 2:
            half = max(LOWEST_HALF, HALF * 2 ** ((60 - pitch) / 24) / times**0.5)
            tone += loud * np.sin(2 * np.pi * times * hertz * time) * 2 ** (-time / half)
    swell = np.minimum(1, time / RISE) * np.clip((seconds + FALL - time) / FALL, 0, 1)
    found: NDArray[np.float64] = tone * swell
    return found
