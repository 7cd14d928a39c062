import json
import math
import random
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import recurra
from recurra.errors import DataError, ModelFileError, UsageError
from recurra.tasks import classify, labelling
from recurra.tasks.compare import compare
from recurra.tasks.evaluation import Evaluation

SMALL: dict[str, Any] = {"hidden": 16, "embedding": 8, "dropout": 0.1, "lr": 0.02, "batch": 16}


def words(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Strings of letters; the label is which of x and y comes last."""
    draw = random.Random(seed)
    found = []
    for _ in range(count):
        text = "".join(draw.choices("abc", k=draw.randint(2, 6))) + draw.choice("xy") + "".join(draw.choices("abxy", k=2))
        found.append((text, "late x" if text.rfind("x") > text.rfind("y") else "late y"))
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "words.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in words(400)))
    return path


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise around a rise or a fall, one channel of two; `slope` is the number behind it."""
    path, draw = tmp_path_factory.mktemp("data") / "slopes.jsonl", np.random.default_rng(0)
    with path.open("w") as file:
        for _ in range(160):
            slope, steps = float(draw.uniform(-1, 1)), int(draw.integers(4, 10))
            values = np.stack([slope * np.arange(steps) + draw.normal(size=steps) * 0.1, draw.normal(size=steps)], axis=1)
            said = {"label": "up" if slope > 0 else "down", "slope": slope}
            file.write(json.dumps({"series": values.round(3).tolist(), **said}) + "\n")
    return path


def fit(data: Path | None, folder: Path, **options: Any) -> recurra.Run:
    run: recurra.Run = recurra.Classify(**SMALL | options).fit(data, out=folder, show=False)
    return run


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    return fit(data, tmp_path_factory.mktemp("runs") / "words", steps=150, check=75)


@pytest.fixture(scope="module")
def evaluation(run: recurra.Run) -> Evaluation:
    found: Evaluation = run.evaluate()
    return found


class TestEvaluate:
    def test_it_learns(self, evaluation: Evaluation) -> None:
        assert [each.name for each in evaluation.figures] == ["log loss", "accuracy", "macro F1", "calibration error"]
        accuracy = evaluation.figure("accuracy")
        assert accuracy.value > 0.95
        assert accuracy.value > accuracy.baselines["most frequent class"]
        assert any("naive Bayes" in who for who in accuracy.baselines)

    def test_figures_are_those_of_one_text_after_the_other(self, run: recurra.Run, evaluation: Evaluation) -> None:
        whole, test = labelling.opened(run), classify.kept(run).test
        nats, right = [], []
        for text, label in zip(test.inputs, test.labels, strict=True):
            assert whole.symbols is not None
            said, _ = whole.model(torch.from_numpy(whole.symbols.encode(text))[None])
            true = whole.known.labels.index(label)
            nats.append(F.cross_entropy(said / whole.model.temperature, torch.tensor([true])).item())
            right.append(int(said.argmax()) == true)
        assert evaluation.figure("log loss").value == pytest.approx(np.mean(nats), rel=1e-4)
        assert evaluation.figure("accuracy").value == pytest.approx(np.mean(right))
        shares = np.array([classify.kept(run).learnt.labels.count(label) for label in whole.known.labels])
        chance = -np.log(shares / shares.sum())[[whole.known.labels.index(label) for label in test.labels]].mean()
        assert evaluation.figure("log loss").baselines["frequency of labels"] == pytest.approx(chance)

    def test_tables_add_up(self, run: recurra.Run, evaluation: Evaluation) -> None:
        kept = run.read("evaluation.json")["tables"]
        assert sum(row["count"] for row in kept["confusion"]) == len(classify.kept(run).test)
        for row in kept["by label"]:
            told = [cell["count"] for cell in kept["confusion"] if cell["true"] == row["label"] == cell["told"]]
            assert row["recall"] == pytest.approx(sum(told) / row["count"])
            assert row["recall_from"] <= row["recall"] <= row["recall_to"]
        assert evaluation.as_json()["tables"] == kept

    def test_the_temperature_is_the_best_one_of_what_was_looked_at(self, run: recurra.Run) -> None:
        whole, looked = labelling.opened(run), classify.kept(run).validation
        said = labelling.outputs(whole.model, whole.encoded(looked.inputs))
        true = labelling.targets(whole.known, looked.labels).flat[: len(looked)]
        assert float(whole.model.temperature) == pytest.approx(recurra.metrics.fit_temperature(said, true), rel=1e-5)

    def test_a_file_with_labels_never_seen_and_an_empty_text(self, run: recurra.Run, tmp_path: Path) -> None:
        (tmp_path / "later.csv").write_text("text,label\naxa,late x\nbya,late y\n,late y\naza,late z\n")
        found = run.evaluate(tmp_path / "later.csv")
        assert found.figure("accuracy").value in (0.5, 0.75)
        assert "1 text with a label that was never learnt (line 5): wrong in every case" in " ".join(found.notes)
        assert "symbols unknown" in found.notes[-1]
        (tmp_path / "bare.txt").write_text("axa\nbya\n")
        with pytest.raises(DataError, match="no labels to measure on"):
            run.evaluate(tmp_path / "bare.txt")

    def test_weights_in_fewer_bytes_stand_beside_full_ones(self, run: recurra.Run, evaluation: Evaluation) -> None:
        for name in ("log loss", "accuracy"):
            held = run.evaluate(weights="int8").figure(name).held
            assert held is not None
            assert held.full == pytest.approx(evaluation.figure(name).value)


class TestPredict:
    def rows(self, run: recurra.Run, folder: Path, text: str, name: str = "lines.txt", **options: Any) -> list[dict[str, Any]]:
        (folder / name).write_text(text)
        return [dict(row) for row in run.predict(folder / name, **options)]

    def test_every_line_in_its_place(self, run: recurra.Run, tmp_path: Path) -> None:
        asked = words(600, seed=1)  # more than are held at a time
        rows = self.rows(run, tmp_path, "\n".join(text for text, _ in asked))
        assert [row["line"] for row in rows] == list(range(1, 601))
        assert sum(row["label"] == label for row, (_, label) in zip(rows, asked, strict=True)) > 560
        [alone] = self.rows(run, tmp_path, asked[17][0])
        assert alone["label"] == rows[17]["label"]
        assert alone["probability"] == pytest.approx(rows[17]["probability"], rel=1e-4)

    def test_empty_and_strange_lines(self, run: recurra.Run, tmp_path: Path) -> None:
        empty, strange = self.rows(run, tmp_path, "\n a!b \r\n")
        shares = labelling.opened(run).known.shares
        assert (empty["line"], empty["probability"], empty["unknown"]) == (1, pytest.approx(shares.max()), 0)
        assert (strange["line"], strange["unknown"], strange["unread"]) == (2, 1, 0)

    def test_the_best_come_first(self, run: recurra.Run, tmp_path: Path) -> None:
        first, second = self.rows(run, tmp_path, "abxa", best=9)
        assert (first["rank"], second["rank"]) == (1, 2)
        assert first["probability"] >= second["probability"]
        assert first["probability"] + second["probability"] == pytest.approx(1)

    def test_other_files(self, run: recurra.Run, tmp_path: Path) -> None:
        plain = self.rows(run, tmp_path, "abxa\nbyb\n")
        tabled = self.rows(run, tmp_path, "text\nabxa\nbyb\n", "lines.csv")
        assert [row["label"] for row in tabled] == [row["label"] for row in plain] == ["late x", "late y"]
        assert tabled[0]["line"] == 2

    def test_what_cannot_be(self, run: recurra.Run, series: Path) -> None:
        with pytest.raises(UsageError, match="predict wants a file"):
            run.predict()
        with pytest.raises(
            DataError, match=r"series of 2 channels \(channel_1, channel_2\); wanted text, as the run learnt from"
        ):
            list(run.predict(series))


def test_series_and_their_numbers(series: Path, tmp_path: Path) -> None:
    labelled = fit(series, tmp_path / "labels", steps=120, check=60, bidirectional=False, pooling="mean")
    assert labelled.evaluate().figure("accuracy").value > 0.85
    assert not (labelled.folder / "vocabulary.json").exists()
    told = [row["label"] for row in labelled.predict(series)]
    assert sum(a == b for a, b in zip(told, _said(series, "label"), strict=True)) > 140
    numbers = fit(series, tmp_path / "numbers", steps=120, check=60, output="number", label="slope", pooling="last")
    found = numbers.evaluate()
    assert [each.name for each in found.figures] == ["RMSE", "MAE", "R2"]
    assert found.figure("RMSE").value < 0.6 * found.figure("RMSE").baselines["mean"]
    rows = [row["number"] for row in numbers.predict(series)]
    assert np.corrcoef(rows, [float(slope) for slope in _said(series, "slope")])[0, 1] > 0.9
    with pytest.raises(UsageError, match="tells numbers"):
        numbers.predict(series, best=2)


def test_channels_are_found_by_their_names(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    values = draw.normal(size=(60, 4, 2)).round(3)
    rows = [(k, step) for k in range(60) for step in range(4)]
    for name, order in (("ab", (0, 1)), ("ba", (1, 0))):
        lines = [f"{k},{'uv'[k % 2]},{','.join(str(values[k, step, c]) for c in order)}" for k, step in rows]
        (tmp_path / f"{name}.csv").write_text("\n".join([f"id,label,{name[0]},{name[1]}", *lines]))
    run = fit(tmp_path / "ab.csv", tmp_path / "run", steps=2, check=2, held_out=0.4)
    told = [[row["probability"] for row in run.predict(tmp_path / f"{name}.csv")] for name in ("ab", "ba")]
    assert told[0] == pytest.approx(told[1])
    (tmp_path / "ab.csv").write_text((tmp_path / "ab.csv").read_text().replace("label,a,b", "label,a,c"))
    with pytest.raises(DataError, match=r"series of 2 channels \(a, c\); wanted series of 2 channels \(a, b\)"):
        list(run.predict(tmp_path / "ab.csv"))


def _said(path: Path, key: str) -> list[Any]:
    return [json.loads(line)[key] for line in path.read_text().splitlines()]


def test_the_default_is_learnt_and_small(tmp_path: Path) -> None:
    run = fit(None, tmp_path / "run", steps=3)
    assert run.data is None
    assert run.options.model_dump()["unit"] == "character"
    assert run.options.model_dump()["held_out"] == 0.2
    assert len(labelling.opened(run).known.labels) == 6


@pytest.mark.parametrize(("text", "unit"), [("a fine film", "word"), ("van Dam", "character")])
def test_a_symbol_is_what_suits_the_texts(text: str, unit: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"{text}{k},{k % 2}\n" for k in range(40)))
    options = recurra.Classify()
    assert labelling.learn(options, classify._read(options, tmp_path / "a.csv"))[0].unit == unit


KINDS: list[dict[str, Any]] = [
    {"cell": "lstm", "layers": 2, "norm": "layer", "pooling": "attention", "word_dropout": 0.1},
    {"model": "transformer", "heads": 2, "pooling": "mean", "smoothing": 0.1, "balance": "loss"},
    {"convolution": 3, "stride": 2, "pooling": "last", "bidirectional": False, "average": 0.9},
]


@pytest.mark.parametrize("options", KINDS, ids=lambda options: ",".join(f"{k}={v}" for k, v in options.items()))
def test_it_goes_on_as_if_nothing_had_happened(options: dict[str, Any], data: Path, tmp_path: Path) -> None:
    chosen = recurra.Classify(**SMALL | {"steps": 6, "check": 2} | options)
    whole = classify.begin(chosen, data, tmp_path / "a")
    losses = [(report.step, report.loss, report.value) for report in whole.reports()]
    assert all(math.isfinite(loss) for _, loss, _ in losses)
    with closing(cast("Any", classify.begin(chosen, data, tmp_path / "b").reports())) as stopped:
        next(stopped)
    again = [(report.step, report.loss, report.value) for report in recurra.load(tmp_path / "b").reports()]
    assert again == losses[1:]


def test_rare_labels_weigh_as_much_as_frequent_ones(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"a{k},{'rare' if k % 8 == 0 else 'often'}\n" for k in range(160)))
    options = recurra.Classify(**SMALL | {"dropout": 0.0}, balance="loss")
    setup = classify.setup(options, tmp_path / "a.csv")
    batch = setup.batches[0]
    said, _ = setup.model(batch.source, None, batch.source_lengths)
    labels = classify._read(options, tmp_path / "a.csv").learnt.labels
    rare = len(labels) / 2 / labels.count("rare")
    often = len(labels) / 2 / labels.count("often")
    weights = torch.where(batch.target[:, 0] == 1, rare, often)
    each = F.cross_entropy(said, batch.target[:, 0], reduction="none")
    wanted = float(((weights * each).sum() / weights.sum()).detach())
    assert setup.update(batch, ()).mean.item() == pytest.approx(wanted, rel=1e-5)


