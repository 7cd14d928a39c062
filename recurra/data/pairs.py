"""Pairs of texts to learn, to look at during training, and to measure: the split of a folder, or an honest one."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from recurra.data.filters import measurable, sound
from recurra.data.parts import PARTS, Parts, check_share, counted, share, split
from recurra.data.sides import KINDS, Sides, differ, partner_of, read_sides, stem_of
from recurra.errors import DataError

__all__ = ["Pairs", "read_pairs", "split_pairs"]

Pairs = Parts[Sides]
"""Pairs in three parts."""


def read_pairs(
    path: Path, source: str = "source", target: str = "target", *, encoding: str = "utf-8", held_out: float = 0.1
) -> Pairs:
    """Pairs from a file (see `read_sides`), or from a folder that brings its split.

    Of a folder the parts are files whose names begin with ``train``; ``val``, ``valid``, ``validation`` or ``dev``; ``test``:
    parallel files of the two sides, else .tsv, .csv, .jsonl or .txt. Of several the first by name is read.

    A part that is not there is taken from what was to be learnt: half of `held_out` for looks, half to measure on. Which pairs
    follows from a hash of their sources, so that equal sources stand on one side, and more lines move none.

    To learn from, pairs with an empty side are left out; to look at and to measure on, those with an empty target.

    Raises:
        DataError: a file that cannot be read, a folder without files to learn from, too few pairs.
        UsageError: the same `source` and `target`, or a `held_out` that is no share.
    """
    differ(source, target)
    check_share(held_out)
    files = _folder(path, source, target) if path.is_dir() else {"train": [path]}
    read = {part: read_sides(found[0], source, target, encoding) for part, found in files.items() if found}
    notes = [note for sides in read.values() for note in sides.notes]
    several = [[file.name for file in found] for found in files.values() if len(found) > 1]
    notes += [f"{first} is read; not {', '.join(others)}" for first, *others in several]
    return _parted(str(path), read, held_out, notes)


def split_pairs(name: str, sources: Sequence[str], targets: Sequence[str], *, held_out: float = 0.1) -> Pairs:
    """Pairs that are there already, split as `read_pairs` splits those of a file.

    Example:
        >>> pairs = split_pairs("squares", [str(k) for k in range(100)], [str(k * k) for k in range(100)], held_out=0.2)
        >>> len(pairs.learnt) + len(pairs.validation) + len(pairs.test), pairs.test.sources[0]
        (100, '9')
    """
    whole = Sides(name, list(sources), list(targets), list(range(1, len(sources) + 1)))
    return _parted(name, {"train": whole}, held_out, [])


def _parted(name: str, read: Mapping[str, Sides], held_out: float, notes: list[str]) -> Pairs:
    """The three parts, those that are missing taken from what was to be learnt."""
    digest = _fingerprint(read.values())
    parts = dict.fromkeys(PARTS, read["train"]) | dict(read)
    missing = [part for part in ("test", "validation") if part not in read]
    if missing:
        of = split((share(text.encode("utf-8", "surrogatepass")) for text in read["train"].sources), missing, held_out)
        for part in ("train", *missing):
            parts[part] = read["train"].take([k for k, side in enumerate(of) if side == part])
    for part in parts:
        parts[part], found_notes = (sound if part == "train" else measurable)(parts[part])
        notes += found_notes
    known = set(parts["train"].sources)
    for part in ("validation", "test"):
        both = sum(text in known for text in parts[part].sources)
        if both:
            notes.append(f"{Path(parts[part].name).name}: of {len(parts[part]):,} sources {both:,} are learnt from, too: kept")
    told = counted(name, "pairs", parts, f"give more pairs{', or a larger held_out' if missing else ''}")
    return Pairs(name, parts["train"], parts["validation"], parts["test"], digest, (*notes, told))


def _folder(path: Path, source: str, target: str) -> dict[str, list[Path]]:
    """The files of each part: parallel ones if there are such to learn from."""
    files = sorted(file for file in path.iterdir() if file.is_file())
    parallel = [file for file in files if _has_partner(file, source, target)]
    single = [file for file in files if file.name.removesuffix(".gz").rpartition(".")[2] in KINDS]
    for chosen in (parallel, single):
        parts = {part: [file for file in chosen if name.match(file.name)] for part, name in PARTS.items()}
        if parts["train"]:
            return parts
    endings = {name.removesuffix(".gz").rpartition(".")[2] for name in (file.name for file in files if _trains(file))}
    there = f"; train.* there is in {', '.join(sorted(endings))}" if endings else ""
    wanted = "say source=en target=de, or what they are" if endings else "name a file instead"
    raise DataError(f"{path}: no train.{source} and train.{target}, nor train.tsv, .csv, .jsonl or .txt{there}; {wanted}")


def _trains(file: Path) -> bool:
    return PARTS["train"].match(file.name) is not None


def _has_partner(file: Path, source: str, target: str) -> bool:
    stem = stem_of(file.name, source)
    try:
        return stem is not None and partner_of(file, stem, target) != file
    except DataError:
        return False


def _fingerprint(read: Iterable[Sides]) -> str:
    digest = hashlib.sha256()
    for sides in read:
        for texts in ([Path(sides.name).name], sides.sources, sides.targets):
            digest.update(len(texts).to_bytes(8, "little"))
            for text in texts:
                part = text.encode("utf-8", "surrogatepass")
                digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()
