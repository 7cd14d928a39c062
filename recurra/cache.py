"""Files that only save time: a private folder whose entries are checked when they are read, and may vanish at any moment.

The folder is ``$RECURRA_CACHE``, else ``$XDG_CACHE_HOME/recurra``, else ``~/.cache/recurra``; ``RECURRA_CACHE=`` turns it off.
Whatever goes wrong here (a full disk, a foreign folder, a damaged file) costs time, never a result.
"""

import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

__all__ = [
    "FEATURES_LIMIT",
    "LIMIT",
    "Entry",
    "Feature",
    "Folder",
    "clear",
    "clear_features",
    "entries",
    "features",
    "folder",
    "read",
    "trim",
    "write",
]

LIMIT = 200_000_000
"""Bytes that all entries together may have; those used longest ago go first."""

FEATURES_LIMIT = 2_000_000_000
"""Bytes that all files of tensors together may have, such as decoded sound; those used longest ago go first."""

MAGIC = b"recurra cache 1\n"
TEMPORARY = ".*.tmp"
ABANDONED = 3600  # seconds after which a half-written file belongs to nobody


class Folder(NamedTuple):
    """Where entries lie, and why none is kept there (empty: they are)."""

    path: Path | None
    off: str


class Entry(NamedTuple):
    """One file: its name, what it says of itself (nothing where it is damaged), its bytes on disk, when it was last used."""

    key: str
    header: Mapping[str, Any]
    bytes: int
    used: float


def folder(of: str = "engine") -> Folder:
    """The folder for entries of the engine, or others. It and the one above belong to this user alone, and are no links."""
    given = os.environ.get("RECURRA_CACHE")
    if given == "":
        return Folder(None, "RECURRA_CACHE is empty")
    try:
        root = Path(given).absolute() if given else _caches() / "recurra"
        path = root / of
        return Folder(path, _foreign(root) or _foreign(path))
    except (OSError, RuntimeError) as error:  # a name that cannot be, a user without a home
        return Folder(None, str(error))


def read(key: str) -> tuple[dict[str, Any], bytes] | None:
    """The header and the content that were written under a key; None where there is nothing sound."""
    place = folder()
    if place.path is None or place.off:
        return None
    try:
        with open(_path(place.path, key), "rb", opener=_without_following) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or _strange(status):
                return None
            text = file.read()
            with suppress(OSError):  # a disk that is only read
                os.utime(_path(place.path, key))
    except OSError:
        return None
    return _parsed(key, text)


def write(key: str, header: Mapping[str, Any], content: bytes = b"") -> None:
    """Keep `content` under a key, if that is possible; what lay there is replaced in one step."""
    place = folder()
    if place.path is None or place.off:
        return
    rest = json.dumps({**header, "key": key}).encode() + b"\n" + content
    temporary = None
    try:
        place.path.parent.mkdir(0o700, parents=True, exist_ok=True)
        place.path.mkdir(0o700, exist_ok=True)
        if folder().off:  # somebody else was quicker
            return
        handle, temporary = tempfile.mkstemp(".tmp", ".", place.path)
        with os.fdopen(handle, "wb") as file:  # not flushed to the disk: a torn file fails its checksum
            file.write(MAGIC + hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest)
        Path(temporary).replace(_path(place.path, key))
        trim(place.path, "*.entry", LIMIT)
    except OSError:
        return
    finally:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink(missing_ok=True)


def entries() -> Iterator[Entry]:
    """Every entry, the one used last first."""
    place = folder()
    if place.path is None or place.off:
        return
    for used, size, path in sorted(_files(place.path, "*.entry"), reverse=True):
        try:
            found = _parsed(path.stem, path.read_bytes())
        except OSError:
            continue
        yield Entry(path.stem, found[0] if found else {}, size, used)


def clear() -> int:
    """Remove every entry; how many there were."""
    return _clear(folder(), "*.entry")


class Feature(NamedTuple):
    """One file of tensors: its key, its bytes on disk, when it was last used."""

    key: str
    bytes: int
    used: float


def features() -> list[Feature]:
    """Every file that is kept, the one used last first.

    Example:
        >>> all(feature.bytes > 0 for feature in features())
        True
    """
    place = folder("features")
    found = [] if place.off or place.path is None else _files(place.path, "*.safetensors")
    return [Feature(path.stem, size, used) for used, size, path in sorted(found, reverse=True)]


def clear_features() -> int:
    """Remove every file of tensors; how many there were."""
    return _clear(folder("features"), "*.safetensors")


def trim(place: Path, pattern: str, limit: int) -> None:
    """Remove the files used longest ago, until all together have at most `limit` bytes, and what was left half-written."""
    for used, _, path in _files(place, TEMPORARY):
        if used < time.time() - ABANDONED:
            path.unlink(missing_ok=True)
    found = sorted(_files(place, pattern))
    total = sum(size for _, size, _ in found)
    for _, size, path in found:
        if total <= limit:
            return
        path.unlink(missing_ok=True)
        total -= size


def _clear(place: Folder, pattern: str) -> int:
    if place.off or place.path is None:
        return 0
    for _, _, path in _files(place.path, TEMPORARY):
        path.unlink(missing_ok=True)
    found = list(_files(place.path, pattern))
    for _, _, path in found:
        path.unlink(missing_ok=True)
    return len(found)


def _caches() -> Path:
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".cache"


def _path(place: Path, key: str) -> Path:
    return place / f"{key}.entry"


def _foreign(path: Path) -> str:
    """Why a folder is not this user's own; empty where it is, or is not there yet."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return ""
    if stat.S_ISLNK(status.st_mode):
        return f"{path} is a symbolic link; wanted the folder itself"
    if not stat.S_ISDIR(status.st_mode):
        return f"{path} is no folder; wanted one of your own, mode 700"
    if _strange(status):
        return f"{path} belongs to another user; wanted one of your own, mode 700"
    if os.name == "posix" and status.st_mode & 0o077:
        return f"{path} is open to others (mode {stat.S_IMODE(status.st_mode):o}); wanted one of your own, mode 700"
    return ""


def _strange(status: os.stat_result) -> bool:
    return os.name == "posix" and status.st_uid != os.geteuid()


def _without_following(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def _parsed(key: str, text: bytes) -> tuple[dict[str, Any], bytes] | None:
    start = len(MAGIC) + 65
    if text[:start] != MAGIC + hashlib.sha256(text[start:]).hexdigest().encode() + b"\n":
        return None
    header, _, content = text[start:].partition(b"\n")
    try:
        told = json.loads(header)
    except ValueError:
        return None
    return (told, content) if isinstance(told, dict) and told.get("key") == key else None


def _files(place: Path, pattern: str) -> Iterator[tuple[float, int, Path]]:
    """When each was last used, its size, its path."""
    for path in place.glob(pattern):
        with suppress(FileNotFoundError):  # another process removed it
            status = path.lstat()
            yield status.st_mtime, status.st_size, path
