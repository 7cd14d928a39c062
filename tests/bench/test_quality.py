import json
from pathlib import Path

import pytest

from benchmarks import page
from recurra.bench.goals import GOALS
from tests.bench.made import beside_torch, result


def test_the_quality_page_shows_the_goals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results, docs = tmp_path / "results", tmp_path / "docs"
    results.mkdir()
    docs.mkdir()
    monkeypatch.setattr(page, "RESULTS", results)
    monkeypatch.setattr(page, "DOCS", docs)
    (results / "engine.json").write_text(json.dumps(result(beside_torch(6.0)).as_json()))
    page.main()
    text = (docs / "quality.md").read_text()
    assert text.startswith("# Measured quality")
    assert "\n## Speed of the engine\n" in text
    assert all(f"\n| {goal.name} | {goal.wanted} | " in text for goal in GOALS)
    assert "](images/engine-roofline-1-threads.svg)" in text
    assert (docs / "images" / "engine-roofline-1-threads.svg").read_bytes().startswith(b"<?xml")
