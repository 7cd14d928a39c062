import io
import itertools
import random
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import recurra
from recurra.data import Ragged, Transcribed
from recurra.data.audio import read_sound
from recurra.errors import DataError, UsageError
from recurra.layers import LogMel, SpecAugment, Standardised
from recurra.report import draw_report
from recurra.tasks import hearing, recipes, transcribe
from recurra.tasks.evaluation import Evaluation
from recurra.tasks.options import Transcribe

soundfile = pytest.importorskip("soundfile")

RATE = 8000
PITCH = {"lo": 300, "mi": 900, "hi": 2500}
SMALL: dict[str, Any] = {"unit": "word", "hidden": 24, "layers": 1, "dropout": 0.0, "lr": 0.02, "bins": 12, "channels": 16}
SMALL |= {"batch": 8, "masks": 0, "engine": "torch"}


def sung(folder: Path, count: int) -> Path:
    """Recordings of one to four tones, each of them a word."""
    draw = random.Random(0)
    for k in range(count):
        words = draw.choices(sorted(PITCH), k=draw.randint(1, 4))
        parts = [np.zeros(draw.randint(300, 500))]
        for word in words:
            tone = np.sin(2 * np.pi * PITCH[word] * np.arange(draw.randint(700, 1100)) / RATE)
            parts += [0.3 * tone, np.zeros(draw.randint(300, 600))]
        soundfile.write(folder / f"{k}.wav", np.concatenate(parts), RATE)
        (folder / f"{k}.txt").write_text(" ".join(words))
    return folder


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sung(tmp_path_factory.mktemp("songs"), 60)


