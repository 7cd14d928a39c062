"""Sentences with entities: words and where they stand in a text, and texts with spans of characters."""

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from recurra.data.counts import told_count
from recurra.data.json_lines import objects
from recurra.data.schemes import Entity
from recurra.errors import DataError

__all__ = ["Sentence", "blank_places", "of_text", "of_words", "read_spans", "read_texts", "touched", "word_places"]

EACH = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # kana and ideographs: scripts without blanks between words
WORD = re.compile(
    rf"""
    \d+(?:[.,:/-]\d+)*(?!\w)       # numbers, times, dates
    | (?:[^\W\d_]\.){{2,}}         # letters with points: U.S.
    | ['\u2019](?:s|m|d|re|ve|ll)\b  # what is written short behind a word
    | [{EACH}]
    | (?:(?![{EACH}])\w)+
    | \S
    """,
    re.VERBOSE | re.IGNORECASE,
)
EXAMPLE = '{"text": "...", "spans": []}'


class Sentence(NamedTuple):
    """Words with what they are together.

    `line` is where it begins, in a file; word k is ``text[start:end]`` with ``start, end = places[k]``.
    """

    words: tuple[str, ...]
    entities: tuple[Entity, ...]
    line: int
    text: str
    places: tuple[tuple[int, int], ...]


def word_places(text: str) -> list[tuple[int, int]]:
    """Where the words of a text begin and end: letters and digits in a row, any other sign on its own.

    Together stay digits with points, commas, colons, slashes or hyphens between them, single letters with points, and what is
    written short behind an apostrophe. Kana and ideographs are words on their own.

    Example:
        >>> text = "Japan's U.S. trip, 1996-12-06"
        >>> [text[start:end] for start, end in word_places(text)]
        ['Japan', "'s", 'U.S.', 'trip', ',', '1996-12-06']
    """
    return [found.span() for found in WORD.finditer(text)]


def of_words(words: Sequence[str], entities: Iterable[Entity] = (), line: int = 1) -> Sentence:
    """A sentence of words, whose text has a blank between each two.

    Example:
        >>> of_words(["a", "bc"]).places
        ((0, 1), (2, 4))
    """
    places, start = [], 0
    for word in words:
        places.append((start, start + len(word)))
        start += len(word) + 1
    return Sentence(tuple(words), tuple(entities), line, " ".join(words), tuple(places))


def of_text(text: str, line: int = 1, cut: Callable[[str], list[tuple[int, int]]] = word_places) -> Sentence:
    """A sentence of a text, with the words that `cut` finds."""
    places = cut(text)
    return Sentence(tuple(text[start:end] for start, end in places), (), line, text, tuple(places))


def blank_places(text: str) -> list[tuple[int, int]]:
    """Where the words of a text begin and end if only white space parts them."""
    return [found.span() for found in re.finditer(r"\S+", text)]


def touched(sentence: Sentence, start: int, end: int) -> tuple[int, int]:
    """The first and the last word that characters `start` to before `end` of the text touch; the last is less if none."""
    return bisect_right(sentence.places, start, key=itemgetter(1)), bisect_left(sentence.places, end, key=itemgetter(0)) - 1


def read_spans(path: Path, lines: Iterable[str], text: str = "text", spans: str = "spans") -> tuple[list[Sentence], list[str]]:
    """Sentences of JSON lines, an object on each, and notes of what was changed.

    ``{"text": "In New York", "spans": [{"start": 3, "end": 11, "label": "LOC"}]}``, a span also as ``[3, 11, "LOC"]``; offsets
    are in characters, counted from 0, the end behind the last. A span that begins or ends within a word, or has blanks at its
    ends, becomes that of whole words, and a note counts them.

    Raises:
        DataError: no JSON, a key that is not there, a span outside of its text, without a word, or over another one, with the
            line.
    """
    sentences, moved = list[Sentence](), list[int]()
    for number, value in objects(path, lines, EXAMPLE):
        written = _text(path, number, value, text, "say text=KEY")
        if spans not in value:
            there = ", ".join(sorted(value)) or "none"
            raise DataError(f"{path}, line {number}: no key {spans}; there are {there}: say spans=KEY")
        sentence, found, changed = of_text(written, number), list[Entity](), False
        for start, end, label in sorted(_span(path, number, one, len(written)) for one in _list(path, number, value[spans])):
            first, last = touched(sentence, start, end)
            if first > last:
                raise DataError(f"{path}, line {number}: the span {start} to {end} has no word in it; wanted one at least")
            if found and first < found[-1].end:
                before = " ".join(sentence.words[found[-1].start : found[-1].end])
                raise DataError(
                    f"{path}, line {number}: the span {start} to {end} lies over another, {before!r}; wanted spans apart"
                )
            changed |= (sentence.places[first][0], sentence.places[last][1]) != (start, end)
            found.append(Entity(first, last + 1, label))
        if changed:
            moved.append(number)
        sentences.append(sentence._replace(entities=tuple(found)))
    notes = []
    if moved:
        count = told_count(len(moved), "line") + (", the first is" if len(moved) > 1 else "")
        notes.append(
            f"{path.name}: spans that end within words or at blanks ({count} {moved[0]}): those of whole words are meant"
        )
    return [sentence for sentence in sentences if sentence.words], notes


def read_texts(path: Path, lines: Iterable[str], text: str = "text") -> Iterator[tuple[int, str]]:
    """The texts of JSON lines and their lines, one after the other, whatever spans they have; `text` is the key of training."""
    for number, value in objects(path, lines, EXAMPLE):
        yield number, _text(path, number, value, text, f"wanted the texts under {text}, as in training")


def _text(path: Path, number: int, value: dict[str, Any], key: str, wanted: str) -> str:
    if key not in value:
        there = ", ".join(sorted(value)) or "none"
        raise DataError(f"{path}, line {number}: no key {key}; there are {there}: {wanted}")
    if not isinstance(value[key], str):
        raise DataError(f"{path}, line {number}, key {key}: {json.dumps(value[key])[:40]}; wanted text")
    written: str = value[key]
    return written


def _list(path: Path, number: int, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise DataError(f"{path}, line {number}: spans are {json.dumps(value)[:40]}; wanted a list of them")
    return value


def _span(path: Path, number: int, value: Any, length: int) -> tuple[int, int, str]:
    parts = [value.get(key) for key in ("start", "end", "label")] if isinstance(value, dict) else value
    match parts:
        case [int(start), int(end), str(label)] if 0 <= start < end <= length and label:
            return start, end, label
    wanted = f'{{"start": 0, "end": 5, "label": "LOC"}} within its {length:,} characters'
    raise DataError(f"{path}, line {number}: span {json.dumps(value)[:60]}; wanted one as {wanted}")
