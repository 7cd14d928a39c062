from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurra.data.label_files import read_columns, read_objects, read_plain, read_steps
from recurra.data.labels import Labelled
from recurra.errors import DataError, UsageError
from tests.data.reading import Write

FILMS = [("a fine film", "good"), ("dull", "bad")]


def pairs(read: Labelled) -> list[tuple[Any, str]]:
    return list(zip(read.inputs, read.labels, strict=True))


def refused(read: Any, path: Path, *options: str, kind: type[Exception] = DataError) -> str:
    with pytest.raises(kind) as caught:
        read(path, *options)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{path.parent}/", "")


class TestPlain:
    @pytest.mark.parametrize(
        "text",
        [
            "good a fine film\nbad dull\n",
            "good\ta fine film\r\n\r\nbad  dull \r\n",
            "__label__good a fine film\n__label__bad dull",
            "__label__good\ta fine film\n__label__bad\tdull",
        ],
    )
    def test_the_label_in_front(self, write: Write, text: str) -> None:
        assert pairs(read_plain(write(text, "t.txt"))) == FILMS

    def test_a_label_of_two_parts(self, write: Write) -> None:
        path = write("NUM:dist How far ?\nLOC:city What county ?\n", "t.txt")
        read = read_plain(path)
        assert (read.labels, len(read.notes)) == (["NUM", "LOC"], 1)
        assert read_plain(path, "fine").labels == ["NUM:dist", "LOC:city"]
        assert read_plain(write("a:b c\nd e\n", "t.txt")).labels == ["a:b", "d"]

    def test_several_marks(self, write: Write) -> None:
        read = read_plain(write("__label__a __label__b x y\nz __label__c\n", "t.txt"))
        assert pairs(read) == [("x y", "a"), ("z", "c")]
        assert read.notes == ("t.txt: 1 line with several labels: the first is the label",)

    def test_a_key_of_labels_may_be_missing_in_the_first(self, write: Write) -> None:
        read = read_objects(write('{"text": "a"}\n{"text": "b", "label": "x"}\n', "t.jsonl"))
        assert read.labels == ["", "x"]

    def test_a_label_alone(self, write: Write) -> None:
        assert pairs(read_plain(write("good\nbad x\n", "t.txt"))) == [("", "good"), ("x", "bad")]


class TestColumns:
    @pytest.mark.parametrize(
        ("text", "options"),
        [
            ("text,label\na fine film,good\ndull,bad\n", ()),
            ("Label;ID;Sentence\ngood;1;a fine film\nbad;2;dull\n", ()),
            ("class|sequence\n good |  a fine film \nbad|dull\n", ()),
            ("review,verdict\na fine film,good\ndull,bad\n", ("review", "verdict")),
            ("review,label\na fine film,good\ndull,bad\n", ()),
            ("9,good,a fine,film\n9,bad,dull,\n", ("3,4", "2")),
            ('text,label\n"a fine film",good\n"dull",bad\n', ()),
            ("text,label\na fine film,good,\ndull,bad, ,\n", ()),
        ],
    )
    def test_by_name_or_number(self, write: Write, text: str, options: tuple[str, ...]) -> None:
        assert pairs(read_columns(write(text, "t.csv"), *options)) == FILMS

    def test_a_number_in_the_first_row_is_no_name(self, write: Write) -> None:
        path = write('2,"Wall St bears"\n1,"Spain wins"\n', "t.csv")
        assert pairs(read_columns(path, "2", "1")) == [("Wall St bears", "2"), ("Spain wins", "1")]

    def test_without_names_the_column_of_fewer_words_is_the_label(self, write: Write) -> None:
        read = read_columns(write("1\tone\n0\ttwo\n1\tthree\n", "t.tsv"))
        assert pairs(read) == [("one", "1"), ("two", "0"), ("three", "1")]
        assert read.notes == ("no column is called text or label: the first, of fewer different words, is the label",)
        assert read_columns(write("one\ntwo\n", "t.csv")).inputs == ["one", "two"]

    def test_a_row_may_be_a_series(self, write: Write) -> None:
        read = read_columns(write("a1,a2,a3,class\n1,2,3,x\n 4, 5,?,y\n", "t.csv"))
        assert (read.channels, read.labels, read.rows) == (("value",), ["x", "y"], [2, 3])
        assert [one[:, 0].tolist() for one in read.inputs] == [[1, 2, 3], [4, 5]]
        read = read_columns(write("id,a1,a2,class\n7,1,2,x\n8,3,4,y\n", "t.csv"))
        assert [one[:, 0].tolist() for one in read.inputs] == [[1, 2], [3, 4]]

    def test_long_form(self, write: Write) -> None:
        path = write("id,time,x,y,label\nb,0,1,2,u\na,0,5,6,v\nb,1,3,,u\n", "t.csv")
        read = read_columns(path)
        assert (read.channels, read.labels, read.rows) == (("x", "y"), ["u", "v"], [2, 3])
        assert [one.tolist() for one in read.inputs] == [[[1, 2], [3, 2]], [[5, 6]]]
        assert read.notes[0] == "t.csv: column time is not read: steps stand in their order"
        text = path.read_text().replace("3,,u", "3,,w")
        two = "label 'w', 'u' in line 2; wanted one label a series"
        assert refused(read_columns, write(text, "t.csv")) == f"t.csv, line 4: id b has {two}"

    @pytest.mark.parametrize(
        ("text", "options", "message"),
        [
            ("text,label\na,b\nc\n", (), "t.csv, line 3: 1 column; wanted at least 2"),
            ("text,label\nhello, world,good\n", (), "t.csv, line 2: 3 columns; wanted 2, as in its first line; "
             "quotes go around a text that holds the separator"),
            ("text,label\na,b\n", ("txt",), "t.csv, line 1: no column txt; did you mean text?"),
            ('text,label\n"a"b,c\n', (), "t.csv, line 2: ',' expected after '\"'; wanted quotes around whole fields, or none"),
            ("1,2,3\n4,5,6\n", (), "t.csv, line 1: no column is called text or label; there are 1, 2, 3: "
             "say text=NAME label=NAME, or numbers"),
            ("a,b,label\n1,2,x\n3,z,y\n", (), "t.csv, line 3, column b: 'z' is no number; wanted numbers in every column "
             "but id and label; of texts, say text=COLUMN"),
            ("a,b,label\n1e99,2,x\n", (), "t.csv, line 2, column a: 1e99 is too large; wanted numbers in every column "
             "but id and label; of texts, say text=COLUMN"),
        ],
    )  # fmt: skip
    def test_bad_files(self, write: Write, text: str, options: tuple[str, ...], message: str) -> None:
        assert refused(read_columns, write(text, "t.csv"), *options) == message

    def test_a_number_that_cannot_be(self, write: Write) -> None:
        path = write("a b,c\n", "t.csv")
        assert (
            refused(read_columns, path, "0", kind=UsageError)
            == "0: columns are counted from 1; wanted 1,2 or names, for example"
        )


