"""Music from files and folders, as pieces in three parts."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

import numpy as np

from recurra import store
from recurra.data.archives import ARCHIVES, Place, archive_names, contents, is_archive
from recurra.data.counts import told_count
from recurra.data.labels import bare
from recurra.data.midi import ABC, MIDI, SECOND, Heard, midi_bytes, read_abc, read_midi
from recurra.data.parts import Parts, check_share, counted, divided, part_of
from recurra.data.pieces import Piece
from recurra.data.rolls import read_array_rolls, read_json_rolls, write_json_roll
from recurra.data.synthesiser import wav_bytes
from recurra.errors import DataError, UsageError

__all__ = [
    "GRID",
    "QUARTERS",
    "WRITTEN",
    "MusicParts",
    "midi_or_nothing",
    "read_music",
    "read_pieces",
    "split_music",
    "write_piece",
]

GRID = 4
"""Steps a quarter note where nothing says how many."""
QUARTERS = 2.0
"""How many a second rolls are played at."""
KINDS = (*MIDI, *ABC, ".json", ".npz")
WANTED = f"wanted {', '.join((*KINDS, *ARCHIVES))}, or a folder of such files"

MusicParts = Parts[list[Piece]]
"""Pieces of music in three parts."""


def read_music(path: Path, grid: int = GRID, *, held_out: float = 0.2) -> MusicParts:
    """Pieces to learn, to look at and to measure on, from a file, an archive, or a folder and all below it.

    MIDI (``.mid``, ``.midi``) and ABC (``.abc``, with any number of tunes) are put on a grid; rolls (``.json``, ``.npz``)
    have one. A file of rolls may say which part each piece belongs to, and so may folders: ``train``, ``valid`` or ``dev``,
    ``test``. A part that is missing is split off by a hash of the notes, so that equal pieces stand on one side.

    Pieces that cannot be read, or have no notes, are left out, and the notes say how many and why the first one was.

    Args:
        path: what to read.
        grid: steps a quarter note; 0 for steps of a hundredth of a second, each piece in its own tempo.
        held_out: how much is not learnt, where the split is ours.

    Raises:
        DataError: nothing that can be read, or too few pieces.
        UsageError: a `held_out` that is no share, or no symusic where there is MIDI or ABC.
    """
    check_share(held_out)
    read: dict[str, list[Piece]] = {}
    wrong, remarks = list[str](), dict[str, int]()
    for part, name, found in _found(path, grid):
        if isinstance(found, DataError):
            wrong.append(str(found))
            continue
        for remark in found.remarks:
            remarks[remark] = remarks.get(remark, 0) + 1
        if len(found.piece):
            read.setdefault(part, []).append(found.piece)
        else:
            wrong.append(f"{name}: no notes in it")
    if not read:
        few = f"{path}: {told_count(len(wrong), 'piece')}, none of which can be read ({wrong[0]})"
        raise DataError(wrong[0] if len(wrong) == 1 else few)
    notes = [f"{len(wrong):,} of the pieces left out; the first: {wrong[0]}"] if wrong else []
    notes += [f"{count:,} of the pieces {remark}" for remark, count in remarks.items()]
    return _parted(str(path), read, held_out, notes)


def split_music(name: str, pieces: Sequence[Piece], held_out: float = 0.2) -> MusicParts:
    """Pieces that are there already, split as `read_music` splits those of files."""
    check_share(held_out)
    return _parted(name, {"train": list(pieces)}, held_out, [])


def read_pieces(path: Path, grid: int = GRID) -> list[tuple[str, Piece | DataError]]:
    """All pieces of a file, an archive or a folder, each with its name, or the reason why it cannot be read.

    Of what brings its split, those to measure on.
    """
    found = list(_found(path, grid))
    if any(part == "test" for part, _, _ in found):
        found = [each for each in found if each[0] == "test"]
    return [(name, each if isinstance(each, DataError) else each.piece) for _, name, each in found]


WRITTEN: dict[str, Callable[[Piece], bytes]] = {
    ".mid": midi_bytes,
    ".wav": lambda piece: wav_bytes([piece]),
    ".json": lambda piece: write_json_roll([piece]),
}
"""How a piece is written, by what a name ends in."""


def write_piece(piece: Piece, path: str | Path) -> None:
    """Write a piece as MIDI (``.mid``), as sound (``.wav``) or as a roll (``.json``), whole or not at all.

    Raises:
        UsageError: another ending, or no symusic where MIDI is wanted.
    """
    path = Path(path)
    make = WRITTEN.get(path.suffix.lower())
    if make is None:
        raise UsageError(f"{path}: of a kind that is not written; wanted {', '.join(WRITTEN)}")
    store.write_bytes(path, make(piece))


def midi_or_nothing(piece: Piece) -> dict[str, bytes]:
    """A piece as MIDI, by what a name ends in; nothing where the library symusic is not installed."""
    with suppress(UsageError):
        return {".mid": midi_bytes(piece)}
    return {}


def _found(path: Path, grid: int) -> Iterator[tuple[str, str, Heard | DataError]]:
    """The part, the name, and the piece, of all there are."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    places = _places(path)
    if not places:
        raise DataError(f"{path}: no music in it; {WANTED}")
    alone = len(places) == 1
    for k, source in contents(places):
        place = places[k]
        parts = place.file.relative_to(path).parent.parts if path.is_dir() else ()
        part = next(filter(None, map(part_of, (*parts, *PurePosixPath(place.member).parent.parts))), "train")
        try:
            yield from ((own or part, name, found) for own, name, found in _read(source, str(place), grid))
        except DataError as error:
            if alone:
                raise
            yield part, str(place), error