def test_rare_labels_are_drawn_as_often(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"a{k},{'rare' if k % 8 == 0 else 'often'}\n" for k in range(160)))
    setup = classify.setup(recurra.Classify(**SMALL, balance="sampling"), tmp_path / "a.csv")
    drawn = torch.cat([setup.batches[k].target[:, 0] for k in range(int(setup.per_epoch))])
    assert drawn.float().mean().item() == pytest.approx(0.5, abs=0.05)


class TestStarts:
    def test_as_an_encoder_of_raw_text(self, data: Path, tmp_path: Path) -> None:
        (tmp_path / "raw.txt").write_text("".join(f"{text}\n" for text, _ in words(200)))
        reading: dict[str, Any] = {"unit": "character", "hidden": 12, "embedding": 8, "steps": 2}
        reading |= {"window": 16, "layers": 2, "cell": "lstm"}
        raw = recurra.Mask(**reading).fit(tmp_path / "raw.txt", out=tmp_path / "raw", show=False)
        book = recurra.Text(**reading).fit(tmp_path / "raw.txt", out=tmp_path / "book", show=False)
        for other, begin, inside, both in ((raw, "encoder.layers", "layers", True), (book, "stack", "layers", False)):
            made = classify.begin(recurra.Classify(encoder=str(other.folder)), data, tmp_path / f"from {other.folder.name}")
            options = made.options.model_dump()
            assert (options["cell"], options["layers"], options["hidden"]) == ("lstm", 2, 12)
            assert options["bidirectional"] == both
            theirs = recurra.store.read_tensors(other.folder / "weights.safetensors")
            ours = made.setup().model.state_dict()
            moved = {name.replace(begin, inside, 1): each for name, each in theirs.items() if name.startswith(begin)}
            assert moved
            assert all(torch.equal(ours[name], each) for name, each in moved.items())
            symbols = len(ours["embedding.weight"])
            table = "encoder.embedding.weight" if both else "embedding.weight"
            assert torch.equal(ours["embedding.weight"], theirs[table][:symbols])
        with pytest.raises(UsageError, match=r"hidden=16: the run encoder=.* has 12; leave hidden out"):
            classify.begin(recurra.Classify(encoder=str(raw.folder), hidden=16), data, tmp_path / "no")

    def test_as_vectors_of_words(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"good old film {k},{k % 2}\n" for k in range(60)))
        (tmp_path / "vectors.txt").write_text("film 1 2 3\nGood 4 5 6\nold 7 8 9\n")
        options = recurra.Classify(hidden=6, vectors=str(tmp_path / "vectors.txt"))
        made = classify.begin(options, tmp_path / "a.csv", tmp_path / "run")
        (tmp_path / "vectors.txt").unlink()  # the run keeps what it needs
        symbols, _ = labelling.known(made)
        assert symbols is not None
        table = cast("Any", made.setup().model).embedding.weight
        for word, vector in (("film", [1, 2, 3]), ("old", [7, 8, 9])):
            assert table[symbols.encode(word)[0]].tolist() == vector
        with pytest.raises(UsageError, match="wanted unit=word"):
            fit(tmp_path / "a.csv", tmp_path / "no", unit="character", vectors="x")

    def test_as_something_else(self, run: recurra.Run, data: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="a run of the task classify; wanted one of the task mask or text"):
            fit(data, tmp_path / "no", encoder=str(run.folder))
        with pytest.raises(ModelFileError, match="not a run folder"):
            fit(data, tmp_path / "no", encoder=str(tmp_path))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hidden": 33}, "hidden=33: wanted an even number"),
        ({"convolution": 2, "stride": 3}, "stride=3: wanted at most convolution=2"),
        ({"output": "number", "balance": "loss"}, "balance=loss: of labels"),
        ({"encoder": "x", "convolution": 3}, "convolution=3: encoder=x brings what reads"),
        ({"model": "transformer", "hidden": 30}, "hidden=30 and heads=4"),
        ({"label": "colour"}, "colour"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], said: str, data: Path, tmp_path: Path) -> None:
    with pytest.raises((UsageError, DataError), match=said):
        fit(data, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_options_of_text_for_series(series: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"word_dropout=0.1: .* holds series; wanted text for that"):
        fit(series, tmp_path / "run", word_dropout=0.1)
    with pytest.raises(UsageError, match="the data that come without a file have labels"):
        fit(None, tmp_path / "run", output="number")


def test_long_texts_are_read_so_far(data: Path, tmp_path: Path) -> None:
    made = classify.begin(recurra.Classify(**SMALL, longest=4), data, tmp_path / "run")
    assert "of more than longest=4 steps" in " ".join(made.facts["data"]["notes"])
    assert made.setup().batches[0].source.shape[1] == 4


def test_other_verbs(data: Path, tmp_path: Path) -> None:
    options = recurra.Classify(**SMALL, steps=20)
    assert options.find_lr(data).rates
    words = [f"{name}={value}" for name, value in SMALL.items()]
    found = compare("classify", data, [*words, "steps=4", "pooling=max,last"], out=tmp_path / "compare", show=False)
    assert found.figure == "log loss"
    assert "frequency of labels" in found.baselines
    seeded = fit(data, tmp_path / "seeds", steps=4, seeds=2)
    assert (seeded.folder / "evaluation.json").exists()
