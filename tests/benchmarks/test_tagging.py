from pathlib import Path
from typing import Any

import pytest

from benchmarks import page
from benchmarks.machine import write_result
from benchmarks.quality.tagging import CHARACTERS, OUTPUTS, SEEDS, TRAININGS, labels, section
from benchmarks.quality.trainings import Training, asked, measure
from recurra.tasks.options import Tag
from tests.places import dataset

MACHINE = {"cores": 2, "processor": "some processor", "threads": 2, "torch": "2.0"}


def found(f1: float, options: str = "output=crf seed=0") -> dict[str, Any]:
    naive = {"tag of each word": 0.5437, "entities learnt": 0.5961}
    figures = {"F1": {"value": f1, "interval": [f1 - 0.01, f1 + 0.01], "baselines": naive, "higher_is_better": True}}
    each = [{"label": "LOC", "true": 1668, "precision": 0.9, "recall": 0.8, "F1": 0.847}]
    about = {"options": options, "updates": 400, "minutes": 3.0, "weights": 10, "notes": [], "labels": each}
    return about | {"figures": figures, "elsewhere": {"F1": {"others": 0.8076}}}


def result(trainings: dict[str, Any]) -> dict[str, Any]:
    return {"title": "Named entities", "command": "it", "machine": MACHINE, "trainings": trainings}


@pytest.mark.parametrize("name", TRAININGS)
def test_every_training_can_be_said(name: str) -> None:
    options = Tag.parse(TRAININGS[name].options.split())
    assert TRAININGS[name].task == "tag"
    assert name.endswith(f"-{options.seed}")


def test_the_table_is_every_output_with_every_reading_of_characters() -> None:
    assert len(asked(["conll"], TRAININGS)) == len(OUTPUTS) * len(CHARACTERS) * len(SEEDS)
    assert asked(["conll-crf-cnn"], TRAININGS) == [f"conll-crf-cnn-{seed}" for seed in SEEDS]
    assert len(asked(["wnut"], TRAININGS)) == len(OUTPUTS) * len(SEEDS)


def test_gains_are_those_of_the_same_seed() -> None:
    every = {f"conll-softmax-none-{seed}": found(0.75 + 0.01 * seed, f"output=softmax seed={seed}") for seed in SEEDS}
    every |= {f"conll-crf-cnn-{seed}": found(0.80 + 0.011 * seed) for seed in SEEDS}
    lines = section(result(every | {"wnut-crf-0": found(0.3)})).splitlines()
    assert "| softmax | no characters | 3 | **0.7600** | 0.7352 to 0.7848 |  | others 0.8076 | 3.0 |" in lines
    assert (
        "| crf | convolution | 3 | **0.8110** | 0.7837 to 0.8383 | +0.0510 (+0.0485 to +0.0535) | others 0.8076 | 3.0 |"
        in lines
    )
    assert "Naive: entities learnt 0.5961; tag of each word 0.5437." in lines
    assert "| LOC | 1668 | 0.9000 | 0.8000 | 0.8470 |" in lines
    assert "| crf | 1 | **0.3000** | 0.2900 to 0.3100 | 3.0 |" in lines  # one seed: that of its sentences
    assert "- conll-softmax-none: `output=softmax`" in lines


def test_the_page_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.machine.RESULTS", tmp_path)
    monkeypatch.setattr(page, "RESULTS", tmp_path)
    monkeypatch.setattr(page, "DOCS", tmp_path)
    write_result("tagging", result({"wnut-crf-0": found(0.3)}))
    page.main()
    assert "### WNUT-17" in (tmp_path / "quality.md").read_text()


def test_a_training_is_told_with_its_labels(tmp_path: Path) -> None:
    def made(_: Path, folder: Path) -> Path:
        words = [f"{letter}{k}" for letter in "abcdef" for k in range(9)]
        (folder / "a.conll").write_text("".join(f"the O\n{word} B-X\n\n" for word in words))
        return folder / "a.conll"

    tiny = "hidden=4 embedding=4 spelling=4 steps=2 engine=fold"
    found = measure("tiny", Training(made, tiny, labels, task="tag"), tmp_path)
    assert [line["label"] for line in found["labels"]] == ["X"]
    assert found["figures"]["F1"]["baselines"]["tag of each word"] == 0


@pytest.mark.data
def test_both_data_sets_are_there() -> None:
    for name in ("conll2003_ner", "wnut17_ner"):
        assert TRAININGS["conll-crf-cnn-0" if "conll" in name else "wnut-crf-0"].data(dataset("."), Path()).name == name
