import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchmarks import machine
from benchmarks.quality import sequences, trainings, translation
from benchmarks.quality.trainings import Training, asked, keep, kept, measure
from recurra.errors import UsageError
from recurra.tasks.runs import Run

TINY = "unit=character hidden=6 embedding=4 epochs=1 batch=32 check=99 attention=none bidirectional=false tied=true engine=fold"


def made(_: Path, folder: Path) -> Path:
    letters = "abcdefgh"
    pairs = [letters[k % 8] + letters[k // 8 % 8] + letters[k // 64] for k in range(320)]
    (folder / "pairs.tsv").write_text("".join(f"{text}\t{text[::-1]}\n" for text in pairs))
    return folder / "pairs.tsv"


def test_a_training_is_told_whole(tmp_path: Path) -> None:
    """The figures are those of the run; the weights are counted from the sizes: V of 9 on both sides, E of 4, H of 6."""

    def more(run: Run, source: Path) -> dict[str, Any]:
        return {"read": source.name, "same": run.read("evaluation.json")["metrics"]}

    found = measure("tiny", Training(made, TINY, more, {"BLEU": {"others": 1.0}}), tmp_path)
    gru = 3 * 6 * (4 + 6) + 2 * 3 * 6
    combine, narrow, bridge = 6 * 6 + 6, 6 * 4 + 4, 6 * 6 + 6
    assert found["weights"] == 9 * 4 + 10 * 4 + 10 + 2 * gru + combine + narrow + bridge
    assert (found["updates"], found["read"], found["options"]) == (10, "pairs.tsv", TINY)
    assert found["figures"] == found["same"]
    assert {"copy the source", "nearest source"} <= found["figures"]["exact match"]["baselines"].keys()
    assert found["plan"]["hidden"] == 6
    assert found["minutes"] > 0


def test_what_is_named_is_measured() -> None:
    names = ["en-de", "table-dot", "table-none", "tables-none"]
    assert asked([], names) == names
    assert asked(["table"], names) == ["table-dot", "table-none"]
    assert asked(["table-none", "en-de", "table"], names) == ["table-none", "en-de", "table-dot"]
    with pytest.raises(UsageError, match=r"tabel-dot: no such measurement.*table-dot"):
        asked(["en-de", "tabel-dot"], names)


def test_figures_of_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "RESULTS", tmp_path)
    assert kept("some") == {}
    for name, value in (("b", 1), ("gone", 2), ("b", 3), ("a", 4)):
        keep("some", {"title": name}, {name: value}, ["a", "b", "c"])
    found = json.loads((tmp_path / "some.json").read_text())
    assert found["trainings"] == {"a": 4, "b": 3}
    assert list(found["trainings"]) == ["a", "b"]
    assert found["title"] == "a"


@pytest.mark.parametrize(("page", "word", "count"), [(sequences, "scan", 3), (translation, "gains", 9)])
def test_a_group_is_measured_by_its_name(
    page: ModuleType, word: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECURRA_DATA", str(tmp_path))
    monkeypatch.setattr(machine, "RESULTS", tmp_path)
    monkeypatch.setattr(trainings, "measure", lambda name, training, data: {"options": training.options, "read": str(data)})
    monkeypatch.setattr("sys.argv", [page.NAME, word])
    page.main()
    found = json.loads((tmp_path / f"{page.NAME}.json").read_text())
    assert len(found["trainings"]) == count
    assert all(name.startswith(f"{word}-") and each["read"] == str(tmp_path) for name, each in found["trainings"].items())
    monkeypatch.setattr("sys.argv", [page.NAME, "nothing"])
    with pytest.raises(SystemExit, match="nothing: no such measurement"):
        page.main()
