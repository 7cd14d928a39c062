"""How the tags of words say which words an entity has: IOB1, IOB2 and IOBES, and how conlleval reads any of them."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["SCHEMES", "Entity", "entities", "label_tags", "scheme_of", "strange_places", "tags_of", "transitions"]

SCHEMES = ("iob1", "iob2", "iobes", "words")
"""The schemes; in the last one each word has a label of its own, and no tag has a prefix."""
PREFIXED = re.compile(r"([BIESLUMW])(?:-(.+))?")
SAME = {"L": "E", "U": "S", "M": "I", "W": "S"}  # letters of BILOU and BMES
BARE = "entity"  # the label of tags that have none


class Entity(NamedTuple):
    """Words from `start` to before `end`, and what they are."""

    start: int
    end: int
    label: str


def entities(tags: Iterable[str], scheme: str = "") -> list[Entity]:
    r"""What the tags of a sentence say, also where they say what no scheme has, by the rules of conlleval.

    A word goes on with the entity of the word before it if both have the same label, its own tag is ``I`` or ``E``, and the one
    before is ``B`` or ``I``. Any other word that is not ``O`` begins one. ``L``, ``U``, ``M`` and ``W`` are other names for
    ``E``, ``S``, ``I`` and ``S``. With the scheme ``words`` each word that is not ``O`` is an entity of its own.

    Source: Tjong Kim Sang & De Meulder 2003, arXiv:cs/0306050, and the program conlleval that they measured with.

    Example:
        >>> entities(["I-PER", "I-PER", "B-PER", "O", "I-LOC", "I-ORG"])[1:]
        [Entity(start=2, end=3, label='PER'), Entity(start=4, end=5, label='LOC'), Entity(start=5, end=6, label='ORG')]
        >>> entities(["DT", "NN"], "words")
        [Entity(start=0, end=1, label='DT'), Entity(start=1, end=2, label='NN')]
    """
    if scheme == "words":
        return [Entity(k, k + 1, tag) for k, tag in enumerate(tags) if tag != "O"]
    found, before = list[Entity](), ("O", "")
    for k, tag in enumerate(tags):
        prefix, label = own = _parts(tag)
        if prefix in ("I", "E") and before in (("B", label), ("I", label)):
            found[-1] = found[-1]._replace(end=k + 1)
        elif prefix != "O":
            found.append(Entity(k, k + 1, label))
        before = own
    return found


def tags_of(found: Iterable[Entity], words: int, scheme: str) -> list[str]:
    """The tags of a sentence of so many words, in a scheme; of entities that do not overlap, in their order.

    Example:
        >>> tags_of([Entity(0, 2, "PER"), Entity(2, 3, "PER")], 4, "iobes")
        ['B-PER', 'E-PER', 'S-PER', 'O']
        >>> tags_of([Entity(0, 2, "PER"), Entity(2, 3, "PER")], 4, "iob1")
        ['I-PER', 'I-PER', 'B-PER', 'O']
    """
    tags, last = ["O"] * words, Entity(0, -1, "")
    for one in found:
        start, end, label = one
        inside = ["I"] * (end - start)
        if scheme == "iob2" or (scheme == "iob1" and (last.end, last.label) == (start, label)):
            inside[0] = "B"
        elif scheme == "iobes":
            inside = ["B", *inside[2:], "E"] if end - start > 1 else ["S"]
        tags[start:end] = [label if scheme == "words" else f"{prefix}-{label}" for prefix in inside]
        last = one
    return tags


def label_tags(labels: Iterable[str], scheme: str) -> list[str]:
    """Every tag that entities of these labels can have in a scheme, ``O`` first.

    Example:
        >>> label_tags(["PER"], "iobes")
        ['O', 'B-PER', 'I-PER', 'E-PER', 'S-PER']
    """
    if scheme == "words":
        return ["O", *(label for label in labels if label != "O")]
    return ["O", *(f"{prefix}-{label}" for label in labels for prefix in ("BIES" if scheme == "iobes" else "BI"))]


def transitions(tags: Sequence[str], scheme: str) -> NDArray[np.bool_]:
    """(K + 1, K + 1) which of K tags may follow which; the last row is what may begin, the last column what may end.

    A sequence that obeys it says the same entities in no other way.

    Example:
        >>> transitions(["O", "B-PER", "I-PER"], "iob2").astype(int)
        array([[1, 1, 0, 1],
               [1, 1, 1, 1],
               [1, 1, 1, 1],
               [1, 1, 0, 1]])
    """
    if scheme == "words":
        return np.ones((len(tags) + 1, len(tags) + 1), bool)
    parts = [*map(_parts, tags), ("O", "")]
    return np.array([[_follows(before, after, scheme) for after in parts] for before in parts])


def scheme_of(sentences: Sequence[Sequence[str]]) -> str:
    """The scheme that tags are in: the one that fewest of them are impossible in.

    Example:
        >>> scheme_of([["O", "I-PER"]]), scheme_of([["O", "B-PER", "I-PER"]]), scheme_of([["U-PER"]]), scheme_of([["DT", "NN"]])
        ('iob1', 'iob2', 'iobes', 'words')
    """
    seen = {tag for tags in sentences for tag in tags} - {"O"}
    prefixed = {tag: found for tag in seen if (found := PREFIXED.fullmatch(tag))}
    if 2 * len(prefixed) < len(seen):
        return "words"
    if {found[1] for found in prefixed.values()} - {"B", "I"}:
        return "iobes"
    return min(("iob2", "iob1"), key=lambda scheme: len(strange_places(sentences, scheme)))


def strange_places(sentences: Sequence[Sequence[str]], scheme: str) -> list[tuple[int, int]]:
    """Sentence and word of each tag that cannot stand where it stands in a scheme; :func:`entities` reads them all the same.

    Example:
        >>> strange_places([["O", "I-PER"], ["B-PER", "E-PER", "I-PER"]], "iobes")
        [(0, 1), (1, 2)]
    """
    seen = sorted({tag for tags in sentences for tag in tags})
    allowed, number = transitions(seen, scheme), {tag: k for k, tag in enumerate(seen)}
    border, places = len(seen), list[tuple[int, int]]()
    for place, tags in enumerate(sentences):
        ids = [border, *(number[tag] for tag in tags), border]
        wrong = [min(k, len(tags) - 1) for k, (before, after) in enumerate(pairwise(ids)) if not allowed[before, after]]
        places += [(place, word) for word in dict.fromkeys(wrong)]
    return places


def _parts(tag: str) -> tuple[str, str]:
    """Prefix and label."""
    found = PREFIXED.fullmatch(tag)
    if tag == "O" or found is None:
        return ("O", "") if tag == "O" else ("S", tag)
    return SAME.get(found[1], found[1]), found[2] or BARE


def _follows(before: tuple[str, str], after: tuple[str, str], scheme: str) -> bool:
    inside = before[0] in ("B", "I") and after[1] == before[1]
    if scheme == "iobes":
        return (inside and after[0] in ("I", "E")) if before[0] in ("B", "I") else after[0] in ("O", "B", "S")
    return inside or after[0] != ("I" if scheme == "iob2" else "B")
