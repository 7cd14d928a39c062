import json
from pathlib import Path

import pytest

from tests.cli.process import recurra

TINY = ["cells=gru", "parts=shapes", "shapes=2x17x4", "threads=1", "quick=true"]


@pytest.mark.slow
def test_lines_then_the_goals(tmp_path: Path) -> None:
    done = recurra("bench", *TINY, "--out", tmp_path / "out")
    first, *_ = done.stdout.splitlines()
    assert first.startswith("shapes: gru (2, 17, 4) training, 1 thread: ")
    assert "Goals, and what this run reached" in done.stdout
    assert "gru, training: geometric mean over torch.nn" in done.stdout
    assert "not measured" in done.stdout
    assert f"The page of this run is {tmp_path / 'out' / 'bench.md'}" in done.stdout
    assert (tmp_path / "out" / "bench.md").exists()
    assert done.stderr == ""


@pytest.mark.slow
def test_json_alone() -> None:
    table = json.loads(recurra("bench", *TINY, "--json").stdout)
    assert [measure["way"] for measure in table["measures"]] == ["training", "inference"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cells=gro"], "recurra: cells=gro: no 'gro'; did you mean gru?"),
        (["book.txt"], "recurra: book.txt: bench takes no data; options are name=value"),
        (["sizes=3"], "recurra: sizes: no such option of Bench; "),
    ],
)
def test_words_that_are_refused(words: list[str], message: str) -> None:
    assert recurra("bench", *words, code=2).stderr.startswith(message)
