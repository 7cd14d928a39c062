"""Files, and members of archives as if they were files: nothing is unpacked to the disk."""

import io
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from recurra.errors import DataError

__all__ = ["ARCHIVES", "Place", "archive_names", "contents", "is_archive"]

ARCHIVES = (".tar", ".tar.gz", ".tgz")
"""What the names of archives end in."""
BYTES = 1_000_000_000  # of a member, which is held whole


class Place(NamedTuple):
    """Where something lies: a file, or a member of an archive."""

    file: Path
    member: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.member}" if self.member else str(self.file)

    @property
    def stem(self) -> str:
        """The name without folders and ending."""
        return PurePosixPath(self.member or self.file.as_posix()).stem


def contents(places: Sequence[Place]) -> Iterator[tuple[int, Path | bytes]]:
    """Which of the places each is, and its file, or what is in it where it lies in an archive, which is read once in its order.

    Raises:
        DataError: an archive that cannot be read, or with a member above a gigabyte.
    """
    members: dict[Path, dict[str, list[int]]] = {}
    for k, place in enumerate(places):
        if place.member:
            members.setdefault(place.file, {}).setdefault(place.member, []).append(k)
        else:
            yield k, place.file
    for file, wanted in members.items():
        for name, content in _members(file, wanted.keys()):
            for k in wanted[name]:
                yield k, content


def is_archive(path: Path) -> bool:
    """Whether a name is one of an archive."""
    return path.name.lower().endswith(ARCHIVES)


def archive_names(file: Path) -> list[str]:
    """The members of an archive that are files."""
    with _archive(file) as archive:
        return [member.name for member in archive if member.isfile()]


def _members(file: Path, wanted: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    left = set(wanted)
    with _archive(file) as archive:
        for member in archive:
            if member.isfile() and member.name in left:
                if member.size > BYTES:
                    raise DataError(f"{file}:{member.name}: {member.size:,} bytes; wanted at most {BYTES:,} in an archive")
                content = archive.extractfile(member)
                assert content is not None
                left.remove(member.name)
                yield member.name, content.read()
            if not left:
                return
    if left:
        raise DataError(f"{file}: no {min(left)} in it any more")


@contextmanager
def _archive(file: Path) -> Iterator[tarfile.TarFile]:
    """An archive whose members come one after the other; nothing of it is written anywhere."""
    try:
        with file.open("rb") as raw, tarfile.open(fileobj=io.BufferedReader(raw), mode="r|*") as archive:
            yield archive
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(f"{file}: no archive that can be read ({reason}); wanted .tar or .tar.gz, whole") from None
