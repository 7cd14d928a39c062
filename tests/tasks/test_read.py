import json
import random
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import recurra
from recurra.data.writings import find_writings
from recurra.errors import DataError, UsageError
from recurra.tasks import listening, read, reading, transcripts
from recurra.tasks.compare import compare
from recurra.tasks.evaluation import Evaluation
from recurra.tasks.options import TranscriptPrediction

SMALL = {"hidden": 24, "channels": 8, "dropout": 0.0, "distortion": 0.2, "batch": 16, "lr": 0.02}
UP, DOWN, RIGHT = (0, 3), (0, -3), (2, 1)
SHAPES = {"a": [UP, RIGHT], "b": [DOWN, RIGHT, UP], "c": [RIGHT, RIGHT, DOWN]}
"""The pen's moves of each letter; between letters it lifts."""


def strokes(text: str, draw: random.Random) -> list[list[list[float]]]:
    made, x = [], 0.0
    for letter in text:
        points = [[x, 0.0]]
        for right, up in SHAPES[letter]:
            points.append([points[-1][0] + right + draw.gauss(0, 0.1), points[-1][1] + up + draw.gauss(0, 0.1)])
        made.append(points)
        x = points[-1][0] + 2
    return made


def written(path: Path, count: int, most: int, seed: int) -> None:
    draw = random.Random(seed)
    texts = ["".join(draw.choices("abc", k=draw.randint(1, most))) for _ in range(count)]
    path.write_text("".join(json.dumps({"strokes": strokes(text, draw), "text": text}) + "\n" for text in texts))


