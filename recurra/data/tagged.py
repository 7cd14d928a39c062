"""Sentences whose words have tags, from CoNLL files or JSON lines: parts to learn from, to look at and to measure on."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from recurra.data.columns import lines_of
from recurra.data.conll import read_conll
from recurra.data.corpus import as_written
from recurra.data.counts import told_count
from recurra.data.parts import PARTS, Parts, check_share, counted, share, split
from recurra.data.sentences import Sentence, read_spans
from recurra.errors import DataError

__all__ = ["Tagged", "TaggedParts", "read_tagged", "read_tagged_parts", "split_tagged"]

LINES = {"jsonl", "ndjson"}


@dataclass(frozen=True)
class Tagged:
    """Sentences of one file.

    Attributes:
        name: where they were read.
        sentences: each with its words and entities.
        scheme: of the tags there were, one of ``SCHEMES``; ``"spans"`` where there were none.
        notes: what was understood about the file.
    """

    name: str
    sentences: list[Sentence]
    scheme: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.sentences)

    def take(self, places: Iterable[int]) -> "Tagged":
        """Some of the sentences, in the order that is asked for."""
        return replace(self, sentences=[self.sentences[k] for k in places])

    @property
    def labels(self) -> list[str]:
        """Of its entities, in order of the alphabet."""
        return sorted({entity.label for sentence in self.sentences for entity in sentence.entities})


TaggedParts = Parts[Tagged]
"""Sentences in three parts."""


def read_tagged(
    path: Path, *, token: int = 0, tag: int = 0, text: str = "text", spans: str = "spans", encoding: str = "utf-8"
) -> Tagged:
    """All sentences of one file: ``.jsonl`` or ``.ndjson`` as `read_spans` reads it, any other as `read_conll` does.

    Raises:
        DataError: a file that cannot be read so, with the line; no sentence.
    """
    kind = path.name.removesuffix(".gz").rpartition(".")[2].lower()
    lines = lines_of(as_written(path, encoding))
    scheme = "spans"
    if kind in LINES:
        sentences, notes = read_spans(path, lines, text, spans)
    else:
        sentences, scheme, notes = read_conll(path, lines, token, tag)
    if not sentences:
        raise DataError(f"{path}: no sentence in it; wanted a word and its tag on each line, and an empty line behind each")
    return Tagged(str(path), sentences, scheme, tuple(notes))


def read_tagged_parts(
    path: Path,
    *,
    token: int = 0,
    tag: int = 0,
    text: str = "text",
    spans: str = "spans",
    encoding: str = "utf-8",
    held_out: float = 0.2,
) -> TaggedParts:
    """Sentences from a file (see `read_tagged`), or from a folder that brings its split.

    Of a folder the parts are files in whose names stands, with no letter before or behind it, ``train``; ``dev``, ``testa``,
    ``val``, ``valid`` or ``validation``; ``test`` or ``testb``. Of several the first by name is read.

    A part that is not there is taken from what was to be learnt, as `split_tagged` does.

    Raises:
        DataError: a file that cannot be read, a folder without a file to learn from, too few sentences, no entity to learn.
    """
    files = _folder(path) if path.is_dir() else {"train": [path]}
    how = {"token": token, "tag": tag}
    read = {
        part: read_tagged(found[0], **how, text=text, spans=spans, encoding=encoding) for part, found in files.items() if found
    }
    notes = [note for tagged in read.values() for note in tagged.notes]
    several = [[file.name for file in found] for found in files.values() if len(found) > 1]
    notes += [f"{first} is read; not {', '.join(others)}" for first, *others in several]
    return _parted(str(path), read, held_out, notes)


def split_tagged(whole: Tagged, *, held_out: float = 0.2) -> TaggedParts:
    """Sentences that are there already in parts: half of `held_out` for looks, half to measure on.

    Which sentences follows from a hash of their words, so that equal ones stand on one side, and more of them move none.

    Example:
        >>> from recurra.data import notices
        >>> parts = split_tagged(notices())
        >>> len(parts.learnt), len(parts.validation), len(parts.test)
        (2402, 294, 304)
    """
    return _parted(whole.name, {"train": whole}, held_out, list(whole.notes))


def _parted(name: str, read: Mapping[str, Tagged], held_out: float, notes: list[str]) -> TaggedParts:
    check_share(held_out)
    digest = _fingerprint(read.values())
    parts = dict.fromkeys(PARTS, read["train"]) | dict(read)
    missing = [part for part in ("test", "validation") if part not in read]
    if missing:
        words = ("\n".join(sentence.words) for sentence in read["train"].sentences)
        of = split((share(each.encode("utf-8", "surrogatepass")) for each in words), missing, held_out)
        for part in ("train", *missing):
            parts[part] = read["train"].take(k for k, side in enumerate(of) if side == part)
    for part in ("validation", "test"):
        strange = sorted(set(parts[part].labels) - set(parts["train"].labels))
        if strange:
            where = Path(parts[part].name).name
            notes.append(f"{where}: entities with labels that are not learnt: {', '.join(strange)}; none of them can be found")
    told = counted(name, "sentences", parts, f"give more sentences{', or a larger held_out' if missing else ''}")
    labels = parts["train"].labels
    if not labels:
        raise DataError(f"{name}: no entity in what is to be learnt, every tag is O; wanted some")
    told += f"; {told_count(len(labels), 'label')}: {', '.join(labels[:20])}{', ...' if len(labels) > 20 else ''}"
    return TaggedParts(name, parts["train"], parts["validation"], parts["test"], digest, (*notes, told))


def _folder(path: Path) -> dict[str, list[Path]]:
    """The files of each part."""
    files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    found = {part: [file for file in files if names.search(file.name)] for part, names in PARTS.items()}
    if not found["train"]:
        there = ", ".join(file.name for file in files[:5]) or "no file"
        raise DataError(f"{path}: no file with train in its name; there is {there}: name a file instead")
    return found


def _fingerprint(read: Iterable[Tagged]) -> str:
    digest = hashlib.sha256()
    for tagged in read:
        digest.update(f"{Path(tagged.name).name}\n{len(tagged)}\n".encode("utf-8", "surrogatepass"))
        for sentence in tagged.sentences:
            for part in ("\n".join(sentence.words), repr(sentence.places), repr([tuple(one) for one in sentence.entities])):
                data = part.encode("utf-8", "surrogatepass")
                digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()
