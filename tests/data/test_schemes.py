import random
from itertools import product

import pytest

from recurra.data import Entity, entities, label_tags, tags_of, transitions
from recurra.data.schemes import scheme_of, strange_places

# (tags, chunks) by conlleval's rules, well formed or not
CASES = [
    ("", []),
    ("O O", []),
    ("I-A I-A O", [(0, 2, "A")]),
    ("I-A B-A I-A", [(0, 1, "A"), (1, 3, "A")]),
    ("B-A B-A", [(0, 1, "A"), (1, 2, "A")]),
    ("O I-A I-B", [(1, 2, "A"), (2, 3, "B")]),
    ("B-A I-B I-B", [(0, 1, "A"), (1, 3, "B")]),
    ("B-A E-A O", [(0, 2, "A")]),
    ("B-A I-A E-A S-A", [(0, 3, "A"), (3, 4, "A")]),
    ("E-A E-A", [(0, 1, "A"), (1, 2, "A")]),
    ("E-A I-A", [(0, 1, "A"), (1, 2, "A")]),
    ("S-A I-A", [(0, 1, "A"), (1, 2, "A")]),
    ("S-A S-A B-A", [(0, 1, "A"), (1, 2, "A"), (2, 3, "A")]),
    ("O E-A O", [(1, 2, "A")]),
    ("B-A O I-A", [(0, 1, "A"), (2, 3, "A")]),
    ("B-creative-work I-creative-work", [(0, 2, "creative-work")]),
    ("B-A L-A U-A", [(0, 2, "A"), (2, 3, "A")]),  # BILOU
    ("B-A M-A E-A W-A", [(0, 3, "A"), (3, 4, "A")]),  # BMES
    ("B I O B", [(0, 2, "entity"), (3, 4, "entity")]),
]


@pytest.mark.parametrize(("tags", "chunks"), CASES)
def test_entities_are_those_of_conlleval(tags: str, chunks: list[tuple[int, int, str]]) -> None:
    assert entities(tags.split()) == chunks


@pytest.mark.parametrize("scheme", ["iob1", "iob2", "iobes"])
def test_allowed_is_what_says_its_entities_as_the_scheme_does(scheme: str) -> None:
    """Every sequence of up to four tags: it obeys the transitions exactly if writing its entities again gives it back."""
    tags = label_tags(["A", "B"], scheme)
    allowed, border = transitions(tags, scheme), len(tags)
    some = 0
    for length in (1, 2, 3, 4) if scheme != "iobes" else (1, 2, 3):
        for path in product(range(len(tags)), repeat=length):
            steps = zip((border, *path), (*path, border), strict=True)
            obeys = all(allowed[step] for step in steps)
            said = [tags[k] for k in path]
            assert obeys == (tags_of(entities(said), length, scheme) == said), said
            some += obeys
    assert some > 50


@pytest.mark.parametrize("scheme", ["iob1", "iob2", "iobes"])
def test_a_scheme_is_told_and_changed_into_another(scheme: str) -> None:
    draw = random.Random(0)
    sentences = []
    for _ in range(200):
        found, start = [], draw.randrange(3)
        while start < 12:
            end = start + draw.randint(1, 3)
            found.append(Entity(start, end, draw.choice("AB")))
            start = end + draw.choice((0, 0, 1, 2))
        sentences.append(tags_of(found, 15, scheme))
        assert entities(sentences[-1]) == found
    assert scheme_of(sentences) == scheme
    assert strange_places(sentences, scheme) == []


def test_other_names_of_letters_and_no_scheme() -> None:
    assert scheme_of([["B-A", "L-A", "O", "U-A"]]) == "iobes"
    assert scheme_of([["DT", "NN", "I"], ["VB", "O"]]) == "words"
    assert entities(["NN", "O"], "words") == [(0, 1, "NN")]
    assert tags_of([Entity(1, 2, "NN")], 2, "words") == ["O", "NN"]
    assert label_tags(["NN", "O"], "words") == ["O", "NN"]
    assert transitions(["O", "NN"], "words").all()


def test_what_cannot_stand_there_is_found() -> None:
    sentences = [["O", "I-A", "I-A"], ["B-A", "I-B"], ["B-A", "I-A"]]
    assert strange_places(sentences, "iob2") == [(0, 1), (1, 1)]
    assert strange_places([["B-A"], ["B-A", "O"]], "iobes") == [(0, 0), (1, 1)]
    assert scheme_of(sentences) == "iob2"  # two that it has not; of IOB1 three
