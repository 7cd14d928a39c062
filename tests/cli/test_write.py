import json
from pathlib import Path

import pytest

from tests.cli.process import recurra

WORDS = ["hidden=8", "layers=1", "components=3", "windows=2", "embedding=4", "steps=4", "check=2"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("cli") / "run"
    done = recurra("train", "write", *WORDS, "--out", folder)
    assert "one Gaussian by the pen" in done.stdout
    assert "told: texts of 10 letters" in done.stdout
    return folder


def test_it_writes_where_it_is_asked_to(run: Path, tmp_path: Path) -> None:
    recurra("generate", run, "text=31", "count=2", "points=9", "animated=true", "--out", tmp_path / "a.svg")
    assert "<animate" in (tmp_path / "a.svg").read_text()
    recurra("generate", run, "text=31", "count=2", "points=9", "--out", tmp_path / "a.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [row["text"] for row in rows] == ["31", "31"]
    done = recurra("generate", run, "points=9")
    assert done.stdout.strip() == str(run / "drawings" / "001.svg")


def test_the_report_has_drawings(run: Path) -> None:
    recurra("report", run)
    names = {path.name for path in (run / "report").glob("*.svg")}
    assert {"drawn.svg", "window-1.svg", "window-2.svg"} <= names
    assert "What it draws" in (run / "report" / "index.html").read_text()
