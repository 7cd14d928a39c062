"""What is learnt from, looked at during training and measured on: three parts of anything, those that are missing split off."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Generic, TypeVar

from recurra.errors import DataError, UsageError

__all__ = ["PARTS", "Parts", "check_share", "counted", "divided", "evenly", "part_of", "share", "split"]

Part = TypeVar("Part")
One = TypeVar("One")

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


def divided(read: Mapping[str, Sequence[One]], content: Callable[[One], bytes], held_out: float) -> dict[str, list[One]]:
    """All three parts of what was read of each; those that are missing are split off what is to be learnt, by a hash.

    Example:
        >>> divided({"train": ["a", "b", "c"], "test": ["d"]}, str.encode, 0.8)
        {'train': ['b', 'c'], 'validation': ['a'], 'test': ['d']}
    """
    missing = [part for part in ("test", "validation") if part not in read]
    learning: Sequence[One] = read.get("train", ())
    parts = {part: [] if part == "train" else list(read.get(part, ())) for part in ("train", "validation", "test")}
    for one, part in zip(learning, split((share(content(one)) for one in learning), missing, held_out), strict=True):
        parts[part].append(one)
    return parts


def evenly(some: Sequence[One], sizes: Sequence[int], most: int) -> list[One]:
    """Of some, as many as are about so large together, at least one, evenly from all.

    >>> evenly("abcdef", [2] * 6, most=6)
    ['a', 'c', 'f']
    """
    count = max(1, min(len(some), round(len(some) * most / max(1, sum(sizes)))))
    return [some[k * (len(some) - 1) // max(1, count - 1)] for k in range(count)]


def counted(name: str, kind: str, parts: Mapping[str, Sized], more: str) -> str:
    """How many there are of each part, in words; refused where that is too few, `more` saying what helps."""
    sizes = [len(parts[part]) for part in ("train", "validation", "test")]
    told = "{}: {:,} to learn from, {:,} for looks during training, {:,} to measure on".format(kind, *sizes)
    if sizes[0] < 2 or not all(sizes):
        raise DataError(f"{name}: {told}; wanted at least 2, 1 and 1: {more}")
    return told
