import io
import wave

import numpy as np
import pytest

from recurra.data.pieces import Piece
from recurra.data.synthesiser import PEAK, RATE, sound_of, wav_bytes


def one(pitch: int, start: int = 0, steps: int = 2) -> Piece:
    return Piece.of("a", [(start, start + 1, pitch, 80)], steps=steps, rate=2.0)


@pytest.mark.parametrize(("pitch", "hertz"), [(57, 220), (69, 440), (81, 880)])
def test_the_pitch_is_heard(pitch: int, hertz: int) -> None:
    sound = sound_of(one(pitch))
    spectrum = np.abs(np.fft.rfft(sound[:RATE]))
    assert abs(int(spectrum.argmax()) - hertz) <= 1


def test_a_note_sounds_where_it_stands() -> None:
    sound = sound_of(one(69, start=1, steps=4))
    half = RATE // 2
    assert np.abs(sound[:half]).max() < 1e-6 < np.abs(sound[half : 2 * half]).max()


def test_it_is_loud_but_never_clipped() -> None:
    notes = [(0, 2, pitch, 127) for pitch in range(40, 80)]
    sound = sound_of(Piece.of("a", notes, steps=2, rate=2.0))
    assert np.abs(sound).max() == pytest.approx(PEAK)


def test_silence() -> None:
    sound = sound_of(Piece.of("a", [], steps=2, rate=2.0))
    assert len(sound) > RATE
    assert not sound.any()


def test_a_file_of_sound() -> None:
    with wave.open(io.BytesIO(wav_bytes([one(60), one(64)]))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert len(samples) == 2 * len(sound_of(one(60)))
    assert np.abs(samples).max() == round(PEAK * 32767)
