"""What tags words have without a network: those that they had most often where they were learnt."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import final

__all__ = ["EntityLookup", "TagLookup"]


@final
class TagLookup:
    """Each word has the tag that it had most often where it was learnt, the first of several in order of the alphabet.

    Args:
        words: of each sentence learnt from.
        tags: of these words.
        other: the tag of a word that was not there.

    Example:
        >>> lookup = TagLookup([["in", "Rome"], ["Rome"]], [["O", "B-LOC"], ["B-LOC"]], "O")
        >>> lookup(["Rome", "burns"])
        ['B-LOC', 'O']
    """

    def __init__(self, words: Iterable[Sequence[str]], tags: Iterable[Sequence[str]], other: str) -> None:
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for sentence, own in zip(words, tags, strict=True):
            for word, tag in zip(sentence, own, strict=True):
                counts[word][tag] += 1
        self.most = {word: min(count, key=lambda tag: (-count[tag], tag)) for word, count in counts.items()}
        self.other = other

    def __call__(self, words: Iterable[str]) -> list[str]:
        """The tags of a sentence."""
        return [self.most.get(word, self.other) for word in words]


@final
class EntityLookup:
    """Finds the entities that were learnt, word by word the same: from the left the longest ones, each with its usual label.

    Source: the baseline of Tjong Kim Sang & De Meulder 2003, arXiv:cs/0306050.

    Args:
        words: of each sentence learnt from.
        entities: of each: first word, the word behind the last, label.
        sure: look only for those that were entities at least half of the times that their words stood there.

    Example:
        >>> words, entities = ["New", "York", "is", "new", "and", "York"], [(0, 2, "LOC"), (5, 6, "LOC"), (2, 3, "X")]
        >>> EntityLookup([words], [entities])(["York", "is", "not", "New", "York"])
        [(0, 1, 'LOC'), (1, 2, 'X'), (3, 5, 'LOC')]
    """

    def __init__(
        self, words: Sequence[Sequence[str]], entities: Sequence[Iterable[tuple[int, int, str]]], *, sure: bool = False
    ) -> None:
        counts: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        for sentence, own in zip(words, entities, strict=True):
            for start, end, label in own:
                counts[tuple(sentence[start:end])][label] += 1
        self.known = {name: min(count, key=lambda label: (-count[label], label)) for name, count in counts.items()}
        if sure:
            there = Counter(name for sentence in words for start in range(len(sentence)) for name in self._at(sentence, start))
            self.known = {name: label for name, label in self.known.items() if 2 * counts[name].total() >= there[name]}

    @cached_property
    def longest(self) -> dict[str, int]:
        """Of the entities that begin with a word, the most words."""
        longest: dict[str, int] = {}
        for name in self.known:
            longest[name[0]] = max(longest.get(name[0], 0), len(name))
        return longest

    def __call__(self, words: Sequence[str]) -> list[tuple[int, int, str]]:
        """The entities of a sentence."""
        found, start = list[tuple[int, int, str]](), 0
        while start < len(words):
            name = next(self._at(words, start), ())
            if name:
                found.append((start, start + len(name), self.known[name]))
            start += len(name) or 1
        return found

    def _at(self, words: Sequence[str], start: int) -> Iterator[tuple[str, ...]]:
        """What begins there and is known, the longest first."""
        for size in range(min(self.longest.get(words[start], 0), len(words) - start), 0, -1):
            name = tuple(words[start : start + size])
            if name in self.known:
                yield name
