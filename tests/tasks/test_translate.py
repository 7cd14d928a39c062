import math
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import recurra
from recurra.data import Ragged
from recurra.errors import DataError, UsageError
from recurra.tasks import recipes, sequences, translate
from recurra.tasks.evaluation import Evaluation
from tests.tasks.stopping import goes_on

SMALL = {"unit": "character", "hidden": 32, "embedding": 16, "dropout": 0.0, "smoothing": 0.0, "lr": 0.01, "batch": 16}


def reversed_words(count: int, seed: int = 0) -> list[tuple[str, str]]:
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcde", k=draw.randint(1, 4))) for _ in range(count)]
    return [(word, word[::-1]) for word in words]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "reversed.tsv"
    path.write_text("".join(f"{source}\t{target}\n" for source, target in reversed_words(600)))
    return path


def fit(data: Path, folder: Path, **options: Any) -> recurra.Run:
    run: recurra.Run = recurra.Translate(**SMALL | options).fit(data, out=folder, show=False)
    return run


@pytest.fixture(scope="module")
def run(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    return fit(pairs, tmp_path_factory.mktemp("runs") / "reversed", steps=300, check=150)


@pytest.fixture(scope="module")
def evaluation(run: recurra.Run) -> Evaluation:
    found: Evaluation = run.evaluate()
    return found


class TestEvaluate:
    def test_it_learns(self, evaluation: Evaluation) -> None:
        exact = evaluation.figure("exact match")
        assert exact.value > 0.8
        assert exact.higher
        assert exact.value > max(value for who, value in exact.baselines.items() if "run" not in who)

    def test_exact_matches_are_those_of_what_predict_writes(
        self, run: recurra.Run, evaluation: Evaluation, tmp_path: Path
    ) -> None:
        test = sequences.pairs(run, translate._read).test
        (tmp_path / "sources.txt").write_text("".join(f"{source}\n" for source in test.sources))
        said = [row["target"] for row in run.predict(tmp_path / "sources.txt")]
        hits = sum(a == b for a, b in zip(said, test.targets, strict=True))
        assert evaluation.figure("exact match").value == pytest.approx(hits / len(test))

    def test_nats_are_those_of_one_pair_after_the_other(self, run: recurra.Run, evaluation: Evaluation) -> None:
        _, model, vocabulary = sequences.opened(run)
        total, count = 0.0, 0
        test = sequences.pairs(run, translate._read).test
        for source, target in zip(test.sources, test.targets, strict=True):
            memory, state = model.read(torch.from_numpy(vocabulary.source.encode(source))[None])
            x = torch.tensor([vocabulary.boundary])
            for symbol in [*vocabulary.target.encode(target).tolist(), vocabulary.boundary]:
                logits, state = model.decoder.step(x, state, memory)
                total -= logits.detach().log_softmax(1)[0, symbol].item()
                x, count = torch.tensor([symbol]), count + 1
        assert evaluation.figure("nats per symbol").value == pytest.approx(total / count, rel=1e-4)

    def test_ngrams_count_ends_and_no_source(self, run: recurra.Run, evaluation: Evaluation) -> None:
        baselines = evaluation.figure("nats per symbol").baselines
        pairs = sequences.pairs(run, translate._read)
        targets = "".join(f"{target}." for target in pairs.learnt.targets)
        asked = "".join(f"{target}." for target in pairs.test.targets)
        expected = -np.mean([math.log(targets.count(letter) / len(targets)) for letter in asked])
        assert baselines["1-gram that sees no source"] == pytest.approx(expected, rel=0.02)  # Kneser-Ney's keeps a little apart

    def test_a_file(self, run: recurra.Run, tmp_path: Path) -> None:
        (tmp_path / "later.tsv").write_text("abc\tcba\n\tx\na\t\n")
        found = run.evaluate(tmp_path / "later.tsv")
        assert found.data == "later.tsv"
        assert "1 pair with an empty target" in " ".join(found.notes)
        assert found.figure("exact match").value in (0, 0.5)  # of the empty source nothing is made

    def test_weights_in_fewer_bytes_stand_beside_full_ones(self, run: recurra.Run, evaluation: Evaluation) -> None:
        found = run.evaluate(weights="int8")
        for name in ("exact match", "nats per symbol"):
            held = found.figure(name).held
            assert held is not None
            assert held.full == pytest.approx(evaluation.figure(name).value)
            assert held.difference == pytest.approx(found.figure(name).value - held.full, abs=1e-9)

    def test_without_the_library_that_counts(self, run: recurra.Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
        found = run.evaluate()
        assert "BLEU" not in [each.name for each in found.figures]
        assert any(note.startswith("no BLEU and chrF:") and "pip install" in note for note in found.notes)


class TestPredict:
    def rows(self, run: recurra.Run, folder: Path, text: str, **options: Any) -> list[dict[str, Any]]:
        (folder / "lines.txt").write_text(text)
        return [dict(row) for row in run.predict(folder / "lines.txt", **options)]

    def test_every_line_in_its_place(self, run: recurra.Run, tmp_path: Path) -> None:
        sources = [word for word, _ in reversed_words(700, seed=1)]  # more than are held at a time
        rows = self.rows(run, tmp_path, "\n".join(sources))
        assert [row["line"] for row in rows] == list(range(1, 701))
        assert sum(row["target"] == source[::-1] for row, source in zip(rows, sources, strict=True)) > 500
        alone = self.rows(run, tmp_path, sources[17])
        assert alone[0]["target"] == rows[17]["target"]

    def test_empty_and_strange_lines(self, run: recurra.Run, tmp_path: Path) -> None:
        empty, strange = self.rows(run, tmp_path, "\n a!b \r\n")
        assert empty == {"line": 1, "rank": 1, "target": "", "nats_per_symbol": None, "unknown": 0, "unread": 0}
        assert (strange["line"], strange["unknown"]) == (2, 1)

    def test_a_line_that_is_far_too_long_is_read_so_far(self, run: recurra.Run, tmp_path: Path) -> None:
        [row] = self.rows(run, tmp_path, "ab" * 5000, longest=4)
        assert row["unread"] == 10_000 - sequences.CUT * 200

    def test_the_best_come_first(self, run: recurra.Run, tmp_path: Path) -> None:
        rows = self.rows(run, tmp_path, "abcd\n", beam=4, best=3, length_penalty=0)
        totals = [row["nats_per_symbol"] * (len(row["target"]) + 1) for row in rows]
        assert [row["rank"] for row in rows] == [1, 2, 3]
        assert totals == sorted(totals)
        assert len({row["target"] for row in rows}) == 3

    def test_constraints(self, run: recurra.Run, tmp_path: Path) -> None:
        assert self.rows(run, tmp_path, "abc", prefix="ee")[0]["target"].startswith("ee")
        assert set(self.rows(run, tmp_path, "abc", pattern="[de]{3,5}")[0]["target"]) <= set("de")
        assert len(self.rows(run, tmp_path, "abc", longest=2)[0]["target"]) <= 2

    def test_it_wants_a_file(self, run: recurra.Run) -> None:
        with pytest.raises(UsageError, match="wants a file of lines"):
            run.predict()

    def test_more_than_the_beam(self, run: recurra.Run, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="best is 3; wanted 1 to 2"):
            self.rows(run, tmp_path, "abc", beam=2, best=3)

    def test_coverage_is_not_kept(self, run: recurra.Run, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="wanted attention=coverage"):
            self.rows(run, tmp_path, "abc", coverage_penalty=0.1)


KINDS = [
    {"attention": "none", "bidirectional": False},
    {"attention": "coverage", "feeding": True, "encoder_cell": "elman", "encoder_layers": 2},
    {"attention": "multi-head", "tied": True, "cell": "lstm", "norm": "layer", "layers": 2},
    {"attention": "monotonic", "shared": True, "copying": True, "forcing": 0.5},
    {"attention": "local-predictive", "curriculum": "length", "zoneout": 0.1},
    {"model": "transformer", "heads": 2, "layers": 2, "curriculum": "loss", "forcing": 0.5, "forcing_decay": "constant"},
]


@pytest.mark.parametrize("options", KINDS, ids=lambda options: ",".join(f"{k}={v}" for k, v in options.items()))
def test_every_kind_trains_and_goes_on_as_if_nothing_had_happened(options: dict[str, Any], pairs: Path, tmp_path: Path) -> None:
    chosen = recurra.Translate(**SMALL | {"dropout": 0.2, "steps": 6, "check": 2} | options)
    whole, half = (translate.begin(chosen, pairs, tmp_path / name) for name in "ab")
    goes_on(whole, half)
    rows = list(whole.predict(Path(__file__), beam=2, longest=3))
    assert len(rows) == len(Path(__file__).read_text().splitlines())


class TestBegin:
    def test_what_was_left_out_is_told(self, tmp_path: Path) -> None:
        lines = [f"{a}\t{b}\n" for a, b in reversed_words(80)]
        (tmp_path / "a.tsv").write_text(
            "".join([*lines, "abc\t\n", "a" * 300 + "\tb\n", "abcde\tabcde\n", "a\t" + "b" * 9 + "\n"])
        )
        run = translate.begin(recurra.Translate(**SMALL, ratio=6), tmp_path / "a.tsv", tmp_path / "run")
        notes = " ".join(run.facts["data"]["notes"])
        assert "with an empty side" in notes
        assert "1 pair longer than longest=200 symbols" in notes
        assert "more than ratio=6 times as long" in notes
        assert "of identical source and target" in notes

    @pytest.mark.parametrize(
        ("files", "options", "said"),
        [
            ({"a.en": "x\ny\n", "a.de": "x\n"}, {"source": "en", "target": "de"}, "a.en: 2 lines, .*a.de: 1 line;"),
            ({"a.en": "x\ny\n"}, {"source": "en", "target": "de"}, "no a.de beside it"),
            ({"a.tsv": "x\n"}, {}, "line 1: 1 column; wanted at least 2"),
            ({"a.tsv": ""}, {}, "no pairs in it"),
            ({"a.tsv": "x\ty\n"}, {}, "1 to learn from|0 for looks"),
            ({"a.tsv": b"\xff\xfe\xfa"}, {}, "not utf-8"),
            ({"a.tsv": "".join(f"{'a' * 9}{k}\tb\n" for k in range(99))}, {"longest": 5}, "nothing is left to learn from"),
        ],
    )
    def test_bad_data(self, files: dict[str, str | bytes], options: dict[str, Any], said: str, tmp_path: Path) -> None:
        for name, text in files.items():
            (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(DataError, match=said):
            translate.begin(recurra.Translate(**SMALL | options), tmp_path / next(iter(files)), tmp_path / "run")
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"copying": True}, "copying=true: .* wanted shared=true"),
            ({"feeding": True, "attention": "none"}, "feeding=true needs attention"),
            ({"hidden": 33}, "hidden=33: wanted an even number"),
            ({"attention": "genral"}, "attention=genral: wanted additive|"),
            ({"model": "transformer", "attention": "dot"}, "attention=dot: model=transformer"),
            ({"model": "transformer", "hidden": 30}, "hidden=30 and heads=4"),
        ],
    )
    def test_options_that_cannot_be(self, options: dict[str, Any], said: str, pairs: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=said):
            translate.begin(recurra.Translate(**SMALL | options), pairs, tmp_path / "run")
        assert not (tmp_path / "run").exists()

    def test_data_that_changed(self, tmp_path: Path) -> None:
        (tmp_path / "a.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in reversed_words(80)))
        run = translate.begin(recurra.Translate(**SMALL), tmp_path / "a.tsv", tmp_path / "run")
        (tmp_path / "a.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in reversed_words(81)))
        with pytest.raises(DataError, match="changed since this run began"):
            next(run.reports())


def test_what_a_curriculum_finds_hard() -> None:
    targets = Ragged.of([[1, 1, 1], [1, 1], [1, 2, 3, 4], [4, 3]] + [[1, 1]] * 40)
    assert sequences._difficulty("length", targets, 5)[:4].tolist() == [3, 2, 4, 2]
    loss = sequences._difficulty("loss", targets, 5)
    assert loss[1] < loss[3] < loss[0] < loss[2]
    assert loss[1] == loss[-1]


def test_it_is_found_where_no_data_are_named(tmp_path: Path) -> None:
    run = translate.begin(recurra.Translate(**SMALL), None, tmp_path / "run")
    assert run.facts["data"]["embedded"]
    assert sequences.pairs(run, translate._read).learnt.targets[0][4] == "-"


def test_other_verbs(pairs: Path) -> None:
    options = recurra.Translate(**SMALL, steps=20)
    assert options.find_lr(pairs).rates
    setup = translate.setup(options, pairs)
    assert setup.look().sample.count("written") == 3
    assert recipes.steps(options, setup.per_epoch) == 20