@pytest.fixture(scope="module")
def ink(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "ink"
    folder.mkdir()
    for seed, (part, count) in enumerate({"train": 150, "dev": 20, "test": 40}.items()):
        written(folder / f"{part}.jsonl", count, 4, seed)
    return folder


@pytest.fixture(scope="module")
def run(ink: Path, tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    options = recurra.Read(**SMALL, bidirectional=False, steps=120, check=60)
    found: recurra.Run = options.fit(ink, out=tmp_path_factory.mktemp("runs") / "ink", show=False)
    return found


@pytest.fixture(scope="module")
def evaluation(run: recurra.Run) -> Evaluation:
    found: Evaluation = run.evaluate()
    return found


def rows(run: recurra.Run, data: Path, **how: Any) -> list[Any]:
    return list(run.predict(data, **how))


class TestText:
    def test_it_learns_to_read(self, evaluation: Evaluation) -> None:
        rate = evaluation.figure("character error rate")
        assert rate.value < 0.15
        assert rate.value < min(value for who, value in rate.baselines.items() if "run" not in who)
        assert {"most frequent text", "piece that looks most alike", "this run, greedily"} <= set(rate.baselines)
        exact = evaluation.figure("exact lines")
        assert exact.higher
        assert exact.interval[0] <= exact.value <= exact.interval[1]
        assert any("40 texts, 0 of their symbols unknown" in note for note in evaluation.notes)

    def test_figures_are_of_what_predict_writes(self, run: recurra.Run, ink: Path, evaluation: Evaluation) -> None:
        found = rows(run, ink / "test.jsonl")
        texts = find_writings(ink / "test.jsonl").texts
        share = sum(row["text"] == text for row, text in zip(found, texts, strict=True)) / len(texts)
        assert evaluation.figure("exact lines").value == pytest.approx(share)
        assert found[0].keys() == {"input", "problem", "rank", "text", "nats_per_symbol"}
        assert found[3]["input"].endswith("test.jsonl, line 4")
        best = rows(run, ink / "test.jsonl", best=3)
        assert [row["rank"] for row in best[:3]] == [1, 2, 3]
        assert [row["text"] for row in best if row["rank"] == 1] == [row["text"] for row in found]

    def test_other_data_may_be_measured(self, run: recurra.Run, ink: Path, evaluation: Evaluation) -> None:
        again = run.evaluate(ink / "test.jsonl")
        assert again.figure("character error rate").value == evaluation.figure("character error rate").value

    @pytest.mark.parametrize("beam", [1, 8])
    def test_chunks_are_read_as_the_whole(self, run: recurra.Run, ink: Path, beam: int) -> None:
        whole = transcripts.opened(run, reading.kind(run.options, read._seen(run)))
        how = TranscriptPrediction(beam=beam)
        texts = [row["text"] for row in rows(run, ink / "test.jsonl", beam=beam)]
        for steps, text in islice(zip(find_writings(ink / "test.jsonl").inputs, texts, strict=True), 6):
            stream, certain = listening.Stream(whole, how), ""
            for k in range(0, len(steps), 3):
                stream.feed(steps[k : k + 3])
                assert stream.certain.startswith(certain)
                certain = stream.certain
            assert stream.text == text
            assert text.startswith(certain)

    def test_a_language_model_beside_it(self, run: recurra.Run, ink: Path, tmp_path: Path) -> None:
        lines = "".join(f"{text}\n" for text in find_writings(ink / "train.jsonl").texts)
        (tmp_path / "lines.txt").write_text(lines * 4)
        small = {"hidden": 8, "embedding": 4, "layers": 1, "window": 8, "batch": 4, "steps": 5}
        for unit in ("character", "word"):
            model = recurra.Text(**small, unit=unit).fit(tmp_path / "lines.txt", out=tmp_path / unit, show=False)
            found = rows(run, ink / "test.jsonl", language=str(model.folder), language_weight=0.1)
            plain = rows(run, ink / "test.jsonl")
            assert sum(a["text"] == b["text"] for a, b in zip(found, plain, strict=True)) > 20
        with pytest.raises(UsageError, match="wanted one of the task text"):
            rows(run, ink / "test.jsonl", language=str(run.folder))
        with pytest.raises(UsageError, match="a greedy search asks no language model"):
            rows(run, ink / "test.jsonl", language=str(tmp_path / "word"), beam=1)

    def test_what_it_cannot_read(self, run: recurra.Run, ink: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="predict wants images or pen points"):
            run.predict()
        (tmp_path / "a.png").write_bytes(b"no image")
        with pytest.raises(DataError, match="images; wanted ink"):
            rows(run, tmp_path / "a.png")
        (tmp_path / "a.jsonl").write_text('{"strokes": [[[1, 1]]]}\n')
        assert rows(run, tmp_path / "a.jsonl")[0]["rank"] == 1
        with pytest.raises(DataError, match="nothing with a text"):
            run.evaluate(tmp_path / "a.jsonl")

    def test_changed_data_are_noticed(self, run: recurra.Run, ink: Path, evaluation: Evaluation) -> None:
        before = (ink / "train.jsonl").read_text()
        try:
            (ink / "train.jsonl").write_text(before.replace('"text": "a"', '"text": "b"'))
            with pytest.raises(DataError, match="changed since this run began"):
                run.evaluate()
            with_note = run.evaluate(ink / "test.jsonl")
        finally:
            (ink / "train.jsonl").write_text(before)
        assert "no baselines" in with_note.notes[0]
        assert with_note.figure("exact lines").value == evaluation.figure("exact lines").value


@pytest.fixture(scope="module")
def attending(ink: Path, tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    options = recurra.Read(**SMALL, decoder="attention", engine="torch", steps=6, check=3)
    found: recurra.Run = options.fit(ink, out=tmp_path_factory.mktemp("runs") / "attending", show=False)
    return found


class TestAttention:
    def test_texts_and_figures(self, attending: recurra.Run, ink: Path) -> None:
        found = json.loads((attending.folder / "evaluation.json").read_text())["metrics"]["exact lines"]
        assert "this run, greedily" in found["baselines"]
        texts = find_writings(ink / "test.jsonl").texts
        told = rows(attending, ink / "test.jsonl")
        assert found["value"] == np.mean([row["text"] == text for row, text in zip(told, texts, strict=True)])
        best = rows(attending, ink / "test.jsonl", best=3, beam=4, weights="int8")
        assert [row["rank"] for row in best[:4]] == [1, 2, 3, 1]
        assert len({row["text"] for row in best[:3]}) == 3
        assert all(row["nats_per_symbol"] > 0 for row in best)

    def test_the_end_counts_as_a_symbol(self, attending: recurra.Run, ink: Path) -> None:
        kind = reading.kind(attending.options, read._seen(attending))
        inputs = reading.transcribed(find_writings(ink / "test.jsonl")).inputs
        found = transcripts.write(transcripts.opened(attending, kind), kind, inputs, TranscriptPrediction(best=2))
        told = rows(attending, ink / "test.jsonl", best=2)
        for row, one in zip(told, (one for each in found for one in each), strict=True):
            assert row["nats_per_symbol"] * (len(row["text"]) + 1) == pytest.approx(-one.log_probability)

    def test_what_it_cannot(self, attending: recurra.Run, ink: Path) -> None:
        whole = transcripts.opened(attending, reading.kind(attending.options, read._seen(attending)))
        with pytest.raises(UsageError, match="decoder=attention: the run writes once it has heard all; train one with"):
            listening.Stream(whole, TranscriptPrediction())
        with pytest.raises(UsageError, match="asks no language model"):
            rows(attending, ink / "test.jsonl", language="runs/text")


@pytest.mark.parametrize("decoder", ["ctc", "attention"])
def test_a_resumed_training_is_the_whole(ink: Path, tmp_path: Path, decoder: str) -> None:
    options = recurra.Read(**SMALL | {"dropout": 0.1}, steps=6, check=2, decoder=decoder)
    whole = options.fit(ink, out=tmp_path / "whole", show=False)
    part = read.begin(options, ink, tmp_path / "part")
    with closing(part.reports()) as reports:
        next(reports)
    part.train(show=False)
    ours, theirs = ((each.folder / "weights.safetensors").read_bytes() for each in (whole, part))
    assert ours == theirs


def test_labels_of_whole_pieces(tmp_path: Path) -> None:
    (data := tmp_path / "data").mkdir()
    for seed, (part, count) in enumerate({"train": 90, "dev": 15, "test": 30}.items()):
        written(data / f"{part}.jsonl", count, 1, seed)
    options = recurra.Read(**SMALL, output="label", steps=60, check=30)
    run = options.fit(data, out=tmp_path / "run", show=False)
    found = run.evaluate()
    accuracy = found.figure("accuracy")
    assert accuracy.value > 0.9
    assert accuracy.baselines["most frequent class"] < 0.7
    assert found.figure("log loss").value < found.figure("log loss").baselines["frequency of labels"]
    told = rows(run, data / "test.jsonl", best=3)
    assert sum(row["probability"] for row in told[:3]) == pytest.approx(1)
    texts = find_writings(data / "test.jsonl").texts
    for how in ({"beam": 16}, {"language": "none"}, {"bonus": 1.0}):
        [(name, value)] = how.items()
        with pytest.raises(UsageError, match=f"{name}={value}: a label is not searched for; wanted a run with output=text"):
            run.predict(data / "test.jsonl", **how)
    right = [row["text"] == text for row, text in zip(told[::3], texts, strict=True)]
    assert accuracy.value == pytest.approx(np.mean(right))
    (data / "train.jsonl").write_text("".join(f'{{"strokes": [[[0, {k}], [1, 1]]], "text": "a"}}\n' for k in range(9)))
    with pytest.raises(DataError, match="one label only"):
        read.begin(options, data, tmp_path / "none")


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("lines")
    for k in range(24):
        page = np.full((12, 40), 255, np.uint8)
        page[2:10, 4 + k % 3 : 6 + k % 3] = 0
        page[2 : 4 + k % 5, 20:30] = 0
        image.fromarray(page).save(folder / f"{k:02}.png")
        (folder / f"{k:02}.txt").write_text("i" if k % 3 else "ix")
    (folder / "bad.png").write_bytes(b"nothing")
    return folder


class TestImages:
    def test_a_file_that_cannot_be_read_has_a_row_that_says_why(self, lines: Path, tmp_path: Path) -> None:
        options = recurra.Read(**SMALL, height=8, stride=2, steps=2, check=2, held_out=0.4)
        run = options.fit(lines, out=tmp_path / "run", show=False)
        assert any("cannot be read" in note for note in run.facts["data"]["notes"])
        found = {Path(row["input"]).name: row for row in rows(run, lines)}
        assert "no image that can be read" in found["bad.png"]["problem"]
        assert found["bad.png"]["nats_per_symbol"] is None
        assert not found["00.png"]["problem"]
        with pytest.raises(DataError, match=r"bad.png: no image that can be read"):
            rows(run, lines / "bad.png")
        with pytest.raises(UsageError, match="bidirectional=true"):
            listening.Stream(transcripts.opened(run, reading.kind(options, reading.Seen("images", 8))), TranscriptPrediction())

    def test_texts_that_do_not_fit_are_left_out_by_name(self, lines: Path, tmp_path: Path) -> None:
        (tmp_path / "long").mkdir()
        for path in lines.iterdir():
            (tmp_path / "long" / path.name).write_bytes(path.read_bytes())
        for k in range(3):
            (tmp_path / "long" / f"1{k}.txt").write_text("i" * 30)
        options = recurra.Read(**SMALL, height=8, stride=4, steps=1, held_out=0.4)
        notes = read.begin(options, tmp_path / "long", tmp_path / "run").facts["data"]["notes"]
        [note] = [note for note in notes if "longer than their inputs can say" in note]
        assert "59 frames wanted" in note
        attending = options.model_copy(update={"decoder": "attention"})
        notes = read.begin(attending, tmp_path / "long", tmp_path / "attending").facts["data"]["notes"]
        assert not any("left out" in note for note in notes if "cannot be read" not in note)


def test_the_embedded_lines_need_no_file(tmp_path: Path) -> None:
    run = read.begin(recurra.Read(**SMALL, height=12, steps=1), None, tmp_path / "run")
    setup = run.setup()
    batch = setup.batches[0]
    assert batch.source.shape[2] == 12
    assert setup.update(batch, ()).mean.isfinite()
    with pytest.raises(UsageError, match="output=label"):
        read.setup(recurra.Read(output="label"), None)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"stride": 3}, "wanted 1, 2, 4 or 8"),
        ({"hidden": 25}, "hidden=25: wanted an even number"),
        ({"output": "label", "language": "runs/text"}, "a label asks no language model"),
        ({"pooling": "mean"}, "pooling=mean: a text is written from each frame; wanted output=label with it"),
    ],
)
def test_options_that_cannot_be(how: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        recurra.Read(**how)


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", ["images", "ink"])
def test_a_frame_stands_for_as_many_steps_as_are_asked_for(kind: str, stride: int) -> None:
    for front in ("auto", "convolution"):
        made: Any = reading.front(recurra.Read(front=front, channels=4, stride=stride), reading.Seen(kind, 12))
        assert made.frames(torch.tensor([64, 3])).tolist() == [64 // stride, -(-3 // stride)]
        y, _ = made(torch.zeros(2, 64, 12), lengths=torch.tensor([64, 3]))
        assert y.shape == (2, 64 // stride, made.size)


def test_fronts_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="no pixels"):
        reading.front(recurra.Read(front="resnet"), reading.Seen("ink", 5))
    with pytest.raises(UsageError, match="without a front"):
        reading.front(recurra.Read(front="none", stride=2), reading.Seen("ink", 5))


def test_networks_are_compared_and_rates_looked_for(ink: Path, tmp_path: Path) -> None:
    words = ["cell=gru,elman", "hidden=8", "channels=4", "steps=4", "check=2", "output=label", "seeds=1"]
    found = compare("read", ink, words, out=tmp_path / "labels", show=False)
    assert (found.figure, {variant.name for variant in found.variants}) == ("log loss", {"gru", "elman"})
    found = compare("read", ink, [word for word in words if "output" not in word], out=tmp_path / "texts", show=False)
    assert found.figure == "character error rate"
    assert "piece that looks most alike" in found.baselines
    for decoder in ("ctc", "attention"):
        assert len(recurra.Read(**SMALL, steps=20, decoder=decoder).find_lr(ink).losses) > 1
