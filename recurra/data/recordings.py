"""Recordings and what is said in them: folders, tables of paths and texts, archives; their split, or an honest one."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from recurra import store
from recurra.data.archives import Place, archive_names, contents, is_archive
from recurra.data.audio import AUDIO
from recurra.data.captions import caption
from recurra.data.counts import told_count
from recurra.data.parts import PARTS, Parts, check_share, counted
from recurra.data.sides import Sides, read_sides
from recurra.errors import DataError, UsageError

__all__ = [
    "RecordingParts",
    "Recordings",
    "find_recordings",
    "read_recordings",
    "split_recordings",
]

TABLES = (".tsv", ".csv", ".jsonl", ".ndjson")


@dataclass(frozen=True)
class Recordings:
    """Recordings and their texts side by side.

    Attributes:
        name: where they were read.
        places: where each lies.
        texts: what is said in each; empty where nobody knows.
        groups: who says it, or what else stays together where parts are made; empty where nobody knows.
        lines: of the table, counted from 1; of a folder, which file it is.
        counted: what `lines` counts.
    """

    name: str
    places: list[Place]
    texts: list[str]
    groups: list[str]
    lines: list[int]
    counted: str = "recording"
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.places)

    def take(self, places: Sequence[int]) -> "Recordings":
        """Some of them, in the order that is asked for."""
        rows = [self.places[k] for k in places]
        texts, groups = ([side[k] for k in places] for side in (self.texts, self.groups))
        return replace(self, places=rows, texts=texts, groups=groups, lines=[self.lines[k] for k in places])


RecordingParts = Parts[Recordings]
"""Recordings in three parts."""


def read_recordings(
    path: Path, audio: str = "path", text: str = "text", group: str = "", *, encoding: str = "utf-8", held_out: float = 0.1
) -> RecordingParts:
    """Recordings and texts in parts.

    What `path` may be:

    - a table ``.tsv``, ``.csv``, ``.jsonl``: `audio` and `text` are its columns or keys, by name or by number from 1, and
      `group` one more. Paths are those from the table's folder; what is not there is looked for by its path in an archive, then
      by its name alone, among all files and archives of that folder, of which the archive called as the table is comes first;
    - a folder with ``transcripts.tsv`` or another table; or with tables whose names begin with ``train``; ``val``, ``valid``,
      ``validation`` or ``dev``; ``test``: then these are the parts;
    - a folder, or an archive ``.tar``, ``.tar.gz``, where the text of ``name.wav`` is in ``name.txt``; if it has folders
      ``train``, ``dev``, ``test``, these are the parts. If it has no texts at all, but folders that are no parts, the text of a
      recording is the name of its folder: its label.

    A part that is not there is taken from what was to be learnt, half of `held_out` each, at least one recording. Which follows
    from a hash of the paths. With a `group`, all of a group stand on one side: whole groups are taken, at least one.
    Recordings with an empty text are left out.

    Raises:
        DataError: nothing of the kind, a recording that is not there, too few.
        UsageError: a `held_out` that is no share.
    """
    check_share(held_out)
    read = {part: found for part, found in _parts(path, audio, text, group, encoding).items() if len(found)}
    if "train" not in read:
        wanted = "recordings with texts, such as a.wav and a.txt, or a table of both"
        raise DataError(f"{path}: nothing to learn from; wanted {wanted}")
    root = path if path.is_dir() else path.parent
    by_name = not group and any(part not in read for part in PARTS)
    fingerprint = _fingerprint(read.values(), root if by_name else None)
    return _parted(str(path), root, read, fingerprint, held_out, grouped=bool(group))


def split_recordings(whole: Recordings, fingerprint: str, *, held_out: float = 0.1) -> RecordingParts:
    """Recordings that are there already, split as `read_recordings` splits those of a folder without parts.

    Example:
        >>> places = [Place(Path(f"{k}.wav")) for k in range(40)]
        >>> parts = split_recordings(Recordings("forty", places, ["yes"] * 40, [""] * 40, list(range(40))), "", held_out=0.2)
        >>> len(parts.learnt), len(parts.validation), len(parts.test)
        (32, 4, 4)
    """
    return _parted(whole.name, Path(), {"train": whole}, fingerprint, held_out, grouped=False)


def _parted(
    name: str, root: Path, read: dict[str, Recordings], fingerprint: str, held_out: float, *, grouped: bool
) -> RecordingParts:
    """The three parts, those that are missing taken from what was to be learnt."""
    notes = list(dict.fromkeys(note for found in read.values() for note in found.notes))
    for part, found in read.items():
        silent = [k for k, said in enumerate(found.texts) if not said]
        if silent:
            first = f"the first in {found.counted} {found.lines[silent[0]]}"
            notes.append(f"{Path(found.name).name}: {told_count(len(silent), 'recording')} without a text ({first}): left out")
        read[part] = found.take([k for k, said in enumerate(found.texts) if said])
    whole = read["train"]
    missing = [part for part in ("test", "validation") if part not in read]
    if missing:
        for part, places in _split(whole.groups if grouped else _called(whole.places, root), missing, held_out).items():
            read[part] = whole.take(places)
    more = f", of more than {told_count(len(set(whole.groups)), 'group')}" if grouped else ""
    told = counted(name, "recordings", read, f"give more recordings{more}")
    return RecordingParts(name, read["train"], read["validation"], read["test"], fingerprint, (*notes, told))


def find_recordings(path: Path, audio: str = "path", text: str = "text", *, encoding: str = "utf-8") -> Recordings:
    """All recordings of a file of sound, an archive, a table, or a folder and those below it, with the texts that there are."""
    if path.suffix.lower() in TABLES:
        return _table(path, audio, text, "", encoding, {})
    if not path.is_dir() and not is_archive(path):
        if not path.exists():
            raise DataError(f"{path}: no such file or folder")
        return Recordings(str(path), [Place(path)], [_beside(path, encoding)], [""], [1])
    found = _beside_each_other(path, _index(path), encoding, texts_needed=False)
    if not len(found):
        raise DataError(f"{path}: no file of sound in it; wanted .wav, .flac, .ogg, .mp3 or their like")
    return found


def _parts(path: Path, audio: str, text: str, group: str, encoding: str) -> dict[str, Recordings]:
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.suffix.lower() in TABLES:
        return {"train": _table(path, audio, text, group, encoding, {})}
    if not path.is_dir() and not is_archive(path):
        raise DataError(f"{path}: wanted a table of paths and texts (.tsv, .csv, .jsonl), a folder of recordings, or a .tar.gz")
    index = _index(path)
    if path.is_dir():
        tables = sorted(file for file in path.iterdir() if file.suffix.lower() in TABLES and file.is_file())
        parts = {part: [file for file in tables if name.match(file.name)] for part, name in PARTS.items()}
        if not parts["train"] and tables:
            named = [file for file in tables if file.stem.lower() == "transcripts"]
            parts = {"train": named or tables}
        if parts["train"]:
            read = {part: _table(files[0], audio, text, group, encoding, index) for part, files in parts.items() if files}
            ignored = [file.name for files in parts.values() for file in files[1:]]
            note = (f"not read: {', '.join(ignored)}",) if ignored else ()
            return read | {"train": replace(read["train"], notes=(*read["train"].notes, *note))}
    if group:
        raise UsageError(f"group={group}: {path} has no table; wanted one with a column of that name")
    whole = _beside_each_other(path, index, encoding, texts_needed=True)
    parted: dict[str, list[int]] = {part: [] for part in PARTS}
    for k, place in enumerate(whole.places):
        folders = PurePosixPath(index[place]).parts[:-1]
        part = next(filter(None, map(_part_of, folders)), "")
        parted.setdefault(part, []).append(k)
    if not parted["train"]:  # no folders of parts
        return {"train": whole}
    stray = (f"{told_count(len(parted['']), 'recording')} outside of train, dev and test: left out",) if parted.get("") else ()
    read = {part: whole.take(places) for part, places in parted.items() if part}
    return read | {"train": replace(read["train"], notes=(*whole.notes, *stray))}


def _table(path: Path, audio: str, text: str, group: str, encoding: str, index: Mapping[Place, str]) -> Recordings:
    rows = read_sides(path, audio, text, encoding)
    groups = _groups(read_sides(path, audio, group, encoding), group) if group else [""] * len(rows)
    places, by_path, by_name = list[Place](), dict[str, list[Place]](), dict[str, list[Place]]()
    for line, told in zip(rows.lines, rows.sources, strict=True):
        file = path.parent / told
        if told and file.is_file():
            places.append(Place(file))
            continue
        if not by_name:
            index = index or _index(path.parent)
            for place, name in index.items():
                by_name.setdefault(PurePosixPath(name).name, []).append(place)
                by_path.setdefault(name, []).append(place)
                if place.member:
                    by_path.setdefault(f"{_below(place.file, path.parent)}/{name}", []).append(place)
        found = by_path.get(_plain(told)) or by_name.get(PurePosixPath(told).name, [])
        if len(found) > 1:
            own = [place for place in found if place.member and place.file.name.partition(".")[0] == path.stem]
            found = own or found
        if len(found) != 1:
            many = f"{len(found)} files of this name, {found[0]} and {found[1]}" if found else "no such file"
            raise DataError(f"{path}, line {line}: {told or 'no path'}: {many}; wanted the path from {path.parent}")
        places.append(found[0])
    return Recordings(str(path), places, rows.targets, groups, rows.lines, "line", rows.notes)


def _groups(rows: Sides, group: str) -> list[str]:
    for line, told in zip(rows.lines, rows.targets, strict=True):
        if not told:
            raise DataError(f"{rows.name}, line {line}: no {group}; wanted one for each recording")
    return rows.targets


def _beside_each_other(path: Path, index: Mapping[Place, str], encoding: str, *, texts_needed: bool) -> Recordings:
    """Recordings whose texts have the same names."""
    there = sorted((name, place) for place, name in index.items() if PurePosixPath(name).suffix.lower() in AUDIO)
    sounds, places = [name for name, _ in there], [place for _, place in there]
    texts = [""] * len(sounds)
    wanted = _transcripts(sounds, places, index)
    for k, content in contents([place for _, place in wanted]):
        texts[wanted[k][0]] = caption(wanted[k][1], content, encoding)
    notes = list[str]()
    if sounds and not wanted:
        folders = [PurePosixPath(name).parent.name for name in sounds]
        if len(set(folders)) > 1 and not any(not name or _part_of(name) for name in folders):
            texts, labels = folders, sorted(set(folders))
            told = f"the names of the {len(labels):,} folders are taken as such ({', '.join(labels[:3])}, ...)"
            notes.append(f"{path.name}: no texts: {told}")
        elif texts_needed:
            asked = "a.txt beside a.wav, transcripts.tsv with paths and texts, or a folder for each label"
            raise DataError(f"{path}: {told_count(len(sounds), 'recording')} and no texts; wanted {asked}")
    lines = list(range(1, len(sounds) + 1))
    return Recordings(str(path), places, texts, [""] * len(sounds), lines, notes=tuple(notes))


def _transcripts(sounds: Sequence[str], places: Sequence[Place], index: Mapping[Place, str]) -> list[tuple[int, Place]]:
    """Which of the recordings each file of text tells of: that beside it, or, where both names are there once, any other."""
    stems = [str(PurePosixPath(name).with_suffix(".txt")) for name in sounds]
    beside = {(stem, _archive_of(place)): k for k, (stem, place) in enumerate(zip(stems, places, strict=True))}
    anywhere = {stem: k for k, stem in enumerate(stems)}
    sources = Counter(stem for stem, _ in beside)
    texts = Counter(index.values())
    found = []
    for place, name in index.items():
        k = beside.get((name, _archive_of(place)))
        if k is None and sources[name] == texts[name] == 1:
            k = anywhere[name]
        if k is not None:
            found.append((k, place))
    return found


def _part_of(folder: str) -> str:
    """Which part a folder of that name is, if any."""
    return next((part for part, name in PARTS.items() if name.fullmatch(folder)), "")


def _beside(path: Path, encoding: str) -> str:
    file = path.with_suffix(".txt")
    return caption(Place(file), file, encoding) if file.is_file() else ""


def _index(path: Path) -> dict[Place, str]:
    """What all files below a folder are called, those of archives as there, or all members of an archive."""
    if not path.is_dir():
        return {Place(path, name): _plain(name) for name in archive_names(path)}
    index: dict[Place, str] = {}
    for file in sorted(path.rglob("*")):
        below = file.relative_to(path)
        if not file.is_file() or any(part.startswith(".") for part in below.parts):
            continue
        if is_archive(file):
            index |= {Place(file, name): _plain(name) for name in archive_names(file)}
        else:
            index[Place(file)] = below.as_posix()
    return index


def _plain(name: str) -> str:
    """A path without ``./``, which archives may begin with."""
    return str(PurePosixPath(name))


def _archive_of(place: Place) -> Path | None:
    return place.file if place.member else None


def _below(file: Path, root: Path) -> str:
    """The path from a folder on, if the file lies in it."""
    return (file.relative_to(root) if file.is_relative_to(root) else file).as_posix()


def _called(places: Sequence[Place], root: Path) -> list[str]:
    """Names that tell files apart: paths from `root` on, or in an archive; with its own where several hold one of that name."""
    counts = Counter(place.member for place in set(places))
    names = []
    for place in places:
        if place.member and counts[place.member] == 1:
            names.append(place.member)
        else:
            names.append(_below(place.file, root) + (f"/{place.member}" if place.member else ""))
    return names


def _split(groups: Sequence[str], missing: Sequence[str], held_out: float) -> dict[str, list[int]]:
    """Places of the missing parts and of the rest, whole groups in the order of the hash of their names."""
    order = sorted(set(groups), key=lambda name: hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest())
    counts = Counter(groups)
    chosen: dict[str, str] = {}
    most = held_out / 2 * len(groups)
    for part in missing:
        size = 0
        for name in order:
            if name not in chosen and (not size or size + counts[name] <= most):
                chosen[name] = part
                size += counts[name]
    return {part: [k for k, name in enumerate(groups) if chosen.get(name, "train") == part] for part in ("train", *missing)}


def _fingerprint(read: Iterable[Recordings], root: Path | None) -> str:
    """Over names and texts, and each file once, an archive as it is; with paths from `root` on, where a split goes by them."""
    digest, known = hashlib.sha256(), dict[Path, str]()
    for found in read:
        digest.update(f"{len(found)}\n".encode())
        names = [place.member or place.file.name for place in found.places] if root is None else _called(found.places, root)
        for name, place, *told in zip(names, found.places, found.texts, found.groups, strict=True):
            if place.file not in known:
                known[place.file] = _hashed(place.file)
            for part in (name, *told, known[place.file]):
                content = part.encode("utf-8", "surrogateescape")
                digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()


def _hashed(file: Path) -> str:
    try:
        return store.sha256(file)
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from None
