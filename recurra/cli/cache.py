"""The command `recurra cache`: what the engine keeps on disk."""

import json
import time
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from recurra import cache as disk
from recurra.tasks.console import terminal

__all__ = ["cache"]

UNITS = [(86_400, "days"), (3600, "hours"), (60, "minutes")]


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="remove every entry")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
) -> None:
    """Show what the engine keeps on disk, or remove it: traced and compiled cells, which the next process then has at once."""
    place = disk.folder()
    if place.off and not as_json:
        print(f"Nothing is kept on disk: {place.off}")
    elif clear:
        removed = disk.clear()
        print(json.dumps({"removed": removed}) if as_json else f"{place.path}: entries removed {removed}")
    else:
        (_as_json if as_json else _table)(place, list(disk.entries()))


def _as_json(place: disk.Folder, entries: list[disk.Entry]) -> None:
    told = [{**_described(entry), "bytes": entry.bytes, "used": entry.used} for entry in entries]
    facts = {"folder": place.path and str(place.path), "off": place.off, "bytes": _total(entries), "limit": disk.LIMIT}
    print(json.dumps({**facts, "entries": told}, indent=2))


def _table(place: disk.Folder, entries: list[disk.Entry]) -> None:
    table = Table("cell", "what", "numbers", "weights", "target", box=None, pad_edge=False)
    for column in ("bytes", "last used"):
        table.add_column(column, justify="right")
    for entry in entries:
        cell, *words = _described(entry).values()
        table.add_row(*map(Text, [cell or "any", *words, f"{entry.bytes:,}", _ago(time.time() - entry.used)]))
    if entries:
        terminal().print(table)
        print()
    print(f"{place.path}: entries {len(entries)}, bytes {_total(entries):,} of at most {disk.LIMIT:,}")


def _total(entries: list[disk.Entry]) -> int:
    return sum(entry.bytes for entry in entries)


def _described(entry: disk.Entry) -> dict[str, str]:
    words = {name: str(entry.header.get(name, "")) for name in ("cell", "kind", "numbers", "weights", "isa")}
    return words if entry.header else words | {"kind": "damaged"}


def _ago(seconds: float) -> str:
    """A time in words.

    >>> _ago(7300.0)
    '2 hours ago'
    """
    for size, name in UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {name if seconds >= 2 * size else name[:-1]} ago"
    return "just now"
