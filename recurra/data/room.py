"""Whether a table fits into memory, told before it is read."""

import os
from pathlib import Path

from recurra.data.counts import told_count
from recurra.errors import DataError

__all__ = ["fits", "room"]

ROW, COLUMN = 160, 40
"""Bytes that a row, and each of its columns but the first, take at most at one time: read, put in order, and as windows."""

MEMORY = Path("/proc/meminfo")
CONTAINER = Path("/sys/fs/cgroup")


def fits(source: str, rows: int, columns: int) -> None:
    """`DataError` where so many rows and columns need more memory than there is."""
    need, free = rows * (ROW + COLUMN * (columns - 1)), room()
    if free is not None and need > free:
        size = f"{told_count(rows, 'row')} of {told_count(columns, 'column')} in use take about {_told(need)} of memory"
        raise DataError(f"{source}: {size}, {_told(free)} are free; wanted fewer rows, fewer columns, or more memory")


def room() -> int | None:
    """Bytes of memory that are free, in the container where it is in one; None where nobody can tell."""
    found = []
    try:
        lines = dict(line.split(":") for line in MEMORY.read_text().splitlines())
        found.append(int(lines["MemAvailable"].split()[0]) * 1024)
    except (OSError, KeyError, ValueError):
        if "SC_AVPHYS_PAGES" in getattr(os, "sysconf_names", {}):
            found.append(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    try:
        most, used = (int((CONTAINER / name).read_text()) for name in ("memory.max", "memory.current"))
        told = dict(line.split() for line in (CONTAINER / "memory.stat").read_text().splitlines())
        files = sum(int(told.get(name, 0)) for name in ("active_file", "inactive_file"))  # which are given back if asked
        found.append(most - used + files)
    except (OSError, ValueError):
        pass  # no container, or none with a limit
    return min(found, default=None)


def _told(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB"
