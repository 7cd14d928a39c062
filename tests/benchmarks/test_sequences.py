import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from benchmarks.quality import sequences
from benchmarks.quality.sequences import TRAININGS, by_length, inflection, reversing, scan, section, the_lemma
from recurra.data import read_pairs
from recurra.tasks.options import Translate
from recurra.tasks.runs import Run
from tests.places import dataset

MACHINE = {"cores": 2, "processor": "some processor", "threads": 2, "torch": "2.0"}


class Backwards:
    """In the place of a run: writes strings of up to 15 letters backwards, and others as they are."""

    def predict(self, path: Path) -> Iterator[dict[str, str]]:
        for text in path.read_text().splitlines():
            yield {"target": text[::-1] if len(text) <= 15 else text}


RUN = cast("Run", Backwards())


@pytest.mark.parametrize("name", TRAININGS)
def test_every_training_can_be_said(name: str) -> None:
    Translate.parse(TRAININGS[name].options.split())


@pytest.fixture
def words(tmp_path: Path) -> Path:
    (tmp_path / "sigmorphon2016_inflection").mkdir()
    (folder := tmp_path / "own").mkdir()
    for part in ("train", "dev", "test"):
        with gzip.open(tmp_path / "sigmorphon2016_inflection" / f"german-task1-{part}.gz", "wt", encoding="utf-8") as out:
            out.write(f"{part} ab\tpos=V,tense=PST\t{part} übte\nab\tpos=V\tab\n")
    return inflection("german")(tmp_path, folder)


def test_letters_and_features_are_words(words: Path) -> None:
    pairs = read_pairs(words)
    assert (pairs.learnt.sources[0], pairs.learnt.targets[0]) == ("t r a i n ␣ a b pos=V tense=PST", "t r a i n ␣ ü b t e")
    assert (pairs.validation.targets[0], pairs.test.targets[0]) == ("d e v ␣ ü b t e", "t e s t ␣ ü b t e")


def test_the_lemma_is_said_as_it_is(words: Path) -> None:
    assert the_lemma(RUN, words) == {"naive": {"the lemma itself": 0.5}}


def test_matches_are_counted_by_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "STRINGS", {"train": (40, 20), "dev": (20, 20), "test": (90, 30)})
    source = reversing(tmp_path, tmp_path)
    pairs = read_pairs(source)
    assert all(target == text[::-1] for text, target in zip(pairs.learnt.sources, pairs.learnt.targets, strict=True))
    assert sorted({len(text) for text in pairs.learnt.sources}) == list(range(1, 21))
    assert max(map(len, pairs.test.sources)) == 30
    assert not {text for text in pairs.test.sources if len(text) > 3} & set(pairs.learnt.sources)
    rows = by_length(RUN, source)["by length"]
    assert [(row["shortest"], row["longest"], row["hits"], row["pairs"]) for row in rows] == [
        (1, 10, 30, 30),
        (11, 20, 15, 30),
        (21, 30, 0, 30),
    ]


def test_the_section_shows_the_best_naive_answer() -> None:
    def found(value: float, **more: Any) -> dict[str, Any]:
        naive = {"this run, greedily": value - 0.01, "copy the source": 0.0, "nearest source": 0.125}
        figures = {"exact match": {"value": value, "interval": [value - 0.5, value], "baselines": naive}}
        about = {"options": "unit=word", "updates": 3000, "minutes": 2.5, "elsewhere": {"exact match": {"others": 0.9}}}
        return about | {"figures": figures} | more

    rows = [{"shortest": 1, "longest": 10, "share": 1.0}, {"shortest": 11, "longest": 20, "share": 0.25}]
    trainings = {
        "scan-simple": found(0.99),
        "inflection-german": found(0.95, naive={"the lemma itself": 0.375}),
        "reversing-none": found(0.5, **{"by length": rows}),
        "reversing-monotonic": found(0.75, **{"by length": rows[::-1]}),
    }
    facts = {"title": "Commands", "command": "scripts/quality sequences", "machine": MACHINE}
    lines = section(facts | {"trainings": trainings}).splitlines()
    tail = "| others 0.9 | 3,000 | 2.5 |"
    assert f"| SCAN, a random part held out | **0.9900** | 0.4900 to 0.9900 | 0.9800 | 0.1250 | nearest source {tail}" in lines
    assert f"| German word forms | **0.9500** | 0.4500 to 0.9500 | 0.9400 | 0.3750 | the lemma itself {tail}" in lines
    assert "| length | none: one fixed vector | monotonic |" in lines
    assert "| 1 to 10 | 1.000 | 0.250 |" in lines
    assert "| all | 0.500 | 0.750 |" in lines


@pytest.mark.data
def test_scan_is_what_it_says(tmp_path: Path) -> None:
    pairs = read_pairs(scan("length")(dataset("scan").parent, tmp_path), held_out=0.04)
    assert len(pairs.learnt) + len(pairs.validation) == 16_990
    assert (pairs.learnt.sources[0], pairs.learnt.targets[0], len(pairs.test)) == ("walk", "I_WALK", 3920)
    shortest, longest = (
        min(len(text.split()) for text in pairs.test.targets),
        max(map(len, map(str.split, pairs.learnt.targets))),
    )
    assert (shortest, longest) == (24, 22)


@pytest.mark.data
def test_german_is_what_it_says(tmp_path: Path) -> None:
    pairs = read_pairs(inflection("german")(dataset("sigmorphon2016_inflection").parent, tmp_path))
    assert [len(sides) for sides in (pairs.learnt, pairs.validation, pairs.test)] == [12_490, 1597, 15_332]
    assert pairs.test.sources[0] == "e x t r o v e r t i e r t pos=ADJ case=ACC comp=CMPR gen=FEM num=SG"
    assert pairs.test.targets[0] == "e x t r o v e r t i e r t e r e"
