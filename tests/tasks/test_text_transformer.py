"""The task `text` with a Transformer: whatever the task does with recurrent layers, it does with it, or says that it cannot."""

import math
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

import recurra
from recurra import state as states
from recurra.data import Symbols
from recurra.errors import UsageError
from recurra.models import CausalTransformer
from recurra.report import draw_report
from recurra.tasks import costs, recipes, text
from recurra.tasks.compare import compare
from recurra.tasks.options import TextGeneration
from recurra.tasks.recipes import RECURRENT
from recurra.tasks.tuning import tune
from tests.conftest import SMALL, sentences
from tests.tolerance import equal

OPTIONS: dict[str, Any] = {**SMALL, "model": "transformer", "heads": 2, "window": 8, "steps": 60, "dropout": 0.1}
FIXED = ["hidden=8", "layers=1", "window=8", "batch=4", "embedding=8", "heads=2", "steps=4", "check=2"]


@pytest.fixture(scope="module", autouse=True)
def _short_samples() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "SAMPLE", TextGeneration.parse(["length=2"]))
        yield


def fit(book: Path, folder: Path, **options: Any) -> recurra.Run:
    run: recurra.Run = recurra.Text(**OPTIONS | options).fit(book, out=folder, show=False)
    return run


@pytest.fixture(scope="module")
def run(book: Path, tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    return fit(book, tmp_path_factory.mktemp("runs") / "transformer")


def model_of(run: recurra.Run) -> Any:
    return text.opened(run)


def test_it_learns_and_is_measured(run: recurra.Run) -> None:
    carried, windowed = run.evaluate().figures
    assert carried.value < 0.7 * carried.baselines["unigram"]
    assert carried.value < windowed.value  # what came before the window is worth something
    assert isinstance(model_of(run).stack, CausalTransformer)


def test_the_figures_are_those_of_plain_attention(run: recurra.Run, book: Path) -> None:
    """State carried is one sequence, in which every block looks back over one window; and the state does not grow."""
    symbols, model = Symbols.from_json(run.read("vocabulary.json")), model_of(run)
    ids = torch.from_numpy(symbols.encode(book.read_text()[-1500:]))
    (run.folder.parent / "end.txt").write_text(book.read_text()[-1500:])
    logits, state = model(ids[None, :-1])
    nats = torch.nn.functional.cross_entropy(logits[0], ids[1:])
    carried, _ = run.evaluate(run.folder.parent / "end.txt").figures
    assert carried.value == pytest.approx(nats.item() / math.log(2) * len(ids) / 1500, abs=1e-5)
    assert all(part.shape[1] == OPTIONS["window"] - 1 for part in states.named(state).values())


def test_it_writes_as_it_reads(run: recurra.Run) -> None:
    symbols, model = Symbols.from_json(run.read("vocabulary.json")), model_of(run)
    written = "".join(run.generate(prompt="once the", length=30, temperature=0))
    ids = torch.from_numpy(symbols.encode(written))[None]
    logits, _ = model(ids[:, :-1])
    logits[..., 0] = -torch.inf
    assert logits[0, 7:].argmax(-1).equal(ids[0, 8:])


def test_lines_are_read_alone(run: recurra.Run, tmp_path: Path) -> None:
    lines = ["once the cat sat on a mat and then.", "", "once", "once the cat"]
    (tmp_path / "lines.txt").write_text("\n".join(lines))
    (tmp_path / "line.txt").write_text(lines[3])
    rows = [row["bits_per_character"] for row in run.predict(tmp_path / "lines.txt")]
    [alone] = [row["bits_per_character"] for row in run.predict(tmp_path / "line.txt")]
    assert rows[1] is None
    assert rows[3] == pytest.approx(alone, rel=1e-5)


def test_weights_in_fewer_bytes_are_refused(run: recurra.Run) -> None:
    message = "^weights=int8: the model has no recurrent layers, whose matrices are meant; wanted weights=full$"
    with pytest.raises(UsageError, match=message):
        run.evaluate(weights="int8")
    with pytest.raises(UsageError, match=message):
        "".join(run.generate(weights="int8"))


def test_a_resumed_training_ends_with_the_same_bits(book: Path, tmp_path: Path) -> None:
    options = recurra.Text(**OPTIONS | {"steps": 8, "check": 4, "layers": 2})

    def trained(folder: Path | None, looks: int) -> tuple[torch.Tensor, ...]:
        setup = text.setup(options, book)
        training: Any = recipes.train(options, setup, folder)
        with closing(training) as reports:
            assert len(list(islice(reports, looks))) == looks
        return tuple(weight.detach() for weight in setup.model.parameters())

    whole = trained(None, 2)
    trained(tmp_path, 1)
    torch.rand(5)
    equal(trained(tmp_path, 1), whole)


@pytest.mark.parametrize(
    "options",
    [
        {"carry": False, "tied": True},
        {"window": 1},
        {"precision": "bfloat16", "embedding": 16},
        {"forcing": 0.5, "embedding_dropout": 0.2, "word_dropout": 0.2},
    ],
    ids=str,
)
def test_options(options: dict[str, Any], book: Path, tmp_path: Path) -> None:
    made = fit(book, tmp_path / "run", **{"steps": 3, "check": 3} | options)
    assert math.isfinite(made.read("evaluation.json")["metrics"]["bits per character, state carried"]["value"])
    assert "".join(made.generate(length=3))


CHANGED: dict[str, Any] = {
    **dict.fromkeys(("residual", "highway", "variational"), True),
    "cell": "gru",
    "norm": "layer",
    "chrono": 9,
    "engine": "torch",
}


@pytest.mark.parametrize("name", [name for name in RECURRENT if name in recurra.Text.model_fields])
def test_options_of_recurrent_layers_are_refused(name: str, book: Path, tmp_path: Path) -> None:
    given = CHANGED.get(name, 0.5)
    with pytest.raises(UsageError) as caught:
        fit(book, tmp_path / "run", **{name: given})
    default = str(recurra.Text.model_fields[name].default).lower()
    wanted = f"model=transformer has no recurrent layers; wanted {name}={default}, or model=recurrent"
    assert str(caught.value) == f"{name}={str(given).lower()}: {wanted}"
    assert not list(tmp_path.iterdir())


def test_heads_that_do_not_divide(book: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^hidden=16 and heads=3: wanted hidden to be a multiple of 6, an even number"):
        fit(book, tmp_path / "run", heads=3)


def test_its_report_says_what_has_no_figures(run: recurra.Run, tmp_path: Path) -> None:
    report = draw_report(run, tmp_path / "report")
    assert report.figures["missing"] == [
        "the model has no recurrent layers, so there are no figures of gradients, gates and units"
    ]
    assert "1 × transformer, 16 units" in report.page.read_text("utf-8")  # noqa: RUF001
    assert (tmp_path / "report" / "score.svg").exists()


def test_beside_recurrent_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = tmp_path / "book.txt"
    book.write_text(sentences(60))
    monkeypatch.setattr(costs, "LENGTHS", (20,))
    monkeypatch.setattr(costs, "STEPPED", 0.01)
    words = [*FIXED, "cell=lstm,elman", "model=recurrent,transformer"]
    compared = compare("text", book, words, out=tmp_path / "models", show=False)
    rows = {row.name: row for row in compared.variants}
    assert [name for name, row in rows.items() if row.trainings] == ["lstm recurrent", "lstm transformer", "elman recurrent"]
    assert rows["elman transformer"].failed["all"].startswith("cell=elman: model=transformer has no recurrent layers")
    told = rows["lstm transformer"].costs
    assert told is not None
    assert told.step is not None
    assert told.memory[20] > 0


def test_its_learning_rate_and_heads_are_searched(book: Path, tmp_path: Path) -> None:
    assert recurra.Text(**OPTIONS | {"steps": 20}).find_lr(book).losses
    pytest.importorskip("optuna")
    found = tune("text", book, [*FIXED, "model=transformer", "lr=1e-3..1e-2", "trials=2"], out=tmp_path / "tune", show=False)
    assert [trial.state for trial in found.trials] == ["complete", "complete"]
