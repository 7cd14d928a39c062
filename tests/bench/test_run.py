import json
from pathlib import Path

import pytest
import torch

from recurra.bench import Bench, Result
from recurra.bench.goals import GOALS
from recurra.errors import ResourceError

TINY = {"cells": "gru", "parts": "shapes", "shapes": "2x17x4", "threads": "1", "quick": True}


def test_a_run_leaves_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = Bench(**TINY).run(tmp_path / "new" / "bench")
    assert capsys.readouterr().out.count("shapes: gru (2, 17, 4) ") == 2
    folder = tmp_path / "new" / "bench"
    assert {path.name for path in folder.iterdir()} == {"bench.json", "bench.md", "roofline-1-threads.svg"}
    table = json.loads((folder / "bench.json").read_text())
    assert table == result.as_json()
    assert Result.of(table).measures[0].subject == "gru"
    assert result.command == "recurra bench cells=gru parts=shapes quick=true shapes=2x17x4 threads=1"
    assert "](roofline-1-threads.svg)" in (folder / "bench.md").read_text()


def test_nothing_is_shown_or_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = Bench(**TINY).run(show=False)
    assert capsys.readouterr().out == ""
    assert not list(tmp_path.iterdir())
    assert len(result.rows) == len(GOALS)
    assert result.roofs[1].product > result.roofs[1].memory / 100 > 0


def test_threads_are_as_before() -> None:
    before = torch.get_num_threads()
    result = Bench(**TINY | {"threads": "2"}).run(show=False)
    assert torch.get_num_threads() == before
    assert {measure.threads for measure in result.measures} == {2}


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match="file/bench: cannot be made"):
        Bench(**TINY).run(tmp_path / "file" / "bench")
