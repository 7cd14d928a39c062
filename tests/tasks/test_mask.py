import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import recurra
from recurra.data import Symbols
from recurra.errors import DataError, UsageError
from recurra.tasks import corpora, mask, recipes
from recurra.tasks.evaluation import Evaluation
from recurra.tasks.options import EvaluationOptions
from tests.tasks.stopping import goes_on

SMALL: dict[str, Any] = {"unit": "character", "hidden": 32, "embedding": 16, "dropout": 0.0, "lr": 0.02}
SMALL |= {"window": 32, "batch": 16}
LETTERS = "abcdefgh"


def equations(count: int) -> str:
    """``c=c`` on each line: what stands before the sign is told by what stands behind it alone."""
    draw = random.Random(0)
    return "".join(f"{letter}={letter}\n" for letter in draw.choices(LETTERS, k=count))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "equations.txt"
    path.write_text(equations(2000))
    return path


def fit(data: Path, folder: Path, **options: Any) -> recurra.Run:
    run: recurra.Run = recurra.Mask(**SMALL | options).fit(data, out=folder, show=False)
    return run


@pytest.fixture(scope="module")
def run(text: Path, tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    return fit(text, tmp_path_factory.mktemp("runs") / "equations", steps=200, check=200)


@pytest.fixture(scope="module")
def evaluation(run: recurra.Run) -> Evaluation:
    found: Evaluation = run.evaluate()
    return found


class TestEvaluate:
    def test_it_sees_both_sides(self, evaluation: Evaluation) -> None:
        nats, accuracy = evaluation.figures
        assert (nats.name, accuracy.name, accuracy.higher) == ("nats per masked symbol", "accuracy", True)
        assert nats.value < 0.6 * min(nats.baselines.values())
        assert accuracy.value > 0.85 > accuracy.baselines["most frequent symbol"]

    def test_figures_are_those_of_one_symbol_after_the_other(self, run: recurra.Run, evaluation: Evaluation) -> None:
        model, held_out = mask._trained(run), Symbols.from_json(run.read("vocabulary.json")).encode(corpora.kept(run).held_out)
        nats, right = [], []
        asked = mask._asked(mask._options(run), corpora.symbols(run), corpora.kept(run).held_out, "")
        for row, (x, chosen) in enumerate(zip(asked.x, asked.chosen, strict=True)):
            logits = model.output(model.encoder(x[None])[0])[0].detach()
            for place in chosen.nonzero()[:, 0].tolist():
                true = int(held_out[row * 32 + place])
                assert int(x[place]) == 10 + 1  # letters, sign, line feed; and the unknown one
                nats.append(F.cross_entropy(logits[place], torch.tensor(true)).item())
                right.append(int(logits[place].argmax()) == true)
        assert len(nats) == len(held_out) // 32 * 5
        assert evaluation.figures[0].value == pytest.approx(np.mean(nats), rel=1e-4)
        assert evaluation.figures[1].value == pytest.approx(np.mean(right))

    def test_the_unigram(self, run: recurra.Run, evaluation: Evaluation) -> None:
        _, learnt, held_out = corpora.kept(run)
        chosen = mask._asked(mask._options(run), corpora.symbols(run), held_out, "").chosen.flatten().nonzero()[:, 0]
        hidden = [held_out[place] for place in chosen.tolist()]
        expected = -np.mean([math.log(learnt.count(letter) / len(learnt)) for letter in hidden])
        assert evaluation.figures[0].baselines["unigram"] == pytest.approx(expected, rel=0.01)
        assert list(evaluation.figures[0].baselines)[-1] == "Kneser-Ney 8-gram"

    def test_a_file_and_weights_in_fewer_bytes(self, run: recurra.Run, tmp_path: Path) -> None:
        (tmp_path / "later.txt").write_text("a=a\nb=!\n")
        figure = mask.evaluate(run, tmp_path / "later.txt", EvaluationOptions(weights="int8")).figures[0]
        assert figure.held is not None
        assert figure.held.difference == pytest.approx(figure.value - figure.held.full, abs=1e-6)
        (tmp_path / "short.txt").write_text("a")
        with pytest.raises(DataError, match="1 symbol to measure on"):
            run.evaluate(tmp_path / "short.txt")


class TestPredict:
    def rows(self, run: recurra.Run, folder: Path, text: str, **options: Any) -> list[dict[str, Any]]:
        (folder / "lines.txt").write_text(text)
        return [dict(row) for row in run.predict(folder / "lines.txt", **options)]

    def test_gaps_are_filled(self, run: recurra.Run, tmp_path: Path) -> None:
        first, second, third = self.rows(run, tmp_path, "[mask]=f\nb=b\ng[mask]g\n", best=1)
        assert (first["line"], first["mask"], first["symbol"], first["text"]) == (1, 1, "f", "f=f")
        assert second == {"line": 2, "mask": None, "rank": None, "symbol": "", "probability": None, "text": "b=b"}
        assert (third["line"], third["symbol"], third["text"]) == (3, "=", "g=g")
        assert first["probability"] > 0.5

    def test_the_best_come_first(self, run: recurra.Run, tmp_path: Path) -> None:
        rows = self.rows(run, tmp_path, "[mask]=[mask]", best=100)
        assert [(row["mask"], row["rank"]) for row in rows] == [(mark, rank) for mark in (1, 2) for rank in range(1, 10)]
        for some in (rows[:9], rows[9:]):
            assert sorted(row["symbol"] for row in some) == sorted("=" + LETTERS)  # no unknown one, and no end of the line
            assert [row["probability"] for row in some] == sorted((row["probability"] for row in some), reverse=True)
            assert sum(row["probability"] for row in some) == pytest.approx(1)
        assert rows[3]["text"] == f"{rows[3]['symbol']}={rows[9]['symbol']}"

    def test_a_gap_in_a_long_line_is_seen_in_a_window(self, run: recurra.Run, tmp_path: Path) -> None:
        long, longer = (f"{'b' * count}[mask]=c{'b' * count}" for count in (100, 20_000))
        here, there = self.rows(run, tmp_path, f"{long}\n{longer}", best=1)
        assert here | {"line": 2} == there
        assert len(here["text"]) == SMALL["window"]
        assert len(self.rows(run, tmp_path, "b=[mask]" * 3000, best=1)) == 3000

    def test_it_wants_a_file(self, run: recurra.Run) -> None:
        with pytest.raises(UsageError, match=r"wants a file of lines with \[mask\]"):
            run.predict()


def test_a_blank_before_a_gap_belongs_to_a_piece() -> None:
    symbols = Symbols.learn("subword", "the cat sat on the mat\n" * 30, 300)
    ids = mask._gaps(symbols, "the [mask] sat")
    assert symbols.decode(ids[ids < len(symbols)].tolist()) == "\nthe sat\n"
    words = Symbols.learn("word", "the cat sat", 300)
    assert mask._gaps(words, "[mask] sat").tolist() == [4, *words.encode("sat")]


def test_only_what_is_chosen_is_learnt(text: Path) -> None:
    setup = mask.setup(recurra.Mask(**SMALL), text)
    batch = setup.batches[0]
    loss = setup.update(batch, ())
    assert loss.items == int(batch.chosen.sum()) == 16 * 5
    other = batch._replace(y=torch.where(batch.chosen, batch.y, 1))
    assert setup.update(other, ()).mean.item() == loss.mean.item()
    assert setup.look().sample.startswith("wanted  '")


KINDS = [{"cell": "lstm", "layers": 2, "norm": "layer"}, {"model": "transformer", "heads": 2}]


@pytest.mark.parametrize("options", KINDS, ids=lambda options: ",".join(f"{k}={v}" for k, v in options.items()))
def test_it_goes_on_as_if_nothing_had_happened(options: dict[str, Any], text: Path, tmp_path: Path) -> None:
    chosen = recurra.Mask(**SMALL | {"dropout": 0.2, "steps": 6, "check": 2} | options)
    goes_on(*(mask.begin(chosen, text, tmp_path / name) for name in "ab"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hidden": 33}, "hidden=33: wanted an even number"),
        ({"cell": "grru"}, "cell=grru: did you mean gru?"),
        ({"model": "transformer", "norm": "layer"}, "norm=layer: model=transformer"),
        ({"model": "transformer", "hidden": 30}, "hidden=30 and heads=4"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], said: str, text: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        fit(text, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_too_little_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abc" * 30)
    with pytest.raises(DataError, match="window=64 wants at least 129"):
        fit(tmp_path / "a.txt", tmp_path / "run", window=64)
    with pytest.raises(DataError, match=r"held_out=0.01: 1 symbol to measure on"):
        fit(tmp_path / "a.txt", tmp_path / "run", held_out=0.01)


def test_other_verbs(text: Path) -> None:
    options = recurra.Mask(**SMALL, steps=20)
    assert options.find_lr(text).rates
    assert recipes.steps(options, mask.setup(options, text).per_epoch) == 20
