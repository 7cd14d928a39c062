import gzip
import json
import lzma
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from recurra.data.label_streams import stream_inputs
from recurra.data.labelled import read_inputs
from recurra.errors import DataError
from tests.data.reading import Write

FILMS = ["a fine film", "dull"]


def texts(path: Path, **how: Any) -> list[str]:
    return [text for _, text in streamed(path, **how)]


def streamed(path: Path, **how: Any) -> list[tuple[int, Any]]:
    return list(stream_inputs(path, **how)[1])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "id,text,label\n1,a fine film,good\n\n2,dull,bad\n"),
        ("a.csv", 'id;text\n1;"a fine film"\n2;dull\n'),
        ("a.txt", "good\ta fine film\nbad\tdull\ngood\tdull\n"),
        ("a.jsonl", '{"text": "a fine film"}\n\n{"text": "dull", "label": null}\n'),
        ("a.jsonl", '{"x": [1, 2, 3]}\n{"x": [4]}\n'),
        ("a.txt", "good a fine film\nbad dull\n"),
        ("a.txt", "__label__good a fine film\ndull __label__bad\n"),
        ("a.txt", "a fine film\ndull\n"),
        ("a.fa", ">one\nACGT\n"),
        ("a.csv", "text,label\ra fine film,good\rdull,bad\r"),
    ],
)
def test_it_is_what_is_read_whole(write: Write, name: str, text: str) -> None:
    path, known = write(text, name), ("good", "bad")
    whole, (channels, inputs) = read_inputs(path, known=known), stream_inputs(path, known=known)
    told = [(row, one if isinstance(one, str) else one.tolist()) for row, one in inputs]
    same = [one if isinstance(one, str) else one.tolist() for one in whole.inputs]
    assert (channels, told) == (whole.channels, list(zip(whole.rows, same, strict=True)))


def test_labels_need_not_be_there(write: Write) -> None:
    path = write("review\na fine film\ndull\n", "a.csv")
    assert streamed(path, text="review", label="verdict") == [(2, "a fine film"), (3, "dull")]
    path = write('{"review": "dull"}\n', "a.jsonl")
    assert streamed(path, text="review", label="verdict") == [(1, "dull")]


def test_a_word_above_a_single_column_may_be_its_name(write: Write) -> None:
    said = r"line 1: one column, of which 'review' may be the name or a text; wanted text there, as its name, or the texts in a"
    for read in (texts, read_inputs):
        with pytest.raises(DataError, match=said):
            read(write("review\na fine film\ndull\n", "a.csv"), known=("good", "bad"))
    assert texts(write("a fine film\ndull\n", "a.csv"), known=("good", "bad")) == FILMS
    assert texts(write("dull\na fine film\n", "a.csv"), text="1") == FILMS[::-1]
    assert texts(write("dull\n", "a.csv")) == ["dull"]
    assert streamed(write("text\na fine film\ndull\n", "a.csv")) == [(2, "a fine film"), (3, "dull")]


def test_of_two_columns_without_names_the_one_of_known_labels_is_none(write: Write) -> None:
    path = write("good\ta fine film\nbad\tdull film\n", "new.tsv")
    assert texts(path, known=("good", "bad")) == ["a fine film", "dull film"]
    assert texts(write("a fine film\tgood\n", "other.tsv"), known=("good", "bad")) == ["a fine film"]


def test_series_without_their_labels(write: Write) -> None:
    channels, inputs = stream_inputs(write("id,a,b\n1,2,3\n1,4,5\n", "new.csv"), label="kind", known=("x",))
    [(_, series)] = inputs
    assert (channels, series.tolist()) == (("a", "b"), [[2, 3], [4, 5]])


def test_a_text_with_tabs_here_and_there_is_lines(write: Write) -> None:
    assert streamed(write("a\tfine film\ndull\n", "a.txt")) == [(1, "a\tfine film"), (2, "dull")]


@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip.compress), ("xz", lzma.compress)])
def test_packed(tmp_path: Path, suffix: str, pack: Any) -> None:
    path = tmp_path / f"a.csv.{suffix}"
    path.write_bytes(pack(b"text\na fine film\ndull\n"))
    assert [one for _, one in streamed(path)] == FILMS


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "id,text\n1,a\n2\n", "a.csv, line 3: 1 column; wanted at least 2"),
        ("a.csv", "text\na\0b\n", "a.csv, line 2: a character that is 0, so this is no text in utf-8; wanted a text file"),
        (
            "a.csv",
            "text,id\n" + "a,1\n" * 2000 + '"b\n',
            "a.csv, line 2002: unexpected end of data; wanted quotes around whole fields, or none",
        ),
        ("a.jsonl", '{"text": "a"}\n{"text": [1]}\n', "a.jsonl, line 2: value; wanted text, as in line 1"),
        ("a.tsv", "text\tlabel\n", "a.tsv: nothing in it; wanted at least one text or series"),
        ("a.txt", " \n\n", "a.txt: nothing in it; wanted at least one text or series"),
        ("a.csv.bz2", "text\na\n", "a.csv.bz2: of a kind that is not read"),
    ],
)
def test_what_cannot_be_read(write: Write, name: str, text: str, message: str) -> None:
    path = write(text, name)
    with pytest.raises(DataError) as caught:
        streamed(path)
    assert str(caught.value).removeprefix(f"{path.parent}/").startswith(message)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt"])
def test_no_more_is_held_than_some_rows(tmp_path: Path, name: str) -> None:
    path, word = tmp_path / name, "word " * 40
    rows = {"a.csv": f"{word},1\n", "a.jsonl": json.dumps({"text": word}) + "\n", "a.txt": f"{word}\n"}[name]
    path.write_text(("text,id\n" if name == "a.csv" else "") + rows * 20_000)
    tracemalloc.start()
    assert sum(1 for _ in stream_inputs(path)[1]) == 20_000
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < path.stat().st_size / 4
