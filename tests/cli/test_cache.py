import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from recurra import cache as disk
from recurra.data import feature_cache
from tests.cli.process import recurra

HEADERS: list[dict[str, Any]] = [
    {"kind": "graphs", "cell": "GRU()", "graphs": [1, 2]},
    {"kind": "code", "cell": "Mine(name='[red]')", "numbers": "float32", "weights": "int8", "isa": "avx2"},
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with two sound entries and a damaged one; the folder of its entries."""
    monkeypatch.setenv("RECURRA_CACHE", str(tmp_path / "cache"))
    for number, header in enumerate([*HEADERS, {}]):
        disk.write(str(number), header, bytes(1000))
        os.utime(tmp_path / "cache" / "engine" / f"{number}.entry", (time.time() - 7300 * number,) * 2)
    (tmp_path / "cache" / "engine" / "2.entry").write_bytes(b"damaged")
    return tmp_path / "cache" / "engine"


def test_the_table(place: Path) -> None:
    lines = [line.split() for line in recurra("cache").stdout.splitlines()]
    sizes = [f"{(place / f'{number}.entry').stat().st_size:,}" for number in range(3)]
    assert lines[0] == ["cell", "what", "numbers", "weights", "target", "bytes", "last", "used"]
    assert lines[1] == ["any", "damaged", "7", "just", "now"]
    assert lines[2] == ["GRU()", "graphs", sizes[0], "just", "now"]
    assert lines[3] == ["Mine(name='[red]')", "code", "float32", "int8", "avx2", sizes[1], "2", "hours", "ago"]
    total = sum(path.stat().st_size for path in place.iterdir())
    assert lines[5] == [f"{place}:", *f"entries 3, bytes {total:,} of at most 200,000,000".split()]
    assert lines[6] == [f"{place.with_name('features')}:", "files", "0,", "bytes", "0", "of", "at", "most", "2,000,000,000"]


def test_json(place: Path) -> None:
    told = json.loads(recurra("cache", "--json").stdout)
    assert (told["folder"], told["off"], told["limit"]) == (str(place), "", 200_000_000)
    assert told["bytes"] == sum(path.stat().st_size for path in place.iterdir())
    first, *_ = [entry for entry in told["entries"] if entry["kind"] == "code"]
    assert {name: first[name] for name in HEADERS[1]} == HEADERS[1]
    assert first["bytes"] == (place / "1.entry").stat().st_size
    assert abs(time.time() - 7300 - first["used"]) < 600
    assert [entry["kind"] for entry in told["entries"]] == ["damaged", "graphs", "code"]


def test_clearing(place: Path) -> None:
    sounds = place.with_name("features")
    feature_cache.kept({"data": "a"}, lambda: {"samples": torch.zeros(250)})
    told = json.loads(recurra("cache", "--json").stdout)["features"]
    [path] = sounds.iterdir()
    assert (told["folder"], told["bytes"], told["files"][0]["key"]) == (str(sounds), path.stat().st_size, path.stem)
    assert f"{sounds}: files 1, bytes {told['bytes']:,} of at most 2,000,000,000, last used just now" in recurra("cache").stdout
    assert recurra("cache", "--clear").stdout == f"{place}: entries removed 3\n{sounds}: files removed 1\n"
    assert [*place.iterdir(), *sounds.iterdir()] == []
    assert json.loads(recurra("cache", "--clear", "--json").stdout) == {"removed": 0, "features_removed": 0}


def test_why_it_is_off(place: Path) -> None:
    assert recurra("cache", env={"RECURRA_CACHE": ""}).stdout == "Nothing is kept on disk: RECURRA_CACHE is empty\n"
    place.chmod(0o755)
    said = f"{place} is open to others (mode 755); wanted one of your own, mode 700"
    for words in (["cache"], ["cache", "--clear"]):
        assert recurra(*words).stdout == f"Nothing is kept on disk: {said}\n"
    assert json.loads(recurra("cache", "--json").stdout)["off"] == said
    assert len(list(place.iterdir())) == 3


def test_what_a_layer_leaves_is_shown(tmp_path: Path) -> None:
    code = "import torch, recurra; recurra.GRU(3, 5)(torch.zeros(2, 20, 3))"
    environment = os.environ | {"RECURRA_CACHE": str(tmp_path / "cache"), "RECURRA_ENGINE": "sweep"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    told = json.loads(recurra("cache", "--json", env=environment).stdout)
    assert {(entry["cell"], entry["kind"], entry["numbers"]) for entry in told["entries"]} == {
        ("GRU()", "graphs", ""),
        ("GRU()", "code", "float32"),
    }
