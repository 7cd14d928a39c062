"""Checkpoints: folders that are whole, verified by their sums, the newest three kept."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from recurra import store
from recurra.errors import ModelFileError

__all__ = ["Checkpoint", "newest", "save"]

KEPT = 3
TENSORS = "tensors.safetensors"


class Checkpoint(NamedTuple):
    """What a training was at one step: tensors by name, and everything else as JSON."""

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


def save(folder: Path, step: int, checkpoint: Checkpoint) -> None:
    """Write ``step-N/`` below `folder`; it appears whole or not at all. Then older ones go, all but three."""
    target = folder / f"step-{step:09d}"

    def fill(temporary: Path) -> None:
        store.write_tensors(temporary / "tensors.safetensors", checkpoint.tensors)
        manifest = {
            "facts": checkpoint.facts,
            "sha256": {"tensors.safetensors": store.sha256(temporary / "tensors.safetensors")},
        }
        store.write_json(temporary / "manifest.json", manifest | {"seal": _seal(manifest)})

    if target.exists():
        shutil.rmtree(target)
    store.publish(target, fill)
    for old in _all(folder)[:-KEPT]:
        shutil.rmtree(old)


def newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest sound checkpoint, and a note on every newer one that is damaged."""
    notes: list[str] = []
    for path in reversed(_all(folder)):
        try:
            return _load(path), notes
        except ModelFileError as error:
            notes.append(f"{error}; the one before it is tried")
    return None, notes


def _load(path: Path) -> Checkpoint:
    manifest = store.read_json(path / "manifest.json")
    if not isinstance(manifest, dict) or manifest.pop("seal", None) != _seal(manifest):
        raise ModelFileError(f"{path / 'manifest.json'}: damaged, its contents do not match its seal")
    tensors = path / TENSORS
    if not tensors.exists() or store.sha256(tensors) != manifest["sha256"][TENSORS]:
        raise ModelFileError(f"{tensors}: damaged, its contents do not match its SHA-256")
    return Checkpoint(store.read_tensors(tensors), manifest["facts"])


def _all(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))


def _seal(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
