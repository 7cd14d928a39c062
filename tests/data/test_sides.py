import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from recurra.data import Sides, read_sides
from recurra.errors import DataError, UsageError

Write = Callable[..., Path]
PAIRS = [("a cat", "eine Katze"), ("a dog", "ein Hund")]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def file(content: str | bytes, name: str) -> Path:
        path = tmp_path / name
        raw = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        return path

    return file


def pairs(sides: Sides) -> list[tuple[str, str]]:
    return list(zip(sides.sources, sides.targets, strict=True))


def refused(path: Path, *options: str, kind: type[Exception] = DataError) -> str:
    with pytest.raises(kind) as caught:
        read_sides(path, *options)
    text = str(caught.value)
    assert "\n" not in text
    return text.replace(f"{path.parent}/", "")


class TestParallel:
    @pytest.mark.parametrize("names", [("t.en", "t.de"), ("t.en.gz", "t.de.gz"), ("t.en", "t.de.gz")])
    def test_either_of_the_two_is_named(self, write: Write, names: tuple[str, str]) -> None:
        for text, name in zip(("a cat\na dog\n", "eine Katze\r\nein Hund"), names, strict=True):
            path = write(text, name)
            write("other\nfiles\n", "u.en")
        for named in names:
            read = read_sides(path.with_name(named), "en", "de")
            assert pairs(read) == PAIRS
            assert read.lines == [1, 2]
        assert pairs(read_sides(path, "de", "en")) == [(german, english) for english, german in PAIRS]

    def test_only_line_feeds_end_a_line(self, write: Write) -> None:
        strange = "a\u2028b\x0bc\x85d\x0ce\rf\x1cg"
        write(f"{strange}\n\n x \r\n", "t.en")
        read = read_sides(write("1\n2\n3\n", "t.de"), "en", "de")
        assert read.sources == [strange, "", "x"]
        write("a\rb\r\r", "old.en")
        assert read_sides(write("1\r2\r\r", "old.de"), "en", "de").targets == ["1", "2", ""]

    def test_unequal_numbers_of_lines_names_both(self, write: Write) -> None:
        write("one\ntwo\n", "t.en")
        path = write("eins\nzwei\n\n", "t.de")
        assert refused(path, "en", "de") == "t.en: 2 lines, t.de: 3 lines; wanted as many in both, line by line the same"

    def test_what_is_not_there(self, write: Write, tmp_path: Path) -> None:
        path = write("one\n", "t.en")
        assert refused(path, "en", "de") == "t.en: no t.de beside it; wanted the other side of each line there"
        assert refused(tmp_path / "no.en", "en", "de") == "no.en: no such file or folder"
        assert refused(path, "en", "en", kind=UsageError) == "source=en target=en: the same; wanted two that differ"
        assert "wanted columns between tabs" in refused(path, "fr", "de")
        assert "(*.fr and *.de as asked for)" in refused(path, "fr", "de")

    def test_another_encoding(self, write: Write) -> None:
        write("a\n", "t.en")
        path = write("naïve\n".encode("latin-1"), "t.de")
        assert refused(path, "en", "de") == "t.de, line 1, byte 3: 0xef is not utf-8; say encoding=latin-1, or what it is"
        assert read_sides(path, "en", "de", "latin-1").targets == ["naïve"]

    def test_a_very_long_line(self, write: Write) -> None:
        write("x " * 100_000 + "\n", "t.en")
        assert len(read_sides(write("y\n", "t.de"), "en", "de").sources[0]) == 199_999