def _places(path: Path) -> list[Place]:
    if is_archive(path):
        return [Place(path, name) for name in sorted(archive_names(path)) if _suffix(name) in (*MIDI, *ABC)]
    if not path.is_dir():
        if _suffix(path.name) not in KINDS:
            raise DataError(f"{path}: of a kind that is not read; {WANTED}")
        return [Place(path)]
    below = sorted(file for file in path.rglob("*") if file.is_file() and _suffix(file.name) in KINDS)
    return [Place(file) for file in below if not any(part.startswith(".") for part in file.relative_to(path).parts)]


def _suffix(name: str) -> str:
    return Path(bare(name)).suffix.lower()


def _read(source: Path | bytes, name: str, grid: int) -> Iterator[tuple[str, str, Heard | DataError]]:
    """What one file holds: the part, where it says one; the name; the piece."""
    kind = _suffix(name)
    if kind in MIDI:
        yield "", name, read_midi(source, grid, name=name)
    elif kind in ABC:
        yield from (("", where, found) for where, found in read_abc(source, grid, name=name))
    else:
        assert isinstance(source, Path)
        read = read_json_rolls if kind == ".json" else read_array_rolls
        rate = (grid or GRID) * QUARTERS
        for part, pieces in read(source, rate).items():
            for piece in pieces:
                yield part, piece.name, Heard(piece if grid else piece.timed(SECOND))


def _parted(name: str, read: dict[str, list[Piece]], held_out: float, notes: list[str]) -> MusicParts:
    parts = divided(read, _content, held_out)
    told = counted(name, "pieces", parts, "give more pieces, or a larger held_out")
    digest = hashlib.sha256()
    for part, pieces in sorted(read.items()):
        for content in (part.encode(), *map(_content, pieces)):
            digest.update(len(content).to_bytes(8, "little") + content)
    steps = sum(piece.steps for piece in parts["train"])
    told += f"; {steps:,} steps to learn from"
    return MusicParts(name, parts["train"], parts["validation"], parts["test"], digest.hexdigest(), (told, *notes))


def _content(piece: Piece) -> bytes:
    """What a piece is, whatever it is called."""
    numbers = np.stack([piece.start, piece.end, piece.pitch, piece.velocity]).astype("<i8")
    return numbers.tobytes() + piece.steps.to_bytes(8, "little")
