import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import recurra
from recurra.errors import DataError
from recurra.tasks import sequences, summarise
from recurra.tasks.evaluation import Evaluation
from tests.tasks.stopping import goes_on

SMALL = {"unit": "word", "hidden": 24, "embedding": 16, "dropout": 0.0, "smoothing": 0.0, "lr": 0.01, "batch": 16}
WORDS = ["cat", "dog", "sun", "sea", "tree", "house", "road", "river", "cloud", "stone", "bird", "fish"]


def articles(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Two sentences, of which the last word of the first, and the first of the second, are the summary."""
    draw = random.Random(seed)
    found = []
    for _ in range(count):
        first, second = ([draw.choice(WORDS) for _ in range(4)] for _ in range(2))
        found.append((f"{' '.join(first)} . {second[0].title()} {' '.join(second[1:])} .", f"{first[-1]} {second[0]}"))
    return found


def write(path: Path, pairs: list[tuple[str, str]], text: str = "text", summary: str = "summary") -> Path:
    path.write_text("".join(json.dumps({text: a, summary: b}) + "\n" for a, b in pairs))
    return path


def fit(data: Path, folder: Path, **options: Any) -> recurra.Run:
    run: recurra.Run = recurra.Summarise(**SMALL | options).fit(data, out=folder, show=False)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    folder = tmp_path_factory.mktemp("summaries")
    return fit(write(folder / "articles.jsonl", articles(400)), folder / "run", steps=60, check=60)


@pytest.fixture(scope="module")
def evaluation(run: recurra.Run) -> Evaluation:
    found: Evaluation = run.evaluate()
    return found


def rouge_1(outputs: list[str], wanted: list[str]) -> float:
    shares = []
    for said, true in zip(outputs, wanted, strict=True):
        a, b = (Counter(re.findall("[a-z]+", text.lower())) for text in (said, true))
        shares.append(200 * (a & b).total() / (a.total() + b.total()))
    return sum(shares) / len(shares)


class TestEvaluate:
    def test_what_stands_side_by_side(self, evaluation: Evaluation) -> None:
        assert [each.name for each in evaluation.figures] == ["ROUGE-1", "ROUGE-2", "ROUGE-L", "nats per symbol"]
        assert {"lead-1", "lead-3", "copy the source", "nearest source"} < set(evaluation.figures[0].baselines)
        assert all(each.higher for each in evaluation.figures[:3])
        assert evaluation.figures[0].value > evaluation.figures[0].baselines["most frequent target"]

    def test_rouge_is_that_of_what_predict_writes(self, run: recurra.Run, evaluation: Evaluation, tmp_path: Path) -> None:
        test = sequences.pairs(run, summarise._read).test
        (tmp_path / "texts.txt").write_text("".join(f"{text}\n" for text in test.sources))
        said = [row["target"] for row in run.predict(tmp_path / "texts.txt")]
        assert evaluation.figure("ROUGE-1").value == pytest.approx(rouge_1(said, test.targets))

    def test_the_first_sentence(self, run: recurra.Run, evaluation: Evaluation) -> None:
        test = sequences.pairs(run, summarise._read).test
        said = [text.partition(" . ")[0] for text in test.sources]
        assert evaluation.figure("ROUGE-1").baselines["lead-1"] == pytest.approx(rouge_1(said, test.targets))

    def test_no_three_words_come_twice(self, run: recurra.Run, tmp_path: Path) -> None:
        (tmp_path / "texts.txt").write_text("".join(f"{text}\n" for text, _ in articles(20, seed=5)))
        for how in ({}, {"beam": 1}, {"prefix": "cat dog sun cat dog"}):
            for row in run.predict(tmp_path / "texts.txt", **how):
                words = row["target"].split()
                runs = list(zip(words, words[1:], words[2:], strict=False))
                assert len(set(runs)) == len(runs)
        assert "cat dog sun cat dog sun" not in row["target"]


class TestLongTexts:
    def test_what_is_behind_the_cut_changes_nothing(self, tmp_path: Path) -> None:
        pairs = articles(60)
        long = write(tmp_path / "a.jsonl", [(a.ljust(45) + " fish cat" * 9, b) for a, b in pairs])
        short = write(tmp_path / "b.jsonl", [((a.ljust(45) + " fish cat" * 9)[:50], b) for a, b in pairs])
        how = {"unit": "character", "longest": 50, "steps": 2, "check": 2, "held_out": 0.4}
        # which pairs are held out follows from the texts, so all parts are named
        runs = []
        for k, file in enumerate((long, short)):
            (folder := tmp_path / str(k)).mkdir()
            lines = file.read_text().splitlines(keepends=True)
            for name, part in (("train", lines[:40]), ("val", lines[40:50]), ("test", lines[50:])):
                (folder / f"{name}.jsonl").write_text("".join(part))
            runs.append(fit(folder, tmp_path / f"run{k}", **how))
        weights = [(run.folder / "weights.safetensors").read_bytes() for run in runs]
        assert weights[0] == weights[1]
        figures = [run.read("evaluation.json")["metrics"]["nats per symbol"]["value"] for run in runs]
        assert figures[0] == figures[1]
        notes = [" ".join(run.facts["data"]["notes"]) for run in runs]
        assert "train.jsonl: of 40 sources longer than longest=50 symbols only the first 50 are read" in notes[0]
        assert "longer" not in notes[1]
        (tmp_path / "text.txt").write_text(pairs[0][0].ljust(45) + " fish cat" * 9)
        [row] = runs[0].predict(tmp_path / "text.txt", longest=3)
        assert row["unread"] == 76

    def test_a_long_summary_is_left_out(self, tmp_path: Path) -> None:
        data = write(tmp_path / "a.jsonl", [*articles(60), ("cat dog", "sun " * 41)])
        begun = summarise.begin(recurra.Summarise(**SMALL, longest=40, held_out=0.1), data, tmp_path / "run")
        assert "1 pair longer than longest=40 symbols (line 61): left out" in " ".join(begun.facts["data"]["notes"])


def test_it_goes_on_as_if_nothing_had_happened(run: recurra.Run, tmp_path: Path) -> None:
    options = recurra.Summarise(**SMALL | {"dropout": 0.2, "steps": 6, "check": 2})
    goes_on(*(summarise.begin(options, Path(run.source), tmp_path / name) for name in "ab"))


class TestData:
    def test_docstrings_where_nothing_is_named(self, tmp_path: Path) -> None:
        begun = summarise.begin(recurra.Summarise(**SMALL), None, tmp_path / "run")
        pairs = sequences.pairs(begun, summarise._read)
        count = sum(map(len, (pairs.learnt, pairs.validation, pairs.test)))
        notes = begun.facts["data"]["notes"]
        assert notes[0].startswith(f"{count:,} pairs in all, split by package: few")
        assert count > 1500
        assert 0.05 * count < len(pairs.test) <= 0.1 * count
        assert 0.05 * count < len(pairs.validation) <= 0.1 * count
        assert begun.source == summarise.DOCSTRINGS

    def test_no_package_stands_on_two_sides(self) -> None:
        from recurra.data import docstring_pairs

        found = docstring_pairs()
        homes = dict(zip(found.sources, (re.split("[.:]", name)[0] for name in found.names), strict=True))
        pairs = summarise._read(recurra.Summarise(), None)
        sides = [{homes[text] for text in part.sources} for part in (pairs.learnt, pairs.validation, pairs.test)]
        assert sum(map(len, sides)) == len(set.union(*sides)) == len(set(homes.values()))

    def test_other_keys(self, tmp_path: Path) -> None:
        data = write(tmp_path / "a.jsonl", articles(60), "article", "highlights")
        options = recurra.Summarise(**SMALL, source="article", target="highlights")
        assert summarise.setup(options, data).per_epoch > 0

    @pytest.mark.parametrize(
        ("name", "content", "options", "said"),
        [
            ("a.jsonl", '{"text": "x"}\n', {}, "a.jsonl, line 1: no key summary; there are text: say source=KEY target=KEY"),
            ("a.jsonl", '{"text": "x", "summary": 3}\n', {}, "a.jsonl, line 1, key summary: 3; wanted text"),
            ("a.tsv", "x\ty\n", {"source": "a"}, "a.tsv, line 1: no column a; no names stand there; wanted numbers from 1"),
            ("a.jsonl", "", {}, "no pairs in it"),
            (None, "", {"held_out": 0.001}, "held_out=0.001 leaves a part without a package"),
        ],
    )
    def test_bad_data(self, name: str | None, content: str, options: dict[str, Any], said: str, tmp_path: Path) -> None:
        if name is not None:
            (tmp_path / name).write_text(content)
        with pytest.raises(DataError) as caught:
            summarise.begin(recurra.Summarise(**SMALL | options), tmp_path / name if name else None, tmp_path / "run")
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "run").exists()
