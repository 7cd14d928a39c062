from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from recurra.errors import UsageError
from recurra.metrics import Bags, NGrams

WORDS = ["A cat, a cat!", "the cat sat", "one dog"]


def counts(bags: Bags) -> list[int]:
    return [int(count) for count in np.diff(bags.starts)]


def test_words_and_pairs_counted_by_hand() -> None:
    grams = NGrams(WORDS)
    pieces = [["a", "cat", ",", "a", "cat", "!"], ["the", "cat", "sat"], ["one", "dog"]]
    sets = [{*words, *pairwise(words)} for words in pieces]
    assert grams.count == len(set.union(*map(set, sets)))
    assert counts(grams.learnt) == [len(each) for each in sets]
    assert counts(grams.bags(["cat sat cat", "", "no"])) == [3, 0, 0]  # cat, sat, cat sat
    again = grams.bags(WORDS)
    assert all(np.array_equal(one, other) for one, other in zip(again, grams.learnt, strict=True))


def test_letters_by_place_tell_shifts_apart() -> None:
    grams = NGrams(["ACGT", "TTTT"])
    assert (grams.name, grams.count) == ("letters by place", 7 + 7 - 1)  # the last T is in both
    assert counts(grams.bags(["ACGT", "CGCA", "TTTTTT"])) == [7, 0, 7]


def test_letters_of_names() -> None:
    grams = NGrams(["Abe", "Bea", "Jo"])
    assert grams.name == "letters"
    whole = "\x02abe\x03"
    assert counts(grams.learnt)[0] == len({whole[k : k + n] for n in range(1, 5) for k in range(6 - n)})
    assert counts(grams.bags(["ABE"])) == counts(grams.learnt)[:1]


def test_only_the_most_frequent_are_kept() -> None:
    whole = NGrams(WORDS)
    times = Counter(whole.learnt.features.tolist())
    few = NGrams(WORDS, most=3)
    assert few.count == 3
    assert max(Counter(few.learnt.features.tolist()).values()) == max(times.values()) == 2  # cat is in two texts
    assert all(np.array_equal(one, other) for one, other in zip(few.bags(WORDS), few.learnt, strict=True))


def test_strange_texts() -> None:
    assert NGrams(["", ""]).count == 3  # the borders, and the pair of them
    assert counts(NGrams(["a b", "c d"]).bags(["", "\U0001f600"])) == [0, 0]
    many = NGrams(["".join(map(chr, range(0x4E00, 0x9000))), "x"])
    assert many.count > 50_000
    with pytest.raises(UsageError, match="0 texts and most=5000000; wanted at least one of both"):
        NGrams([])


def test_what_is_asked_again_is_remembered_as_it_was() -> None:
    grams, texts = NGrams(WORDS), ["a cat", "one dog"]
    first = grams.bags(texts)
    assert grams.bags(list(texts)) is first
    texts[0] = "sat"
    assert counts(grams.bags(texts)) == [1, 3]
    assert counts(grams.bags([])) == []
