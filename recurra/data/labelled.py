"""Texts or series with a label each, to learn, to look at during training, and to measure on."""

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.columns import lines_of
from recurra.data.corpus import as_written
from recurra.data.counts import told_count
from recurra.data.fasta import read_fasta
from recurra.data.label_files import MARK, read_columns, read_objects, read_plain, read_steps
from recurra.data.labels import Labelled, bare, channel_order, channels_told, note
from recurra.data.parts import PARTS, Parts, check_share, counted, share, split
from recurra.data.time_series_files import read_arrays, read_ts, series
from recurra.errors import DataError

__all__ = ["Labelled", "LabelledParts", "read_inputs", "read_labelled", "split_labelled", "suffix_of"]

FASTA = (".fa", ".fasta", ".fna", ".faa", ".ffn", ".fas")
COLUMNS = (".csv", ".tsv")
OBJECTS = (".jsonl", ".ndjson")
WHOLE = (".ts", ".npz")  # series that are read together
KINDS = (".txt", *OBJECTS, *WHOLE, *COLUMNS, *FASTA)
PACKED = (".7z", ".bz2", ".tar", ".zip", ".zst")
OTHERS = (".arff", ".html", ".json", ".md", ".mat", ".parquet", ".pdf", ".png", ".py", ".xlsx", *PACKED)


LabelledParts = Parts[Labelled]
"""Labelled inputs in three parts."""


def read_labelled(
    path: Path, *, text: str = "", label: str = "", encoding: str = "utf-8", held_out: float = 0.2, number: bool = False
) -> LabelledParts:
    """Labelled texts or series from a file, or from a folder.

    What a file is follows from its name, without a last ``.gz`` or ``.xz``:

    - ``.csv``, ``.tsv``: a text and a label in columns `text` and `label`, or columns of numbers (see `read_columns`);
    - ``.jsonl``, ``.ndjson``: an object on each line, with a text or nested lists of numbers;
    - ``.ts``: series of the UCR and UEA archives; ``.npz``: arrays x, y and lengths;
    - ``.fa``, ``.fasta`` and the like: sequences with the label in the header, or in a table that `label` names;
    - any other name: lines ``label text``, ``__label__x text``, columns between tabs.

    A folder holds the files, or folders, of its parts: names with ``train``; ``val``, ``valid``, ``validation`` or ``dev``;
    ``test``. Else it holds a folder of files for each class (texts, or .csv files with a step of a series in each line), or a
    text file for each class with an input on each line.
    Where a single file of such a name is asked for, those beside it that differ in this word alone are the other parts.

    A part that is not there is taken from what was to be learnt: half of `held_out` for looks, half to measure on. Which
    inputs follows from a hash of each, so that equal inputs stand on one side, and more of them move none.

    To learn from, and before any split of ours, inputs that are empty or have no label are left out; of parts that are there
    to look at and to measure on, those without a label.

    Args:
        path: the file or folder.
        text: the column or key of the input; several are joined.
        label: the column or key of the label.
        encoding: of text.
        held_out: how much is not learnt, where the split is ours.
        number: labels are numbers.

    Raises:
        DataError: what cannot be read, too few inputs, one class only, or labels that are no numbers where they are wanted.
        UsageError: a `held_out` that is no share.
    """
    check_share(held_out)
    read, notes = _read(path, text, label, encoding)
    return _parted(
        str(path), read, held_out, number, [*notes, *dict.fromkeys(line for part in read.values() for line in part.notes)]
    )


def split_labelled(
    name: str,
    inputs: Sequence[Any],
    labels: Sequence[str],
    *,
    channels: tuple[str, ...] = (),
    held_out: float = 0.2,
    number: bool = False,
) -> LabelledParts:
    """Labelled inputs that are there already, split as `read_labelled` splits those of a file.

    Example:
        >>> parts = split_labelled("parity", [str(k) for k in range(100)], ["odd" if k % 2 else "even" for k in range(100)])
        >>> parts.learnt.kind, len(parts.learnt) + len(parts.validation) + len(parts.test), parts.test.labels[:2]
        ('text', 100, ['odd', 'odd'])
    """
    read = Labelled(name, list(inputs), list(labels), list(range(1, len(inputs) + 1)), "row", channels)
    return _parted(name, {"train": read}, held_out, number, [])


