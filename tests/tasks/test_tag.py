import gzip
import json
import math
import random
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

import recurra
from recurra.data import Entity, Sentence, Tagged, entities, in_order, of_words, tags_of
from recurra.errors import DataError, UsageError
from recurra.metrics import EntityTotals
from recurra.tasks import tag, tagging
from recurra.tasks.compare import compare
from recurra.tasks.evaluation import Evaluation
from recurra.tasks.tagging import Forms, Lexicon, shape_of

SMALL: dict[str, Any] = {"hidden": 24, "embedding": 10, "spelling": 8, "character_embedding": 6, "shapes": 3, "lr": 0.02}
SMALL |= {"dropout": 0.1, "batch": 16}
LETTERS = "abcdefgh"


def made(count: int, seed: int = 0) -> str:
    """What stands before a name tells what it is; names are drawn from letters, so that few come twice."""
    draw, lines = random.Random(seed), []
    for _ in range(count):
        place, person = ("".join(draw.choices(LETTERS, k=5)).title() for _ in range(2))
        words = f"The mayor of/O {'New/B-LOC ' if draw.random() < 0.3 else ''}{place} met {person} ./O".split()
        label = "I-LOC" if "New/B-LOC" in words else "B-LOC"
        tags = {place: label, person: "B-PER"}
        lines += [f"{word.partition('/')[0]} {tags.get(word, word.partition('/')[2] or 'O')}" for word in words] + [""]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name, count in (("eng.train.gz", 300), ("eng.testa.gz", 40), ("eng.testb.gz", 40)):
        with gzip.open(folder / name, "wt") as out:
            out.write(made(count, seed=count + len(name)))
    return folder


def fit(data: Path, folder: Path, **options: Any) -> recurra.Run:
    run: recurra.Run = recurra.Tag(**SMALL | options).fit(data, out=folder, show=False)
    return run


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    return fit(data, tmp_path_factory.mktemp("runs") / "run", steps=60, check=30)


@pytest.fixture(scope="module")
def evaluation(run: recurra.Run) -> Evaluation:
    found: Evaluation = run.evaluate()
    return found


def asked(run: recurra.Run) -> list[Sentence]:
    return tag._parts(run).test.sentences


