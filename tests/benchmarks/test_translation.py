import gzip
from pathlib import Path
from typing import Any

import pytest

from benchmarks import page
from benchmarks.machine import write_result
from benchmarks.quality.translation import HABITS, KINDS, RATES, SEEDS, TRAININGS, multi30k, section
from recurra.data import Words, read_pairs
from recurra.tasks import sequences
from recurra.tasks.options import Translate
from recurra.tasks.writing import Vocabulary
from tests.places import dataset

MACHINE = {"cores": 2, "processor": "some processor", "threads": 2, "torch": "2.0"}


def found(bleu: float, nats: float = 2.0, minutes: float = 3.0) -> dict[str, Any]:
    naive = {"this run, greedily": bleu - 1, "copy the source": 0.5, "nearest source": 8.75}
    figures = {
        "BLEU": {"value": bleu, "interval": [bleu - 2, bleu + 2], "baselines": naive, "higher_is_better": True},
        "chrF": {"value": 60.0, "interval": [59.0, 61.0], "baselines": naive, "higher_is_better": True},
        "nats per symbol": {"value": nats, "interval": [1.9, 2.1], "baselines": {"1-gram": 6.25, "3-gram": 4.125}},
    }
    about = {"options": "hidden=1", "updates": 4000, "minutes": minutes, "weights": 12345, "notes": []}
    return about | {"figures": figures, "elsewhere": {"BLEU": {"others": 33.7}}}


def result(**trainings: dict[str, Any]) -> dict[str, Any]:
    named = {name.replace("_", "-"): training for name, training in trainings.items()}
    facts = {"title": "Translation", "command": "scripts/quality translation", "machine": MACHINE}
    return {**facts, "signatures": {"BLEU": "nrefs:1"}, "trainings": named}


@pytest.mark.parametrize("name", TRAININGS)
def test_every_training_can_be_said(name: str) -> None:
    Translate.parse(TRAININGS[name].options.split())


def test_every_kind_of_the_table_can_be_made() -> None:
    vocabulary = Vocabulary(symbols := Words.of("a b", 2), symbols)
    for kind in KINDS:
        sequences.network(Translate.parse(TRAININGS[f"table-{kind}"].options.split()), vocabulary)


def test_the_table_has_one_budget() -> None:
    def common(name: str) -> set[str]:
        return set(TRAININGS[name].options.split()) - {word for words in KINDS.values() for word in words.split()}

    assert len({frozenset(common(f"table-{kind}")) for kind in KINDS}) == 1


def test_only_the_usual_parts_are_read(tmp_path: Path) -> None:
    (tmp_path / "multi30k").mkdir()
    (folder := tmp_path / "own").mkdir()
    stems = {"train": 4, "val": 3, "test_2016_flickr": 2, "test_2017_flickr": 1, "test_2017_mscoco": 1}
    for stem, count in stems.items():
        for side in ("en", "de"):
            with gzip.open(tmp_path / "multi30k" / f"{stem}.{side}.gz", "wt") as out:
                out.writelines(f"{stem} {side} {k}\n" for k in range(count))
    pairs = read_pairs(multi30k(tmp_path, folder), "de", "en")
    assert [len(sides) for sides in (pairs.learnt, pairs.validation, pairs.test)] == [4, 3, 2]
    assert (pairs.test.sources[1], pairs.test.targets[1]) == ("test_2016_flickr de 1", "test_2016_flickr en 1")


def test_figures_stand_beside_the_best_naive_one() -> None:
    lines = section(result(en_de=found(31.25), table_additive=found(30.0), table_none=found(20.0))).splitlines()
    naive = "nearest source 8.75; copy the source 0.5"
    bleu = f"| en-de | BLEU | **31.25** | 29.25 to 33.25 | 30.25 | {naive} | others 33.7 | 4,000 | 3.0 |"
    nats = "| en-de | nats per symbol | **2** | 1.9 to 2.1 |  | 3-gram 4.12; 1-gram 6.25 |  | 4,000 | 3.0 |"
    assert {bleu, nats} <= set(lines)
    table = [line for line in lines if "12,345" in line]
    assert table[0].startswith("| none: one fixed vector | **20.00** | 18 to 22 | 19.00 | 60.00 | 2.0000 |")
    assert table[1].startswith("| additive | **30.00** |")
    assert not any("Scheduled" in line for line in lines)


def test_gains_are_those_of_the_same_seed() -> None:
    def gain(habit: str, seed: int) -> float:
        return 20.0 + seed + {"plain": 0.0, "forcing": 1 + 0.01 * seed, "curriculum": 3.0 * (seed - 1)}[habit]

    every = {f"gains_{habit}_{seed}": found(gain(habit, seed)) for habit in HABITS for seed in SEEDS}
    lines = section(result(**every)).splitlines()
    assert "| neither |  | 3 | 21.00 |  |  |  | 3.0 |" in lines
    assert "| scheduled sampling | `forcing=0.75` | 3 | 22.01 | +1.01 | +0.99 to +1.03 | better | 3.0 |" in lines
    assert any(line.startswith("| short targets first |") and "| no difference to be sure of |" in line for line in lines)
    del every["gains_plain_0"], every["gains_plain_1"]
    assert "| 3 | 22.01 | +1.02 |  | one seed says nothing |" in section(result(**every))


def test_the_page_has_both_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {"recurra": 4000.0, "plain": 5000.0, "recurra_weights": 10, "plain_weights": 11, "options": {"hidden": 2}}
    monkeypatch.setattr("benchmarks.machine.RESULTS", tmp_path)
    monkeypatch.setattr(page, "RESULTS", tmp_path)
    monkeypatch.setattr(page, "DOCS", tmp_path)
    write_result("translation", result(en_de=found(31.0)) | {RATES: rates | {"machine": MACHINE}})
    write_result("sequences", {"title": "Commands", "command": "it", "machine": MACHINE, "trainings": {}})
    page.main()
    written = (tmp_path / "quality.md").read_text()
    assert written.index("## Translation") < written.index("## Commands")
    assert "recurra 4,000, an encoder-decoder written in plain PyTorch 5,000." in written


@pytest.mark.data
def test_multi30k_is_what_it_says(tmp_path: Path) -> None:
    pairs = read_pairs(multi30k(dataset("multi30k").parent, tmp_path), "en", "de")
    assert [len(sides) for sides in (pairs.learnt, pairs.validation, pairs.test)] == [29_000, 1014, 1000]
    assert pairs.test.sources[0] == "A man in an orange hat starring at something."
    assert pairs.test.targets[0] == "Ein Mann mit einem orangefarbenen Hut, der etwas anstarrt."
