import json
from pathlib import Path

import pytest

import recurra as package
from recurra.data.cadences import cadences
from recurra.data.rolls import write_json_roll
from tests.cli.process import recurra

WORDS = ["hidden=8", "nade_hidden=4", "window=8", "steps=4", "check=2", "grid=2"]


@pytest.fixture(scope="module")
def tunes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("data") / "tunes.json"
    path.write_bytes(write_json_roll(cadences(40)))
    return path


@pytest.fixture(scope="module")
def run(tunes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("cli") / "run"
    done = recurra("train", "compose", tunes, *WORDS, "--out", folder)
    assert "each key after itself" in done.stdout
    assert f"recurra generate {folder} steps=128 --out tune" in done.stdout
    return folder


def test_it_writes_where_it_is_asked_to(run: Path, tunes: Path, tmp_path: Path) -> None:
    done = recurra("generate", run, "steps=12", f"opening={tunes}", "opening_seconds=1", "--out", tmp_path / "tune.json")
    assert done.stdout.count("|") >= 12
    [steps] = json.loads((tmp_path / "tune.json").read_text())
    assert len(steps) == 16
    assert steps[:4] == json.loads(tunes.read_text())[0][:4]


def test_it_writes_beside_the_weights(run: Path) -> None:
    for number in (1, 2):
        done = recurra("generate", run, "steps=4")
        assert f"{run}/music/00{number}.wav" in done.stdout
        assert (run / "music" / f"00{number}.png").exists()


def test_predict_and_evaluate(run: Path, tunes: Path) -> None:
    rows = [json.loads(line) for line in recurra("predict", run, tunes, "--json").stdout.splitlines()]
    assert len(rows) == 40
    assert all(row["nats_per_step"] > 0 for row in rows)
    told = json.loads(recurra("evaluate", run, "--json").stdout)
    assert list(told["metrics"]) == ["nats per step"]


def test_the_report_has_music(run: Path) -> None:
    recurra("report", run)
    names = {path.name for path in (run / "report").glob("music-*.svg")}
    assert names == {"music-foreseen.svg", "music-own.svg", "music-true.svg"}
    assert "What it plays" in (run / "report" / "index.html").read_text()


def test_text_goes_into_a_file_too(trained: package.Run, tmp_path: Path) -> None:
    done = recurra("generate", trained.folder, "length=30", "seed=1")
    again = recurra("generate", trained.folder, "length=30", "seed=1", "--out", tmp_path / "text.txt")
    assert again.stdout == ""
    assert (tmp_path / "text.txt").read_text() == done.stdout