class TestEvaluate:
    def test_it_learns_what_cannot_be_looked_up(self, evaluation: Evaluation) -> None:
        f1 = evaluation.figure("F1")
        assert f1.value > 0.9 > 0.3 > max(f1.baselines.values())
        assert list(f1.baselines) == ["tag of each word", "entities learnt", "entities learnt, if mostly such"]
        assert evaluation.figure("1 - F1").value == pytest.approx(1 - f1.value)
        assert evaluation.figure("1 - F1").interval[0] == pytest.approx(1 - f1.interval[1])

    def test_figures_are_those_of_one_sentence_after_the_other(self, run: recurra.Run, evaluation: Evaluation) -> None:
        """Also the nats: against the sum over every sequence of tags that the scheme has."""
        model, lexicon, totals = tag._trained(run), tag._known(run), EntityTotals()
        right = words = 0
        for sentence in asked(run):
            (found,) = tagging.find(model, lexicon, [sentence])
            totals.add([[one.entity for one in found]], [sentence.entities])
            told, true = (
                tags_of(each, len(sentence.words), "iobes") for each in ([x.entity for x in found], sentence.entities)
            )
            right, words = right + sum(map(str.__eq__, told, true)), words + len(true)
        assert evaluation.figure("F1").value == totals.figures()["F1"]
        assert evaluation.figure("accuracy").value == pytest.approx(right / words)
        short = of_words(["New", "Abc", "met"], entities(["B-LOC", "E-LOC", "O"]))
        forms = Forms(lexicon, [short])
        batch = forms.batch(next(iter(in_order(forms.rows, forms.rows, tokens=100, batch=1)))[1])
        scores = model(batch).detach()[0]
        assert model.crf is not None
        allowed, weight = model.crf.allowed, model.crf.weight.detach()
        border, sums = len(lexicon.tags), {}
        for path in product(range(border), repeat=3):
            steps = list(zip((border, *path), (*path, border), strict=True))
            if all(allowed[step] for step in steps):
                sums[path] = sum(scores[t, k].item() for t, k in enumerate(path)) + sum(weight[step].item() for step in steps)
        wanted = tuple(lexicon.tags.index(name) for name in ("B-LOC", "E-LOC", "O"))
        nats = math.log(sum(map(math.exp, sums.values()))) - sums[wanted]
        assert tagging.nats(model, lexicon, [short]).value == pytest.approx(nats / 3, rel=1e-3)

    def test_labels_have_a_table(self, run: recurra.Run, evaluation: Evaluation) -> None:
        table, confusion = evaluation.tables
        rows = {row["label"]: row for row in table.as_json()}
        assert list(rows) == ["LOC", "PER"]
        true = [one.label for sentence in asked(run) for one in sentence.entities]
        assert [rows[label]["true"] for label in rows] == [true.count("LOC"), true.count("PER")]
        whole = sum(row["right"] for row in rows.values()) / sum(row["found"] for row in rows.values())
        assert evaluation.figure("precision").value == pytest.approx(whole)
        answers = confusion.as_json()
        told = sum(each["count"] for each in answers if each["true"] == each["told"] and each["ends"] == "same")
        assert told == sum(row["right"] for row in rows.values())
        assert sum(each["count"] for each in answers if each["true"]) == len(true)

    def test_another_file(self, run: recurra.Run, tmp_path: Path) -> None:
        rows = [{"text": "The mayor of Abcde met Faced.", "spans": [[13, 18, "LOC"], [23, 28, "DOG"]]}]
        (tmp_path / "later.jsonl").write_text("\n".join(map(json.dumps, rows)))
        found = run.evaluate(tmp_path / "later.jsonl")
        assert found.figure("recall").value in (0, 0.5)
        assert "labels that were not learnt: DOG; none of them can be found" in found.notes

    def test_weights_in_fewer_bytes_stand_beside_full_ones(self, run: recurra.Run, evaluation: Evaluation) -> None:
        held = run.evaluate(weights="int8").figure("F1").held
        assert held is not None
        assert held.full == evaluation.figure("F1").value