class TestColumns:
    @pytest.mark.parametrize("name", ["t.tsv", "t.tsv.gz", "t.txt", "german-train", "t.csv", "t.csv.gz"])
    def test_by_number(self, write: Write, name: str) -> None:
        text = 'say "hi" now\tN;SG\thallo\n\nbye\t\ttschüss\n'
        quoted = text.replace("\t", ",").replace('say "hi" now', '"say ""hi"" now"')
        path = write(quoted if "csv" in name else text, name)
        read = read_sides(path, "1,2", "3")
        assert pairs(read) == [('say "hi" now N;SG', "hallo"), ("", ""), ("bye", "tschüss")]
        assert read.lines == [1, 2, 3]
        assert not read.notes
        assert read_sides(path).targets == ["N;SG", "", ""]
        assert "no column is called source or target" in read_sides(path).notes[0]

    @pytest.mark.parametrize(("name", "separator"), [("t.tsv", "\t"), ("t.csv", ","), ("t.csv", ";"), ("t.txt", "\t")])
    def test_by_name(self, write: Write, name: str, separator: str) -> None:
        path = write("id\tsource\ttarget\n7\tone, two\teins\n".replace("\t", separator).replace("one, two", '"one, two"'), name)
        expected = '"one, two"' if separator == "\t" else "one, two"
        assert pairs(read_sides(path)) == [(expected, "eins")]
        assert read_sides(path).lines == [2]
        assert pairs(read_sides(path, "id,source", "3")) == [(f"7 {expected}", "eins")]
        if separator != ";":
            assert pairs(read_sides(path, "1", "3"))[0] == ("id", "target")  # nobody asked for a name

    def test_line_feeds_in_quotes(self, write: Write) -> None:
        read = read_sides(write('source,target\n"a\nb",c\n\nd,e\n', "t.csv"))
        assert pairs(read) == [("a\nb", "c"), ("", ""), ("d", "e")]
        assert read.lines == [2, 4, 5]

    @pytest.mark.parametrize(
        ("text", "name", "options", "message"),
        [
            ("a\tb\nc\n", "t.tsv", (), "t.tsv, line 2: 1 column; wanted at least 2"),
            ("a\tb\n", "t.tsv", ("1", "4"), "t.tsv, line 1: 2 columns; wanted at least 4"),
            ("source\ttarget\n", "t.tsv", (), "t.tsv: no pairs in it; wanted a source and a target on each line"),
            ("source\tgoal\n1\t2\n", "t.tsv", (), "t.tsv, line 1: no column target; choose from goal, source"),
            ("\nenglish\tgerman\n", "t.tsv", ("english", "germn"), "t.tsv, line 2: no column germn; did you mean german?"),
            ("a\tb\n", "t.tsv", ("en", "2"), "t.tsv, line 1: no column en; no names stand there; wanted numbers from 1"),
            ('a,b\n"c,d\n', "t.csv", (), "t.csv, line 2: unexpected end of data; wanted quotes around whole fields, or none"),
            ("", "t.csv", (), "t.csv: no pairs in it; wanted a source and a target on each line"),
            ("\n\n", "t.tsv", (), "t.tsv: no pairs in it; wanted a source and a target on each line"),
            (b"a\0b", "t.tsv", (), "t.tsv: byte 1 is 0, so this is no text in utf-8; wanted a text file"),
        ],
    )
    def test_what_is_said(self, write: Write, text: str, name: str, options: tuple[str, ...], message: str) -> None:
        assert refused(write(text, name), *options) == message

    @pytest.mark.parametrize("option", ["0", "1,,2", ""])
    def test_columns_that_cannot_be(self, write: Write, option: str) -> None:
        assert "columns are counted from 1" in refused(write("a\tb\n", "t.tsv"), option, "2", kind=UsageError)

    def test_a_very_long_field(self, write: Write) -> None:
        text = "y" * 100_000
        assert read_sides(write(f"a,{text}\n", "t.csv")).targets == [text]
        assert refused(write(f"a,{text * 2}\n", "t.csv")).startswith("t.csv, line 1: field larger than field limit")


class TestObjects:
    def test_keys(self, write: Write) -> None:
        rows = [{"source": "a", "target": "b", "n": 1}, {"source": ["x", "y"], "target": None}]
        path = write("\n".join(map(json.dumps, rows[:1])) + "\n\n" + json.dumps(rows[1]), "t.jsonl")
        assert pairs(read_sides(path)) == [("a", "b"), ("x y", "")]
        assert read_sides(path).lines == [1, 3]
        assert read_sides(
            write('{"en": "a\\u2028b", "x": " c "}\n{"en": "d", "x": ""}', "t.ndjson.gz"), "en,x", "x"
        ).sources == [
            "a\u2028b c",
            "d",
        ]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('{"source": "a"}', "line 1: no key target; there are source: say source=KEY target=KEY"),
            ('{"source": "a", "target": "b"}\n{}', "line 2: no key source; there are none: say source=KEY target=KEY"),
            ('{"source": "a", "target": 5}', "line 1, key target: 5; wanted text"),
            ('{"source": "a", "target": ["b", 5]}', 'line 1, key target: ["b", 5]; wanted text'),
            ('["a", "b"]', 'line 1: no JSON object; wanted one on each line, as {"source": "one", "target": "eins"}'),
            ('{"source": "a"', "line 1: no JSON (Expecting ',' delimiter: line 1 column 15 (char 14))"),
        ],
    )
    def test_what_is_said(self, write: Write, text: str, message: str) -> None:
        assert refused(write(text, "t.jsonl")) == f"t.jsonl, {message}"

    def test_too_deep(self, write: Write) -> None:
        assert refused(write("[" * 100_000, "t.jsonl")).startswith("t.jsonl, line 1: no JSON (maximum recursion depth")


class TestCommands:
    def test_scan(self, write: Write) -> None:
        read = read_sides(write("IN: jump twice OUT: I_JUMP I_JUMP\n\nIN: stay OUT:\n", "tasks.txt.gz"))
        assert pairs(read) == [("jump twice", "I_JUMP I_JUMP"), ("", ""), ("stay", "")]
        assert read.notes == ("lines IN: ... OUT: ... as in SCAN: the source is IN, the target OUT",)

    def test_another_line(self, write: Write) -> None:
        message = refused(write("IN: a OUT: b\nIN: c\n", "t.txt"))
        assert message == "t.txt, line 2: 'IN: c'; wanted IN: ... OUT: ..., as in the lines before"


@pytest.mark.parametrize(("source", "target"), [("source", "target"), ("text", "summary")])
def test_columns_without_names_are_taken_in_order_where_nobody_asked_for_others(
    source: str, target: str, tmp_path: Path
) -> None:
    (tmp_path / "a.tsv").write_text("x\ty\n")
    found = read_sides(tmp_path / "a.tsv", source, target)
    assert (found.sources, found.targets) == (["x"], ["y"])
    assert found.notes == (f"no column is called {source} or {target}: the first is the {source}, the second the {target}",)
