import io
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from benchmarks.quality import speech
from benchmarks.quality.speech import SPEAKERS, TRAININGS, WORDS, joined, official, section, streamed, without, yes_no
from recurra.data import read_recordings, read_sound
from recurra.tasks.options import Transcribe
from recurra.tasks.runs import Run
from tests.places import dataset

soundfile = pytest.importorskip("soundfile")

MACHINE = {"cores": 2, "processor": "some processor", "threads": 2, "torch": "2.0"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set of the form of the real one: in each recording all samples are the digit, by the speaker's height."""
    folder = tmp_path_factory.mktemp("sets")
    (folder / "fsdd").mkdir()
    for part, count in (("train", 2), ("test", 1)):
        with tarfile.open(folder / "fsdd" / f"{part}.tar.gz", "w:gz") as archive:
            for place, (digit, speaker) in enumerate((d, s) for d in range(10) for s in SPEAKERS):
                for k in range(count):
                    content = io.BytesIO()
                    soundfile.write(content, np.full(80, (digit + 1) / 20), 8000, format="WAV")
                    told = tarfile.TarInfo(f"{part}/{digit}_{speaker}_{k}.wav")
                    told.size = len(content.getvalue())
                    archive.addfile(told, io.BytesIO(content.getvalue()))
                assert place < 60
    return folder


@pytest.mark.parametrize("name", ["digits-official", "digits-without-theo", "digits-joined", "yesno"])
def test_every_kind_of_training_can_be_said(name: str) -> None:
    options = Transcribe.parse(TRAININGS[name].options.split())
    assert options.bidirectional == (name in ("digits-official", "digits-without-theo"))  # the others stream


def test_the_official_split_is_that_of_the_archives(data: Path, tmp_path: Path) -> None:
    parts = read_recordings(official(data, tmp_path), group="speaker")
    assert len(parts.test) == 60
    assert len(parts.learnt) + len(parts.validation) == 120
    assert not set(parts.learnt.groups) & set(parts.validation.groups)
    assert {(place.stem[0], text) for place, text in zip(parts.test.places, parts.test.texts, strict=True)} == {
        (str(k), word) for k, word in enumerate(WORDS)
    }


def test_a_speaker_left_out_is_measured_on_alone(data: Path, tmp_path: Path) -> None:
    parts = read_recordings(without("theo")(data, tmp_path), group="speaker")
    assert set(parts.test.groups) == {"theo"}
    assert len(parts.test) == 30
    assert "theo" not in {*parts.learnt.groups, *parts.validation.groups}


def test_strings_are_joined_from_one_speaker_and_one_part(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "STRINGS", {"train": 12, "test": 6})
    parts = read_recordings(joined(data, tmp_path))
    assert (len(parts.learnt) + len(parts.validation), len(parts.test)) == (12, 6)
    for place, text in zip(parts.test.places, parts.test.texts, strict=True):
        heights = np.round(read_sound(place.file).samples * 20).astype(int)
        inside = np.flatnonzero(heights)
        words = [WORDS[heights[k] - 1] for k in inside[::80]]  # each recording has 80 samples
        assert " ".join(words) == text
        assert 3 <= len(words) <= 7


def test_what_streaming_costs_is_told_by_second_of_sound(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "STRINGS", {"train": 4, "test": 3})
    source, fed = joined(data, tmp_path), list[int]()
    listener = SimpleNamespace(feed=lambda piece: fed.append(len(piece)), finish=lambda: "said")
    run = SimpleNamespace(stream=lambda **_: listener, predict=lambda *_, **__: iter([{"text": "said"}]))
    cost = streamed(cast("Run", run), source)["streaming"]
    assert sum(fed) == pytest.approx(cost["seconds heard"] * 8000)
    assert max(fed) == 800
    assert 0 < cost["real-time factor"] < 1
    assert cost["same as whole"] is True


def test_the_section_has_a_row_for_each_training_and_the_mean_of_speakers() -> None:
    def found(value: float, **more: Any) -> dict[str, Any]:
        naive = {"this run, greedily": value, "most frequent text": 0.9, "recording most alike": 0.25}
        figures = {"word error rate": {"value": value, "interval": [0.0, value + 0.1], "baselines": naive}}
        return {"options": "unit=word", "updates": 3000, "minutes": 2.5, "figures": figures} | more

    def labelled(value: float) -> dict[str, Any]:
        figure = {"value": value, "interval": [0.0, 1.0], "baselines": {"ridge regression": 0.66}, "higher_is_better": True}
        return {"options": "output=label", "updates": 300, "minutes": 2.5, "figures": {"accuracy": figure}}

    cost = {
        "real-time factor": 0.02,
        "median seconds": 0.002,
        "99 % seconds": 0.004,
        "seconds heard": 60.0,
        "same as whole": True,
    }
    trainings = {f"digits-without-{speaker}": labelled(k / 10) for k, speaker in enumerate(SPEAKERS)}
    trainings |= {"digits-joined": found(0.05, streaming=cost)}
    page = section({"title": "Speech", "command": "scripts/quality speech", "machine": MACHINE, "trainings": trainings})
    told = "| digits joined to strings | word error rate | **0.0500** | 0.0000 to 0.1500 | 0.2500 | recording most alike |"
    assert f"{told} 3,000 | 2.5 |" in page
    assert "| spoken digits, mean over the speakers never heard | accuracy | **0.2500** |  | 0.6600 |" in page
    assert "0.0200 seconds of computing for a second of sound; a piece takes 2.0 ms in the median, 4.0 ms" in page
    assert "What is written is always that of the whole recording." in page


@pytest.mark.data
def test_yes_and_no_are_split_as_by_kaldi(tmp_path: Path) -> None:
    parts = read_recordings(yes_no(dataset("yesno").parent, tmp_path))
    assert len(parts.test) == 29
    assert len(parts.learnt) + len(parts.validation) == 31
    assert max(place.member for place in parts.learnt.places) < min(place.member for place in parts.test.places)
