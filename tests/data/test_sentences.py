import json
from pathlib import Path
from typing import Any

import pytest

from recurra.data.sentences import blank_places, of_text, of_words, read_spans, read_texts, touched, word_places
from recurra.errors import DataError

WORDS = [
    ("", ""),
    ("Mr. Smith's 3 dogs.", "Mr|.|Smith|'s|3|dogs|."),
    ("U.S. e.g. etc.", "U.S.|e.g.|etc|."),
    ("12:30, 1,000.50 and 1996-12-06: 2-1", "12:30|,|1,000.50|and|1996-12-06|:|2-1"),
    ("1st B2B €5", "1st|B2B|€|5"),
    ("AL-AIN snake_case @a #b", "AL|-|AIN|snake_case|@|a|#|b"),
    ("caf\u00e9 東京タワー", "caf\u00e9|東|京|タ|ワ|ー"),
    ("don't I\u2019m", "don|'|t|I|\u2019m"),
    ("a\u00a0b", "a|b"),
]


@pytest.mark.parametrize(("text", "words"), WORDS)
def test_words_of_a_text(text: str, words: str) -> None:
    places = word_places(text)
    assert "|".join(text[start:end] for start, end in places) == words
    assert "".join(text[start:end] for start, end in places) == "".join(text.split())


def test_places_are_those_in_the_text() -> None:
    sentence = of_text("In  New York.", 7)
    assert sentence.words == ("In", "New", "York", ".")
    assert [sentence.text[a:b] for a, b in sentence.places] == list(sentence.words)
    assert of_text("a-b c", cut=blank_places).words == ("a-b", "c")
    made = of_words(["New", "York"])
    assert (made.text, made.places) == ("New York", ((0, 3), (4, 8)))
    assert touched(sentence, 4, 12) == (1, 2)
    assert touched(sentence, 5, 6) == (1, 1)
    assert touched(sentence, 2, 4) == (1, 0)  # blanks


def read(*values: Any, **keys: str) -> Any:
    return read_spans(Path("a.jsonl"), [json.dumps(value) for value in values], **keys)


def test_spans_become_words() -> None:
    value = {"text": "Ann went to New York.", "spans": [{"start": 12, "end": 20, "label": "LOC"}, [0, 3, "PER"]]}
    (sentence,), notes = read(value)
    assert sentence.entities == ((0, 1, "PER"), (3, 5, "LOC"))
    assert notes == []
    (sentence,), _ = read({"t": "Ann", "s": [], "id": 3}, text="t", spans="s")
    assert sentence.entities == ()


def test_spans_within_words_are_told() -> None:
    values = [{"text": "In New York now", "spans": [[4, 12, "LOC"]]}, {"text": "a", "spans": []}]
    sentences, notes = read(*values)
    assert sentences[0].entities == ((1, 3, "LOC"),)
    assert notes == ["a.jsonl: spans that end within words or at blanks (1 line 1): those of whole words are meant"]


BAD = [
    ({"text": "ab", "spans": [[0, 3, "X"]]}, r"line 1: span \[0, 3, \"X\"\]; wanted one as .* within its 2 characters"),
    ({"text": "ab", "spans": [[1, 1, "X"]]}, "line 1: span"),
    ({"text": "ab", "spans": [[0, 1]]}, "line 1: span"),
    ({"text": "ab", "spans": ["x"]}, "line 1: span"),
    ({"text": "ab", "spans": [{"start": 0, "end": 1}]}, "line 1: span"),
    (
        {"text": "ab cd", "spans": [[0, 5, "X"], [3, 5, "Y"]]},
        "line 1: the span 3 to 5 lies over another, 'ab cd'; wanted spans",
    ),
    ({"text": "a   b", "spans": [[1, 3, "X"]]}, "line 1: the span 1 to 3 has no word in it"),
    ({"text": "ab"}, "line 1: no key spans; there are text: say spans=KEY"),
    ({"spans": []}, "line 1: no key text; there are spans: say text=KEY"),
    ({"text": 3, "spans": []}, "line 1, key text: 3; wanted text"),
    ({"text": "a", "spans": {}}, "line 1: spans are {}; wanted a list of them"),
    (["a"], "line 1: no JSON object"),
]


@pytest.mark.parametrize(("value", "said"), BAD)
def test_what_cannot_be_read(value: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read(value)


def test_lines_that_are_no_json() -> None:
    with pytest.raises(DataError, match=r"a.jsonl, line 2: no JSON"):
        list(read_texts(Path("a.jsonl"), ['{"text": "a"}', "{"]))
    with pytest.raises(DataError, match=r"line 1: no key text; there are body: wanted the texts under text, as in training$"):
        list(read_texts(Path("a.jsonl"), ['{"body": "a"}']))
    assert list(read_texts(Path("a.jsonl"), ['{"text": "a"}', "", '{"text": "b c"}'])) == [(1, "a"), (3, "b c")]
