"""What is learnt from, looked at during training and measured on: three parts of anything, those that are missing split off."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Generic, TypeVar

from recurra.errors import DataError, UsageError

__all__ = ["PARTS", "Parts", "check_share", "counted", "part_of", "share", "split"]

Part = TypeVar("Part")

NAMES = {"train": "train|training", "validation": "val|valid|validation|dev|testa", "test": "test|testing|testb|t10k"}
PARTS = {part: re.compile(rf"(?<![a-z])({names})(?![a-z])", re.IGNORECASE) for part, names in NAMES.items()}
"""By part, the words that tell it in names of files and folders."""


@dataclass(frozen=True)
class Parts(Generic[Part]):
    """Data in three parts.

    Attributes:
        name: where they were read.
        learnt: to learn from.
        validation: for looks during training.
        test: to measure at the end.
        fingerprint: SHA-256 over all that was read, before the split: it knows nothing of `held_out`.
        notes: what was understood, left out, and found strange.
    """

    name: str
    learnt: Part
    validation: Part
    test: Part
    fingerprint: str
    notes: tuple[str, ...]


def part_of(name: str) -> str | None:
    """The part that a name tells, if it tells one.

    >>> part_of("dev_1.mid"), part_of("reel.mid")
    ('validation', None)
    """
    return next((part for part, words in PARTS.items() if words.search(name)), None)


def check_share(held_out: float) -> None:
    """Refuse a `held_out` that is no share."""
    if not 0 < held_out < 1:
        raise UsageError(f"held_out={held_out}: wanted a share above 0 and below 1")


def share(content: bytes) -> float:
    """Where something stands between 0 and 1, whatever stands around it: equal contents stand at one place."""
    return int.from_bytes(hashlib.sha256(content).digest()[:8]) / 2**64


def split(shares: Iterable[float], missing: Sequence[str], held_out: float) -> list[str]:
    """Which part each goes to: half of `held_out` to each of those that are missing, all else is to be learnt.

    Example:
        >>> split([0.04, 0.08, 0.5], ["test", "validation"], 0.1)
        ['test', 'validation', 'train']
    """
    bounds = {"test": (0.0, held_out / 2), "validation": (held_out / 2, held_out)}
    return [next((part for part in missing if bounds[part][0] <= each < bounds[part][1]), "train") for each in shares]


def counted(name: str, kind: str, parts: Mapping[str, Sized], more: str) -> str:
    """How many there are of each part, in words; refused where that is too few, `more` saying what helps."""
    sizes = [len(parts[part]) for part in ("train", "validation", "test")]
    told = "{}: {:,} to learn from, {:,} for looks during training, {:,} to measure on".format(kind, *sizes)
    if sizes[0] < 2 or not all(sizes):
        raise DataError(f"{name}: {told}; wanted at least 2, 1 and 1: {more}")
    return told
