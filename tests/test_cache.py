"""The folder of entries: private, checked, bounded; whatever is wrong with it costs time, never a result."""

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from recurra import cache

KEY, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own; the folder of its entries, not there yet."""
    monkeypatch.setenv("RECURRA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "engine"


def file(place: Path, key: str = KEY) -> Path:
    return place / f"{key}.entry"


def test_what_is_written_is_read(place: Path) -> None:
    assert cache.read(KEY) is None
    cache.write(KEY, {"cell": "GRU()"}, b"\x00\n\xff")
    assert cache.read(KEY) == ({"cell": "GRU()", "key": KEY}, b"\x00\n\xff")
    assert cache.read(OTHER) is None
    cache.write(KEY, {}, b"new")
    assert cache.read(KEY) == ({"key": KEY}, b"new")


def test_nothing_is_made_before_something_is_kept(place: Path) -> None:
    assert cache.folder() == (place, "")
    assert list(cache.entries()) == []
    assert not place.parent.exists()


def test_it_is_private(place: Path) -> None:
    before = os.umask(0)
    try:
        cache.write(KEY, {})
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in (place.parent, place, file(place))] == [0o700, 0o700, 0o600]
    assert [path.name for path in place.iterdir()] == [f"{KEY}.entry"]


def test_an_entry_that_changed_is_not_read(place: Path) -> None:
    cache.write(KEY, {"cell": "GRU()"}, b"code")
    sound = file(place).read_bytes()
    for number in range(len(sound)):
        file(place).write_bytes(sound[:number] + bytes([sound[number] ^ 1]) + sound[number + 1 :])
        assert cache.read(KEY) is None
        file(place).write_bytes(sound[:number])
        assert cache.read(KEY) is None
    file(place).write_bytes(sound + b"x")
    assert cache.read(KEY) is None
    cache.write(KEY, {}, b"code")
    assert cache.read(KEY) is not None


def test_an_entry_answers_to_its_own_key(place: Path) -> None:
    cache.write(KEY, {}, b"code")
    file(place).rename(file(place, OTHER))
    assert cache.read(OTHER) is None


@pytest.mark.skipif(os.name != "posix", reason="links and owners are POSIX's")
class TestForeign:
    """What does not belong to this user alone is neither read nor written."""

    @staticmethod
    def open_to_others(place: Path) -> None:
        place.chmod(0o755)

    @staticmethod
    def open_above(place: Path) -> None:
        place.parent.chmod(0o770)

    @staticmethod
    def link(place: Path) -> None:
        place.rename(place.with_name("elsewhere"))
        place.symlink_to(place.with_name("elsewhere"))

    @staticmethod
    def link_above(place: Path) -> None:
        root = place.parent
        root.rename(root.with_name("elsewhere"))
        root.symlink_to(root.with_name("elsewhere"))

    @staticmethod
    def plain_file(place: Path) -> None:
        file(place).unlink()
        place.rmdir()
        place.write_bytes(b"")

    @pytest.mark.parametrize(
        ("spoil", "reason"),
        [
            (open_to_others, "engine is open to others (mode 755)"),
            (open_above, "cache is open to others (mode 770)"),
            (link, "engine is a symbolic link"),
            (link_above, "cache is a symbolic link"),
            (plain_file, "engine is no folder"),
        ],
    )
    def test_folders(self, spoil: Callable[[Path], None], reason: str, place: Path) -> None:
        cache.write(KEY, {}, b"code")
        spoil(place)
        assert reason in cache.folder().off
        assert cache.read(KEY) is None
        cache.write(OTHER, {})
        assert not file(place, OTHER).exists()
        assert list(cache.entries()) == []
        assert cache.clear() == 0

    def test_another_user(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        cache.write(KEY, {}, b"code")
        monkeypatch.setattr(os, "geteuid", lambda: place.stat().st_uid + 1)
        assert "belongs to another user" in cache.folder().off
        assert cache.read(KEY) is None

    def test_entries(self, place: Path) -> None:
        cache.write(KEY, {}, b"code")
        file(place).rename(place / "moved")
        file(place).symlink_to(place / "moved")
        assert cache.read(KEY) is None
        file(place).unlink()
        os.mkfifo(file(place))
        assert cache.read(KEY) is None
        file(place).unlink()
        file(place).mkdir()
        assert cache.read(KEY) is None
        cache.write(KEY, {})  # cannot be replaced, and nobody is told
        assert sorted(path.name for path in place.iterdir()) == [f"{KEY}.entry", "moved"]


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EACCES])
@pytest.mark.parametrize("name", ["os.mkdir", "tempfile.mkstemp", "os.replace"])
def test_a_disk_that_takes_nothing(name: str, code: int, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("os.rename" if name == "os.replace" else name, refuse)
    monkeypatch.setattr(name, refuse)
    cache.write(KEY, {})
    assert cache.read(KEY) is None
    assert not place.exists() or list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({"RECURRA_CACHE": "here/below"}, "here/below/engine"),
        ({"XDG_CACHE_HOME": "{cwd}/xdg"}, "xdg/recurra/engine"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "{cwd}/home"}, "home/.cache/recurra/engine"),
        ({"XDG_CACHE_HOME": "", "HOME": "{cwd}/home"}, "home/.cache/recurra/engine"),
        ({"RECURRA_CACHE": ""}, None),
    ],
)
def test_where_it_is(environment: dict[str, str], wanted: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("RECURRA_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(cwd=tmp_path))
    assert cache.folder() == ((tmp_path / wanted, "") if wanted else (None, "RECURRA_CACHE is empty"))


def test_a_folder_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECURRA_CACHE", "/dev/null/below")
    assert "Not a directory" in cache.folder().off
    cache.write(KEY, {})
    assert cache.read(KEY) is None


def test_what_was_used_longest_ago_goes_first(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        cache.write(str(number), {}, bytes(1000))
        os.utime(file(place, str(number)), (1000 + number, 1000 + number))
    assert cache.read("0") is not None  # and so is young again
    assert [entry.key for entry in cache.entries()] == ["0", "3", "2", "1"]
    monkeypatch.setattr(cache, "LIMIT", 4000)
    cache.write("4", {}, bytes(1000))
    assert {entry.key for entry in cache.entries()} == {"0", "3", "4"}


def test_half_written_files_of_the_dead_go(place: Path) -> None:
    cache.write(KEY, {})
    for name, age in {".dead.tmp": 7200, ".alive.tmp": 5}.items():
        (place / name).write_bytes(b"half")
        os.utime(place / name, (time.time() - age,) * 2)
    cache.write(OTHER, {})
    assert sorted(path.name for path in place.iterdir()) == [".alive.tmp", f"{KEY}.entry", f"{OTHER}.entry"]


def test_entries_and_clearing(place: Path) -> None:
    cache.write(KEY, {"cell": "GRU()"}, b"code")
    cache.write(OTHER, {})
    file(place, OTHER).write_bytes(b"damaged")
    (place / "notes.txt").write_text("somebody's own")
    told = {entry.key: (entry.header.get("cell"), entry.bytes) for entry in cache.entries()}
    assert told == {KEY: ("GRU()", file(place).stat().st_size), OTHER: (None, 7)}
    assert cache.clear() == 2
    assert [path.name for path in place.iterdir()] == ["notes.txt"]