def read_inputs(
    path: Path, *, text: str = "", label: str = "", encoding: str = "utf-8", known: Collection[str] = ()
) -> Labelled:
    """All inputs of one file, none left out, with their labels where there are such, else with empty ones.

    Of what brings its split (a folder, arrays), those to measure on. In a file of plain lines a line is a text, unless every
    one of them begins with one of the `known` labels.
    """
    read = _read(path, text, label, encoding)[0] if path.is_dir() else _file(path, text, label, encoding, known)
    found = read.get("test", read["train"])
    if not len(found):
        raise DataError(f"{path}: nothing in it; wanted at least one text or series")
    return found


def _read(path: Path, text: str, label: str, encoding: str) -> tuple[dict[str, Labelled], list[str]]:
    """What there is of each part."""
    if not path.is_dir():
        found = _beside(path)
        if len(found) == 1:
            return _file(path, text, label, encoding), []
        others = [file.name for part, file in found.items() if part != "train"]
        return _files(found, text, label, encoding), [f"{path.name}: {', '.join(others)} beside it is read, too"]
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    learning = [entry for entry in entries if PARTS["train"].search(entry.name) and (entry.is_dir() or _readable(entry))]
    if any(entry.is_dir() and not any(word.search(entry.name) for word in PARTS.values()) for entry in entries):
        learning = [entry for entry in learning if not entry.is_dir()]  # bus, car, train are classes
    if len(learning) > 1:
        names = ", ".join(entry.name for entry in learning[:5])
        raise DataError(f"{path}: {len(learning)} to learn from: {names}{' ...' * (len(learning) > 5)}; wanted one: name it")
    if learning:
        return _files(_beside(learning[0]), text, label, encoding), []
    return {"train": _classes(path, encoding)}, []


def _files(found: Mapping[str, Path], text: str, label: str, encoding: str) -> dict[str, Labelled]:
    return {
        part: _classes(file, encoding) if file.is_dir() else _file(file, text, label, encoding)["train"]
        for part, file in found.items()
    }


def _beside(path: Path) -> dict[str, Path]:
    """The part that a file or folder is, and what differs from its name in the word of the part alone."""
    if not PARTS["train"].search(path.name) or not path.parent.is_dir():
        return {"train": path}
    found, stem = {"train": path}, _stem(path, "train")
    beside = [each for each in path.parent.iterdir() if each.is_dir() == path.is_dir() and (each.is_dir() or _readable(each))]
    for part in ("validation", "test"):
        fitting = [each for each in beside if PARTS[part].search(each.name) and _stem(each, part) == stem]
        if fitting:  # one of the same kind before others
            found[part] = min(fitting, key=lambda each: (suffix_of(each) != suffix_of(path), each.name))
    return found


def _stem(path: Path, part: str) -> str:
    """A name without what it ends in and without the word of its part."""
    return PARTS[part].sub("", Path(bare(path.name)).stem).lower()


def _readable(file: Path) -> bool:
    """Whether a name is one of data rather than of what stands beside it."""
    return suffix_of(file) not in OTHERS


def _file(path: Path, text: str, label: str, encoding: str, known: Collection[str] | None = None) -> dict[str, Labelled]:
    """One file by its kind; one of arrays may hold several parts."""
    suffix = suffix_of(path)
    if suffix in OTHERS:
        raise DataError(f"{path}: of a kind that is not read; wanted {', '.join(KINDS)}, or plain lines")
    if suffix == ".npz":
        return read_arrays(path)
    if suffix == ".ts":
        return {"train": read_ts(path, encoding)}
    if suffix in OBJECTS:
        return {"train": read_objects(path, text, label, encoding)}
    if suffix in COLUMNS:
        return {"train": read_columns(path, text, label, encoding, known)}
    first = next((line for line in lines_of(as_written(path, encoding)) if line.strip()), "")
    if suffix in FASTA or first.startswith(">"):
        return {"train": read_fasta(path, _table(path, label, encoding), encoding)}
    if "\t" in first and MARK not in first:
        return {"train": read_columns(path, text, label, encoding, known)}
    return {"train": read_plain(path, label, encoding, known)}


