"""Writing and what it says: images and pen points from files, folders and archives."""

import gzip
import json
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.data.archives import ARCHIVES, Place, archive_names, contents, is_archive
from recurra.data.captions import caption
from recurra.data.corpus import as_written
from recurra.data.counts import told_count
from recurra.data.images import IMAGES, columns, ink, read_image
from recurra.data.ink import INK, ink_features, read_ink
from recurra.data.parts import part_of
from recurra.data.sides import read_sides
from recurra.errors import DataError

__all__ = ["Look", "Writings", "find_writings"]

TABLES = (".tsv", ".csv", ".jsonl", ".ndjson")
TEXTS = (".gt.txt", ".txt")
SIDES = ("inputs", "texts", "names", "lines", "remarks", "problems")
IDX = re.compile(r"(.*)images[-.]idx3-ubyte(\.gz)?")
Floats = NDArray[np.float32]


class Look(NamedTuple):
    """How writing is looked at: images at a height, at most so wide; the columns of a table that say path and text."""

    height: int = 32
    widest: int = 4000
    image: str = "path"
    text: str = ""
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Writings:
    """Pieces of writing and what they say, side by side.

    Attributes:
        name: where they were read.
        kind: what they are.
        inputs: columns of an image (T, height), or features of pen points (T, 5); of no steps where one could not be read.
        texts: what each says; empty where nobody knows.
        names: what each is called: its file, or the line of one.
        lines: where each was told of.
        remarks: of each, what was strange about it.
        problems: of each, why it could not be read; empty where it could.
        counted: what `lines` counts.
    """

    name: str
    kind: Literal["images", "ink"]
    inputs: list[Floats]
    texts: list[str]
    names: list[str]
    lines: list[int]
    remarks: list[tuple[str, ...]]
    problems: list[str]
    counted: str = "line"

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, places: Iterable[int]) -> "Writings":
        """Some of them, in the order that is asked for."""
        chosen = list(places)
        sides: Any = {side: [getattr(self, side)[k] for k in chosen] for side in SIDES}
        return replace(self, **sides)


