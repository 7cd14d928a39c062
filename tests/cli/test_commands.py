import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from recurra.cells import CELLS
from recurra.train.guard import locked
from tests.cli.process import RECURRA, SMALL, begin, recurra

LONG = [*SMALL, "dropout=0.3", "steps=300", "check=20"]


@pytest.fixture(scope="module")
def run(book: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run made by the command; the lines that it printed lie beside it."""
    folder = tmp_path_factory.mktemp("cli") / "run"
    done = recurra("train", "text", book, *LONG, "--out", folder)
    (folder.parent / "printed").write_text(done.stdout)
    assert done.stderr == ""
    return folder


def weights(folder: Path) -> bytes:
    return (folder / "weights.safetensors").read_bytes()


def lines(folder: Path) -> list[dict[str, object]]:
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: line[name] for name in ("step", "loss", "metrics", "norm", "clipped", "best", "sample")} for line in log]


class TestTrain:
    def test_what_is_shown(self, run: Path) -> None:
        text = (run.parent / "printed").read_text()
        assert text.split()[:3] == ["step", "loss", "bits/character"]
        assert "Kneser-Ney 8-gram" in text
        assert f"recurra generate {run} " in text
        assert f"recurra predict {run} FILE" in text

    def test_what_is_there(self, run: Path) -> None:
        assert {path.name for path in run.iterdir()} - {".lock"} == {
            "run.json",
            "vocabulary.json",
            "weights.safetensors",
            "log.jsonl",
            "evaluation.json",
            "checkpoints",
            "curve.svg",
        }
        assert len(list((run / "checkpoints").iterdir())) == 3


class TestResume:
    @pytest.mark.slow
    def test_a_stop_and_the_rest_are_the_whole(self, run: Path, book: Path, tmp_path: Path) -> None:
        folder = tmp_path / "stopped"
        process = begin("train", "text", book, *LONG, "--out", folder)
        assert process.stdout is not None
        process.stdout.readline()  # the heading: the first look is done
        process.stdout.readline()
        process.terminate()
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 75, errors
        assert errors.startswith("recurra: stopped at step ")
        assert errors.endswith(f" of 300; go on with: recurra resume {folder}\n")
        assert not (folder / "evaluation.json").exists()
        recurra("resume", folder)
        assert weights(folder) == weights(run)
        assert lines(folder) == lines(run)
        assert (folder / "evaluation.json").read_bytes() == (run / "evaluation.json").read_bytes()

    @pytest.mark.slow
    def test_kills_and_the_rest_are_the_whole(self, run: Path, book: Path, tmp_path: Path) -> None:
        folder, chance = tmp_path / "killed", random.Random(0)
        command: list[str | Path] = ["train", "text", book, *LONG, "--out", folder]
        for _ in range(2):
            process = begin(*command)
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.readline()
            time.sleep(chance.uniform(0, 0.3))
            process.kill()
            process.communicate(timeout=60)
            assert process.returncode == -signal.SIGKILL
            command = ["resume", folder]
        recurra("resume", folder)
        assert weights(folder) == weights(run)
        assert lines(folder) == lines(run)
        assert not list(folder.rglob("*.tmp"))

    def test_two_at_once(self, run: Path) -> None:
        with locked(run):
            errors = recurra("resume", run, code=8).stderr
        assert f"recurra: {run}: process {os.getpid()} on " in errors
        assert errors.endswith(" trains here; wait for it, or train into another folder\n")


class TestEvaluate:
    def test_a_table(self, run: Path) -> None:
        text = recurra("evaluate", run).stdout
        assert "this run" in text
        assert "unigram" in text
        assert "95 % interval" in text

    def test_json(self, run: Path, book: Path) -> None:
        made = json.loads(recurra("evaluate", run, "--json").stdout)
        assert made == json.loads((run / "evaluation.json").read_text())
        other = json.loads(recurra("evaluate", run, book, "--json").stdout)
        assert other["data"] == str(book)
        assert set(other["metrics"]["bits per character, state carried"]) == {"value", "interval", "baselines"}

    def test_weights_in_fewer_bytes(self, run: Path) -> None:
        assert "int8 weights change it by " in recurra("evaluate", run, "weights=int8").stdout
        made = json.loads(recurra("evaluate", run, "weights=bfloat16", "--json").stdout)
        full = json.loads((run / "evaluation.json").read_text())
        for name, metric in made["metrics"].items():
            assert metric["weights"]["held"] == "bfloat16"
            assert metric["weights"]["full"] == full["metrics"][name]["value"]
            assert metric["value"] != metric["weights"]["full"]


class TestPredict:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "lines.txt"
        path.write_text("once the cat sat\n\nxyz\n")
        return path

    def test_columns(self, run: Path, file: Path) -> None:
        heading, *rows = [line.split("\t") for line in recurra("predict", run, file).stdout.splitlines()]
        assert heading == ["line", "bits_per_character", "characters", "unknown"]
        assert [row[0] for row in rows] == ["1", "2", "3"]
        assert float(rows[0][1]) < float(rows[2][1])
        assert rows[1][1] == ""

    def test_json_into_a_file(self, run: Path, file: Path, tmp_path: Path) -> None:
        assert recurra("predict", run, file, "--json", "--out", tmp_path / "out").stdout == ""
        rows = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
        assert [row["line"] for row in rows] == [1, 2, 3]
        assert rows[1]["bits_per_character"] is None


class TestGenerate:
    def test_text(self, run: Path) -> None:
        text = recurra("generate", run, "prompt=once ", "length=50", "seed=3").stdout
        assert text.startswith("once ")
        assert len(text) == 56

    def test_weights_in_fewer_bytes(self, run: Path) -> None:
        assert len(recurra("generate", run, "length=20", "weights=int8").stdout) == 21

    def test_a_reader_that_goes_away(self, run: Path) -> None:
        command = " ".join([*RECURRA, "generate", str(run), "length=100000", "|", "head", "-c", "20"])
        done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=True)
        assert len(done.stdout) == 20
        assert done.stderr == ""

    def test_a_terminal_that_lacks_letters(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("日本語 " * 200)
        plain = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
        shown = recurra("train", "text", "a.txt", *SMALL, "steps=2", cwd=tmp_path, env=plain).stdout
        assert shown.isascii()
        assert shown.count("?") > 20  # of the sample
        assert (tmp_path / "runs" / "text-1" / "run.json").exists()


class TestLists:
    def test_tasks(self) -> None:
        assert "text" in recurra("tasks").stdout

    def test_cells(self) -> None:
        text = recurra("cells", "--size", "10").stdout
        assert all(f"\n{name} " in text for name in CELLS)
        assert " 880 " in text  # parameters of an LSTM, 10 to 10, with two biases
