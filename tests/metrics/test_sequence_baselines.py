from collections import Counter

import numpy as np
import pytest

from recurra.errors import UsageError
from recurra.metrics import Nearest, copy_source, lead, letters, most_frequent, phrases, sentences, sequence_baselines

SOURCES = ["a dog runs", "a dog sleeps on a mat", "two cats sleep", "a cat sleeps", "A dog runs!", "..."]
TARGETS = ["one", "two", "three", "four", "five", "six"]


def cosines(sources: list[str], asked: str) -> np.ndarray:
    """From the formula, densely."""
    bags = [Counter(phrases(source)) for source in [*sources, asked]]
    features = sorted({part for bag in bags[:-1] for part in bag})
    n = len(sources)
    rarity = np.array([1 + np.log((1 + n) / (1 + sum(part in bag for bag in bags[:-1]))) for part in features])
    rows = np.array([[bag[part] for part in features] for bag in bags]) * rarity
    norms = np.linalg.norm(rows, axis=1)
    scale = norms[:-1] * norms[-1]
    likeness: np.ndarray = np.divide(rows[:-1] @ rows[-1], scale, out=np.zeros(n), where=scale > 0)
    return likeness


class TestNearest:
    @pytest.mark.parametrize("asked", ["the dog sleeps", "Two dogs sleep", "a mat on a mat", "a cat runs", "cats"])
    def test_it_is_the_one_of_the_highest_cosine(self, asked: str) -> None:
        expected = cosines(SOURCES, asked)
        assert np.sort(expected)[-1] > np.sort(expected)[-2] + 1e-9  # or the case shows nothing
        assert Nearest(SOURCES, TARGETS).find(asked) == expected.argmax()

    def test_a_source_finds_itself_and_of_equals_the_first(self) -> None:
        assert Nearest(SOURCES, TARGETS)(SOURCES[:5]) == ["one", "two", "three", "four", "one"]

    def test_the_unknown_is_answered_by_the_most_frequent_target(self) -> None:
        assert Nearest(["a b", "c d", "e f"], ["x", "y", "y"])(["q r", "", "a"]) == ["y", "y", "x"]

    def test_single_words_go_by_their_letters(self) -> None:
        nearest = Nearest(["walking", "talked", "sings"], ["walk", "talk", "sing"])
        assert nearest(["stalked", "rings", "walk"]) == ["talk", "sing", "walk"]

    def test_features_of_ones_own(self) -> None:
        assert Nearest(["ab", "cd"], ["1", "2"], features=list)(["xd"]) == ["2"]

    def test_what_is_refused(self) -> None:
        for sources, targets in (([], []), (["a"], []), (["a"], ["b", "c"])):
            with pytest.raises(UsageError, match="wanted as many of both, at least one"):
                Nearest(sources, targets)


def test_the_table() -> None:
    found = sequence_baselines(SOURCES, TARGETS, leads=(1, 3))
    assert list(found) == ["copy the source", "most frequent target", "nearest source", "lead-1", "lead-3"]
    asked = ["A cat. A dog. A cow. A pig."]
    answers = [baseline(asked) for baseline in found.values()]
    assert answers[:2] == [asked, ["one"]]
    assert answers[3:] == [["A cat."], ["A cat. A dog. A cow."]]


def test_most_frequent() -> None:
    assert most_frequent(["b", "a", "a", "c"]) == "a"
    assert most_frequent(["b", "a", "a", "b"]) == "b"
    with pytest.raises(UsageError, match=r"^no target came; wanted at least one$"):
        most_frequent([])


def test_copies_are_copies() -> None:
    assert copy_source(SOURCES) == SOURCES
    assert copy_source(SOURCES) is not SOURCES


def test_letters_know_borders() -> None:
    assert not set(letters("a")) & set(letters("b")) - {"\x02", "\x03"}
    assert len(letters("abc")) == 5 + 4 + 3
    assert letters("")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("It cost 3.5 dollars. Really...", ["It cost 3.5 dollars.", "Really..."]),
        ('He said "Go." Then (he left.) Now.', ['He said "Go."', "Then (he left.)", "Now."]),
        ("Dr. Lee of the U.S. Navy, e.g. J. Lee, came vs. Him.", ["Dr. Lee of the U.S. Navy, e.g. J. Lee, came vs. Him."]),
        ("So did I. She too.", ["So did I.", "She too."]),
        ("Use foo. bar is old.", ["Use foo. bar is old."]),
        ("A title\n\nA text on\ntwo lines.", ["A title", "A text on two lines."]),
        ("好。不好！", ["好。", "不好！"]),  # noqa: RUF001
        ("Ends here.\n\nnext", ["Ends here.", "next"]),
        ("So... " + "." * 50_000, ["So...", "." * 50_000]),
        ("e.g. x " * 20_000, [("e.g. x " * 20_000).strip()]),
        ("", []),
        (" \n\n ", []),
    ],
)
def test_sentences(text: str, found: list[str]) -> None:
    assert sentences(text) == found
    assert sentences(text, 1) == found[:1]


def test_lead() -> None:
    assert lead(["One. Two. Three.", "Only one", ""], 2) == ["One. Two.", "Only one", ""]
    with pytest.raises(UsageError, match=r"^count is 0; wanted 1 or more sentences$"):
        lead(["a"], 0)
