from pathlib import Path
from xml.etree import ElementTree

import pytest

import recurra
from recurra.report import draw_tuning
from recurra.tasks.tuning import Trial, Tuned

TRIALS = (
    Trial(1, {"lr": 0.1}, 2.0, 8, "complete", ""),
    Trial(2, {"lr": 0.2}, 3.0, 6, "pruned", ""),
    Trial(3, {"lr": 0.3}, None, 0, "failed", "too large"),
    Trial(4, {"lr": 0.4}, 1.5, 8, "complete", ""),
)


@pytest.mark.parametrize("trials", [TRIALS, TRIALS[:1]])
@pytest.mark.parametrize("importances", [{"lr": 0.75, "hidden": 0.25}, {}])
def test_a_picture(trials: tuple[Trial, ...], importances: dict[str, float], trained: recurra.Run, tmp_path: Path) -> None:
    path = draw_tuning(Tuned(tmp_path, trials, importances, trained, "recurra train text"))
    assert path == tmp_path / "tuning.svg"
    assert ElementTree.parse(path).getroot().tag.endswith("svg")
    said = path.read_text()
    best = min(trial.value for trial in trials if trial.state == "complete" and trial.value)
    assert f"{len(trials)} trials, best {best:.4f}" in said
    assert ("too few trials to say" in said) == (not importances)


def test_ranks(trained: recurra.Run, tmp_path: Path) -> None:
    assert [trial.number for trial in Tuned(tmp_path, TRIALS, {}, trained, "").ranked] == [4, 1, 2, 3]
