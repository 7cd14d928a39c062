import pytest

from recurra.data import Entity, Sentence, entities, read_tagged_parts, tags_of
from recurra.metrics import EntityLookup, EntityTotals, TagLookup
from tests.places import dataset

WORDS = [["New", "York", "is", "new"], ["in", "York"], ["in", "May"], ["May", "is", "in", "York"]]
ENTITIES: list[list[tuple[int, int, str]]] = [[(0, 2, "LOC")], [(1, 2, "ORG")], [], [(0, 1, "PER"), (3, 4, "LOC")]]


def test_the_longest_is_found_with_its_usual_label() -> None:
    lookup = EntityLookup(WORDS, ENTITIES)
    assert lookup(["York", "and", "New", "York", "York"]) == [(0, 1, "LOC"), (2, 4, "LOC"), (4, 5, "LOC")]  # of LOC and ORG
    assert lookup(["New", "May"]) == [(1, 2, "PER")]
    assert lookup([]) == []


def test_what_is_mostly_none_can_be_left_out() -> None:
    sure = EntityLookup([*WORDS, ["may", "May"]], [*ENTITIES, []], sure=True)
    assert sure(["May", "New", "York"]) == [(1, 3, "LOC")]  # of three times May it was a person once
    assert EntityLookup(WORDS, ENTITIES, sure=True)(["May"]) == [(0, 1, "PER")]  # half of the times


def test_each_word_has_its_usual_tag() -> None:
    tags = [tags_of([Entity(*one) for one in own], len(words), "iob2") for words, own in zip(WORDS, ENTITIES, strict=True)]
    lookup = TagLookup(WORDS, tags, "O")
    assert lookup(["York", "is", "May", "London"]) == ["B-LOC", "O", "B-PER", "O"]  # B-LOC, B-ORG and I-LOC once each


@pytest.mark.data
def test_the_published_baseline_of_conll_2003() -> None:
    """Precision 71.91 %, recall 50.90 %, F1 59.61 on the second test part (Tjong Kim Sang & De Meulder 2003, table 5)."""
    parts = read_tagged_parts(dataset("conll2003_ner"))
    learnt, asked = parts.learnt.sentences, parts.test.sentences
    assert [len(part) for part in (parts.learnt, parts.validation, parts.test)] == [14_041, 3250, 3453]
    assert sum(len(sentence.entities) for sentence in asked) == 5648  # as conlleval counts them
    assert parts.notes[2] == "eng.testb.gz: words in column 1, tags in column 4 of 4: IOB1"
    words = [sentence.words for sentence in learnt]

    def figures(found: list[list[tuple[int, int, str]]]) -> list[float]:
        totals = EntityTotals()
        totals.add(found, [sentence.entities for sentence in asked])
        return [round(100 * totals.figures()[name], 2) for name in ("precision", "recall", "F1")]

    lookup = EntityLookup(words, [sentence.entities for sentence in learnt])
    assert figures([lookup(sentence.words) for sentence in asked]) == [71.91, 50.90, 59.61]

    def tags(sentence: Sentence) -> list[str]:
        return tags_of(sentence.entities, len(sentence.words), "iob2")

    usual = TagLookup(words, map(tags, learnt), "O")
    assert figures([[*entities(usual(sentence.words))] for sentence in asked])[2] == 54.37
