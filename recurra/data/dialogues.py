"""Dialogues: lists of turns from text, JSON Lines, or the folders of two known collections, and their honest split."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from recurra.data.corpus import read_file
from recurra.data.counts import told_count
from recurra.data.parts import PARTS, share
from recurra.errors import DataError, UsageError

__all__ = ["Dialogue", "Dialogues", "examples", "read_dialogues", "split_dialogues"]

Dialogue = tuple[str, ...]
"""The turns of a dialogue, two or more, in order."""

EOU = "__eou__"
KEYS = ("turns", "dialogue", "dialog", "dial", "messages", "conversation", "conversations", "utterances")
TEXTS = ("content", "text", "utterance", "value", "transcript", "sent")
DAILY_DIALOG = ("train1k.text_En.txt.gz", "dev.en.tsv.gz", "test.en.tsv.gz")
CAMREST = "CamRest676.json.gz"


class Dialogues(NamedTuple):
    """Three parts that share no dialogue, and what was left out to make them."""

    source: str
    learnt: tuple[Dialogue, ...]
    validation: tuple[Dialogue, ...]
    test: tuple[Dialogue, ...]
    notes: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over every turn of every part: any change of a byte that is read changes it."""
        digest = hashlib.sha256()
        for part in (self.learnt, self.validation, self.test):
            digest.update(len(part).to_bytes(8, "little"))
            for dialogue in part:
                digest.update(_digest(dialogue))
        return digest.hexdigest()


def examples(dialogue: Dialogue, *, turns: int) -> Iterator[tuple[Dialogue, str]]:
    """(up to `turns` turns of context, the response to them), for every turn but the first.

    Example:
        >>> list(examples(("Hi.", "Hello!", "How are you?"), turns=1))
        [(('Hi.',), 'Hello!'), (('Hello!',), 'How are you?')]
    """
    if turns < 1:
        raise UsageError(f"turns is {turns}; wanted 1 or more turns of context")
    for k in range(1, len(dialogue)):
        yield dialogue[max(0, k - turns) : k], dialogue[k]


def read_dialogues(path: Path, encoding: str = "utf-8", *, held_out: float = 0.1) -> Dialogues:
    r"""Read dialogues from a file or a folder; each file may be packed (``.gz``).

    - ``.jsonl``, ``.ndjson``: a dialogue a line, ``.json``: a list of them; each a list of turns, or an object that has one
      under ``turns``, ``dialogue``, ``messages``, ``conversation`` or the like. A turn is a text, or an object that has one
      under ``content``, ``text`` or the like; messages whose role is ``system`` are left out.
    - Text with ``__eou__``: a dialogue a line, ``__eou__`` behind or between turns; what follows a tab is no part of it.
    - Text with tabs, in every line or where no line is blank: a dialogue a line, tabs between turns.
    - Text with blank lines else: a turn a line, blank lines between dialogues.

    A folder has files named by their parts (``train.txt``, ``valid.jsonl``, ``test.txt``; ``dev`` and ``val`` too), or is that
    of DailyDialog or CamRest676 as published. Of a single file, about `held_out` of the dialogues are for validation and as
    many for the test: which, follows from their own hash, so that neither order nor further dialogues move one.

    White space in turns becomes single blanks. Empty turns, dialogues of fewer than two turns, and those that stand in an
    earlier part (learnt, validation, test; compared by letters and digits) are left out, and `notes` say how many.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "talks.txt")
        ...     _ = path.write_text("Hi. __eou__ Hello! __eou__\nBye. __eou__ See you.\n")
        ...     read_dialogues(path, held_out=0).learnt
        (('Hi.', 'Hello!'), ('Bye.', 'See you.'))
    """
    _check(held_out)
    if not path.is_dir():
        return _made(path, _split(_file(path, encoding), held_out))
    if all((path / name).exists() for name in DAILY_DIALOG):
        return _made(path, [_file(path / name, encoding) for name in DAILY_DIALOG])
    if (path / CAMREST).exists():
        found = _file(path / CAMREST, encoding)
        first, second = 3 * len(found) // 5, 4 * len(found) // 5
        return _made(path, [found[:first], found[first:second], found[second:]])
    return _made(path, [[one for file in files for one in _file(file, encoding)] for files in _parts(path)])


def split_dialogues(name: str, dialogues: Iterable[Dialogue], *, held_out: float = 0.1) -> Dialogues:
    """Dialogues that are there already, split as `read_dialogues` splits those of a single file.

    Example:
        >>> made = split_dialogues("greetings", [("Hi.", f"Hi, number {k}.") for k in range(100)])
        >>> len(made.learnt) + len(made.validation) + len(made.test)
        100
    """
    _check(held_out)
    return _made(Path(name), _split(list(dialogues), held_out))


def _check(held_out: float) -> None:
    if not 0 <= held_out < 0.5:
        raise UsageError(f"held_out is {held_out}; wanted a share from 0 to below 0.5, as validation and test each get one")


def _parts(folder: Path) -> list[list[Path]]:
    """The files of each part, by the first word of their names."""
    files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    parts = [[file for file in files if name.match(file.name)] for name in PARTS.values()]
    if not parts[0]:
        raise DataError(f"{folder}: no file whose name begins with train; wanted train, valid and test files, or name one file")
    return parts


def _split(dialogues: list[Dialogue], held_out: float) -> list[list[Dialogue]]:
    parts: list[list[Dialogue]] = [[], [], []]
    for dialogue in dialogues:
        place = share(_digest(_key(dialogue)))
        parts[1 if place < held_out else 2 if place < 2 * held_out else 0].append(dialogue)
    return parts


