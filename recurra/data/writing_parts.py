"""Writing in the parts that it brings, or in honest ones."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from recurra.data.counts import told_count
from recurra.data.parts import PARTS, Parts, check_share, counted, share, split
from recurra.data.writings import Look, Writings, find_writings
from recurra.errors import DataError

__all__ = ["WritingParts", "read_writings", "split_writings"]

Floats = NDArray[np.float32]


WritingParts = Parts[Writings]
"""Writing in three parts."""


def read_writings(path: Path, look: Look = Look(), *, test: str = "", held_out: float = 0.1) -> WritingParts:  # noqa: B008 - frozen
    """Writing in parts, from a file or folder as :func:`~recurra.data.writings.find_writings` reads it.

    Which part something belongs to follows from the names of its file, table, archive and folders, from `path` on: those with
    ``train``, ``val``, ``dev`` or ``test`` as a word in them; all else is to be learnt. `test` names what is measured on in
    another way: all that has these letters in those names. A part that is not there is taken from what was to be learnt, half
    of `held_out` for looks, half to measure on: which follows from a hash of the writing itself, so that what is the same
    stands on one side.

    What cannot be read, or has no text, is left out and told.

    Raises:
        DataError: nothing to read, nothing with texts, too few, or a `test` that is in no name.
        UsageError: a `held_out` that is no share.
    """
    check_share(held_out)
    found = find_writings(path, look)
    if not any(found.texts):
        count = len(found)
        there = told_count(count, "image") if found.kind == "images" else f"{told_count(count, 'piece')} of ink"
        wanted = "a.txt beside a.png, a table of paths and texts, or a folder for each class, in each part if there are such"
        raise DataError(f"{path}: {there} and no texts; wanted {wanted}")
    below = len(str(path)) if path.is_dir() else len(str(path.parent))
    names = [name[below:] for name in found.names]
    if test and not any(test in name for name in names):
        there = ", ".join(name.strip("/") for name in names[:3]) + ", ..." * (len(names) > 3)
        raise DataError(f"{path}: test={test} is in no name; there are {there}: wanted letters of those to measure on")
    parts = [_part(name, test) or "train" for name in names]
    if "train" not in parts:
        if test:
            raise DataError(f"{path}: all names have test={test} in them, or a part of their own; wanted some to learn from")
        parts = ["train"] * len(parts)  # one file that is called test is learnt from all the same
    return _parted(
        str(path), {part: found.take(k for k, own in enumerate(parts) if own == part) for part in set(parts)}, held_out
    )


def split_writings(whole: Writings, *, held_out: float = 0.1) -> WritingParts:
    """Writing that is there already, split as `read_writings` splits that of a file."""
    return _parted(whole.name, {"train": whole}, held_out)


def _parted(name: str, read: Mapping[str, Writings], held_out: float) -> WritingParts:
    """The three parts, those that are missing taken from what was to be learnt."""
    digest, notes, parts = hashlib.sha256(), list[str](), dict(read)
    for part in PARTS:
        if part not in parts:
            continue
        whole = parts[part]
        for values, said in zip(whole.inputs, whole.texts, strict=True):
            digest.update(hashlib.sha256(values.tobytes()).digest() + said.encode("utf-8", "surrogatepass") + b"\0")
        parts[part], found = _sound(whole)
        notes += found
    learnt = parts["train"]
    missing = [part for part in ("test", "validation") if part not in parts]
    if missing:
        of = split((share(values.tobytes()) for values in learnt.inputs), missing, held_out)
        for part in ("train", *missing):
            parts[part] = learnt.take(k for k, side in enumerate(of) if side == part)
    told = counted(name, "pieces", parts, f"give more{', or a larger held_out' if missing else ''}")
    return WritingParts(name, parts["train"], parts["validation"], parts["test"], digest.hexdigest(), (*notes, told))


def _sound(whole: Writings) -> tuple[Writings, list[str]]:
    """What can be used, and notes of the rest."""
    notes, name = list[str](), Path(whole.name).name
    kinds = Counter(remark for remarks in whole.remarks for remark in remarks)
    for remark, count in kinds.items():
        first = next(k for k, remarks in enumerate(whole.remarks) if remark in remarks)
        notes.append(f"{name}: {count:,} of {len(whole):,} with {remark} (the first is {_short(whole.names[first])}): kept")
    wrong = [problem for problem in whole.problems if problem]
    if wrong:
        notes.append(f"{name}: {len(wrong):,} of {len(whole):,} cannot be read (the first: {wrong[0]}): left out")
    silent = [k for k, said in enumerate(whole.texts) if not said and not whole.problems[k]]
    if silent:
        first_of = _short(whole.names[silent[0]])
        notes.append(f"{name}: {len(silent):,} of {len(whole):,} without a text (the first is {first_of}): left out")
    return whole.take(k for k, said in enumerate(whole.texts) if said and not whole.problems[k]), notes


def _part(name: str, test: str) -> str:
    if test and test in name:
        return "test"
    pieces = PurePosixPath(name.replace(":", "/")).parts
    return next((part for part, word in PARTS.items() if not (test and part == "test") and any(map(word.search, pieces))), "")


def _short(name: str) -> str:
    return name.rpartition("/")[2]
