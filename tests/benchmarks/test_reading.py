from pathlib import Path
from typing import Any

import pytest

from benchmarks.quality.reading import TOLD, TRAININGS, pages, pendigits, section
from recurra.data import find_writings, read_writings
from recurra.tasks.options import Read
from tests.places import dataset

MACHINE = {"cores": 2, "processor": "some processor", "threads": 2, "torch": "2.0"}


@pytest.mark.parametrize("name", TRAININGS)
def test_every_training_can_be_said(name: str) -> None:
    Read.parse(TRAININGS[name].options.split())
    assert name in TOLD


def test_the_section_shows_the_best_naive_answer() -> None:
    def found(figure: str, value: float, higher: bool) -> dict[str, Any]:
        naive = {"this run, greedily": value, "most frequent class": 0.1, "nearest neighbour": 0.9}
        metric: dict[str, Any] = {"value": value, "interval": [value - 0.25, value + 0.25], "baselines": naive}
        metric |= {"higher_is_better": True} if higher else {}
        figures = {figure: metric, "word error rate": metric}
        return {"options": "a=b", "updates": 3000, "minutes": 2.5, "elsewhere": {figure: {"others": 0.8}}, "figures": figures}

    trainings = {
        "pendigits-lstm": found("accuracy", 0.75, higher=True),
        "lines-lstm": found("character error rate", 0.25, higher=False),
    }
    facts = {"title": "Reading", "command": "scripts/quality reading", "machine": MACHINE, "trainings": trainings}
    lines = section(facts).splitlines()
    middle = "| others 0.8 | 3,000 | 2.5 |"
    first = f"| {TOLD['pendigits-lstm']} | accuracy | **0.7500** | 0.5000 to 1.0000 | 0.9000 | nearest neighbour {middle}"
    second = (
        f"| {TOLD['lines-lstm']} | character error rate | **0.2500** | 0.0000 to 0.5000 | 0.1000 | most frequent class {middle}"
    )
    assert first in lines
    assert second in lines
    assert sum("word error rate" in line for line in lines) == 1
    assert "- pendigits-lstm: `a=b`" in lines


@pytest.mark.data
def test_pen_digits_are_the_official_parts(tmp_path: Path) -> None:
    parts = read_writings(pendigits(dataset("pendigits").parent, tmp_path), held_out=0.06)
    assert len(parts.test) == 3_498
    assert len(parts.learnt) + len(parts.validation) == 7_494
    assert parts.test.texts[:3] == ["8", "8", "8"]


@pytest.mark.data
def test_lines_are_four_pages(tmp_path: Path) -> None:
    found = find_writings(pages(dataset("ocr_lines").parent, tmp_path))
    assert [sum(f"avicanon_{page}" in name for name in found.names) for page in ("006", "007", "008", "009")] == [
        82,
        39,
        92,
        68,
    ]
