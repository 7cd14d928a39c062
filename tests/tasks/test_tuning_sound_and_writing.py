"""What looks for options works for sound and for writing, too."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import recurra
from recurra.tasks.compare import compare
from recurra.tasks.tuning import tune

soundfile = pytest.importorskip("soundfile")

FEW: dict[str, Any] = {"hidden": 8, "channels": 4, "batch": 8, "steps": 4, "check": 2, "engine": "torch"}
SMALL = {"transcribe": FEW | {"bins": 8}, "read": FEW}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tones, low or high, and strokes, up or down."""
    draw, sounds, strokes = (
        random.Random(0),
        tmp_path_factory.mktemp("sounds"),
        tmp_path_factory.mktemp("strokes") / "ink.jsonl",
    )
    lines = list[str]()
    for k in range(40):
        text = "ab"[k % 2] * draw.randint(1, 2)
        time = np.arange(800 * len(text) + draw.randint(0, 99))
        soundfile.write(sounds / f"{k}.wav", 0.3 * np.sin(time * (0.2 if k % 2 else 0.9)), 8000)
        (sounds / f"{k}.txt").write_text(text)
        points = [[[3 * place, 0], [3 * place + draw.random(), 5 if k % 2 else -5]] for place in range(len(text))]
        lines.append(json.dumps({"strokes": points, "text": text}))
    strokes.write_text("\n".join(lines))
    return {"transcribe": sounds, "read": strokes}


def words(task: str, **others: Any) -> list[str]:
    return [f"{name}={value}" for name, value in (SMALL[task] | others).items()]


@pytest.mark.parametrize("task", SMALL)
def test_tune(task: str, data: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    found = tune(task, data[task], [*words(task), "lr=1e-3..1e-2", "trials=2"], out=tmp_path / "tuned", show=False)
    assert [1e-3 <= trial.options["lr"] <= 1e-2 for trial in found.trials] == [True, True]
    best = recurra.load(tmp_path / "tuned" / "best")
    assert (best.options.task, best.options.lr) == (task, found.ranked[0].options["lr"])
    assert best.read("evaluation.json") == best.evaluate().as_json()


@pytest.mark.parametrize("task", SMALL)
def test_seeds(task: str, data: dict[str, Path], tmp_path: Path) -> None:
    options = {"transcribe": recurra.Transcribe, "read": recurra.Read}[task]
    run = options(**SMALL[task], seeds=2).fit(data[task], out=tmp_path / "run", show=False)
    told = run.read("seeds.json")
    assert [one["seed"] for one in told["seeds"]] == [0, 1]
    best = recurra.load(run.folder / "seeds" / str(told["best"]))
    assert (run.folder / "weights.safetensors").read_bytes() == (best.folder / "weights.safetensors").read_bytes()


def test_recordings_are_compared(data: dict[str, Path], tmp_path: Path) -> None:
    asked = [*words("transcribe"), "cell=gru,elman", "seeds=1"]
    found = compare("transcribe", data["transcribe"], asked, out=tmp_path / "compared", show=False)
    assert (found.figure, {variant.name for variant in found.variants}) == ("character error rate", {"gru", "elman"})
    assert not any(variant.failed for variant in found.variants)
    assert "recording most alike" in found.baselines


@pytest.mark.parametrize("task", SMALL)
def test_what_tells_labels_is_compared_by_its_log_loss(task: str, data: dict[str, Path], tmp_path: Path) -> None:
    asked = [*words(task, output="label"), "cell=gru,elman", "seeds=1"]
    found = compare(task, data[task], asked, out=tmp_path / "compared", show=False)
    assert found.figure == "log loss"
    assert not any(variant.failed for variant in found.variants)


def test_a_rate_is_found_for_recordings(data: dict[str, Path]) -> None:
    test = recurra.Transcribe(**SMALL["transcribe"] | {"steps": 20}).find_lr(data["transcribe"])
    assert len(test.losses) > 1
    assert np.isfinite(test.losses[0])