def _table(path: Path, label: str, encoding: str) -> dict[str, str] | None:
    """The labels of sequences by name, from a file of two columns."""
    if not label:
        return None
    file = next((found for found in (path.parent / label, Path(label)) if found.is_file()), None)
    if file is None:
        raise DataError(f"{path}: label={label}: no such file; wanted a table of two columns, name and label, or no label=")
    rows = read_columns(file, "1", "2", encoding)
    return dict(zip(rows.inputs, rows.labels, strict=True))


def _classes(path: Path, encoding: str) -> Labelled:
    """A folder of files for each class, or a file for each class."""
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    folders = [entry for entry in entries if entry.is_dir()]
    if folders:
        there = [(folder.name, file) for folder in folders for file in sorted(folder.iterdir()) if file.is_file()]
        files = [(label, file) for label, file in there if not file.name.startswith(".")]
        texts = [(label, file) for label, file in files if suffix_of(file) == ".txt"]
        tables = [(label, file) for label, file in files if suffix_of(file) in COLUMNS]
        if texts and tables:
            both = f"{told_count(len(texts), 'text')} (.txt) and {told_count(len(tables), 'series')} (.csv)"
            raise DataError(f"{path}: {both}; wanted files of one kind")
        if tables:
            return _tables(path, tables, encoding)
        inputs = [" ".join(as_written(file, encoding).split()) for _, file in texts]
        read = Labelled(str(path), inputs, [label for label, _ in texts], list(range(1, len(texts) + 1)), "file")
    else:
        lines = [
            (Path(bare(file.name)).stem, number, line.strip())
            for file in entries
            if suffix_of(file) == ".txt"
            for number, line in enumerate(lines_of(as_written(file, encoding)), 1)
            if line.strip()
        ]
        read = Labelled(str(path), [line for _, _, line in lines], [label for label, _, _ in lines], [k for _, k, _ in lines])
    if not len(read):
        raise DataError(f"{path}: no file to learn from; wanted train.*, a folder for each class, or a .txt for each class")
    return read


def _tables(path: Path, files: Sequence[tuple[str, Path]], encoding: str) -> Labelled:
    """Series from a file each."""
    inputs, wanted = list[NDArray[np.float32]](), tuple[str, ...]()
    for _, file in files:
        steps, names = read_steps(file, encoding)
        wanted = wanted or names
        order = channel_order(names, wanted)
        if order is None:
            raise DataError(f"{file}: {channels_told(names)}; wanted {channels_told(wanted)}, as in {files[0][1].name}")
        inputs.append(steps[:, order])
    rows = list(range(1, len(files) + 1))
    return series(Labelled(str(path), inputs, [label for label, _ in files], rows, "file"), wanted)


def suffix_of(file: Path) -> str:
    """What a name ends in, in small letters, without what says that a file is packed."""
    return Path(bare(file.name)).suffix.lower()


def _parted(name: str, read: Mapping[str, Labelled], held_out: float, number: bool, notes: list[str]) -> LabelledParts:
    """The three parts, those that are missing taken from what was to be learnt."""
    train = read["train"]
    if not len(train):
        raise DataError(f"{name}: nothing in it to learn from; wanted a text or a series, and its label, on each line")
    if not any(train.labels):
        raise DataError(
            f"{name}: no label in it; wanted one for each of the {len(train):,}: say label=NAME, of a column or key"
        )
    for other in read.values():
        if other.channels != train.channels:
            came, wanted = (", ".join(side.channels) or "text" for side in (other, train))
            raise DataError(f"{other.name}: {came}; wanted {wanted}, as in {train.name}")
    missing = [part for part in ("test", "validation") if part not in read]
    train, found_notes = _sound(train, True, number)
    notes += found_notes
    if not number and len(train) > 1:  # of a single one there are too few
        _tell_apart(name, train)
    parts = dict(read) | dict.fromkeys(("train", *missing), train)
    if missing:
        sides = _sides([share(_bytes(one)) for one in train.inputs], missing, held_out)
        for part in ("train", *missing):
            parts[part] = train.take([k for k, side in enumerate(sides) if side == part])
    for part in ("validation", "test"):
        if part in read:
            parts[part], found_notes = _sound(parts[part], False, number)
            notes += found_notes
    notes += _strange(parts, number)
    kind = "texts" if train.kind == "text" else "series"
    told = counted(name, kind, parts, f"give more{', or a larger held_out' if missing else ''}")
    if not number:
        _tell_apart(name, parts["train"])
    learnt, validation, test = (replace(parts[part], notes=()) for part in PARTS)
    digest = _fingerprint(read)
    return LabelledParts(name, learnt, validation, test, digest, (*notes, told))


