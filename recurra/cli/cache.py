"""The command `recurra cache`: what is kept on disk to save time."""

import json
import time
from typing import Annotated, Any

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
    """Show what is kept on disk, or remove it.

    The engine's traced and compiled cells, which the next process then has at once; and sound that was decoded and resampled.
    """
    place, sounds = disk.folder(), disk.folder("features")
    if place.off and not as_json:
        print(f"Nothing is kept on disk: {place.off}")
        return
    if clear:
        removed = {"removed": disk.clear(), "features_removed": disk.clear_features()}
        if as_json:
            print(json.dumps(removed))
        else:
            print(f"{place.path}: entries removed {removed['removed']}")
            print(f"{sounds.path}: {sounds.off or 'files removed ' + str(removed['features_removed'])}")
        return
    kept = disk.features()
    if as_json:
        features = {"bytes": sum(one.bytes for one in kept), "limit": disk.FEATURES_LIMIT, "off": sounds.off}
        features |= {"folder": sounds.path and str(sounds.path), "files": [one._asdict() for one in kept]}
        _as_json(place, list(disk.entries()), features)
    else:
        _table(place, list(disk.entries()))
        told = f"files {len(kept)}, bytes {sum(one.bytes for one in kept):,} of at most {disk.FEATURES_LIMIT:,}"
        last = f", last used {_ago(time.time() - kept[0].used)}" if kept else ""
        print(f"{sounds.path}: {sounds.off or told + last}")


def _as_json(place: disk.Folder, entries: list[disk.Entry], features: dict[str, Any]) -> None:
    told = [{**_described(entry), "bytes": entry.bytes, "used": entry.used} for entry in entries]
    facts = {"folder": place.path and str(place.path), "off": place.off, "bytes": _total(entries), "limit": disk.LIMIT}
    print(json.dumps({**facts, "entries": told, "features": features}, indent=2))


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
