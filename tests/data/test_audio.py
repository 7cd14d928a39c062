import io
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recurra.data.audio import read_sound, sound_pieces
from recurra.errors import DataError, UsageError
from tests.places import dataset

soundfile = pytest.importorskip("soundfile")

RATE = 8000
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)


def written(path: Path, samples: NDArray[np.floating], rate: int = RATE, **how: Any) -> Path:
    soundfile.write(path, samples, rate, **how)
    return path


def refused(path: Path | bytes, **options: float) -> str:
    with pytest.raises(DataError) as caught:
        read_sound(path, **options)  # type: ignore[arg-type]
    text = str(caught.value)
    assert "\n" not in text
    return text.replace(f"{path.parent}/", "") if isinstance(path, Path) else text


@pytest.mark.parametrize(
    ("how", "near"),
    [
        ({"subtype": "PCM_U8"}, 1 / 128),
        ({"subtype": "PCM_16"}, 1e-4),
        ({"subtype": "PCM_24"}, 1e-6),
        ({"subtype": "FLOAT"}, 0),
        ({"subtype": "PCM_16", "endian": "BIG"}, 1e-4),
    ],
)
def test_samples_of_every_kind_are_the_same(how: dict[str, Any], near: float, tmp_path: Path) -> None:
    found = read_sound(written(tmp_path / "a.wav", TONE, **how))
    assert found.rate == RATE
    assert found.remarks == ()
    assert np.abs(found.samples - TONE).max() <= near


def test_channels_are_mixed_and_rates_changed_and_both_said(tmp_path: Path) -> None:
    path = written(tmp_path / "a.flac", np.stack([TONE, np.zeros_like(TONE)], axis=1), subtype="PCM_24")
    found = read_sound(path, 16000)
    assert found.remarks == ("of 2 channels, whose mean is read", "of 8,000 samples a second, read at 16,000")
    assert len(found.samples) == 2 * len(TONE)
    assert np.abs(found.samples[::2] - TONE / 2)[200:-200].max() < 1e-4
    assert np.array_equal(read_sound(path.read_bytes(), 16000).samples, found.samples)


def test_pieces_are_the_whole(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", np.random.default_rng(0).normal(size=5000).astype(np.float32) / 9, rate=11025)
    for rate in (0, 8000):
        whole = read_sound(path, rate).samples
        assert np.array_equal(np.concatenate(list(sound_pieces(path, 0.05, rate))), whole)
    with pytest.raises(UsageError, match="wanted a time above 0"):
        next(sound_pieces(path, 0.0))


def test_a_promise_of_too_much_is_refused_before_anything_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.wav", TONE)
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_, **__: pytest.fail("decoded"))
    assert refused(path, longest=0.5) == "a.wav: 1.0 seconds, nothing of which was decoded; wanted at most longest=0.5"
    wide = io.BytesIO()
    with wave.open(wide, "wb") as file:
        file.setparams((65, 2, RATE, 0, "NONE", ""))
        file.writeframes(bytes(260))
    assert refused(wide.getvalue(), name="wide") == "wide: 65 channels; wanted at most 64"  # type: ignore[arg-type]


def test_without_the_library_the_line_to_type_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.wav", TONE)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(UsageError, match=r"pip install 'recurra\[audio\]'"):
        read_sound(path)


RESAMPLED = "of 44,100 samples a second, read at 8,000"
CUT, STEREO = "cut off before its declared end", "of 2 channels, whose mean is read"
READ: dict[str, tuple[int, tuple[str, ...]]] = {
    "cut_in_data.wav": (2139, (CUT,)),
    "declared_too_long.wav": (4301, (CUT,)),
    "full_scale_clip.wav": (8000, ("clipped",)),
    "odd_byte_data.wav": (4300, ()),
    "silence_1s.wav": (8000, ("silent",)),
    "test-44100Hz-2ch-32bit-float-be.wav": (80, (STEREO, RESAMPLED)),
    "test-44100Hz-2ch-32bit-float-le.wav": (80, (STEREO, RESAMPLED)),
    "test-44100Hz-le-1ch-4bytes-early-eof.wav": (43, (CUT, RESAMPLED)),
    "test-44100Hz-le-1ch-4bytes.wav": (800, (RESAMPLED,)),
    "test-8000Hz-le-2ch-1byteu.wav": (800, (STEREO,)),
}
"""Odd files that are read: how many samples at 8,000 a second, and what is remarked; tests/cli has those that are refused."""


@pytest.mark.data
def test_what_is_odd_is_remarked() -> None:
    for name, answer in READ.items():
        found = read_sound(dataset("noisy_inputs/audio") / name, RATE)
        assert (len(found.samples), found.remarks) == answer, name
