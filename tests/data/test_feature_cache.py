import os
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from recurra.data.feature_cache import kept


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECURRA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


def made(value: float, about: Mapping[str, object] | None = None, limit: int = 10_000) -> tuple[dict[str, Tensor], bool]:
    """What is found under a key of this value, and whether it had to be made."""
    calls = list[bool]()

    def make() -> dict[str, Tensor]:
        calls.append(True)
        return {"x": torch.full((250,), value)}

    return kept(about or {"value": value}, make, limit), bool(calls)


def test_it_is_made_once_and_then_found(folder: Path) -> None:
    first, fresh = made(1.0)
    again, anew = made(1.0)
    assert (fresh, anew) == (True, False)
    assert torch.equal(first["x"], again["x"])
    assert made(2.0)[1]  # another key
    assert not list(folder.glob(".*"))
    assert folder.stat().st_mode & 0o777 == 0o700


def test_those_used_longest_ago_go_first(folder: Path) -> None:
    for value in range(3):
        made(float(value), limit=3000)
        for path in folder.iterdir():
            os.utime(path, (0, path.stat().st_mtime - 100))
        if value == 1:
            made(0.0, limit=3000)  # used again
    assert [made(float(value), limit=10_000)[1] for value in range(3)] == [False, True, False]


def test_what_is_damaged_or_too_large_or_off_is_made_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(1.0)
    [path] = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-7])
    found, fresh = made(1.0)
    assert fresh
    assert found["x"][0] == 1
    assert not made(1.0)[1]
    made(5.0, limit=10)
    assert len(list(folder.iterdir())) == 1
    folder.chmod(0o755)  # open to others: nothing is read from there
    assert made(1.0)[1]
    monkeypatch.setenv("RECURRA_CACHE", "")
    assert made(1.0)[1]
