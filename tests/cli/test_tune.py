import json
import shutil
import signal
from pathlib import Path

import pytest

from tests.cli.process import SMALL, begin, recurra

pytest.importorskip("optuna")

WORDS = [*SMALL[1:], "cell=gru", "hidden=4..64", "lr=1e-4..1e-1", "steps=20", "check=2", "trials=6"]


@pytest.fixture(scope="module")
def whole(book: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search; what it printed lies beside it."""
    folder = tmp_path_factory.mktemp("cli") / "search"
    (folder.parent / "printed").write_text(recurra("tune", "text", book, *WORDS, "--out", folder).stdout)
    return folder


def test_what_is_shown(whole: Path, book: Path) -> None:
    text = (whole.parent / "printed").read_text()
    assert text.startswith("trial 1 of 6: hidden=")
    assert "Kneser-Ney 8-gram" in text
    assert "what mattered: " in text
    assert f"recurra evaluate {whole}/best DATA" in text
    assert f"recurra train text {book} layers=1" in text.replace(" embedding=8", "")


def test_what_is_there(whole: Path) -> None:
    names = {"tune.json", "journal.jsonl", "trials", "trials.json", "best", "tuning.svg"}
    assert {path.name for path in whole.iterdir()} - {".lock"} == names
    assert (whole / "best" / "curve.svg").exists()
    assert len(recurra("generate", whole / "best", "length=10").stdout) == 11


def test_json(whole: Path, book: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(whole, tmp_path / "search")
    made = json.loads(recurra("tune", "text", book, *WORDS, "--json", "--out", folder).stdout)
    assert made == json.loads((whole / "trials.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_stop_and_the_rest_are_the_whole(end: signal.Signals, whole: Path, book: Path, tmp_path: Path) -> None:
    folder = tmp_path / "search"
    process = begin("tune", "text", book, *WORDS, "--out", folder)
    assert process.stdout is not None
    process.stdout.readline()  # one trial is done
    process.send_signal(end)
    _, errors = process.communicate(timeout=60)
    if end == signal.SIGTERM:
        assert process.returncode == 75, errors
        assert errors.endswith("; the same command goes on\n")
    recurra("tune", "text", book, *WORDS, "--out", folder)
    assert json.loads((folder / "trials.json").read_text()) == json.loads((whole / "trials.json").read_text())
    assert (folder / "best" / "weights.safetensors").read_bytes() == (whole / "best" / "weights.safetensors").read_bytes()
