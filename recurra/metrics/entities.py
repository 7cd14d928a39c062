"""Entities found in sentences: precision, recall and F1, strict, of all labels together and of each."""

from collections.abc import Iterable, Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from recurra.metrics.pairs import PairTotals

__all__ = ["EntityTotals", "confused_entities", "entity_totals_by_label"]

Floats = NDArray[np.float64]
Found = tuple[int, int, str]
"""First word, the word behind the last, label."""
Answered = tuple[str, str, bool]
"""The true label, the one that was told, either empty where there is no entity, and whether both are of the same words."""


@final
class EntityTotals(PairTotals):
    r"""Strict figures of entities: one is right if its first word, its last word and its label are those of a true one.

    .. math::
        P = \frac{\text{right}}{\text{found}} \qquad R = \frac{\text{right}}{\text{true}} \qquad
        F_1 = \frac{2 P R}{P + R} = \frac{2 \, \text{right}}{\text{found} + \text{true}}

    0 where nothing was found or nothing is true, as conlleval has it. Counts are over all sentences (micro average), intervals
    resample whole sentences.

    Source: Tjong Kim Sang & De Meulder 2003, arXiv:cs/0306050. What conlleval takes for an entity is
    :func:`recurra.data.entities`.

    Example:
        >>> totals = EntityTotals()
        >>> totals.add([[(0, 2, "PER"), (4, 5, "LOC")], []], [[(0, 2, "PER"), (4, 5, "ORG")], [(1, 2, "LOC")]])
        >>> {name: round(value, 3) for name, value in totals.figures().items()}
        {'F1': 0.4, 'precision': 0.5, 'recall': 0.333}
    """

    names = ("F1", "precision", "recall")

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many are true, found, and right."""
        right, found, true = self._statistics().sum(0).astype(int).tolist() if len(self) else (0, 0, 0)
        return true, found, right

    def _measure(self, outputs: Sequence[Iterable[Found]], references: Sequence[Iterable[Found]]) -> list[list[int]]:
        rows = []
        for output, wanted in zip(outputs, references, strict=True):
            found, true = set(output), set(wanted)
            rows.append([len(found & true), len(found), len(true)])
        return rows

    def _score(self, name: str, sums: Floats) -> Floats:
        right, found, true = np.moveaxis(sums, -1, 0)
        above, below = {"F1": (2 * right, found + true), "precision": (right, found), "recall": (right, true)}[name]
        score: Floats = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
        return score


def entity_totals_by_label(
    outputs: Sequence[Sequence[Found]], references: Sequence[Sequence[Found]]
) -> dict[str, EntityTotals]:
    """The figures of each label alone, in order of the alphabet: of those that are found or true somewhere.

    Example:
        >>> by_label = entity_totals_by_label([[(0, 1, "PER")]], [[(0, 1, "LOC"), (2, 4, "PER")]])
        >>> {label: totals.figures()["recall"] for label, totals in by_label.items()}
        {'LOC': 0.0, 'PER': 0.0}
    """
    labels = sorted({one[2] for side in (outputs, references) for row in side for one in row})
    table = {}
    for label in labels:
        table[label] = EntityTotals()
        table[label].add(*([[one for one in row if one[2] == label] for row in side] for side in (outputs, references)))
    return table


def confused_entities(
    outputs: Sequence[Sequence[Found]], references: Sequence[Sequence[Found]]
) -> dict[Answered, list[tuple[int, int, int]]]:
    """What was told of what, and where: sentence, first word, the word behind the last.

    A true entity is answered by what was told of its words, else by what lies over most of them, else by nothing; what was
    told where nothing is true is an answer to nothing.

    Example:
        >>> told, true = [[(0, 1, "PER"), (4, 5, "LOC"), (7, 8, "ORG")]], [[(0, 2, "PER"), (4, 5, "ORG")]]
        >>> confused_entities(told, true)
        {('PER', 'PER', False): [(0, 0, 2)], ('ORG', 'LOC', True): [(0, 4, 5)], ('', 'ORG', False): [(0, 7, 8)]}
    """
    table: dict[Answered, list[tuple[int, int, int]]] = {}
    for row, (told, true) in enumerate(zip(outputs, references, strict=True)):
        for start, end, label in true:
            over = [one for one in told if one[0] < end and start < one[1]]
            best = max(over, key=lambda one: (one[:2] == (start, end), min(one[1], end) - max(one[0], start)), default=None)
            answer = (label, "", False) if best is None else (label, best[2], best[:2] == (start, end))
            table.setdefault(answer, []).append((row, start, end))
        for start, end, label in told:
            if not any(one[0] < end and start < one[1] for one in true):
                table.setdefault(("", label, False), []).append((row, start, end))
    return table