def find_writings(path: Path, look: Look = Look()) -> Writings:  # noqa: B008 - frozen
    """All writing of a file, a folder or an archive; with texts, where there are.

    - ``.csv``, ``.jsonl``, ``.unp`` (and ``.gz`` of them) of pen points: see :func:`~recurra.data.ink.read_ink`;
    - ``.tsv``, ``.csv``, ``.jsonl`` of paths of images and texts, by names of their columns, or else the first and
      the second. An image is looked for from the table's folder on, then by its name in the archive called as the table
      is, then by its name anywhere below that folder;
    - an image; the text of ``a.png``, and of ``a.bin.png``, is in ``a.txt`` or ``a.gt.txt``, if there is such a file;
    - a folder, or an archive ``.tar``, ``.tar.gz``, of all that; where images have no texts at all, their folders' names are,
      unless all of them are names of parts, such as train and test;
    - MNIST's files, ``...-images-idx3-ubyte`` and ``...-labels-idx1-ubyte``, by the folder or by the former.

    Raises:
        DataError: nothing of the kind, an image in a table that is not there, ink and images together.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    files = sorted(file for file in path.rglob("*") if file.is_file() and not _hidden(file.relative_to(path)))
    files = files if path.is_dir() else [path]
    idx = [file for file in files if IDX.fullmatch(file.name)]
    pens = [file for file in files if _ending(file) in INK and not _lists_images(file, look)]
    if idx:
        made = [_idx(file, look) for file in idx]
    elif pens:
        made = [_pens(file, look) for file in pens]
        if any(_ending(file) in (*IMAGES, *ARCHIVES) for file in files):
            raise DataError(f"{path}: images and {pens[0].name}, a file of pen points; wanted one of both in a folder")
    else:
        made = [_images(path, files, look)]
    joined: Any = {side: [each for one in made for each in getattr(one, side)] for side in SIDES}
    return replace(made[0], name=str(path), **joined)


def _pens(file: Path, look: Look) -> Writings:
    found = read_ink(file, look.text, look.encoding)
    lines = [one.line for one in found]
    return Writings(
        str(file),
        "ink",
        [ink_features(one.strokes) for one in found],
        [one.text for one in found],
        [f"{file}, line {line}" for line in lines],
        lines,
        [()] * len(found),
        [""] * len(found),
    )


def _images(path: Path, files: Sequence[Path], look: Look) -> Writings:
    index = _index(files)
    told: dict[Place, tuple[str, str, int]] = {}  # text, name and line of each
    tables: dict[Place, str] = {}  # and where it was told of first
    again: set[Place] = set()
    for file in files:
        if _ending(file) in TABLES and _lists_images(file, look):
            around = index if path.is_dir() else _index(sorted(other for other in file.parent.rglob("*") if other.is_file()))
            for place, row in _listed(file, look, around):
                where = f"{file}, line {row[2]}"
                if told.setdefault(place, row)[0] != row[0]:
                    raise DataError(f"{where}: {place} has another text in {tables[place]}; wanted one text for each image")
                if place in tables:
                    again.add(place)
                tables.setdefault(place, where)
    images = [place for name, place in index.items() if PurePosixPath(name).suffix.lower() in IMAGES and place not in told]
    texts = _beside(images, index, look.encoding)
    for number, place in enumerate(images, 1):
        told[place] = (texts.get(place, ""), str(place), number)
    many = path.is_dir() or is_archive(path)
    folders = {_folder(place) for place in told}
    if not any(said for said, _, _ in told.values()) and many and len(folders) > 1 and not all(map(part_of, folders)):
        told = {place: (_folder(place), name, number) for place, (_, name, number) in told.items()}
    if not told:
        raise DataError(
            f"{path}: no writing in it; wanted images ({', '.join(IMAGES[:3])}, ...) or pen points ({', '.join(INK)})"
        )
    places = list(told)
    made: list[tuple[Floats, tuple[str, ...], str]] = [(np.zeros((0, look.height), np.float32), (), "")] * len(places)
    for k, source in contents(places):
        made[k] = _decoded(source, str(places[k]), look)
    inputs, remarks, problems = (list(side) for side in zip(*made, strict=True))
    remarks = [
        (*each, "several lines in tables") if place in again else each for place, each in zip(places, remarks, strict=True)
    ]
    said, names, lines = (list(side) for side in zip(*told.values(), strict=True))
    return Writings(str(path), "images", inputs, said, names, lines, remarks, problems, "image")


def _decoded(source: Path | bytes, name: str, look: Look) -> tuple[Floats, tuple[str, ...], str]:
    try:
        picture = read_image(source, name=name)
    except DataError as error:
        return np.zeros((0, look.height), np.float32), (), str(error)
    drawn = ink(picture.grey)
    blank = () if drawn.any() else ("no contrast",)
    return columns(drawn, look.height, widest=look.widest), (*picture.remarks, *blank), ""


def _listed(table: Path, look: Look, index: Mapping[str, Place]) -> Iterator[tuple[Place, tuple[str, str, int]]]:
    """The images of a table, their texts, and where they are told of."""
    image, text = look.image, look.text or "text"
    if _ending(table) in (".tsv", ".csv") and image not in _heads(table, look):
        image, text = "1", "2"
    rows = read_sides(table, image, text, look.encoding)
    by_name: dict[str, list[Place]] = {}
    for name, place in index.items():
        by_name.setdefault(PurePosixPath(name).name, []).append(place)
    for line, told, said in zip(rows.lines, rows.sources, rows.targets, strict=True):
        file = table.parent / told
        if told and file.is_file():
            place = Place(file)
        else:
            places = by_name.get(PurePosixPath(told).name, [])
            own = [place for place in places if place.member and place.file.name.partition(".")[0] == table.stem]
            places = own or places
            if len(places) != 1:
                many = f"{len(places)} files of this name, {places[0]} and {places[1]}" if places else "no such file"
                raise DataError(f"{table}, line {line}: {told or 'no path'}: {many}; wanted the path from {table.parent}")
            [place] = places
        yield place, (said, f"{table.with_suffix('')}:{told}" if place.member else str(place), line)


def _beside(images: Sequence[Place], index: Mapping[str, Place], encoding: str) -> dict[Place, str]:
    """What is in the files of text that are called as images are."""
    names = {place: name for name, place in index.items()}
    wanted = dict[Place, Place]()
    for place in images:
        stem = str(PurePosixPath(names[place]).with_suffix(""))
        for candidate in (
            *(stem + ending for ending in TEXTS),
            *(str(PurePosixPath(stem).with_suffix(ending)) for ending in TEXTS),
        ):
            other = index.get(candidate)
            if other is None and not place.member and place.file.with_name(PurePosixPath(candidate).name).is_file():
                other = Place(place.file.with_name(PurePosixPath(candidate).name))
            if other is not None:
                wanted[place] = other
                break
    owners, texts = list(wanted), list(wanted.values())
    return {owners[k]: caption(texts[k], source, encoding) for k, source in contents(texts)}


def _index(files: Sequence[Path]) -> dict[str, Place]:
    """All files, and all members of archives, by names of their own."""
    index: dict[str, Place] = {}
    for file in files:
        if is_archive(file):
            index |= {f"{file}/{PurePosixPath(name)}": Place(file, name) for name in archive_names(file)}
        else:
            index[str(file)] = Place(file)
    return index


def _idx(file: Path, look: Look) -> Writings:
    """Images and labels as MNIST has them."""
    labels = file.with_name(file.name.replace("images", "labels").replace("idx3", "idx1"))
    drawn = _unpacked(file, 3)
    said = _unpacked(labels, 1).astype(np.int64).tolist() if labels.exists() else [""] * len(drawn)
    if len(said) != len(drawn):
        raise DataError(f"{labels}: {told_count(len(said), 'label')} of {told_count(len(drawn), 'image')}; wanted as many")
    rows = drawn.astype(np.float32) / 255
    same = look.height == rows.shape[1]
    inputs = [np.ascontiguousarray(row.T) if same else columns(row, look.height, widest=look.widest) for row in rows]
    names = [f"{file}, image {k}" for k in range(1, len(inputs) + 1)]
    every = list(range(1, len(inputs) + 1))
    nothing: list[tuple[str, ...]] = [()] * len(inputs)
    return Writings(str(file), "images", inputs, list(map(str, said)), names, every, nothing, [""] * len(inputs), "image")


def _unpacked(file: Path, dimensions: int) -> NDArray[np.uint8]:
    try:
        raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        zeros, kind, found, *sizes = struct.unpack(f">HBB{dimensions}I", raw[: 4 + 4 * dimensions])
        values = np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions)
        if (zeros, kind, found) != (0, 8, dimensions) or len(values) != int(np.prod(sizes)):
            raise DataError(f"{file}: no IDX file of {dimensions} dimensions of bytes, or cut off")
        return values.reshape(sizes)
    except (struct.error, EOFError, zlib.error, OSError) as error:
        raise DataError(f"{file}: damaged, or no IDX file ({error})") from None


def _lists_images(file: Path, look: Look) -> bool:
    """Whether a table says paths of images: only .csv and JSON lines may hold pen points instead."""
    ending = _ending(file)
    if ending == ".tsv":
        return True
    if ending not in TABLES:
        return False
    if ending == ".csv":
        cells = _heads(file, look)
        return look.image in cells or any(cell.lower().endswith(IMAGES) for cell in cells)
    try:
        found = json.loads(_first(file, look))
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and look.image in found


def _heads(table: Path, look: Look) -> list[str]:
    """The cells of a table's first line; only those of .csv may have quotes around them."""
    cells = [cell.strip() for cell in re.split(r"[,;\t|]", _first(table, look))]
    return [cell.strip('"').strip() for cell in cells] if _ending(table) == ".csv" else cells


def _first(file: Path, look: Look) -> str:
    return next((line for line in as_written(file, look.encoding).splitlines() if line.strip()), "")


def _ending(file: Path) -> str:
    bare = file.name.lower()
    if is_archive(file):
        return ".tar"
    return PurePosixPath(bare.removesuffix(".gz")).suffix


def _folder(place: Place) -> str:
    return PurePosixPath(place.member or place.file.as_posix()).parent.name


def _hidden(below: Path) -> bool:
    return any(part.startswith(".") for part in below.parts)
