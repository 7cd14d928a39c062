from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from recurra.data import PairBatch, Ragged
from recurra.data.recordings import Recordings, find_recordings
from recurra.data.resampling import resample
from recurra.data.utterances import SpeechBatches, hear, sounds_in_order
from recurra.errors import UsageError

soundfile = pytest.importorskip("soundfile")
RATE = 8000


@pytest.fixture
def some(tmp_path: Path) -> Recordings:
    for k in range(3):
        soundfile.write(tmp_path / f"{k}.wav", np.full((800 * (k + 1), 2), 0.1 * k), RATE)
    (tmp_path / "3.wav").write_text("no sound")
    return find_recordings(tmp_path)


def test_all_are_heard_and_what_cannot_be_read_is_told(some: Recordings) -> None:
    shown = list[tuple[int, int]]()
    heard = hear(some, RATE, progress=lambda done, of: shown.append((done, of)))
    assert heard.sounds.lengths.tolist() == [800, 1600, 2400, 0]
    assert np.allclose(heard.sounds.row(2), 0.2, atol=1e-4)
    assert shown == [(4, 4)]
    stereo, silent, wrong = heard.notes(some)
    assert stereo.endswith("3 of 4 recordings of 2 channels, whose mean is read (the first is 0.wav)")
    assert silent.endswith("1 of 4 recordings silent (the first is 0.wav)")
    assert "1 of 4 recordings left out, the first: " in wrong
    assert "3.wav: no sound that can be read" in wrong
    assert heard.take([2]).sounds.lengths.tolist() == [2400]


def test_what_was_heard_is_kept(some: Recordings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECURRA_CACHE", str(tmp_path / "cache"))
    first = hear(some, RATE, fingerprint="print")
    monkeypatch.setattr(soundfile, "SoundFile", lambda *_: pytest.fail("decoded again"))
    again = hear(some, RATE, fingerprint="print")
    assert np.array_equal(again.sounds.flat, first.sounds.flat)
    assert (again.remarks, again.problems) == (first.remarks, first.problems)
    with pytest.raises(pytest.fail.Exception):
        hear(some, RATE, fingerprint="print", longest=2.0)  # another option, another key


def batches(speeds: bool = False, seed: int = 0) -> SpeechBatches:
    random = np.random.default_rng(0)
    sounds = Ragged.of_vectors([random.normal(size=(n, 1)) for n in range(400, 4000, 300)], 1)
    targets = Ragged.of([[k] * (k % 3 + 1) for k in range(sounds.rows)])
    return SpeechBatches(sounds, targets, rate=RATE, tokens=200, batch=4, seed=seed, speeds=speeds)


def test_an_epoch_holds_all_once_within_its_budget() -> None:
    made = batches()
    seen = list[int]()
    for step in range(made.per_epoch):
        batch = made[step]
        rows, steps, _ = batch.source.shape
        assert rows * (-(-steps // 80) + batch.target.shape[1]) <= 200
        seen += [int(row[0]) for row in batch.target]
        for row, length in enumerate(batch.source_lengths.tolist()):
            assert torch.equal(batch.source[row, :length], torch.from_numpy(made.sounds.row(int(batch.target[row, 0]))))
            assert not batch.source[row, length:].any()
    assert sorted(seen) == list(range(12))


def test_speeds_are_drawn_and_a_function_of_seed_and_step() -> None:
    plain, fast = batches(), batches(speeds=True)
    kinds = set[float]()
    for step in range(plain.per_epoch):
        one, other = plain[step], fast[step]
        assert torch.equal(one.target, other.target)
        for row, (before, after) in enumerate(zip(one.source_lengths.tolist(), other.source_lengths.tolist(), strict=True)):
            tenths = next(t for t in (9, 10, 11) if after == -(-before * 10 // t))
            wanted = resample(one.source[row, :before, 0].numpy(), RATE * tenths // 10, RATE)
            assert np.array_equal(other.source[row, :after, 0].numpy(), wanted)
            kinds.add(tenths)
    assert kinds == {9, 10, 11}
    assert all(map(torch.equal, fast[3], batches(speeds=True)[3]))
    with pytest.raises(UsageError, match="a multiple of 10"):
        SpeechBatches(plain.sounds, plain.targets, rate=11025 + 1, tokens=9, batch=9, seed=0, speeds=True)


@pytest.mark.parametrize("reading", [sounds_in_order])
def test_in_order_every_recording_comes_once(reading: Callable[..., list[tuple[np.ndarray, PairBatch]]]) -> None:
    made = batches()
    found = list(reading(made.sounds, made.targets, rate=RATE, tokens=100, batch=3))
    assert [k for places, _ in found for k in places.tolist()] == list(range(11, -1, -1))
    assert max(len(places) for places, _ in found) == 3
    for places, batch in found:
        assert batch.target[:, 0].tolist() == places.tolist()
