import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data import Characters, Subwords, Symbols, Unigram, Words
from recurra.errors import ModelFileError, UsageError

UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
LEARNT = "the low <unk> lower lowest\nnaïve cafés, 日本語のテキスト 👩‍👩‍👧 end.\r\n" * 20
UNITS = {"character": Characters, "word": Words, "subword": Subwords, "unigram": Unigram}


@pytest.fixture(scope="module", params=[Subwords, Unigram])
def subwords(request: pytest.FixtureRequest) -> Symbols:
    made: Symbols = request.param.of(LEARNT, 320)
    return made


@pytest.fixture(scope="module", params=UNITS)
def symbols(request: pytest.FixtureRequest) -> Symbols:
    return Symbols.learn(request.param, LEARNT, 320)


class TestAll:
    def test_numbers_are_below_the_size(self, symbols: Symbols) -> None:
        ids = symbols.encode(LEARNT)
        assert ids.dtype == np.int64
        assert ids.min() > 0
        assert ids.max() < len(symbols)

    def test_it_comes_back_from_json(self, symbols: Symbols) -> None:
        again = Symbols.from_json(json.loads(json.dumps(symbols.as_json())))
        assert type(again) is type(symbols)
        assert len(again) == len(symbols)
        assert again.encode(LEARNT + "unseen Ω").tolist() == symbols.encode(LEARNT + "unseen Ω").tolist()

    @given(data=st.data())
    @settings(deadline=None)
    def test_tails_add_up(self, symbols: Symbols, data: st.DataObject) -> None:
        ids = data.draw(st.lists(st.integers(1, len(symbols) - 1), min_size=1, max_size=40))
        told = symbols.decode(ids[:1]) + "".join(symbols.tail(ids[:k], ids[k]) for k in range(1, len(ids)))
        whole = symbols.decode(ids)
        if isinstance(symbols, Subwords | Unigram):  # what is not complete yet is not told
            told = "".join(symbols.tail(ids[:k], ids[k]) for k in range(len(ids)))
            assert whole.startswith(told)
            assert set(whole[len(told) :]) <= {"\ufffd"}
            assert len(whole) - len(told) <= 2  # two bytes of a surrogate are held back together, and are two errors
        else:
            assert told == whole

    def test_no_text_has_no_numbers(self, symbols: Symbols) -> None:
        assert symbols.encode("").shape == (0,)
        assert symbols.decode([]) == ""


class TestCharacters:
    @given(UNICODE)
    def test_what_was_learnt_comes_back(self, text: str) -> None:
        symbols = Characters.of(text)
        assert symbols.decode(symbols.encode(text).tolist()) == text
        assert len(symbols) == len(set(text)) + 1

    @given(UNICODE, UNICODE)
    def test_what_was_not_learnt_is_0(self, learnt: str, text: str) -> None:
        ids = Characters.of(learnt).encode(text)
        assert ids.shape == (len(text),)
        assert (ids == 0).tolist() == [letter not in learnt for letter in text]

    def test_the_first_strange_one_is_named(self) -> None:
        symbols = Characters.of("abc")
        assert symbols.refuse("abcab") is None
        assert symbols.refuse("") is None
        assert symbols.refuse("abzay") == "'z' at place 3 is none of the 3 characters learnt"

    def test_lone_surrogates(self) -> None:
        symbols = Characters.of("a\ud800")
        assert symbols.encode("\ud800a\udfff").tolist() == [2, 1, 0]


class TestWords:
    @given(st.lists(st.sampled_from(["a", "rose", "is", "\n", "été", "!"]), max_size=30))
    def test_what_was_learnt_comes_back(self, words: list[str]) -> None:
        text = " ".join(words).replace(" \n", "\n").replace("\n ", "\n")
        symbols = Words.of(text, 300)
        assert symbols.decode(symbols.encode(text).tolist()) == text

    def test_blanks_are_not_kept_but_lines_are(self) -> None:
        symbols = Words.of("a\tb  c\n\n", 300)
        assert symbols.decode(symbols.encode("  c   b\n\na ").tolist()) == "c b\n\na"

    def test_the_most_frequent_are_known(self) -> None:
        symbols = Words.of("c b a b a a d", 2)
        assert symbols.encode("a b c d e").tolist() == [1, 2, 0, 0, 0]
        assert len(symbols) == 3

    def test_the_unknown_word_is_shown(self) -> None:
        assert Words.of("a b", 9).decode([1, 0, 2]) == "a <unk> b"

    def test_any_prompt_goes(self) -> None:
        assert Words.of("a b", 9).refuse("zebra") is None


