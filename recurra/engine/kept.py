"""What a compilation leaves on disk: traced graphs and object code, so that the next process neither traces nor optimises."""

import hashlib
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from typing import Any

import torch

from recurra import cache as disk
from recurra.cells import Cell
from recurra.engine.identity import identity
from recurra.engine.trace import Graph, Op, Traced

__all__ = ["code", "graphs", "label"]

KINDS: dict[str, Any] = {kind.__name__: kind for kind in (Traced, Graph, Op)}


def graphs(cell: Cell, diagonal: bool, make: Callable[[], Traced]) -> Traced:
    """The graphs of a cell: those on disk, or those that `make` makes, which are then kept."""
    told = identity(cell)
    if told is None:
        return make()
    key = _key(told, diagonal, torch.__version__, sys.version, _sources())
    found = disk.read(key)
    if found is not None:
        traced: Traced = _decoded(found[0]["graphs"])
        return traced
    traced = make()
    disk.write(key, {"kind": "graphs", "cell": label(cell, diagonal), "graphs": _encoded(traced)})
    return traced


def label(cell: Cell, diagonal: bool) -> str:
    """A cell in the words that people read in the cache."""
    return f"{cell!r}, diagonal" if diagonal else repr(cell)


def code(text: str, machine: tuple[str, ...], header: Mapping[str, str], make: Callable[[], bytes]) -> bytes:
    """The object code of LLVM assembly for a machine: that on disk, or what `make` makes, which is then kept."""
    key = _key(text, *machine)
    found = disk.read(key)
    if found is not None:
        return found[1]
    made = make()
    disk.write(key, {"kind": "code", **header}, made)
    return made


def _key(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@cache
def _sources() -> str:
    """The hash of what makes graphs from a cell."""
    root = resources.files("recurra")
    made = (path for folder in ("engine", "wirings") for path in (root / folder).iterdir() if path.name.endswith(".py"))
    files = [*sorted(made, key=str), root / "cells" / "cell.py"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _encoded(value: Any) -> Any:
    """Tuples, mappings and the NamedTuples above as JSON."""
    if isinstance(value, Mapping):
        return {"items": [[name, _encoded(each)] for name, each in value.items()]}
    if type(value).__name__ in KINDS:
        return {"is": type(value).__name__, "fields": [_encoded(each) for each in value]}
    return [_encoded(each) for each in value] if isinstance(value, tuple) else value


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decoded(each) for each in value)
    if not isinstance(value, dict):
        return value
    if "is" in value:
        return KINDS[value["is"]](*map(_decoded, value["fields"]))
    return {name: _decoded(each) for name, each in value["items"]}
