from pathlib import Path

import pytest

from recurra.data import Sentence
from recurra.data.conll import blocks, read_conll
from recurra.errors import DataError

FOUR = "-DOCSTART- -X- -X- O\n\nEU NNP I-NP I-ORG\nrejects VBZ I-VP O\n\nNew NNP I-NP I-LOC\nYork NNP I-NP I-LOC\n\n\n"
PATH = Path("folder/a.conll")


def read(text: str, token: int = 0, tag: int = 0) -> tuple[list[Sentence], str, list[str]]:
    return read_conll(PATH, text.split("\n"), token, tag)


def test_columns_are_found() -> None:
    sentences, scheme, notes = read(FOUR)
    assert [sentence.words for sentence in sentences] == [("EU", "rejects"), ("New", "York")]
    assert [sentence.entities for sentence in sentences] == [((0, 1, "ORG"),), ((0, 2, "LOC"),)]
    assert [sentence.line for sentence in sentences] == [3, 6]
    assert scheme == "iob1"
    assert notes == ["a.conll: words in column 1, tags in column 4 of 4: IOB1"]


def test_columns_are_said() -> None:
    sentences, scheme, notes = read(FOUR, token=1, tag=2)
    assert scheme == "words"
    assert sentences[0].entities == ((0, 1, "NNP"), (1, 2, "VBZ"))
    assert notes == [
        "a.conll: words in column 1, tags in column 2 of 4: no scheme, each word has a label of its own, 2 different ones"
    ]
    sentences, _, _ = read(FOUR, tag=3)
    assert sentences[0].entities == ((0, 1, "NP"), (1, 2, "VP"))


def test_running_numbers_are_no_words_and_comments_no_lines() -> None:
    text = "# id = 1\n1\tRome\tB-LOC\n2\tis\tO\n\n# id = 2\n1\t#\tO\n"
    sentences, _, notes = read(text)
    assert [sentence.words for sentence in sentences] == [("Rome", "is"), ("#",)]
    assert "a.conll: 2 lines (the first is 1) with # in front: passed over" in notes
    sentences, _, _ = read("#\tO\nRome\tB-LOC\n")
    assert sentences[0].words == ("#", "Rome")


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ("B-A I-A O B-A", "IOB2"),
        ("B-A L-A U-A O", "BILOU"),
        ("B-A M-A E-A S-A", "BMES"),
        ("B-A E-A S-A O", "IOBES"),
        ("B-A I-B O B-A", "IOB2, in which 1 tag is impossible (line 2): read as conlleval reads them"),
        (
            "B-A O I-B O E-B B-B E-B",
            "IOBES, in which 4 tags are impossible (the first in line 2): read as conlleval reads them",
        ),
    ],
)
def test_the_scheme_is_said(tags: str, said: str) -> None:
    _, _, notes = read("".join(f"w{k} {tag}\n" for k, tag in enumerate(tags.split())))
    assert notes == [f"a.conll: words in column 1, tags in column 2 of 2: {said}"]


def test_tabs_and_blanks() -> None:
    sentences, _, notes = read("a O\nb\tB-A\n")
    assert sentences[0].words == ("a", "b")
    assert notes[0] == "a.conll: 1 line (the first is 2) with tabs, others with blanks: both were read"
    sentences, _, _ = read("New York\tB-A\nb\tO\r\n")
    assert sentences[0].words == ("New York", "b")


BAD = [
    ("a\tO\nb B-A\n", "line 2: 1 column; wanted 2, with tabs between them, as in line 1"),
    ("a X O\nb O\n", "line 2: 2 columns; wanted 3, with blanks between them, as in line 1"),
    ("a\tO\n\tB-A\n", "line 2: column 1 is empty; wanted text"),
    ("a B-A\nb I-A\nc PER\n", "line 3: tag 'PER' in column 2; wanted O, or a prefix and a label, as B-PER, like the others"),
    ("a B-A\nb I-A\nc X-A\n", "line 3: tag 'X-A'"),
    ("a\nb\n", "line 1: 1 column; wanted a word and its tag, with tabs or blanks between them"),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_what_cannot_be_read(text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read(text)


def test_a_column_that_is_not_there() -> None:
    with pytest.raises(DataError, match="line 1: 2 columns; tag=3 is not there"):
        read("a O\n", tag=3)


def test_blocks_come_one_after_the_other() -> None:
    made = blocks(PATH, iter(["a O", "", "b O", "broken"]))
    assert next(made).rows == [["a", "O"]]
    with pytest.raises(DataError, match="line 4"):
        next(made)


def test_a_document_ends_a_sentence_and_a_no_break_space_no_word() -> None:
    lines = ["a O", "b O", "-DOCSTART- O", "10\u00a0000 B-X", "d O"]
    found = [[row[0] for row in block.rows] for block in blocks(Path("a"), lines)]
    assert found == [["a", "b"], ["10\u00a0000", "d"]]
