import random
from collections.abc import Sequence

import numpy as np
import pytest

from recurra.data import entities
from recurra.metrics import EntityTotals, confused_entities, entity_totals_by_label


def counted(wanted: Sequence[str], found: Sequence[str]) -> tuple[int, int, int]:
    """Right, found and true chunks, as conlleval counts them: along both columns at once, word by word."""
    right = outputs = truths = 0
    both = False
    before = [("O", ""), ("O", "")]
    for tags in [*zip(wanted, found, strict=True), ("O", "O")]:
        now = [(tag[0], tag[2:]) for tag in tags]
        ends, starts = [], []
        for (last, kind), (tag, label) in zip(before, now, strict=True):
            ends.append(last != "O" and (tag in "BO" or kind != label))
            starts.append(tag == "B" or (tag == "I" and (last == "O" or kind != label)))
        if both:
            if all(ends) and before[0][1] == before[1][1]:
                right, both = right + 1, False
            elif ends[0] != ends[1] or now[0][1] != now[1][1]:
                both = False
        if all(starts) and now[0][1] == now[1][1]:
            both = True
        truths, outputs = truths + starts[0], outputs + starts[1]
        before = now
    return right, outputs, truths


def test_counts_are_those_of_conlleval() -> None:
    """On any tags at all, most of them impossible in every scheme."""
    draw = random.Random(0)
    tags = ["O", "O", "B-A", "I-A", "B-B", "I-B"]
    totals, sums = EntityTotals(), np.zeros(3)
    for _ in range(500):
        wanted = draw.choices(tags, k=draw.randint(0, 9))
        found = [tag if draw.random() < 0.7 else draw.choice(tags) for tag in wanted]
        totals.add([entities(found)], [entities(wanted)])
        sums += counted(wanted, found)
    right, outputs, truths = sums
    assert totals.figures() == pytest.approx(
        {"precision": right / outputs, "recall": right / truths, "F1": 2 * right / (outputs + truths)}
    )


# wanted, found, right, by hand from conlleval's rules
CASES = [
    ("B-A I-A O", "B-A I-A O", (1, 1, 1)),
    ("B-A I-A O", "I-A I-A O", (1, 1, 1)),  # another scheme, the same chunk
    ("B-A I-A O", "B-A O O", (0, 1, 1)),  # its end
    ("B-A I-A O", "B-B I-B O", (0, 1, 1)),  # its label
    ("B-A I-A O", "B-A I-B O", (0, 2, 1)),  # two chunks
    ("B-A B-A O", "B-A I-A O", (0, 1, 2)),
    ("O O O", "O I-A O", (0, 1, 0)),
    ("B-A I-A I-A", "B-A I-A B-A", (0, 2, 1)),
]


@pytest.mark.parametrize(("wanted", "found", "counts"), CASES)
def test_counts_by_hand(wanted: str, found: str, counts: tuple[int, int, int]) -> None:
    assert counted(wanted.split(), found.split()) == counts
    totals = EntityTotals()
    totals.add([entities(found.split())], [entities(wanted.split())])
    right, outputs, truths = counts
    assert totals.figures()["F1"] == pytest.approx(2 * right / (outputs + truths))


def test_nothing_is_zero_as_conlleval_has_it() -> None:
    totals = EntityTotals()
    totals.add([[], []], [[], []])
    assert set(totals.figures().values()) == {0.0}
    assert totals.interval("F1") == (0, 0)


def test_parts_merge_to_the_whole() -> None:
    draw = random.Random(1)
    rows = [[(k, k + 1, draw.choice("AB")) for k in range(4)] for _ in range(60)]
    whole, parts = EntityTotals(), [EntityTotals() for _ in range(3)]
    whole.add(rows[:30], rows[30:])
    for k, part in enumerate(parts):
        part.add(rows[10 * k : 10 * k + 10], rows[30 + 10 * k : 40 + 10 * k])
    merged = EntityTotals()
    for part in parts:
        merged += part
    assert merged.figures() == whole.figures()
    assert merged.interval("F1") == whole.interval("F1")
    low, high = whole.interval("F1")
    assert low < whole.figures()["F1"] < high


def test_labels_add_up_to_all() -> None:
    found = [[(0, 1, "A"), (2, 3, "B")], [(0, 2, "B")], []]
    wanted = [[(0, 1, "A"), (2, 3, "A")], [(0, 2, "B")], [(1, 2, "C")]]
    table = entity_totals_by_label(found, wanted)
    assert {label: totals.figures() for label, totals in table.items()} == {
        "A": {"F1": pytest.approx(2 / 3), "precision": 1.0, "recall": 0.5},
        "B": {"F1": pytest.approx(2 / 3), "precision": 0.5, "recall": 1.0},
        "C": {"F1": 0.0, "precision": 0.0, "recall": 0.0},
    }
    totals = EntityTotals()
    totals.add(found, wanted)
    assert totals.figures() == {"F1": pytest.approx(4 / 7), "precision": pytest.approx(2 / 3), "recall": 0.5}


def test_every_entity_is_answered_once() -> None:
    draw = random.Random(0)
    for _ in range(200):
        told, true = (
            [(k, k + draw.randint(1, 3), draw.choice("ab")) for k in range(0, 12, 3) if draw.random() < 0.7] for _ in range(2)
        )
        table = confused_entities([told], [true])
        places = [(label, start, end) for (label, _, _), found in table.items() if label for _, start, end in found]
        assert sorted(places) == sorted((label, start, end) for start, end, label in true)
        right = sum(len(found) for (one, other, same), found in table.items() if one == other and same)
        totals = EntityTotals()
        totals.add([told], [true])
        assert right == totals.counts[2]
        free = [one for one in told if not any(one[0] < end and start < one[1] for start, end, _ in true)]
        assert sum(len(found) for (label, _, _), found in table.items() if not label) == len(free)


def test_the_same_words_come_before_longer_ones() -> None:
    told, true = [(0, 2, "x"), (2, 3, "y")], [(2, 3, "z"), (0, 1, "x")]
    assert set(confused_entities([told], [true])) == {("z", "y", True), ("x", "x", False)}
