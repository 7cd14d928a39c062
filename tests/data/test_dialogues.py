import gzip
import json
from pathlib import Path

import pytest

from recurra.data import Dialogues, examples, read_dialogues, split_dialogues
from recurra.errors import DataError, UsageError
from tests.data.reading import Write
from tests.places import dataset

TALKS = (("Hi.", "Hello!", "Bye."), ("What is it?", "A cat."))


def whole(path: Path) -> Dialogues:
    return read_dialogues(path, held_out=0)


def refused(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        whole(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "Hi. __eou__ Hello! __eou__ Bye. __eou__\nWhat is it? __eou__ A cat. __eou__\n"),
        ("a.txt", "Hi.__eou__Hello!__eou__Bye.\n\nWhat  is it?__eou__A cat."),
        ("a.tsv", "Hi. __eou__ Hello! __eou__ Bye. __eou__\t1\t2 2 1\nWhat is it? __eou__ A cat. __eou__\t3\t1 1\n"),
        ("a.txt", "Hi.\tHello!\tBye.\n\nWhat is it?\tA cat.\n"),
        ("a.txt", "\nHi.\nHello!\nBye.\n\n \n\nWhat is\tit?\nA cat.\n\n"),
        ("a.jsonl", '["Hi.", "Hello!", "Bye."]\n\n["What is it?", "A cat."]\n'),
        ("a.jsonl", '{"id": 1, "turns": ["Hi.", "Hello!", "Bye."]}\n{"dialogue": ["What is it?", "A cat."]}'),
        (
            "a.ndjson",
            json.dumps(
                {
                    "messages": [
                        {"role": "system", "content": "Be kind."},
                        {"role": "user", "content": "Hi."},
                        {"role": "assistant", "content": "Hello!"},
                        {"role": "user", "content": "Bye."},
                    ]
                }
            )
            + '\n{"conversations": [{"from": "human", "value": "What\\nis it?"}, {"from": "gpt", "value": "A cat."}]}\n',
        ),
        ("a.json", '# a comment [\n[["Hi.", "Hello!", "Bye."],\n {"utterances": [{"text": "What is it?"}, "A cat."]}]'),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_kinds_of_files(name: str, text: str, packed: bool, tmp_path: Path) -> None:
    path = tmp_path / (f"{name}.gz" if packed else name)
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    read = whole(path)
    assert read.learnt == TALKS
    assert (read.validation, read.test, read.notes) == ((), (), ())


def test_an_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("é\tü\n".encode("latin-1"))
    assert read_dialogues(tmp_path / "a.txt", "latin-1", held_out=0).learnt == (("é", "ü"),)
    assert "line 1, byte 1: 0xe9 is not utf-8" in refused(tmp_path / "a.txt")


class TestSplit:
    def lines(self, count: int) -> list[str]:
        return [f"how much is {k}\tit is {k}" for k in range(count)]

    def test_by_hash(self, write: Write) -> None:
        lines = self.lines(400)
        one = read_dialogues(write("\n".join(lines), "one.txt"))
        other = read_dialogues(write("\n".join([*reversed(lines), "new\tone"]), "other.txt"))
        assert 25 < len(one.validation) < 55
        assert 25 < len(one.test) < 55
        assert len(one.learnt) + len(one.validation) + len(one.test) == 400
        for part in ("learnt", "validation", "test"):
            assert set(getattr(one, part)) - {("new", "one")} == set(getattr(other, part)) - {("new", "one")}

    def test_equal_ones_stand_on_one_side(self, write: Write) -> None:
        lines = self.lines(100)
        read = read_dialogues(write("\n".join([*lines, *(line.upper().replace("\t", " !\t") for line in lines)]), "a.txt"))
        parts = [{tuple(turn.lower().rstrip(" !") for turn in one) for one in part} for part in read[1:4]]
        assert [len(part) * 2 for part in parts] == [len(part) for part in read[1:4]]
        assert read.notes == ()

    def test_a_folder_of_parts(self, write: Write, tmp_path: Path) -> None:
        write("a\tb\nc\td", "train.txt")
        write('["E", "f"]\n["C.", "d"]', "dev.jsonl")
        write("g\th\ne\tf\na\tb\ni\nj\t \tk", "test-new.tsv")
        write("no part of it", "README.md")
        write("\n", ".train.txt")
        read = read_dialogues(tmp_path)
        assert read[1:4] == ((("a", "b"), ("c", "d")), (("E", "f"),), (("g", "h"), ("j", "k")))

    def test_what_is_left_out_is_said(self, write: Write, tmp_path: Path) -> None:
        write("a\tb\n\tx", "train.txt")
        write("a\tb\nc\td", "valid.txt")
        assert read_dialogues(tmp_path).notes == (
            "1 empty turn left out",
            "train part: 1 dialogue of fewer than two turns left out",
            "validation part: 1 dialogue of an earlier part left out",
        )


def test_the_fingerprint_knows_turns_dialogues_and_parts() -> None:
    talks: list[Dialogues] = [
        Dialogues("x", (("a", "b"), ("c", "d")), (), (), ()),
        Dialogues("x", (("a", "b", "c", "d"),), (), (), ()),
        Dialogues("x", (("a", "b"),), (("c", "d"),), (), ()),
        Dialogues("x", (("c", "d"), ("a", "b")), (), (), ()),
        Dialogues("x", (("ab", ""), ("c", "d")), (), (), ()),
    ]
    assert len({one.fingerprint for one in talks}) == len(talks)
    assert talks[0].fingerprint == talks[0]._replace(source="y", notes=("z",)).fingerprint


@pytest.mark.parametrize(
    ("turns", "found"),
    [
        (1, [(("a",), "b"), (("b",), "c"), (("c",), "d")]),
        (2, [(("a",), "b"), (("a", "b"), "c"), (("b", "c"), "d")]),
        (9, [(("a",), "b"), (("a", "b"), "c"), (("a", "b", "c"), "d")]),
    ],
)
def test_examples(turns: int, found: list[tuple[tuple[str, ...], str]]) -> None:
    assert list(examples(("a", "b", "c", "d"), turns=turns)) == found


class TestBadFiles:
    @pytest.mark.parametrize(
        ("name", "text", "said"),
        [
            ("a.txt", " \n\n", ": no text in it; wanted dialogues"),
            (
                "a.txt",
                "one\ntwo three\n",
                ": neither __eou__, nor blank lines, nor tabs, so nobody can tell where a dialogue ends",
            ),
            ("a.txt", "one\n\ntwo\n", ": no dialogue to learn from; wanted some of two turns or more (train part: 2 dia"),
            ("a.jsonl", '["a", "b"]\n["a", "b"\n', ", line 2, column 10: no JSON (Expecting ',' delimiter)"),
            (
                "a.jsonl",
                '{"talk": ["a", "b"]}',
                ", line 1: no turns; wanted a list of them under turns, dialogue, dialog, dial, ",
            ),
            ("a.jsonl", '["a", "b"]\n"c"', ", line 2: a text came; wanted a list of turns"),
            ("a.jsonl", '{"turns": {"a": 1}}', ", line 1: an object came; wanted a list of turns"),
            ("a.jsonl", '["a", 7]', ", line 1, turn 2: a number came; wanted a text"),
            ("a.jsonl", '["a", null]', ", line 1, turn 2: null came; wanted a text"),
            ("a.jsonl", '["a", {"role": "user"}]', ", line 1, turn 2: no text; wanted one under content, text, utterance"),
            ("a.jsonl", "[" * 100_000, ", line 1: JSON that cannot be read; wanted lists of turns"),
            ("a.jsonl", "1" * 5000, ", line 1: JSON that cannot be read; wanted lists of turns"),
            ("a.json", '{"turns": ["a", "b"]}', ": an object came; wanted a list of dialogues, or JSON Lines"),
            ("a.json", '# x\n[["a", "b"],\n ["c", true]]', ", dialogue 2, turn 2: true or false came; wanted a text"),
            ("a.json", '# x\n[["a", "b"],\n ["c" "d"]]', ", line 3, column 7: no JSON (Expecting ',' delimiter)"),
        ],
    )
    def test_what_is_said(self, name: str, text: str, said: str, write: Write) -> None:
        assert refused(write(text, name)).startswith(said)

    def test_a_folder_without_a_learning_part(self, write: Write, tmp_path: Path) -> None:
        write("a\tb", "test.txt")
        assert refused(tmp_path).startswith(": no file whose name begins with train; wanted train, valid and test files")

    def test_a_missing_file(self, tmp_path: Path) -> None:
        assert refused(tmp_path / "no.txt") == ": no such file or folder"

    def test_shares_and_turns_that_cannot_be(self, write: Write) -> None:
        with pytest.raises(UsageError, match=r"^held_out is 0\.5; wanted a share from 0 to below 0\.5"):
            split_dialogues("talks", TALKS, held_out=0.5)
        with pytest.raises(UsageError, match=r"^held_out is 0\.5; wanted a share from 0 to below 0\.5"):
            read_dialogues(write("a\tb", "a.txt"), held_out=0.5)
        with pytest.raises(UsageError, match=r"^turns is 0; wanted 1 or more"):
            list(examples(("a", "b"), turns=0))


def test_those_that_are_there_already_are_split_as_those_of_a_file(write: Write) -> None:
    talks = [(f"Number {k % 90}?", "Yes.", "No.") for k in range(100)]
    path = write("".join("\t".join(turns) + "\n" for turns in talks), "a.txt")
    read, made = read_dialogues(path, held_out=0.2), split_dialogues("talks", talks, held_out=0.2)
    assert made[1:] == read[1:]
    assert made.source == "talks"
    assert all(made[1:4])


@pytest.mark.data
class TestPublished:
    def test_daily_dialog(self) -> None:
        read = read_dialogues(dataset("dailydialog_part"))
        assert [len(part) for part in read[1:4]] == [1000, 995 - 11, 996 - 24 - 11]  # 24 are learnt, 11 stand in validation
        assert [note.split()[2] for note in read.notes] == ["11", "35"]
        assert read.learnt[1][-1] == "If only he knew it ."
        assert read.validation[1][-1] == "Thank you very much ."

    def test_camrest(self) -> None:
        read = read_dialogues(dataset("camrest676"))
        assert [len(part) for part in read[1:4]] == [405, 135, 136]
        assert sum(len(one) for part in read[1:4] for one in part) == 2 * 2744
        assert read.learnt[0][2] == "No I don't care about the type of cuisine."
        assert read.notes == ()