@pytest.fixture(scope="module")
def run(songs: Path, tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    options = recurra.Transcribe(**SMALL, steps=200, check=100, held_out=0.4)
    made: recurra.Run = options.fit(songs, out=tmp_path_factory.mktemp("runs") / "songs", show=False)
    return made


@pytest.fixture(scope="module")
def evaluation(run: recurra.Run) -> Evaluation:
    found: Evaluation = run.evaluate()
    return found


class TestEvaluate:
    def test_it_hears_what_is_sung(self, evaluation: Evaluation) -> None:
        figures = {figure.name: figure for figure in evaluation.figures}
        assert list(figures) == ["character error rate", "word error rate", "exact lines"]
        assert figures["word error rate"].value < 0.1
        naive = {name: value for name, value in figures["word error rate"].baselines.items() if "run" not in name}
        assert list(naive) == ["most frequent text", "text nearest to all", "recording most alike"]
        assert min(naive.values()) > 0.2

    def test_other_recordings_are_measured_as_they_are(self, run: recurra.Run, songs: Path, tmp_path: Path) -> None:
        for name in ("0.wav", "0.txt", "1.wav"):
            (tmp_path / name).write_bytes((songs / name).read_bytes())
        (tmp_path / "2.wav").write_text("no sound")
        (tmp_path / "2.txt").write_text("lo")
        found = run.evaluate(tmp_path)
        assert found.notes[0] == f"{tmp_path.name}: 1 of 3 recordings without a text: left out"
        assert "1 of 2 recordings left out, the first: " in found.notes[1]
        assert found.notes[2].startswith("1 text,")

    def test_the_recording_most_alike_is_the_nearest_by_its_frames(self) -> None:
        options, tone = Transcribe(rate=RATE, bins=12), np.sin(np.arange(4000))[:, None]
        hiss = np.random.default_rng(0).normal(size=(4000, 1))
        learnt = Transcribed("a", Ragged.of_vectors([tone, hiss, np.zeros((0, 1))], 1), ["tone", "hiss", "none"], [1, 2, 3])
        asked = Transcribed("b", Ragged.of_vectors([0.1 * hiss[:3000], 0.3 * tone[:3900]], 1), ["", ""], [1, 2])
        assert hearing.nearest(options, learnt, asked) == ["hiss", "tone"]


class TestPredict:
    def test_a_row_a_recording_and_what_cannot_be_read_in_its_own(self, run: recurra.Run, songs: Path, tmp_path: Path) -> None:
        (tmp_path / "a.wav").write_bytes((songs / "3.wav").read_bytes())
        (tmp_path / "b.wav").write_text("no sound")
        soundfile.write(tmp_path / "c.wav", np.zeros(50), RATE)
        good, bad, short = run.predict(tmp_path, beam=1)
        assert list(good) == ["file", "seconds", "problem", "rank", "text", "nats_per_symbol"]
        assert good["text"] == (songs / "3.txt").read_text()
        assert good["seconds"] == pytest.approx(soundfile.info(songs / "3.wav").duration, abs=1e-3)
        assert "no sound that can be read" in bad["problem"]
        assert (bad["text"], short["text"], short["problem"]) == ("", "", "")
        with pytest.raises(DataError, match="no sound that can be read"):
            list(run.predict(tmp_path / "b.wav"))

    def test_several_texts_of_one_recording(self, run: recurra.Run, songs: Path) -> None:
        rows = list(run.predict(songs / "3.wav", best=3))
        assert [row["rank"] for row in rows] == [1, 2, 3]
        assert len({row["text"] for row in rows}) == 3

    def test_without_sound_there_is_nothing_to_predict(self, run: recurra.Run) -> None:
        with pytest.raises(UsageError, match="predict wants sound"):
            run.predict()


class TestStreaming:
    @pytest.mark.parametrize("beam", [1, 4])
    def test_pieces_say_in_the_end_what_the_whole_says(self, run: recurra.Run, songs: Path, beam: int) -> None:
        for name in ("3.wav", "4.wav"):
            samples = read_sound(songs / name).samples
            [whole] = run.predict(songs / name, beam=beam)
            listener, place, before = run.stream(beam=beam), 0, ""
            for size in itertools.cycle((1, 700, 90, 2500)):
                text = listener.feed(samples[place : place + size])
                assert listener.certain.startswith(before)  # what is certain stays
                assert text.startswith(listener.certain)
                before, place = listener.certain, place + size
                if place >= len(samples):
                    break
            assert listener.finish() == whole["text"] == (songs / name.replace("wav", "txt")).read_text()

    def test_another_rate_is_brought_to_its_own(self, run: recurra.Run, songs: Path, tmp_path: Path) -> None:
        samples = read_sound(songs / "3.wav", 16000).samples
        soundfile.write(tmp_path / "fast.wav", samples, 16000, subtype="FLOAT")
        listener = run.stream(rate=16000, beam=1)
        for piece in np.array_split(samples, 7):
            listener.feed(piece)
        assert [listener.finish()] == [row["text"] for row in run.predict(tmp_path / "fast.wav", beam=1)]
        with pytest.raises(DataError, match="one channel"):
            listener.feed(np.zeros((9, 2)))

    def test_rows_while_a_file_or_raw_samples_come(
        self, run: recurra.Run, songs: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wanted = (songs / "3.txt").read_text()
        rows = list(run.predict(songs / "3.wav", chunk=0.1))
        assert [row["seconds"] for row in rows[:2]] == [0.1, 0.2]
        assert rows[-1]["text"] == wanted
        assert rows[0]["text"] == ""
        raw = (read_sound(songs / "3.wav").samples * 32767).astype("<i2").tobytes()
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(raw)))
        *_, last = run.predict("-", beam=1)
        assert (last["file"], last["text"]) == ("-", wanted)

    def test_who_reads_from_both_ends_cannot(self, songs: Path, tmp_path: Path) -> None:
        for name, words in (("both", {"bidirectional": True}), ("whole", {"normalise": "whole"}), ("map", {"front": "resnet"})):
            options = recurra.Transcribe(**SMALL | {"hidden": 8, "channels": 4}, steps=1, **words)
            made = options.fit(songs, out=tmp_path / name, show=False)
            [(option, value)] = words.items()
            with pytest.raises(UsageError, match=f"{option}={str(value).lower()}: the run reads whole sequences"):
                made.stream()

    def test_a_network_of_time_and_bands_hears_recordings_alone_as_among_others(self, songs: Path, tmp_path: Path) -> None:
        options = recurra.Transcribe(**SMALL | {"hidden": 8, "channels": 4}, steps=20, front="resnet")
        made = options.fit(songs, out=tmp_path / "run", show=False)
        every = {Path(row["file"]).name: row["nats_per_symbol"] for row in made.predict(songs, beam=1)}
        for name in ("3.wav", "4.wav"):
            [alone] = made.predict(songs / name, beam=1)
            assert alone["nats_per_symbol"] == pytest.approx(every[name], rel=1e-3, abs=1e-5)

    def test_who_attends_to_all_cannot(self, songs: Path, tmp_path: Path) -> None:
        words = SMALL | {"hidden": 8, "decoder": "attention"}
        made = recurra.Transcribe(**words, steps=1).fit(songs, out=tmp_path / "run", show=False)
        soundfile.write(tmp_path / "short.wav", np.zeros(50), RATE)
        [row] = made.predict(tmp_path / "short.wav")
        assert (row["text"], row["nats_per_symbol"]) == ("", 0)
        for asked in (made.stream, lambda: list(made.predict(songs / "3.wav", chunk=0.1))):
            with pytest.raises(UsageError, match="decoder=attention: the run writes once it has heard all"):
                asked()


