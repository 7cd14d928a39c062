import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import machine
from benchmarks.quality import laws
from benchmarks.quality.laws import OTHERS, section, subject
from recurra.cells import JANET, ProjectedLSTM
from recurra.layers import FAMILY
from tests.laws.cases import ALL
from tests.laws.test_parity import TWINS

BROKEN = """
import pytest

@pytest.mark.parametrize("name", ["gru", "tanh"])
@pytest.mark.parametrize("how", ["whole", "ragged", "torch"])
def test_twin(name: str, how: str) -> None:
    if how == "torch":
        pytest.skip("not its cell")
    assert (name, how) != ("gru", "ragged")
"""


def test_subjects() -> None:
    assert {subject({"case": case}) for case in ALL} == {*FAMILY, OTHERS}
    assert [subject({"name": name}) for name in TWINS] == ["elman", "elman-relu", "lstm", "gru", "lstm-projected"]
    assert subject({"cell": ProjectedLSTM(), "engine": None}) == "lstm-projected"
    assert subject({"cell": JANET(beta=0.3)}) == OTHERS  # not as the family has it


def test_outcomes_are_counted_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two laws one is broken for the GRU; a process of its own, as pytest is not made to run inside itself."""
    (tmp_path / "test_broken.py").write_text(BROKEN)
    (tmp_path / "pytest.ini").write_text("[pytest]")
    lines = [
        "import pathlib, sys",
        "from benchmarks import machine",
        "from benchmarks.quality import laws",
        f"machine.RESULTS, laws.ROOT = pathlib.Path({str(tmp_path)!r}), pathlib.Path({str(tmp_path)!r})",
        "laws.FOLDERS = ('test_broken.py',)",
        "laws._says = lambda file: 'A twin is a twin.'",
        "sys.exit(laws.main())",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, check=False, text=True)
    assert done.returncode == 1, done.stderr
    result: dict[str, Any] = json.loads((tmp_path / "laws.json").read_text())
    law, skipped = "test_broken.py::test_twin", {"skipped": 1, "why": ["not its cell"]}
    assert result["laws"] == {"elman": {law: {"passed": 2, **skipped}}, "gru": {law: {"passed": 1, "failed": 1, **skipped}}}
    told = section(result).splitlines()
    assert "- A twin is a twin." in told
    assert "| elman | 1 of 1 | 2 of 3 | 1: not its cell |" in told
    assert "| gru | 0 of 1 | 1 of 3 | 1: not its cell |" in told
    assert f"- gru: `{law}`" in told


def test_what_is_kept_is_of_the_whole_family() -> None:
    kept = json.loads((machine.RESULTS / f"{laws.NAME}.json").read_text())["laws"]
    assert list(kept) == [*FAMILY, OTHERS]
