"""Labels of whole recordings; those of writing are in test_read."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import recurra
from recurra.errors import DataError, UsageError
from recurra.report import draw_report
from recurra.tasks import transcribe
from recurra.tasks.evaluation import Evaluation
from tests.tasks.stopping import goes_on

soundfile = pytest.importorskip("soundfile")

RATE = 8000
PITCH = {"low": 300, "middle": 900, "high": 2500}
SMALL: dict[str, Any] = {"output": "label", "hidden": 16, "layers": 1, "dropout": 0.0, "lr": 0.02, "bins": 12, "channels": 8}
SMALL |= {"batch": 8, "masks": 0, "engine": "torch", "normalise": "whole-level"}


def tone(path: Path, pitch: float, seconds: float, loud: float) -> None:
    soundfile.write(path, loud * np.sin(2 * np.pi * pitch * np.arange(round(seconds * RATE)) / RATE), RATE)


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of recordings of one tone each; one is shorter than a frame."""
    folder, draw = tmp_path_factory.mktemp("tones"), random.Random(0)
    rows = ["path\ttext"]
    for k in range(60):
        name = draw.choice(sorted(PITCH))
        tone(folder / f"{k}.wav", PITCH[name] * draw.uniform(0.9, 1.1), draw.uniform(0.1, 0.4), draw.uniform(0.01, 0.5))
        rows.append(f"{k}.wav\t{name}")
    tone(folder / "short.wav", 300, 0.01, 0.5)
    (folder / "train.tsv").write_text("\n".join([*rows[:37], "short.wav\tlow"]))
    (folder / "dev.tsv").write_text("\n".join([rows[0], *rows[37:46]]))
    (folder / "test.tsv").write_text("\n".join([rows[0], *rows[46:]]))
    return folder


@pytest.fixture(scope="module")
def run(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    options = recurra.Transcribe(**SMALL, steps=60, check=30)
    made: recurra.Run = options.fit(tones, out=tmp_path_factory.mktemp("runs") / "tones", show=False)
    return made


@pytest.fixture(scope="module")
def evaluation(run: recurra.Run) -> Evaluation:
    found: Evaluation = run.evaluate()
    return found


def test_it_tells_tones_apart_beside_what_needs_no_network(evaluation: Evaluation) -> None:
    accuracy = evaluation.figure("accuracy")
    assert accuracy.value > 0.9
    assert set(accuracy.baselines) == {"most frequent class", "ridge regression", "nearest neighbour"}
    assert accuracy.baselines["most frequent class"] < 0.7
    assert [table.name for table in evaluation.tables] == ["by label", "confusion"]


def test_what_is_too_short_is_left_out_and_said(run: recurra.Run) -> None:
    [note] = [note for note in run.facts["data"]["notes"] if "too short" in note]
    assert note.endswith("train.tsv: 1 of 37 are too short to be read (the first in line 38): left out")


def test_predict_gives_labels_with_probabilities_the_best_first(run: recurra.Run, tones: Path) -> None:
    rows = [*run.predict(tones / "59.wav", best=3)]
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert {row["text"] for row in rows} == set(PITCH)
    assert sum(row["probability"] for row in rows) == pytest.approx(1)
    assert rows[0]["probability"] == max(row["probability"] for row in rows)
    [row] = run.predict(tones / "short.wav")
    assert (row["rank"], row["text"], row["probability"]) == (1, "", None)


def test_it_says_the_same_of_a_recording_alone_and_among_others(run: recurra.Run, tones: Path) -> None:
    every = {Path(row["file"]).name: row["probability"] for row in run.predict(tones / "test.tsv")}
    for name in ("50.wav", "59.wav"):
        [alone] = run.predict(tones / name)
        assert alone["probability"] == pytest.approx(every[name], rel=1e-4)


def test_training_goes_on_to_the_same_bits(tones: Path, tmp_path: Path) -> None:
    options = recurra.Transcribe(**SMALL | {"dropout": 0.2, "masks": 1}, speeds=True, steps=12, check=4)
    goes_on(*(transcribe.begin(options, tones, tmp_path / name) for name in ("whole", "half")))


def test_its_report_has_what_is_told_of_what(run: recurra.Run, tmp_path: Path) -> None:
    report = draw_report(run, tmp_path / "report")
    assert (report.folder / "confusion.svg").stat().st_size > 1000
    assert "Label by label" in report.page.read_text()
    with pytest.raises(UsageError, match="no attention to a sentence"):
        draw_report(run, tmp_path / "other", sentences=["low"])


def test_bad_calls(run: recurra.Run, tones: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a label is told of whole recordings"):
        run.stream()
    with pytest.raises(UsageError, match="a label lies nowhere"):
        run.placed()
    with pytest.raises(UsageError, match="without chunk"):
        list(run.predict(tones, chunk=0.1))
    with pytest.raises(UsageError, match="name a folder"):
        transcribe.setup(recurra.Transcribe(output="label"), None)
    for options, told in (
        ({"language": "runs/text"}, "a label asks no language model"),
        ({"decoder": "attention"}, "a label is not written symbol by symbol"),
    ):
        with pytest.raises(UsageError, match=told):
            recurra.Transcribe(output="label", **options)
    for k in range(8):
        tone(tmp_path / f"{k}.wav", 300, 0.2, 0.5)
        (tmp_path / f"{k}.txt").write_text("low")
    with pytest.raises(DataError, match="one label only, low"):
        transcribe.setup(recurra.Transcribe(**SMALL, held_out=0.5), tmp_path)