class TestPlaced:
    def test_words_lie_where_their_tones_are(self, run: recurra.Run, evaluation: Evaluation) -> None:
        found = run.placed(3)
        assert len(found) == 3
        for one in found:
            assert " ".join(one.symbols) == one.wanted
            assert (one.unit, one.weights.shape[0]) == ("seconds", len(one.symbols))
            assert one.centres == sorted(one.centres)
            assert 0 < one.centres[0] < one.centres[-1] + 1e-9 < one.length
            assert one.looks.shape[1] == 12

    def test_they_are_in_the_report(self, run: recurra.Run, evaluation: Evaluation, tmp_path: Path) -> None:
        report = draw_report(run, tmp_path / "report")
        assert "Where it finds what it writes" in report.page.read_text()
        assert (report.folder / "placed-1.svg").exists()
        [first, *_] = report.figures["placed"]
        assert len(first["symbols"]) == len(first["centres"])


class TestSetup:
    def test_a_network_begins_with_the_statistics_of_the_data_and_keeps_them(self, run: recurra.Run) -> None:
        parts = hearing.read(Transcribe(**SMALL, rate=RATE, held_out=0.4), Path(run.source))[1]
        layer = LogMel(RATE, 12)
        rows = [layer(torch.from_numpy(parts.learnt.inputs.row(k))[None])[0][0] for k in range(len(parts.learnt))]
        [own] = [part for part in run.setup().model.modules() if isinstance(part, Standardised)]
        assert torch.allclose(own.mean, torch.cat(rows).mean(0), atol=1e-3)
        tensors = recurra.load(run.folder)
        assert tensors.options.rate == RATE  # that of the recordings, as nobody said one

    def test_augmentation_is_in_training_only_and_a_resumed_run_draws_the_same(self, songs: Path) -> None:
        options = Transcribe(**SMALL | {"masks": 2, "band": 3, "span": 4, "speeds": True}, steps=3, check=1)
        losses = []
        for _ in range(2):
            setup = transcribe.setup(options, songs)
            assert [part.band for part in setup.model.modules() if isinstance(part, SpecAugment)] == [3]
            losses.append([report.loss for report in recipes.train(options, setup, None)])
        assert losses[0] == losses[1]

    def test_what_cannot_be_is_refused(self, songs: Path) -> None:
        for words, told in (
            ({"rate": 10}, "rate=10: wanted at least 1000"),
            ({"rate": 11025, "speeds": True}, "a multiple of 10"),
            ({"masks": 1, "band": 50}, "band=50: wanted at most bins=40"),
            ({"front": "resnet", "stride": 3}, "front=resnet and stride=3: wanted 1, 2, 4 or 8"),
        ):
            with pytest.raises(UsageError, match=told):
                Transcribe(**words)
        with pytest.raises(DataError, match="nothing is left to learn from"):
            hearing.read(Transcribe(longest=0.01), songs)

    def test_by_default_numbers_are_dialled(self) -> None:
        options, parts = hearing.read(Transcribe(), None)
        assert options.rate == RATE
        assert [len(part) for part in (parts.learnt, parts.validation, parts.test)] == [540, 30, 30]
        assert "small, to try the task out" in parts.notes[0]
