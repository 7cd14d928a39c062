"""How much memory is free, as the system and the container tell."""

import os
from pathlib import Path

import pytest

from recurra.data import room


def test_this_machine() -> None:
    assert 0 < (room.room() or 0) < 2**50


def test_a_container_has_less(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 900 kB\nMemAvailable: 800 kB\n")
    monkeypatch.setattr(room, "MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(room, "CONTAINER", tmp_path)
    assert room.room() == 800 * 1024
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("900\n")
    (tmp_path / "memory.stat").write_text("anon 100\ninactive_file 300\nactive_file 200\n")
    assert room.room() == 1000 - 900 + 500  # what files take is given back if asked
    (tmp_path / "memory.max").write_text("max\n")
    assert room.room() == 800 * 1024


def test_nobody_can_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(room, "MEMORY", tmp_path / "none")
    monkeypatch.setattr(room, "CONTAINER", tmp_path)
    monkeypatch.setattr(os, "sysconf_names", {})
    assert room.room() is None
    room.fits("any", 10**15, 3)