class TestSubwords:
    @given(text=UNICODE)
    @settings(deadline=None)
    def test_any_text_comes_back(self, subwords: Symbols, text: str) -> None:
        ids = subwords.encode(text).tolist()
        assert 0 not in ids
        assert subwords.decode(ids) == text
        assert "".join(subwords.tail(ids[:k], ids[k]) for k in range(len(ids))) == text

    @pytest.mark.parametrize(
        "text", ["<unk>", "a <unk> b", "\ufffd", "a\ufffd\ufffd", "\x00\x0b\x0c\x1c\x85\u2028\u2029", "\ufeff x", " " * 50]
    )
    def test_text_that_looks_special(self, subwords: Symbols, text: str) -> None:
        ids = subwords.encode(text).tolist()
        assert subwords.decode(ids) == text
        assert "".join(subwords.tail(ids[:k], ids[k]) for k in range(len(ids))) == text

    def test_frequent_pairs_have_one_number(self, subwords: Symbols) -> None:
        assert len(subwords.encode(LEARNT)) < 0.7 * len(LEARNT.encode())
        assert 257 < len(subwords) <= 321

    @pytest.mark.parametrize("kind", [Subwords, Unigram])
    def test_every_byte_is_known_and_the_size_is_kept(self, kind: type[Subwords | Unigram]) -> None:
        symbols = kind.of("ab" * 10, 300)
        assert 257 <= len(symbols) <= 301
        assert symbols.decode(symbols.encode("Ω☃").tolist()) == "Ω☃"


class TestUnigram:
    def test_a_text_is_learnt_the_same_twice(self) -> None:
        once, again = (Unigram.of(LEARNT * 3 + "low load of loaded sleds\n" * 7, 300).as_json() for _ in range(2))
        assert once == again

    def test_pieces_are_the_most_probable_of_all(self) -> None:
        symbols = Unigram.of("abab abba baab abab bab " * 30, 262)
        scores = dict(json.loads(symbols.as_json()["entries"])["model"]["vocab"])

        def best(text: str) -> float:  # of all ways to cut a text
            cuts = (scores[text[:k]] + best(text[k:]) for k in range(1, len(text) + 1) if text[:k] in scores)
            return max(cuts) if text else 0.0

        assert any(len(piece) > 1 for piece in scores)
        for word in ("abab", "babba", "aabbaabb", "bbbb"):
            pieces = [symbols.decode([number]) for number in symbols.encode(word).tolist()]
            assert "".join(pieces) == word
            assert sum(scores[piece] for piece in pieces) == pytest.approx(best(word))

    @pytest.mark.parametrize("text", ["", "a", "\n"])
    def test_little_to_learn_from(self, text: str) -> None:
        symbols = Unigram.of(text, 300)
        assert symbols.decode(symbols.encode("Ω b").tolist()) == "Ω b"


@pytest.mark.parametrize("unit", ["characters", "wrd", "", "byte"])
def test_an_unknown_unit(unit: str) -> None:
    with pytest.raises(UsageError, match=f"^unit={unit}: (did you mean|choose from)"):
        Symbols.learn(unit, "abc", 300)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"unit": "character"},
        {"unit": "letter", "entries": []},
        {"unit": ["word"], "entries": []},
        {"unit": "character", "entries": 5},
        {"unit": "character", "entries": ["ab"]},
        {"unit": "word", "entries": [{}]},
        {"unit": "subword", "entries": "{}"},
        {"unit": "subword", "entries": "no json"},
        {"unit": "subword", "entries": ["a"]},
        {"unit": "unigram", "entries": "{}"},
    ],
)
def test_a_damaged_vocabulary(value: Any) -> None:
    with pytest.raises(ModelFileError, match=r"^vocabulary: not one that recurra writes"):
        Symbols.from_json(value)
