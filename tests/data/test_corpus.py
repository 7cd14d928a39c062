import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.data import Corpus, Document, read, read_file, reference
from recurra.errors import DataError

TEXT = "one\ntwo\nthree\n"


def corpus(*texts: str) -> Corpus:
    return Corpus("here", tuple(Document(f"{k}.txt", text) for k, text in enumerate(texts)))


class TestSplit:
    @given(st.text(min_size=1, max_size=300), st.floats(0.01, 0.99))
    def test_by_position(self, text: str, share: float) -> None:
        learnt, held_out = corpus(text).split(share)
        assert learnt + held_out == text
        assert abs(len(held_out) - share * len(text)) <= 1

    def test_few_documents_are_joined_in_order(self) -> None:
        assert corpus("abcd", "efgh\n", "ij").split(0.3) == ("abcd\nefg", "h\nij")

    def test_each_document_begins_a_line(self) -> None:
        assert corpus("a", "b\n", "c").text == "a\nb\nc"
        assert corpus("only").text == "only"

    @given(st.lists(st.integers(1, 50), min_size=20, max_size=60), st.floats(0.05, 0.5))
    def test_many_documents_stay_whole(self, sizes: list[int], share: float) -> None:
        texts = [chr(1000 + k) * (size - 1) + "\n" for k, size in enumerate(sizes)]
        learnt, held_out = corpus(*texts).split(share)
        assert set(learnt) & set(held_out) <= {"\n"}
        assert sorted(learnt + held_out) == sorted("".join(texts))
        assert share * sum(sizes) - max(sizes) <= len(held_out) <= share * sum(sizes)
        assert learnt.replace("\n", "") == "".join(sorted(learnt.replace("\n", "")))

    def test_which_documents_does_not_depend_on_where_they_lie_or_what_is_in_them(self) -> None:
        names = [f"{k}.txt" for k in range(30)]
        sides = [
            Corpus("x", tuple(Document(f"{folder}/{name}", letter) for name, letter in zip(names, letters, strict=True))).split(
                0.2
            )
            for folder, letters in (
                ("/here", "abcdefghijklmnopqrstuvwxyz0123"),
                ("there/below", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123"),
            )
        ]
        assert len(sides[0][1]) > 5
        assert sides[0][1] == sides[1][1].lower()

    def test_equal_documents_are_two(self) -> None:
        learnt, held_out = corpus(*["same\n"] * 40).split(0.25)
        assert (len(learnt), len(held_out)) == (150, 50)


class TestFingerprint:
    @given(st.lists(st.text(max_size=5), min_size=1, max_size=4), st.data())
    def test_any_change_changes_it(self, texts: list[str], data: st.DataObject) -> None:
        changed = list(texts)
        place = data.draw(st.integers(0, len(texts) - 1))
        changed[place] = data.draw(st.text(max_size=5).filter(lambda text: text != texts[place]))
        assert corpus(*texts).fingerprint != corpus(*changed).fingerprint
        assert corpus(*texts).fingerprint == corpus(*texts).fingerprint

    def test_borders_names_and_order_count(self) -> None:
        made = [
            corpus("ab", "c"),
            corpus("a", "bc"),
            corpus("c", "ab"),
            corpus("abc"),
            corpus("abc", ""),
            Corpus("here", (Document("other.txt", "abc"),)),
        ]
        assert len({one.fingerprint for one in made}) == len(made)

    def test_the_folder_does_not(self) -> None:
        far = Corpus("there", tuple(Document(f"/far/away/{name}", text) for name, text in corpus("a", "b").documents))
        assert far.fingerprint == corpus("a", "b").fingerprint


class TestRead:
    def test_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "book"
        path.write_text(TEXT)
        assert read(path) == Corpus(str(path), (Document(str(path), TEXT),))
        assert read(path).characters == len(TEXT)

    def test_a_folder_in_order_and_without_what_is_hidden(self, tmp_path: Path) -> None:
        for name in ("b.txt", "a/z.txt", "a/y.txt", ".hidden.txt", ".git/x.txt", "notes.md", "c.TXT.bak"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(name)
        assert [document.text for document in read(tmp_path).documents] == ["a/y.txt", "a/z.txt", "b.txt"]

    @pytest.mark.parametrize("name", ["..", ".", "../.below"])
    def test_a_folder_that_is_reached_by_dots(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        below = tmp_path / ".below"
        below.mkdir()
        for folder in (tmp_path, below):
            (folder / "a.txt").write_text(TEXT)
        monkeypatch.chdir(below)
        assert read(Path(name)).documents[0].text == TEXT

    def test_a_name_that_is_not_unicode(self, tmp_path: Path) -> None:
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt"))
        path.write_text(TEXT)
        for k in range(25):
            (tmp_path / f"{k}.txt").write_text(TEXT)
        whole = read(tmp_path)
        assert len(whole.fingerprint) == 64
        assert sum(map(len, whole.split(0.5))) == whole.characters == 26 * len(TEXT)

    @pytest.mark.parametrize(
        ("raw", "encoding", "text"),
        [
            (b"a\r\nb\rc\n", "utf-8", "a\nb\nc\n"),
            (b"\r\n\r\nx", "utf-8", "\n\nx"),
            (b"\xef\xbb\xbfabc", "utf-8", "abc"),
            (b"\xef\xbb\xbfabc", "UTF_8", "abc"),
            (b"caf\xe9", "latin-1", "café"),
            ("naïve €".encode("utf-16"), "utf-16", "naïve €"),
            ("naïve €".encode("utf-16"), "UTF_16", "naïve €"),
            ("a\r\nb".encode("utf-16-be"), "utf-16-be", "a\nb"),
            ("a\n".encode("utf-32"), "utf32", "a\n"),
            ("a\x0bb\x0c\u2028c\x85".encode(), "utf-8", "a\x0bb\x0c\u2028c\x85"),
            (b"", "utf-8", ""),
        ],
    )
    def test_encodings_and_line_ends(self, raw: bytes, encoding: str, text: str, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(raw)
        assert read_file(tmp_path / "file", encoding) == text

    def test_a_packed_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"a\r\nb\n"))
        assert read_file(tmp_path / "a.txt.gz") == "a\nb\n"


class TestBadFiles:
    @pytest.mark.parametrize(
        ("raw", "encoding", "message"),
        [
            (b"", "utf-8", "{path}: no text in it; wanted at least a few thousand characters"),
            (b" \n\t\r\n  ", "utf-8", "{path}: no text in it; wanted at least a few thousand characters"),
            (b"\xef\xbb\xbf", "utf-8", "{path}: no text in it; wanted at least a few thousand characters"),
            (b"ab\0c", "utf-8", "{path}: byte 2 is 0, so this is no text in utf-8; wanted a text file"),
            (b"ab\0c", "latin-1", "{path}: byte 2 is 0, so this is no text in latin-1; wanted a text file"),
            ("ab".encode("utf-16"), "utf-8", "{path}: byte 3 is 0, so this is no text in utf-8; say encoding=utf-16"),
            (
                b"ok\nok caf\xe9 x\n",
                "utf-8",
                "{path}, line 2, byte 7: 0xe9 is not utf-8; say encoding=latin-1, or what it is",
            ),
            (
                b"\xef\xbb\xbfok\n\xe9\n",
                "utf-8",
                "{path}, line 2, byte 1: 0xe9 is not utf-8; say encoding=latin-1, or what it is",
            ),
            (b"\xff\n", "utf-8", "{path}, line 1, byte 1: 0xff is not utf-8; say encoding=latin-1, or what it is"),
            (b"abc\xe2\x82", "utf-8", "{path}, line 1, byte 4: 0xe2 is not utf-8; say encoding=latin-1, or what it is"),
            (b"a\xc3\xa9", "ascii", "{path}, line 1, byte 2: 0xc3 is not ascii; say encoding=latin-1, or what it is"),
            *(
                (b"abc", name, f"{{path}}: encoding={name} is unknown; wanted utf-8, latin-1, cp1252, utf-16, ...")
                for name in ("utf-9", "", "hex", "undefined", "a\0b", "rot13")
            ),
        ],
    )
    def test_what_is_said(self, raw: bytes, encoding: str, message: str, tmp_path: Path) -> None:
        path = tmp_path / "file.txt"
        path.write_bytes(raw)
        with pytest.raises(DataError) as caught:
            read(path, encoding)
        assert str(caught.value) == message.format(path=path)

    def test_a_cut_off_utf16_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes("abc".encode("utf-16")[:-1])
        with pytest.raises(DataError, match="line 1, byte 7: 0x63 is not utf-16"):
            read_file(tmp_path / "file", "utf-16")

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"nothing\.txt: no such file or folder$"):
            read(tmp_path / "nothing.txt")

    @pytest.mark.parametrize(
        "raw",
        [TEXT.encode(), gzip.compress(TEXT.encode())[:-9], gzip.compress(b"") + b"x", b"\x1f\x8b" * 9],
        ids=["plain", "cut off", "more behind it", "marks only"],
    )
    def test_a_damaged_packed_file(self, raw: bytes, tmp_path: Path) -> None:
        (tmp_path / "a.gz").write_bytes(raw)
        with pytest.raises(DataError, match=r"a\.gz: damaged, or not compressed by gzip as its name says$"):
            read_file(tmp_path / "a.gz")

    def test_a_folder_without_text_files(self, tmp_path: Path) -> None:
        (tmp_path / "a.md").write_text(TEXT)
        with pytest.raises(DataError, match=r"no \*\.txt file in this folder"):
            read(tmp_path)

    def test_a_folder_with_one_bad_file_names_it(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text(TEXT)
        (tmp_path / "b.txt").write_bytes(b"x\xff")
        with pytest.raises(DataError, match=r"b\.txt, line 1, byte 2"):
            read(tmp_path)

    def test_a_folder_named_like_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").mkdir()
        with pytest.raises(DataError, match=r"a\.txt: cannot be read \(Is a directory\)"):
            read(tmp_path)

    def test_below_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text(TEXT)
        with pytest.raises(DataError, match="cannot be read"):
            read(tmp_path / "a.txt" / "b.txt")

    def test_a_link_to_nowhere(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").symlink_to(tmp_path / "gone")
        with pytest.raises(DataError, match="no such file"):
            read(tmp_path)


class TestReference:
    def test_it_is_there_and_the_same_twice(self) -> None:
        once, again = reference(), reference()
        assert once == again
        assert once.characters > 300_000
        assert len(once.documents) >= 20

    def test_no_paragraph_stands_on_both_sides(self) -> None:
        learnt, held_out = (set(side.split("\n\n")) for side in reference().split(0.1))
        assert not {paragraph for paragraph in learnt & held_out if paragraph.strip()}
