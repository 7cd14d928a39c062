import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import recurra
from recurra import store
from recurra.data import Symbols
from recurra.engine.precision import Kind
from recurra.errors import DataError, NumericError, UsageError
from recurra.models import LanguageModel
from recurra.tasks import recipes
from recurra.tasks.evaluation import Evaluation
from recurra.tasks.text import begin
from tests.conftest import SMALL, sentences


def fit(book: Path, folder: Path, **options: Any) -> recurra.Run:
    run: recurra.Run = recurra.Text(**SMALL | options).fit(book, out=folder, show=False)
    return run


@pytest.fixture(scope="module")
def words(book: Path, tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    return fit(book, tmp_path_factory.mktemp("runs") / "words", unit="word", cell="gru", tied=True, steps=60)


@pytest.fixture(scope="module")
def subwords(book: Path, tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    return fit(book, tmp_path_factory.mktemp("runs") / "subwords", unit="subword", vocabulary=300, cell="elman", steps=60)


@pytest.fixture(scope="module")
def swept(book: Path, tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    return fit(book, tmp_path_factory.mktemp("runs") / "swept", cell="gru", engine="sweep", steps=60)


@pytest.fixture(scope="module")
def evaluation(trained: recurra.Run) -> Evaluation:
    made: Evaluation = trained.evaluate()
    return made


class TestEvaluate:
    def test_it_learns(self, evaluation: Evaluation) -> None:
        carried, _ = evaluation.figures
        assert carried.value < 0.8 * carried.baselines["unigram"]
        assert carried.value < math.log2(26)
        assert carried.interval[0] < carried.value < carried.interval[1]

    def test_the_figures(self, evaluation: Evaluation, trained: recurra.Run) -> None:
        assert [figure.name for figure in evaluation.figures] == [
            "bits per character, state carried",
            "bits per character, windows of 256 from zero",
        ]
        assert list(evaluation.figures[0].baselines) == ["unigram", *(f"Kneser-Ney {n}-gram" for n in range(2, 9))]
        assert evaluation.data == "the held-out part"
        assert trained.read("evaluation.json") == evaluation.as_json()

    def test_against_the_model_asked_symbol_by_symbol(self, trained: recurra.Run, tmp_path: Path) -> None:
        text = sentences(15, seed=9)  # 600 characters: three windows
        (tmp_path / "other.txt").write_text(text)
        symbols = Symbols.from_json(trained.read("vocabulary.json"))
        from recurra.tasks.text import opened

        model, ids = opened(trained), torch.from_numpy(symbols.encode(text))

        def bits(restart: int) -> float:
            total, state = 0.0, model.initial(1)
            for t in range(len(ids) - 1):
                if t % restart == 0:
                    state = model.initial(1)
                logits, state = model.step(ids[t : t + 1], state)
                total -= logits.log_softmax(-1)[0, ids[t + 1]].item() / math.log(2)
            return total / (len(ids) - 1)

        with torch.no_grad():
            carried, windowed = trained.evaluate(tmp_path / "other.txt").figures
            assert carried.value == pytest.approx(bits(10**9), abs=1e-5)
            assert windowed.value == pytest.approx(bits(256), abs=1e-5)

    def test_unknown_symbols_are_counted(self, trained: recurra.Run, tmp_path: Path) -> None:
        (tmp_path / "other.txt").write_text("once ☃ upon ☃ a time\n")
        evaluation = trained.evaluate(tmp_path / "other.txt")
        assert "21 characters, 21 symbols of " in evaluation.notes[-1]
        assert ", 4 of them unknown" in evaluation.notes[-1]  # the p too
        assert all(math.isfinite(figure.value) for figure in evaluation.figures)

    @pytest.mark.parametrize("text", ["a", "\n"])
    def test_too_little(self, text: str, trained: recurra.Run, tmp_path: Path) -> None:
        (tmp_path / "other.txt").write_text(text)
        with pytest.raises(DataError):
            trained.evaluate(tmp_path / "other.txt")

    def test_short_text_has_no_interval(self, trained: recurra.Run, tmp_path: Path) -> None:
        (tmp_path / "other.txt").write_text("on")
        figures = trained.evaluate(tmp_path / "other.txt").figures
        assert all(math.isnan(end) for end in figures[0].interval)

    def test_bits_are_per_word_where_symbols_are_words(self, words: recurra.Run) -> None:
        carried, _ = words.evaluate().figures
        assert carried.name.startswith("bits per word")
        assert carried.value < math.log2(30)
        assert list(carried.baselines)[-1] == "Kneser-Ney 5-gram"

    def test_bits_are_per_character_where_symbols_are_subwords(self, subwords: recurra.Run) -> None:
        carried, _ = subwords.evaluate().figures
        assert carried.name.startswith("bits per character")
        assert carried.value < 3

    @pytest.mark.parametrize("weights", ["bfloat16", "int8"])
    def test_weights_in_fewer_bytes(self, trained: recurra.Run, weights: Kind) -> None:
        full, less = trained.evaluate(), trained.evaluate(weights=weights)
        for before, after in zip(full.figures, less.figures, strict=True):
            assert before.held is None
            assert after.held is not None
            assert after.held[:2] == (weights, before.value)
            assert after.held.difference == pytest.approx(after.value - before.value, abs=1e-9)
            assert 0 < abs(after.held.difference) < 0.05
            low, high = after.held.interval
            assert low < after.held.difference < high
            wide, narrow = after.interval[1] - after.interval[0], high - low
            assert narrow < wide / 5  # the same symbols are measured both ways
            assert after.baselines == before.baselines

    def test_other_weights(self, trained: recurra.Run) -> None:
        weights: Any = "int4"
        with pytest.raises(UsageError, match=r"^weights=int4: wanted full\|bfloat16\|int8$"):
            trained.evaluate(weights=weights)

    def test_a_folder_of_text(self, trained: recurra.Run, tmp_path: Path) -> None:
        for k in range(3):
            (tmp_path / f"{k}.txt").write_text(sentences(5, seed=k))
        assert "characters" in trained.evaluate(tmp_path).notes[0]


class TestPredict:
    def test_a_row_for_each_line(self, trained: recurra.Run, tmp_path: Path) -> None:
        path = tmp_path / "lines.txt"
        path.write_bytes("once the cat sat.\n\nxyz ☃\r\nlast\x0bone\u2028here\x0c\nno end".encode())
        rows = list(trained.predict(path))
        assert [row["line"] for row in rows] == [1, 2, 3, 4, 5]
        assert [row["characters"] for row in rows] == [17, 0, 5, 14, 6]
        assert [row["unknown"] for row in rows][:3] == [0, 0, 3]
        assert rows[1]["bits_per_character"] is None

    def test_rows_add_up(self, trained: recurra.Run, tmp_path: Path) -> None:
        from recurra.tasks.text import opened

        text = sentences(40, seed=3)
        (tmp_path / "lines.txt").write_text(text)
        symbols, model = Symbols.from_json(trained.read("vocabulary.json")), opened(trained)
        for row, line in zip(trained.predict(tmp_path / "lines.txt"), text.splitlines(), strict=True):
            ids = torch.from_numpy(symbols.encode("\n" + line))[None]
            nats, _ = model.nats(ids[:, :-1], ids[:, 1:], None)
            assert row["bits_per_character"] * len(line) == pytest.approx(nats.sum().item() / math.log(2), rel=1e-4)

    def test_likely_lines_are_cheap(self, trained: recurra.Run, tmp_path: Path) -> None:
        (tmp_path / "lines.txt").write_text("once the cat sat on a mat and then.\nzqqm.wnnh kuuuuuta\n")
        likely, strange = trained.predict(tmp_path / "lines.txt")
        assert likely["bits_per_character"] < 0.5 * strange["bits_per_character"]

    def test_an_empty_file_has_no_rows(self, trained: recurra.Run, tmp_path: Path) -> None:
        (tmp_path / "empty.txt").write_text("")
        assert list(trained.predict(tmp_path / "empty.txt")) == []

    def test_words_and_subwords(self, words: recurra.Run, subwords: recurra.Run, tmp_path: Path) -> None:
        (tmp_path / "lines.txt").write_text("once upon the cat\n   \n日本語\n")
        assert [row["unknown"] for row in words.predict(tmp_path / "lines.txt")] == [1, 0, 1]
        assert [row["unknown"] for row in subwords.predict(tmp_path / "lines.txt")] == [0, 0, 0]


class TestGenerate:
    @pytest.mark.parametrize("name", ["trained", "words", "subwords"])
    def test_a_seed_says_all(self, name: str, request: pytest.FixtureRequest) -> None:
        run = request.getfixturevalue(name)
        one, other, another = ("".join(run.generate(prompt="once the", length=60, seed=seed)) for seed in (1, 1, 2))
        assert one == other != another
        assert one.startswith("once the")

    @pytest.mark.parametrize("name", ["trained", "words", "subwords"])
    def test_pieces_are_the_whole(self, name: str, request: pytest.FixtureRequest) -> None:
        run = request.getfixturevalue(name)
        symbols = Symbols.from_json(run.read("vocabulary.json"))
        prompt, *pieces = run.generate(prompt="once the", length=40, temperature=1.5)
        assert len(pieces) == 40
        ids = symbols.encode(prompt + "".join(pieces)).tolist()
        assert symbols.decode(ids) == prompt + "".join(pieces)

    @pytest.mark.parametrize("weights", ["full", "bfloat16", "int8"])
    @pytest.mark.parametrize("name", ["trained", "swept"])
    def test_it_goes_on_as_the_model_reads(self, name: str, weights: Kind, request: pytest.FixtureRequest) -> None:
        from recurra.tasks.text import opened

        run = request.getfixturevalue(name)
        symbols, model = Symbols.from_json(run.read("vocabulary.json")), recipes.held(opened(run), weights)
        text = "".join(run.generate(prompt="once the", length=30, temperature=0, weights=weights))
        ids = torch.from_numpy(symbols.encode(text))[None]
        with torch.no_grad():
            logits, _ = model(ids[:, :-1])
        logits[..., 0] = -torch.inf
        assert logits[0, 7:].argmax(-1).equal(ids[0, 8:])

    def test_steps_are_compiled_where_the_layers_are(
        self, trained: recurra.Run, swept: recurra.Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made, stepper = list[str](), LanguageModel.stepper

        def watched(model: LanguageModel, weights: Kind) -> Any:
            made.append(weights)
            return stepper(model, weights)

        monkeypatch.setattr(LanguageModel, "stepper", watched)
        for run in (trained, swept):
            for weights in ("full", "int8"):
                "".join(run.generate(length=2, weights=weights))
        assert made == ["int8", "full", "int8"]  # torch's own LSTM would have to be compiled first

    def test_the_length(self, trained: recurra.Run) -> None:
        assert len("".join(trained.generate(length=33))) == 33
        assert len("".join(trained.generate(length=1, prompt="once"))) == 5

    def test_temperature_0_does_not_draw(self, trained: recurra.Run) -> None:
        assert len({"".join(trained.generate(temperature=0, length=30, seed=seed)) for seed in range(3)}) == 1

    def test_it_begins_a_line(self, trained: recurra.Run) -> None:
        assert "".join(trained.generate(temperature=0, length=5)) == "once "

    def test_a_strange_prompt(self, trained: recurra.Run, words: recurra.Run, subwords: recurra.Run) -> None:
        with pytest.raises(DataError, match=r"^prompt: '☃' at place 6 is none of the \d+ characters learnt$"):
            next(trained.generate(prompt="once ☃"))
        assert next(subwords.generate(prompt="Zebra ☃")) == "Zebra ☃"
        assert next(words.generate(prompt="once  Zebra the")) == "once <unk> the"  # as the model read it

    @pytest.mark.parametrize("prompt", [" ", "\t", "\n", "  \n "])
    @pytest.mark.parametrize("name", ["words", "subwords"])
    def test_a_prompt_of_blanks(self, name: str, prompt: str, request: pytest.FixtureRequest) -> None:
        first, *rest = request.getfixturevalue(name).generate(prompt=prompt, length=5)
        assert first in (prompt, "\n" if "\n" in prompt else "")
        assert len(rest) == 5

    def test_bad_options(self, trained: recurra.Run) -> None:
        with pytest.raises(UsageError, match="did you mean temperature"):
            trained.generate(temprature=1)

    def test_the_unknown_word_never_comes(self, words: recurra.Run) -> None:
        assert "<unk>" not in "".join(words.generate(temperature=100, length=300))


class TestTrain:
    def test_the_log(self, trained: recurra.Run) -> None:
        lines = [json.loads(line) for line in (trained.folder / "log.jsonl").read_text().splitlines()]
        assert [line["step"] for line in lines] == [30, 60, 90, 120]
        assert lines[-1]["metrics"]["bits/character"] < lines[0]["metrics"]["bits/character"]
        assert lines[-1]["sample"]

    def test_the_same_seed_gives_the_same_weights(self, book: Path, tmp_path: Path) -> None:
        runs = [fit(book, tmp_path / str(k), steps=6, seed=seed, dropout=0.5) for k, seed in enumerate((1, 1, 2))]
        one, other, another = ((run.folder / "weights.safetensors").read_bytes() for run in runs)
        assert one == other != another

    @pytest.mark.parametrize(
        "options",
        [
            {"carry": False},
            {"layers": 3, "residual": True, "tied": True, "embedding": 16},
            {"optimizer": "sgd", "schedule": "onecycle", "lr": 0.1},
            {"optimizer": "nadam", "schedule": "constant"},
            {"optimizer": "rmsprop", "schedule": "plateau", "clip": 0, "clip_value": 0.1},
            {"engine": "fold", "smoothing": 0.2},
            {"batch": 10_000},
            {"held_out": 0.001},
            {"steps": 0, "epochs": 0.0001},
            {"check": 10**9},
            {"warmup": 10**9},
        ],
        ids=str,
    )
    def test_options(self, options: dict[str, Any], book: Path, tmp_path: Path) -> None:
        run = fit(book, tmp_path / "run", **{"steps": 4, "window": 8} | options)
        assert math.isfinite(run.read("evaluation.json")["metrics"]["bits per character, state carried"]["value"])

    def test_the_default_text(self, tmp_path: Path) -> None:
        run = recurra.Text(**SMALL | {"steps": 1}).fit(out=tmp_path / "run", show=False)
        assert run.facts["data"]["embedded"]
        assert run.source.startswith("the language reference of Python 3")

    @pytest.mark.parametrize("unit", ["character", "word", "subword"])
    @pytest.mark.parametrize("ending", ["", "\n"])
    def test_a_very_small_text(self, unit: str, ending: str, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("ab ba ab ba ab ba ab" + ending)
        run = fit(tmp_path / "a.txt", tmp_path / "run", unit=unit, window=1, held_out=0.4, steps=2)
        assert "".join(run.generate(length=3))

    def test_a_diverged_training(self, book: Path, tmp_path: Path) -> None:
        wild = {"lr": 1000, "weight_decay": 1000, "optimizer": "sgd", "warmup": 0, "check": 1, "steps": 60}
        with pytest.raises(NumericError, match="5 times in a row; nothing of it was applied; lower lr"):
            fit(book, tmp_path / "run", **wild)

    def test_weights_that_are_not_finite(self, trained: recurra.Run, tmp_path: Path) -> None:
        run = recurra.load(shutil.copytree(trained.folder, tmp_path / "run"))
        weights = store.read_tensors(run.folder / "weights.safetensors")
        store.write_tensors(run.folder / "weights.safetensors", {name: w * math.nan for name, w in weights.items()})
        assert all(figure["value"] is None for figure in run.evaluate().as_json()["metrics"].values())
        with pytest.raises(NumericError, match="diverged"):
            "".join(run.generate())


class TestBegin:
    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"cell": "lstmm"}, UsageError, "cell=lstmm: did you mean lstm?"),
            ({"device": "gpu"}, UsageError, "device=gpu: not on this machine"),
            ({"device": "meta"}, UsageError, "device=meta: not on this machine"),
            ({"window": 10**6}, DataError, "symbols to learn from; window=1000000 wants at least 2000001: give more text"),
            ({"held_out": 0.999}, DataError, "symbols to learn from; window=16 wants at least 33"),
            ({"held_out": 0.00001}, DataError, "0 symbols to measure on; wanted at least 2"),
            ({"encoding": "utf-9"}, DataError, "encoding=utf-9 is unknown"),
        ],
    )
    def test_what_cannot_be_leaves_no_folder(
        self, options: dict[str, Any], error: type[Exception], message: str, book: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(error) as caught:
            fit(book, tmp_path / "run", **options)
        assert message in str(caught.value)
        assert not list(tmp_path.iterdir())

    def test_what_the_run_knows_of_its_data(self, book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(book.parent)
        run = begin(recurra.Text(**SMALL), Path(book.name), tmp_path / "run")
        assert run.source == str(book)
        assert run.facts["data"]["characters"] == len(book.read_text())
        assert store.read_json(run.folder / "vocabulary.json")["unit"] == "character"
