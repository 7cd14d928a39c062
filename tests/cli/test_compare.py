import json
import shutil
import signal
from pathlib import Path

import pytest

from tests.cli.process import SMALL, begin, recurra

WORDS = [*SMALL[1:], "cell=elman,gru", "hidden=8", "steps=6", "check=3", "seeds=2"]


@pytest.fixture(scope="module")
def whole(book: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison; what it printed lies beside it."""
    folder = tmp_path_factory.mktemp("cli") / "cells"
    done = recurra("compare", "text", book, *WORDS, "--out", folder)
    assert not done.stderr
    (folder.parent / "printed").write_text(done.stdout)
    return folder


def test_what_is_shown(whole: Path) -> None:
    text = (whole.parent / "printed").read_text()
    assert text.startswith("training 1 of 4: elman, seed 0: ")
    assert "bits per character, state carried, lower is better: mean and 95 % interval over 2 seeds" in text
    assert text.index("Kneser-Ney 8-gram") < text.index("\nelman ")
    assert "10k steps" in text
    assert f"pictured in {whole}/comparison.svg" in text


def test_what_is_there(whole: Path) -> None:
    names = {"compare.json", "state.json", "trainings", "comparison.json", "comparison.svg"}
    assert {path.name for path in whole.iterdir()} - {".lock"} == names
    assert len(recurra("generate", whole / "trainings" / "gru" / "0", "length=10").stdout) == 11


def test_json_of_a_finished_one(whole: Path, book: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(whole, tmp_path / "cells")
    made = json.loads(recurra("compare", "text", book, *WORDS, "--json", "--out", folder).stdout)
    assert made == json.loads((whole / "comparison.json").read_text())


def test_bad_words(whole: Path, book: Path, tmp_path: Path) -> None:
    assert recurra("compare", "text", "hidden=8", code=2).stderr.startswith("recurra: nothing to compare; ")
    assert "budget=5: wanted a time" in recurra("compare", "text", "cell=elman,gru", "budget=5", code=2).stderr
    assert recurra("compare", "text", book, *WORDS, "lr=0.1", "--out", whole, code=2).stderr.count("\n") == 1
    recurra("compare", "text", tmp_path / "none.txt", *WORDS, "--out", tmp_path / "cells", code=3)


@pytest.mark.slow
def test_a_stop_and_the_rest_are_the_whole(whole: Path, book: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cells"
    process = begin("compare", "text", book, *WORDS, "--out", folder)
    assert process.stdout is not None
    process.stdout.readline()  # one training is done
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 75, errors
    assert errors.endswith("; the same command goes on\n")
    recurra("compare", "text", book, *WORDS, "--out", folder)
    told, before = (json.loads((each / "comparison.json").read_text()) for each in (folder, whole))
    assert [row["value"] for row in told["variants"]] == [row["value"] for row in before["variants"]]
    assert (folder / "trainings/gru/1/weights.safetensors").read_bytes() == (
        whole / "trainings/gru/1/weights.safetensors"
    ).read_bytes()
