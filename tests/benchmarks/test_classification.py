import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.quality.classification import FOLDS, SUBJECTS, TOLD, TRAININGS, dna, linked, section, series, skeletons
from recurra.data import read_labelled
from recurra.tasks.options import Classify
from tests.places import dataset

MACHINE = {"cores": 2, "processor": "one", "threads": 1, "torch": "2"}


def test_every_plan_can_be_read() -> None:
    for name, training in TRAININGS.items():
        assert training.task == "classify"
        assert name.rpartition("-")[0] in TOLD
        words = training.options.split()
        assert len({word.partition("=")[0] for word in words}) == len(words)
        if "encoder=" not in training.options:
            Classify.parse(words)


def found(value: float, naive: float, seed: int = 0) -> dict[str, Any]:
    metric = {"value": value, "interval": [value - 0.1, value + 0.1], "higher_is_better": True}
    metric["baselines"] = {"most frequent label": 0.125, "ridge": naive}
    return {"figures": {"accuracy": metric}, "minutes": 1.5, "options": f"hidden=2 seed={seed}", "elsewhere": {}}


def test_several_trainings_are_one_row() -> None:
    trainings = {f"series-GunPoint-{seed}": found(0.8 + 0.1 * seed, 0.5, seed) for seed in (0, 1)}
    trainings["reviews-plain-0"] = found(0.75, 0.875)
    lines = section({"title": "Labels", "command": "it", "machine": MACHINE, "trainings": trainings}).splitlines()
    [gun] = [line for line in lines if line.startswith("| GunPoint |")]
    assert gun.startswith("| GunPoint | 2 | **0.8500** | 0.2147 to 1.4853 | 0.5000 | ridge |")
    assert any(line.startswith("| IMDB | 1 | **0.7500** | 0.6500 to 0.8500 | 0.8750 | ridge |") for line in lines)
    assert "- series-GunPoint: `hidden=2`" in lines


@pytest.mark.data
class TestData:
    def test_folds_of_dna_share_nothing(self, tmp_path: Path) -> None:
        measured = Counter[tuple[str, str]]()
        for fold in FOLDS:
            (folder := tmp_path / str(fold)).mkdir()
            parts = []
            for name in ("train.csv", "test.csv"):
                with (dna(fold)(dataset("dna_splice").parent, folder) / name).open(newline="") as lines:
                    parts.append([(each["label"], each["text"]) for each in csv.DictReader(lines)])
            assert len(parts[0]) + len(parts[1]) == 3190
            assert not {text for _, text in parts[0]} & {text for _, text in parts[1]}
            measured.update(parts[1])
        assert measured.total() == 3190

    def test_skeletons_of_one_person_are_measured(self, tmp_path: Path) -> None:
        parts = read_labelled(skeletons(3)(dataset("utkinect_skeleton").parent, tmp_path), held_out=0.1)
        assert len(parts.learnt) + len(parts.validation) + len(parts.test) == 199
        assert 19 <= len(parts.test) <= 20
        assert len(set(parts.learnt.labels)) == 10
        assert {each.shape[1] for each in parts.learnt.inputs} == {60}
        assert np.abs(np.stack([each[0] for each in parts.test.inputs])).max() < 2  # metres
        assert len(SUBJECTS) == 10

    def test_parts_are_the_official_ones(self, tmp_path: Path) -> None:
        (first := tmp_path / "first").mkdir()
        (second := tmp_path / "second").mkdir()
        files = {"train.txt.gz": "stsa.binary.train.gz", "dev.txt": "stsa.binary.dev", "test.txt": "stsa.binary.test"}
        where = dataset("sentence_classification").parent
        sentences = read_labelled(linked("sentence_classification", files)(where, first))
        assert [len(part) for part in (sentences.learnt, sentences.validation, sentences.test)] == [6920, 872, 1821]
        (third := tmp_path / "third").mkdir()
        reviews = read_labelled(TRAININGS["text-mr-0"].data(where, third), encoding="latin-1", held_out=0.1)
        assert set(reviews.learnt.labels) == {"0", "1"}
        assert len(reviews.learnt) + len(reviews.validation) + len(reviews.test) > 10_600
        vowels = read_labelled(series("JapaneseVowels")(where, second), held_out=0.15)
        assert (len(vowels.learnt) + len(vowels.validation), len(vowels.test)) == (270, 370)