def _tell_apart(name: str, learnt: Labelled) -> None:
    """Refuse to learn a single class."""
    if len(classes := set(learnt.labels)) == 1:
        raise DataError(f"{name}: one class only, {classes.pop()[:40]!r}; wanted at least two to tell apart")


def _sides(shares: Sequence[float], missing: Sequence[str], held_out: float) -> list[str]:
    """Which part each input goes to, by where it stands between 0 and 1; no missing part stays without any."""
    sides = split(shares, missing, held_out)
    for part in missing:
        free = [each for each, side in zip(shares, sides, strict=True) if side == "train"]
        if part not in sides and free:
            least = min(free)
            sides = [part if each == least else side for each, side in zip(shares, sides, strict=True)]
    return sides


def _sound(read: Labelled, learning: bool, number: bool) -> tuple[Labelled, list[str]]:
    """Without what cannot be learnt, or measured on; notes of what was left out."""
    places = range(len(read))
    unlabelled = [k for k in places if not read.labels[k]]
    empty = [k for k in places if read.labels[k] and not len(read.inputs[k])]
    notes = note(read, "without a label", unlabelled, "left out")
    notes += note(read, "of no length", empty, "left out" if learning else "kept")
    gone = {*unlabelled, *(empty if learning else ())}
    kept = read.take([k for k in places if k not in gone])
    if number:
        for row, found in zip(kept.rows, kept.labels, strict=True):
            if not _finite(found):
                raise DataError(
                    f"{read.name}, {read.counted} {row}: label {found[:40]!r}; wanted a number, or a task of classes"
                )
    return kept, notes


def _finite(label: str) -> bool:
    try:
        return math.isfinite(float(label))
    except ValueError:
        return False


def _strange(parts: Mapping[str, Labelled], number: bool) -> list[str]:
    """Notes of inputs that stand on both sides, of those with several labels, and of classes that were never learnt."""
    learnt = parts["train"]
    labels: dict[Any, str] = {}
    odd = [k for k, one in enumerate(learnt.inputs) if labels.setdefault(_key(one), learnt.labels[k]) != learnt.labels[k]]
    notes = note(learnt, "there before with another label", odd, "kept")
    for part in ("validation", "test"):
        both = [k for k, one in enumerate(parts[part].inputs) if len(one) and _key(one) in labels]
        notes += note(parts[part], "learnt from, too", both, "kept")
        if not number:
            strange = sorted(set(parts[part].labels) - set(learnt.labels))
            places = [k for k, found in enumerate(parts[part].labels) if found in set(strange)]
            names = ", ".join(strange[:5]) + " ..." * (len(strange) > 5)
            notes += note(parts[part], f"of classes that are not learnt, {names}", places, "kept, none can be right")
    return notes


def _key(one: Any) -> Any:
    return one if isinstance(one, str) else one.tobytes()


def _bytes(one: Any) -> bytes:
    return one.encode("utf-8", "surrogatepass") if isinstance(one, str) else np.ascontiguousarray(one, np.float32).tobytes()


def _fingerprint(read: Mapping[str, Labelled]) -> str:
    digest = hashlib.sha256()
    for part, side in read.items():
        for pieces in ([part, Path(side.name).name, *side.channels], side.inputs, side.labels):
            digest.update(len(pieces).to_bytes(8, "little"))
            for piece in pieces:
                content = _bytes(piece)
                digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()
