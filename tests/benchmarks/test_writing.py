import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.quality import writing
from benchmarks.quality.writing import TRAININGS, numbers, read_back, section
from recurra.data import read_drawings
from recurra.tasks.options import Write

MACHINE = {"cores": 2, "processor": "some processor", "threads": 2, "torch": "2.0"}


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pen digits, fewer: each a line of eight points whose slope is its own."""
    (tmp_path / "pendigits").mkdir()
    rows = [",".join(f"{x},{x * d // 9}" for x in range(0, 80, 10)) + f", {d}" for d in range(10)] * 3
    text = "\n".join(["a" * 3, *rows]) + "\n"
    (tmp_path / "pendigits" / "pendigits.csv.gz").write_bytes(gzip.compress(text.encode()))
    for name, value in {"OFFICIAL": 20, "LEARNT": 60, "MEASURED": 12}.items():
        monkeypatch.setattr(writing, name, value)
    return tmp_path


@pytest.mark.parametrize("name", TRAININGS)
def test_every_training_can_be_said(name: str) -> None:
    assert Write.parse(TRAININGS[name].options.split()).upwards == (name == "numbers")


def test_numbers_are_joined_from_left_to_right(sets: Path, tmp_path: Path) -> None:
    (folder := tmp_path / "made").mkdir()
    parts = read_drawings(numbers(sets, folder))
    assert len(parts.test) == 12
    assert len(parts.learnt) + len(parts.validation) == 60
    for one in parts.learnt:
        strokes = one.strokes()
        assert len(strokes) == len(one.text) <= 4
        lefts = [stroke[:, 0].min() for stroke in strokes]
        assert np.allclose(np.diff(lefts), writing.APART)


def test_what_was_written_is_read_back(sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder := tmp_path / "made").mkdir()
    monkeypatch.setattr(writing, "READ", "hidden=8 channels=4 steps=2 check=2 held_out=0.2")
    source = numbers(sets, folder)
    options = Write(hidden=8, layers=1, components=2, windows=2, embedding=4, steps=2, check=2, upwards=True, longest=60)
    found = read_back(options.fit(source, out=tmp_path / "run", show=False), source)["read back"]
    assert found["count"] == 12
    assert all(0 <= low <= share <= high <= 1 for share, low, high in (found["written"], found["of people"]))


def test_the_page() -> None:
    metric = {"value": 0.5, "interval": [0.4, 0.6], "baselines": {"one Gaussian": 2.0, "one Gaussian by the pen": 1.5}}
    found: dict[str, Any] = {
        name: {"options": each.options, "updates": 10, "minutes": 1.0, "figures": {"nats per point": metric}}
        for name, each in TRAININGS.items()
    }
    back = {"written": [0.9, 0.88, 0.92], "of people": [0.95, 0.93, 0.97], "count": 500, "options": "epochs=12"}
    found["numbers"]["read back"] = back
    told = section({"title": "Writing", "command": "scripts/quality writing", "machine": MACHINE, "trainings": found})
    assert "| kanji, drawn freely | **0.500** | 0.400 to 0.600 | 1.500 | one Gaussian by the pen | 10 | 1.0 |" in told
    assert "Of 500 numbers that were asked for" in told
    assert "90.0% (88.0% to 92.0%)" in told
