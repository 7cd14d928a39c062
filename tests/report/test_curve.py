import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

import recurra
from recurra.report import draw_curve


@pytest.fixture
def run(trained: recurra.Run, tmp_path: Path) -> recurra.Run:
    return recurra.load(shutil.copytree(trained.folder, tmp_path / "run"))


def texts(path: Path) -> str:
    return " ".join(str(comment) for comment in path.read_text().split("<!--"))


def test_a_picture(run: recurra.Run) -> None:
    path = draw_curve(run)
    assert path == run.folder / "curve.svg"
    assert ElementTree.parse(path).getroot().tag.endswith("svg")
    assert "held-out score, best " in texts(path)
    assert "Kneser-Ney" in texts(path)


def test_the_same_run_gives_the_same_bytes(run: recurra.Run) -> None:
    assert len(draw_curve(run).read_bytes()) == len(draw_curve(run).read_bytes())


@pytest.mark.parametrize("gone", [1, 2, 4])
def test_looks_that_were_not_finite(gone: int, run: recurra.Run) -> None:
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert len(lines) == 4
    for line in lines[:gone]:
        line["metrics"] = dict.fromkeys(line["metrics"])
    (run.folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert ElementTree.parse(draw_curve(run))