def test_long_sentences_are_read_in_pieces(run: recurra.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    model, lexicon = tag._trained(run), tag._known(run)
    words = ["The", "mayor", "of", "Abcde", "met", "Faced", "."]
    long, short = of_words(words * 3), of_words(words)
    [[*once]] = tagging.find(model, lexicon, [short])
    monkeypatch.setattr(tagging, "PIECE", 7)
    [empty, told] = tagging.find(model, lexicon, [of_words(()), long])
    assert empty == []
    assert [found.entity for found in told] == [
        one.entity._replace(start=one.entity.start + 7 * k, end=one.entity.end + 7 * k) for k in range(3) for one in once
    ]
    across = Entity(5, 9, "PER")  # over an edge of pieces: a part on each side
    nats = tagging.nats(model, lexicon, [long._replace(entities=(across,))])
    assert nats.counts == (7, 7, 7)
    assert math.isfinite(nats.value)


class TestPredict:
    def rows(self, run: recurra.Run, path: Path, text: str, **options: Any) -> list[dict[str, Any]]:
        path.write_text(text)
        return [dict(row) for row in run.predict(path, **options)]

    def test_places_are_those_in_the_text(self, run: recurra.Run, tmp_path: Path) -> None:
        text = "The mayor of  New Abcde met Faced.\n\nthe of met .\n"
        rows = self.rows(run, tmp_path / "a.txt", text)
        told = [(row["line"], row["label"], row["text"]) for row in rows]
        assert told[:2] == [(1, "LOC", "New Abcde"), (1, "PER", "Faced")]
        assert [text[row["start"] : row["end"]] for row in rows[:2]] == ["New Abcde", "Faced"]
        assert rows[2] == {"line": 2, "start": None, "end": None, "label": None, "text": "", "probability": None}
        assert all(0 < row["probability"] <= 1 for row in rows[:2])
        assert self.rows(run, tmp_path / "a.txt", text, least=1)[0]["label"] is None
        with pytest.raises(DataError, match="nothing in it; wanted at least one sentence"):
            self.rows(run, tmp_path / "a.txt", "\n")
        glued = self.rows(run, tmp_path / "a.txt", "The mayor of Abcde met Faced.", words="blanks")
        assert glued[-1]["text"] in ("Faced.", "Abcde")

    def test_every_form(self, run: recurra.Run, tmp_path: Path) -> None:
        words = ["The", "mayor", "of", "Abcde", "met", "Faced", "."]
        columns = "".join(f"{word} O\n" for word in words)
        for name, text, options in (
            ("a.conll", columns, {}),
            ("a.txt", columns, {"form": "conll"}),
            ("b.txt", f"-DOCSTART- O\n\n{columns}", {}),
            ("c.txt", columns.replace(" ", "\t"), {}),
            ("a.jsonl", json.dumps({"text": " ".join(words), "spans": "whatever"}), {}),
        ):
            rows = self.rows(run, tmp_path / name, text, **options)
            assert [(row["start"], row["end"], row["label"]) for row in rows] == [(13, 18, "LOC"), (23, 28, "PER")]
        numbered = "".join(f"{k}\t{word}\tO\n" for k, word in enumerate(words, 1))
        assert [row["text"] for row in self.rows(run, tmp_path / "c.conll", numbered)] == ["Abcde", "Faced"]

    def test_more_than_are_held_at_a_time(self, run: recurra.Run, tmp_path: Path) -> None:
        draw = random.Random(7)
        lines = [f"The mayor of {''.join(draw.choices(LETTERS, k=draw.randint(1, 9))).title()} met me ." for _ in range(700)]
        rows = self.rows(run, tmp_path / "a.txt", "\n".join(lines))
        assert list(dict.fromkeys(row["line"] for row in rows)) == list(range(1, 701))
        alone = self.rows(run, tmp_path / "b.txt", lines[600])
        several = [row | {"line": 1} for row in rows if row["line"] == 601]
        assert [row["text"] for row in alone] == [row["text"] for row in several]
        assert alone[0]["probability"] == pytest.approx(several[0]["probability"], rel=1e-4)

    def test_it_wants_a_file(self, run: recurra.Run) -> None:
        with pytest.raises(UsageError, match="predict wants a file"):
            run.predict()


KINDS: list[dict[str, Any]] = [
    {"characters": "lstm", "output": "softmax", "scheme": "iob2"},
    {"characters": "none", "shapes": 0, "cell": "gru", "bidirectional": False},
    {"model": "transformer", "heads": 2},
]


@pytest.mark.parametrize("options", KINDS, ids=lambda options: ",".join(f"{k}={v}" for k, v in options.items()))
def test_it_goes_on_as_if_nothing_had_happened(options: dict[str, Any], data: Path, tmp_path: Path) -> None:
    chosen = recurra.Tag(**SMALL | {"word_dropout": 0.2, "steps": 6, "check": 2} | options)
    whole = tag.begin(chosen, data, tmp_path / "a")
    losses = [(report.step, report.loss, report.value) for report in whole.reports()]
    with closing(tag.begin(chosen, data, tmp_path / "b").reports()) as stopped:
        next(stopped)
    again = [(report.step, report.loss, report.value) for report in recurra.load(tmp_path / "b").reports()]
    assert again == losses[1:]
    assert whole.evaluate().figure("F1").value >= 0


def test_words_without_prefixes_are_labels_of_their_own(tmp_path: Path) -> None:
    rows = [f"the DT\n{word} NN\nis VB\n" for word in ("".join(pair) for pair in product("abcdefg", repeat=2))]
    (tmp_path / "a.pos").write_text("\n".join(rows))
    run = fit(tmp_path / "a.pos", tmp_path / "run", steps=40, check=20)
    found = run.evaluate()
    assert found.figure("F1").value == found.figure("accuracy").value > 0.95
    assert run.read("vocabulary.json")["scheme"] == "words"
    assert any("no scheme" in note for note in run.facts["data"]["notes"])


def test_vectors_to_start_from(data: Path, tmp_path: Path) -> None:
    (tmp_path / "vectors.txt").write_text("mayor 1 2 3\nqueen 4 5 6\nmet 7 8 9\n")
    small = {name: value for name, value in SMALL.items() if name != "embedding"}
    chosen = recurra.Tag(**small, vectors=str(tmp_path / "vectors.txt"))
    run = tag.begin(chosen, data, tmp_path / "run")
    lexicon, model = tag._known(run), run.setup().model
    for word, vector in (("mayor", [1.0, 2, 3]), ("queen", [4.0, 5, 6])):  # of the latter no sentence was learnt
        number = Forms(lexicon, [of_words([word.title()])]).words
        assert model.get_submodule("words")(number)[0].tolist() == vector
    other = model.get_submodule("words")(Forms(lexicon, [of_words(["of"])]).words)[0]
    assert other.abs().max() < 5
    (tmp_path / "vectors.txt").unlink()
    run.setup()  # the run keeps what it needs
    (tmp_path / "vectors.txt").write_text("mayor 1 2 3\n")
    with pytest.raises(UsageError, match=r"embedding=10: the vectors of .* have 3; leave embedding out"):
        fit(data, tmp_path / "other", vectors=str(tmp_path / "vectors.txt"))


BAD = [
    ({"hidden": 33}, "hidden=33: wanted an even number"),
    ({"characters": "lstm", "spelling": 7}, "spelling=7: wanted an even number"),
    ({"token": 2, "tag": 2}, "token=2 tag=2: the same column"),
    ({"model": "transformer", "norm": "layer"}, "norm=layer: model=transformer"),
    ({"cell": "grru"}, "cell=grru: did you mean gru?"),
]


@pytest.mark.parametrize(("options", "said"), BAD)
def test_options_that_cannot_be(options: dict[str, Any], said: str, data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        fit(data, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_sentences_that_are_too_long(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="every sentence is longer than longest=3 words"):
        fit(data, tmp_path / "run", longest=3)
    run = tag.begin(recurra.Tag(**SMALL, longest=7), data, tmp_path / "run")
    assert any("more than longest=7 words: left out" in note for note in run.facts["data"]["notes"])


def test_data_that_changed(data: Path, tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text(made(60))
    run = tag.begin(recurra.Tag(**SMALL, steps=2), tmp_path / "a.conll", tmp_path / "run")
    (tmp_path / "a.conll").write_text(made(61))
    with pytest.raises(DataError, match="changed since this run began"):
        run.setup()


def test_words_are_known_by_how_they_are_written() -> None:
    tagged = Tagged("a", [of_words(["Rome", "rome", "1996", "B", "x"])], "iob2")
    lexicon = Lexicon.of(tagged, scheme="iob2", lower=True, rare=2, most=10)
    assert lexicon.words == ("rome",)
    assert Lexicon.from_json(json.loads(json.dumps(lexicon.as_json()))) == lexicon
    forms = Forms(Lexicon.of(tagged, scheme="iob2", lower=True, rare=1, most=10), [of_words(["ROME", "2004", "Rome", "y"])])
    assert forms.words.tolist() == [1, 2, 1, 0]
    assert forms.unknown == 1
    assert [shape_of(word) for word in ("ROME", "2004", "Rome", "y", "McX", "B52", "-")] == [2, 4, 1, 0, 3, 5, 6]


def test_variants_are_compared_by_f1(data: Path, tmp_path: Path) -> None:
    words = ["output=crf,softmax", "steps=2", *(f"{name}={value}" for name, value in SMALL.items())]
    found = compare("tag", data, words, out=tmp_path / "compared", show=False)
    assert found.figure == "1 - F1"
    assert set(found.baselines) == {"tag of each word", "entities learnt", "entities learnt, if mostly such"}
    assert all(row.trainings for row in found.variants)


def test_without_data(tmp_path: Path) -> None:
    setup = tag.setup(recurra.Tag(**SMALL), None)
    torch.manual_seed(0)
    loss = setup.update(setup.batches[0], ())
    assert loss.items == int(setup.batches[0].source_lengths.sum())
    assert 1 < loss.mean.item() < 6
    assert "wanted" in setup.look().sample