class TestObjects:
    def test_texts(self, write: Write) -> None:
        path = write(
            '{"label": 1, "text": " a fine film"}\n\n{"text": ["a", "fine"], "label": true}\n{"text": null}', "t.jsonl"
        )
        read = read_objects(path)
        assert pairs(read) == [("a fine film", "1"), ("a fine", "true"), ("", "")]
        assert read.rows == [1, 3, 4]
        both = write('{"title": "A", "body": "b", "stars": 4.5}\n', "t.jsonl")
        assert pairs(read_objects(both, "title,body", "stars")) == [("A b", "4.5")]

    @pytest.mark.parametrize(
        ("value", "channels", "shape"),
        [("[1, null, 3]", ("value",), (3, 1)), ("[[1, 2], [3, 4]]", ("channel_1", "channel_2"), (2, 2)),
         ('{"x": [1, 2, 3], "y": [4, 5, 6]}', ("x", "y"), (3, 2))],
    )  # fmt: skip
    def test_series(self, write: Write, value: str, channels: tuple[str, ...], shape: tuple[int, int]) -> None:
        read = read_objects(write(f'{{"series": {value}, "class": "u"}}\n', "t.jsonl"))
        assert (read.channels, read.inputs[0].shape, read.labels) == (channels, shape, ["u"])
        assert np.isfinite(read.inputs[0]).all()

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("no", "t.jsonl, line 1: no JSON (Expecting value: line 1 column 1 (char 0))"),
            ("[1]", 't.jsonl, line 1: no JSON object; wanted one on each line, as {"text": "a fine film", "label": "good"}'),
            ('{"a": 1}', "t.jsonl, line 1: the keys are a; wanted text or series: say text=KEY"),
            ('{"text": "a", "label": [1]}', "t.jsonl, line 1, key label: the label is '[1]'; wanted one word or number"),
            ('{"x": [1, 2]}\n{"x": [[1, 2]]}', "t.jsonl, line 2: channel_1, channel_2; wanted value, as in line 1"),
            ('{"x": [[1, 2], [3]]}', "t.jsonl, line 1, key x: step 2 has 1 number, step 1 has 2; wanted as many in each"),
            ('{"x": {"a": [1], "b": [1, 2]}}', "t.jsonl, line 1, key x: channel 2 has 2 steps, channel 1 has 1; "
             "wanted as many in each"),
            ('{"x": [1, "a"]}', "t.jsonl, line 1, key x, step 2: 'a' is no number; wanted one, or ? where it is missing"),
            ('{"x": 3}', "t.jsonl, line 1, key x: '3'; wanted a list of numbers, or of lists of numbers"),
            ('{"x": [1, Infinity]}', "t.jsonl, line 1, key x, step 2: inf is too large; "
             "wanted a finite number in single precision"),
        ],
    )  # fmt: skip
    def test_bad_files(self, write: Write, text: str, message: str) -> None:
        assert refused(read_objects, write(text, "t.jsonl")) == message


def test_a_series_of_times_alone_is_none(write: Write) -> None:
    assert (
        refused(read_steps, write("time\n1\n2\n", "t.csv"))
        == "t.csv: no column of numbers beside time; wanted one for each channel"
    )