def _made(path: Path, parts: list[list[Dialogue]]) -> Dialogues:
    notes, kept, before = [], list[tuple[Dialogue, ...]](), set[Dialogue]()
    empty = sum(not turn for part in parts for dialogue in part for turn in dialogue)
    if empty:
        notes.append(f"{told_count(empty, 'empty turn')} left out")
    for name, part in zip(PARTS, parts, strict=True):
        filled = [tuple(turn for turn in dialogue if turn) for dialogue in part]
        long = [dialogue for dialogue in filled if len(dialogue) > 1]
        fresh = tuple(dialogue for dialogue in long if _key(dialogue) not in before)
        if len(long) < len(filled):
            notes.append(f"{name} part: {told_count(len(filled) - len(long), 'dialogue')} of fewer than two turns left out")
        if len(fresh) < len(long):
            notes.append(f"{name} part: {told_count(len(long) - len(fresh), 'dialogue')} of an earlier part left out")
        before.update(map(_key, fresh))
        kept.append(fresh)
    if not kept[0]:
        raise DataError(f"{path}: no dialogue to learn from; wanted some of two turns or more{_because(notes)}")
    learnt, validation, test = kept
    return Dialogues(str(path), learnt, validation, test, tuple(notes))


def _because(notes: list[str]) -> str:
    return f" ({'; '.join(notes)})" if notes else ""


def _file(file: Path, encoding: str) -> list[Dialogue]:
    """The dialogues of one file; turns may be empty."""
    kind = (file.with_suffix("") if file.suffix == ".gz" else file).suffix.lower()
    text = read_file(file, encoding)
    if not text.strip():
        raise DataError(f"{file}: no text in it; wanted dialogues")
    found = {".jsonl": _json_lines, ".ndjson": _json_lines, ".json": _json}.get(kind, _text)(file, text)
    return [tuple(" ".join(turn.split()) for turn in dialogue) for dialogue in found]


def _text(file: Path, text: str) -> Iterable[Iterable[str]]:
    lines = text.strip("\n").split("\n")
    if EOU in text:
        return [line.partition("\t")[0].strip().removesuffix(EOU).split(EOU) for line in lines if line.strip()]
    filled = [line for line in lines if line.strip()]
    if len(filled) < len(lines) and not all("\t" in line for line in filled):
        return [block.split("\n") for block in re.split(r"\n(?:\s*\n)+", "\n".join(lines))]
    if "\t" in text:
        return [line.split("\t") for line in filled]
    found = f"{file}: neither {EOU}, nor blank lines, nor tabs, so nobody can tell where a dialogue ends"
    raise DataError(f"{found}; wanted a dialogue a line, tabs between turns, or a turn a line, blank lines between dialogues")


def _json_lines(file: Path, text: str) -> Iterator[list[str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _turns(_value(file, line, number - 1), f"{file}, line {number}")


def _json(file: Path, text: str) -> Iterator[list[str]]:
    comments = re.match(r"(?:\s*#[^\n]*\n)*", text)  # CamRest676 begins with some
    skipped = comments.end() if comments else 0
    value = _value(file, text[skipped:], text.count("\n", 0, skipped))
    if not isinstance(value, list):
        raise DataError(f"{file}: {_kind(value)} came; wanted a list of dialogues, or JSON Lines in a .jsonl file")
    for number, one in enumerate(value, 1):
        yield _turns(one, f"{file}, dialogue {number}")


def _value(file: Path, text: str, above: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{file}, line {above + error.lineno}, column {error.colno}: no JSON ({error.msg})") from None
    except (RecursionError, ValueError):  # lists in lists in lists, or a number of thousands of digits
        raise DataError(f"{file}, line {above + 1}: JSON that cannot be read; wanted lists of turns") from None


def _turns(value: Any, where: str) -> list[str]:
    if isinstance(value, dict):
        key = next((key for key in KEYS if key in value), None)
        if key is None:
            raise DataError(f"{where}: no turns; wanted a list of them under {', '.join(KEYS[:-1])} or {KEYS[-1]}")
        value = value[key]
    if not isinstance(value, list):
        raise DataError(f"{where}: {_kind(value)} came; wanted a list of turns")
    return [text for number, turn in enumerate(value, 1) for text in _said(turn, f"{where}, turn {number}")]


def _said(turn: Any, where: str) -> list[str]:
    if isinstance(turn, str):
        return [turn]
    if isinstance(turn, dict):
        if turn.get("role", turn.get("from")) == "system":
            return []
        if "usr" in turn and "sys" in turn:  # CamRest676: two turns in one
            return [*_said(turn["usr"], where), *_said(turn["sys"], where)]
        texts = [turn[key] for key in TEXTS if isinstance(turn.get(key), str)]
        if texts:
            return texts[:1]
        raise DataError(f"{where}: no text; wanted one under {', '.join(TEXTS[:-1])} or {TEXTS[-1]}")
    raise DataError(f"{where}: {_kind(turn)} came; wanted a text")


def _kind(value: Any) -> str:
    kinds: dict[type, str] = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _key(dialogue: Dialogue) -> Dialogue:
    """What a dialogue is known by: its letters and digits; editions differ in blanks, quotes and capitals."""
    return tuple(re.sub(r"[\W_]+", "", turn.casefold()) or turn for turn in dialogue)


def _digest(dialogue: Dialogue) -> bytes:
    parts = [turn.encode("utf-8", "surrogatepass") for turn in dialogue]
    return b"".join(len(part).to_bytes(8, "little") + part for part in [b"%d" % len(parts), *parts])
