"""ROUGE: how much of a reference's words a summary has."""

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import final

import numpy as np
from numpy.typing import NDArray

from recurra.metrics.edits import common_length
from recurra.metrics.pairs import PairTotals

__all__ = ["RougeTotals", "rouge_words"]

Floats = NDArray[np.float64]
KINDS = ("ROUGE-1", "ROUGE-2", "ROUGE-L")


@final
class RougeTotals(PairTotals):
    r"""ROUGE-1, ROUGE-2 and ROUGE-L: means over pairs of F1, precision and recall, from 0 to 100.

    .. math::
        P = \frac{m}{|o|} \qquad R = \frac{m}{|r|} \qquad F_1 = \frac{2 P R}{P + R}

    where m are the words (pairs of neighbours, longest common subsequence) that output o and reference r share, each
    counted as often as it stands in both. All are 0 where one side is empty. Words are those of `rouge_words`, not
    stemmed. ROUGE-L is that of sentences: a text is one sequence of words, whatever its lines.
    Source: Lin 2004, ROUGE: A package for automatic evaluation of summaries.

    Example:
        >>> totals = RougeTotals()
        >>> totals.add(["the gunman police killed"], ["police killed the gunman"])
        >>> {name: round(value, 1) for name, value in totals.figures().items() if len(name) == 7}
        {'ROUGE-1': 100.0, 'ROUGE-2': 66.7, 'ROUGE-L': 50.0}
    """

    names = (*KINDS, *(f"{kind} {side}" for kind in KINDS for side in ("precision", "recall")))

    def _measure(self, outputs: Sequence[str], references: Sequence[str]) -> list[list[float]]:
        return [_pair(rouge_words(output), rouge_words(wanted)) for output, wanted in zip(outputs, references, strict=True)]

    def _score(self, name: str, sums: Floats) -> Floats:
        score: Floats = 100 * sums[..., self.names.index(name)] / sums[..., -1]
        return score


def rouge_words(text: str) -> list[str]:
    """The words of a text: runs of letters and digits, lower-cased.

    On English text these are the words of the usual ``[a-z0-9]+``. That pattern cuts words of other languages at every
    accent and leaves nothing of other scripts, so here all of Unicode's letters count. Scripts without blanks give one
    word between two marks, and those whose vowels are combining marks are cut there.

    Example:
        >>> rouge_words("It's a 2nd naïve_test: für Привет!")
        ['it', 's', 'a', '2nd', 'naïve', 'test', 'für', 'привет']
    """
    return re.findall(r"[^\W_]+", text.lower())


def _pair(output: list[str], wanted: list[str]) -> list[float]:
    first = _shares(_shared(output, wanted), len(output), len(wanted))
    second = _shares(_shared(list(pairwise(output)), list(pairwise(wanted))), len(output) - 1, len(wanted) - 1)
    longest = _shares(common_length(output, wanted), len(output), len(wanted))
    kinds = (first, second, longest)
    return [*(f for f, _, _ in kinds), *(side for _, *sides in kinds for side in sides), 1.0]


def _shared(output: Sequence[Hashable], wanted: Sequence[Hashable]) -> int:
    return (Counter(output) & Counter(wanted)).total()


def _shares(hits: int, of_output: int, of_wanted: int) -> tuple[float, float, float]:
    """F1, precision and recall."""
    if not hits:
        return 0.0, 0.0, 0.0
    return 2 * hits / (of_output + of_wanted), hits / of_output, hits / of_wanted
