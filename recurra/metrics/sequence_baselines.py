"""The outputs that anybody can make from a source: what a model of pairs has to beat."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import final

import numpy as np

from recurra.errors import UsageError

__all__ = [
    "Nearest",
    "SequenceBaseline",
    "copy_source",
    "lead",
    "letters",
    "most_frequent",
    "phrases",
    "sentences",
    "sequence_baselines",
]

SequenceBaseline = Callable[[Sequence[str]], list[str]]
"""From sources to outputs, one for each."""

ABBREVIATIONS = re.compile(
    r"cf|dr|e\.g|eq|etc|fig|i\.e|inc|jr|ltd|mrs?|ms|nos?|pp?|prof|rev|sec|sr|st|u\.k|u\.s|vol|vs|[^\W\d_]", re.IGNORECASE
)
END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]]*+\s+|[。！？]+\s*|\n\s*\n")  # noqa: RUF001 - Chinese and Japanese marks are meant


def sequence_baselines(
    sources: Sequence[str], targets: Sequence[str], *, leads: Sequence[int] = ()
) -> dict[str, SequenceBaseline]:
    """What stands beside a model that learnt from these pairs, by the name that tables show.

    Args:
        sources: N texts.
        targets: N texts.
        leads: numbers of sentences for `lead`; (1, 3) for summaries.

    Example:
        >>> found = sequence_baselines(["a red dog", "a cat"], ["ein roter Hund", "eine Katze"])
        >>> {name: baseline(["the red dog"]) for name, baseline in found.items()}
        {'copy the source': ['the red dog'], 'most frequent target': ['ein roter Hund'], 'nearest source': ['ein roter Hund']}
    """
    common = most_frequent(targets)
    return {
        "copy the source": copy_source,
        "most frequent target": lambda asked: [common] * len(asked),
        "nearest source": Nearest(sources, targets),
        **{f"lead-{count}": partial(lead, count=count) for count in leads},
    }


def copy_source(sources: Sequence[str]) -> list[str]:
    """The sources themselves.

    Example:
        >>> copy_source(["a cat"])
        ['a cat']
    """
    return list(sources)


def most_frequent(targets: Sequence[str]) -> str:
    """The target that comes most often; of several, that which came first.

    Example:
        >>> most_frequent(["no", "yes", "yes", "no"])
        'no'
    """
    if not len(targets):
        raise UsageError("no target came; wanted at least one")
    return Counter(targets).most_common(1)[0][0]


@final
class Nearest:
    r"""The target of the training pair whose source is most like the one asked for.

    .. math::
        \cos(a, b) = \frac{\sum_t a_t b_t}{\lVert a \rVert \lVert b \rVert} \qquad
        a_t = n_t \Big( 1 + \ln \frac{1 + N}{1 + N_t} \Big)

    with :math:`n_t` how often a source has feature t and :math:`N_t` how many of the N training sources have it. Of equals
    the earliest pair answers; a source without any known feature is answered by the most frequent target.

    Args:
        sources: N texts.
        targets: N texts.
        features: the parts of a text, such as `phrases` or `letters`; None takes phrases where at least half of the
            sources have more than one word, else letters.

    Example:
        >>> nearest = Nearest(["a red dog", "a cat"], ["ein roter Hund", "eine Katze"])
        >>> nearest(["the red dog", "one cat"])
        ['ein roter Hund', 'eine Katze']
    """

    def __init__(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        features: Callable[[str], list[str]] | None = None,
    ) -> None:
        if len(sources) != len(targets) or not len(sources):
            raise UsageError(f"{len(sources)} sources and {len(targets)} targets; wanted as many of both, at least one")
        if features is None:
            features = phrases if 2 * sum(len(_words(source)) > 1 for source in sources) >= len(sources) else letters
        self.targets, self.features = list(targets), features
        self._common = most_frequent(targets)
        bags = [Counter(features(source)) for source in sources]
        numbers: dict[str, int] = {}
        for bag in bags:
            for part in bag:
                numbers.setdefault(part, len(numbers))
        self._numbers = numbers
        rows = np.repeat(np.arange(len(bags)), [len(bag) for bag in bags])
        parts = np.fromiter((numbers[part] for bag in bags for part in bag), np.int64, len(rows))
        times = np.fromiter((times for bag in bags for times in bag.values()), np.float64, len(rows))
        holders = np.bincount(parts, minlength=len(numbers))
        self._rarity = 1 + np.log((1 + len(bags)) / (1 + holders))
        weights = times * self._rarity[parts]
        norms = np.sqrt(np.bincount(rows, weights**2, minlength=len(bags)))
        order = np.argsort(parts, kind="stable")  # the sources that have a feature lie side by side
        self._rows, self._weights = rows[order], (weights / norms[rows])[order]
        self._starts = np.concatenate([[0], holders.cumsum()])

    def __call__(self, sources: Sequence[str]) -> list[str]:
        """The outputs for some sources."""
        return [self.targets[place] if (place := self.find(source)) is not None else self._common for source in sources]

    def find(self, source: str) -> int | None:
        """The number of the training pair whose source is nearest; None where no feature is known."""
        bag = [(self._numbers[part], times) for part, times in Counter(self.features(source)).items() if part in self._numbers]
        if not bag:
            return None
        spans = [slice(self._starts[part], self._starts[part + 1]) for part, _ in bag]
        likeness = np.concatenate(
            [self._weights[span] * (times * self._rarity[part]) for span, (part, times) in zip(spans, bag, strict=True)]
        )
        rows = np.concatenate([self._rows[span] for span in spans])
        return int(np.bincount(rows, likeness).argmax())


def phrases(text: str) -> list[str]:
    """Words (runs of letters and digits, lower-cased) and pairs of neighbours: what likeness of sentences goes by.

    Example:
        >>> phrases("Ein Hund, 2 Katzen.")
        ['ein', 'hund', '2', 'katzen', 'ein hund', 'hund 2', '2 katzen']
    """
    found = _words(text)
    return [*found, *map(" ".join, pairwise(found))]


def letters(text: str) -> list[str]:
    r"""Every run of one to three characters of a text with its borders: what likeness of single words goes by.

    Example:
        >>> letters("ab")
        ['\x02', 'a', 'b', '\x03', '\x02a', 'ab', 'b\x03', '\x02ab', 'ab\x03']
    """
    whole = f"\x02{text}\x03"
    return [whole[k : k + size] for size in (1, 2, 3) for k in range(len(whole) - size + 1)]


def lead(sources: Sequence[str], count: int) -> list[str]:
    """The first sentences of each source, joined by blanks: what summaries of news must beat.

    Example:
        >>> lead(["It rained. It stopped! Then Mr. Lee left."], 2)
        ['It rained. It stopped!']
    """
    if count < 1:
        raise UsageError(f"count is {count}; wanted 1 or more sentences")
    return [" ".join(sentences(source, count)) for source in sources]


def sentences(text: str, most: int | None = None) -> list[str]:
    """The sentences of a text, or the first few; line ends inside them become blanks.

    One ends at ``. ! ?`` (and quotes or brackets behind) before a blank, at a full stop of Chinese or Japanese, and at an
    empty line. A full stop ends none after a single letter (but I), after a common English abbreviation, nor where the
    next word begins in lower case.

    Example:
        >>> sentences('See e.g. Lin (2004). "Why?" asked J. Smith.')
        ['See e.g. Lin (2004).', '"Why?" asked J. Smith.']
    """
    found, start = [], 0
    for end in END.finditer(text):
        if _ends(text, end, start):
            found.append(text[start : end.end()])
            start = end.end()
            if most is not None and len(found) > most:
                break
    whole = (" ".join(part.split()) for part in [*found, text[start:]])
    return [sentence for sentence in whole if sentence][:most]


def _ends(text: str, mark: re.Match[str], start: int) -> bool:
    if mark[0][0] not in ".!?…" or mark[0].count("\n") > 1:
        return True
    if text[mark.end() : mark.end() + 1].islower():
        return False
    before = text[max(start, mark.start() - 16) : mark.start()].split()[-1:]
    word = "".join(before).lstrip("(\"'“[")
    return mark[0].rstrip() != "." or word == "I" or not ABBREVIATIONS.fullmatch(word)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())
