import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurra.data import Labelled, LabelledParts, read_inputs, read_labelled, split_labelled
from recurra.errors import DataError, UsageError
from tests.data.reading import Write
from tests.places import dataset


def table(count: int, start: int = 0, label: Callable[[int], str] = lambda k: "even" if k % 2 == 0 else "odd") -> str:
    return "text\tlabel\n" + "".join(f"number {k}\t{label(k)}\n" for k in range(start, start + count))


def refused(path: Path, kind: type[Exception] = DataError, read: Callable[..., Any] = read_labelled, **how: Any) -> str:
    with pytest.raises(kind) as caught:
        read(path, **how)
    text = str(caught.value)
    assert "\n" not in text
    return text.replace(f"{path.parent}/", "")


def sizes(parts: LabelledParts) -> list[int]:
    return [len(part) for part in (parts.learnt, parts.validation, parts.test)]


def sides(parts: LabelledParts) -> list[set[str]]:
    return [set(part.inputs) for part in (parts.learnt, parts.validation, parts.test)]


class TestSplit:
    def test_equal_inputs_stand_on_one_side_and_more_move_none(self, write: Write) -> None:
        before = sides(read_labelled(write(table(300) + table(300)[11:], "t.tsv")))
        assert sum(map(len, before)) == 300 == len(set.union(*before))
        after = sides(read_labelled(write(table(400), "t.tsv")))
        assert all(some <= more for some, more in zip(before, after, strict=True))

    def test_the_shares(self, write: Write) -> None:
        path = write(table(4000), "t.tsv")
        for held_out in (0.1, 0.4):
            for count in sizes(read_labelled(path, held_out=held_out))[1:]:
                assert abs(count - 2000 * held_out) < 4 * (2000 * held_out) ** 0.5

    def test_no_part_stays_empty_while_there_is_something_to_give(self) -> None:
        for seed in range(20):
            inputs = [np.full((2, 1), seed * 9 + k, np.float32) for k in range(9)]
            parts = split_labelled("nine", inputs, ["a", "b", "c"] * 3, channels=("x",), held_out=0.05)
            assert min(sizes(parts)) >= 1
            assert sum(sizes(parts)) == 9

    def test_the_fingerprint_knows_what_is_read_and_not_the_share(self, write: Write, tmp_path: Path) -> None:
        path = write(table(100), "t.tsv")
        once = read_labelled(path).fingerprint
        assert read_labelled(path, held_out=0.5).fingerprint == once
        (tmp_path / "below").mkdir()
        assert read_labelled(path.rename(tmp_path / "below" / "t.tsv")).fingerprint == once
        assert read_labelled(write(table(100).replace("7\todd", "7\teven"), "t.tsv")).fingerprint != once

    def test_bad_calls(self, write: Write) -> None:
        path = write(table(2), "t.tsv")
        told = "t.tsv: texts: 0 to learn from, 1 for looks during training, 1 to measure on; "
        assert refused(path) == told + "wanted at least 2, 1 and 1: give more, or a larger held_out"
        assert refused(path, UsageError, held_out=1.0) == "held_out=1.0: wanted a share above 0 and below 1"


class TestParts:
    @pytest.mark.parametrize("names", [("train.tsv", "dev.tsv", "test.tsv"), ("x_TRAIN.tsv", "x_VAL.tsv", "x_TEST.tsv")])
    def test_a_folder_or_the_file_to_learn_from(self, tmp_path: Path, names: tuple[str, ...]) -> None:
        for start, name in zip((0, 30, 40), names, strict=True):
            (tmp_path / name).write_text(table(12, start))
        (tmp_path / "README.md").write_text("train on this")
        whole = read_labelled(tmp_path)
        assert sizes(whole) == [12, 12, 12]
        assert whole.test.inputs[0] == "number 40"
        named = read_labelled(tmp_path / names[0])
        assert named.fingerprint == whole.fingerprint
        assert named.notes[0] == f"{names[0]}: {names[1]}, {names[2]} beside it is read, too"
        assert len(read_inputs(tmp_path / names[1])) == 12

    def test_a_missing_part_is_held_out_and_the_packed_are_read(self, tmp_path: Path) -> None:
        (tmp_path / "train.tsv.gz").write_bytes(gzip.compress(table(50).encode()))
        (tmp_path / "test.tsv.xz").write_bytes(lzma.compress(table(10, 45).encode()))
        read = read_labelled(tmp_path, held_out=0.4)
        assert sizes(read)[2] == 10
        assert sum(sizes(read)) == 60
        both = {f"number {k}" for k in range(45, 50)} & set(read.learnt.inputs)
        assert both
        assert any(f"{len(both)} texts learnt from, too" in told for told in read.notes)

    def test_a_part_may_be_of_another_kind_of_file(self, tmp_path: Path) -> None:
        (tmp_path / "train.csv").write_text(table(60).replace("\t", ","))
        (tmp_path / "test.tsv").write_text(table(20, 60))
        (tmp_path / "test.md").write_text("about the test")
        read = read_labelled(tmp_path)
        assert set(read.test.inputs) == {f"number {k}" for k in range(60, 80)}

    def test_several_data_sets_in_a_folder(self, tmp_path: Path) -> None:
        for name in ("a_train.txt", "b_train.txt"):
            (tmp_path / name).write_text("x y\n")
        assert refused(tmp_path) == f"{tmp_path.name}: 2 to learn from: a_train.txt, b_train.txt; wanted one: name it"

    def test_a_folder_for_each_class(self, tmp_path: Path) -> None:
        for part in ("train", "test"):
            for label in ("neg", "pos"):
                (tmp_path / part / label).mkdir(parents=True)
                for k in range(6):
                    (tmp_path / part / label / f"{k}.txt").write_text(f"{part} {label}\n{k}\n")
        read = read_labelled(tmp_path)
        assert sizes(read)[2] == 12
        assert read.test.inputs[6] == "test pos 0"
        assert read.test.labels == ["neg"] * 6 + ["pos"] * 6

    def test_a_folder_for_one_class(self, tmp_path: Path) -> None:
        (tmp_path / "pos").mkdir()
        for k in range(2):
            (tmp_path / "pos" / f"{k}.txt").write_text("a fine film")
        assert refused(tmp_path).endswith("one class only, 'pos'; wanted at least two to tell apart")

    def test_a_class_may_be_called_train(self, tmp_path: Path) -> None:
        for label in ("bus", "train"):
            (tmp_path / label).mkdir()
            for k in range(8):
                (tmp_path / label / f"{k}.csv").write_text(f"t,ax,ay\n0,{k},{len(label)}\n1,,2\n")
        read = read_labelled(tmp_path)
        assert (read.learnt.kind, read.learnt.channels) == ("series", ("ax", "ay"))
        assert set(read.learnt.labels) == {"bus", "train"}
        assert read.learnt.inputs[0].shape == (2, 2)
        (tmp_path / "bus" / "9.csv").write_text("ax\n1\n")
        assert refused(tmp_path).endswith("9.csv: series of 1 channel (ax); wanted series of 2 channels (ax, ay), as in 0.csv")
        (tmp_path / "bus" / "9.csv").write_text("ay,ax\n3,9\n")
        (tmp_path / "bus" / ".hidden.csv").write_text("nothing")
        read = read_labelled(tmp_path)
        assert any(np.array_equal(one, [[9, 3]]) for part in (read.learnt, read.validation, read.test) for one in part.inputs)
        (tmp_path / "bus" / "9.csv").write_text("ax,az\n3,9\n")
        assert "series of 2 channels (ax, az); wanted series of 2 channels (ax, ay)" in refused(tmp_path)

    def test_a_file_for_each_class(self, tmp_path: Path) -> None:
        (tmp_path / "Czech.txt").write_text("Abl\n\nAdsit\nBlaha\n")
        (tmp_path / "Dutch.txt").write_text("Aalsburg\nBuren\n")
        (tmp_path / "NOTES.md").write_text("no data")
        read = read_inputs(tmp_path)
        assert (read.inputs[:3], read.labels[3:], read.rows[:3]) == (["Abl", "Adsit", "Blaha"], ["Dutch"] * 2, [1, 3, 4])

    def test_nothing_to_read(self, tmp_path: Path, write: Write) -> None:
        wanted = "wanted a text or a series, and its label, on each line"
        assert refused(write("\n\n", "t.txt")) == f"t.txt: nothing in it to learn from; {wanted}"
        assert refused(write("{}", "t.json")).startswith("t.json: of a kind that is not read; wanted .txt, .jsonl")
        for file in tmp_path.iterdir():
            file.unlink()
        assert refused(tmp_path).endswith("wanted train.*, a folder for each class, or a .txt for each class")
        assert refused(tmp_path / "no.csv") == "no.csv: no such file or folder"

    def test_parts_of_two_kinds(self, tmp_path: Path) -> None:
        (tmp_path / "train.csv").write_text("a,b,label\n1,2,x\n3,4,y\n")
        (tmp_path / "test.csv").write_text("text,label\nfine,x\n")
        assert refused(tmp_path).endswith(f"test.csv: text; wanted value, as in {tmp_path.name}/train.csv")


class TestStrange:
    def test_what_is_left_out_kept_and_told(self, tmp_path: Path) -> None:
        (tmp_path / "train.tsv").write_text(table(20) + "\teven\nno label\t\nnumber 3\teven\n")
        (tmp_path / "dev.tsv").write_text("text\tlabel\nx\todd\n\todd\n")
        (tmp_path / "test.tsv").write_text("text\tlabel\nnumber 3\tprime\ny\t?\nz\tprime\n")
        read = read_labelled(tmp_path)
        assert sizes(read) == [21, 2, 2]
        assert read.notes == (
            "train.tsv: 1 text without a label (line 23): left out",
            "train.tsv: 1 text of no length (line 22): left out",
            "dev.tsv: 1 text of no length (line 3): kept",
            "test.tsv: 1 text without a label (line 3): left out",
            "train.tsv: 1 text there before with another label (line 24): kept",
            "test.tsv: 1 text learnt from, too (line 2): kept",
            "test.tsv: 2 texts of classes that are not learnt, prime (the first in line 2): kept, none can be right",
            "texts: 21 to learn from, 2 for looks during training, 2 to measure on",
        )

    def test_one_class_only(self, write: Write) -> None:
        path = write(table(40, label=lambda k: "all"), "t.tsv")
        told = "t.tsv: one class only, 'all'; wanted at least two to tell apart"
        assert refused(path) == told
        assert refused(write(table(2, label=lambda k: "all"), "t.tsv")) == told
        wanted = "wanted one for each of the 40: say label=NAME, of a column or key"
        assert refused(write(table(40, label=lambda k: ""), "t.tsv")) == f"t.tsv: no label in it; {wanted}"

    def test_numbers(self, write: Write) -> None:
        read = read_labelled(write(table(60, label=lambda k: f"{k / 2}"), "t.tsv"), number=True)
        assert not any("classes" in told for told in read.notes)
        assert sorted(float(label) for part in (read.learnt, read.validation, read.test) for label in part.labels)[:2] == [
            0,
            0.5,
        ]
        wrong = "label 'nan'; wanted a number, or a task of classes"
        assert refused(write(table(60, label=lambda k: "nan"), "t.tsv"), number=True).endswith(wrong)


def test_inputs_of_plain_lines_have_labels_where_all_begin_with_known_ones(write: Write) -> None:
    path = write("good fine\n\nbad film\n", "t.txt")
    assert read_inputs(path).inputs == ["good fine", "", "bad film"]
    assert not any(read_inputs(path, known=["good"]).labels)
    known = read_inputs(path, known=["bad", "good", "odd"])
    assert (known.inputs, known.labels, known.rows) == (["fine", "film"], ["good", "bad"], [1, 3])
    assert refused(write("\n", "t.csv"), read=read_inputs) == "t.csv: nothing in it; wanted at least one text or series"


def test_taking_some() -> None:
    read = Labelled("x", ["a", "b", "c"], ["1", "2", "3"], [4, 5, 6]).take([2, 0])
    assert (read.inputs, read.labels, read.rows, read.kind) == (["c", "a"], ["3", "1"], [6, 4], "text")


@pytest.mark.data
class TestPublished:
    def test_sentences(self) -> None:
        read = read_labelled(dataset("sentence_classification/stsa.binary.train.gz"))
        assert sizes(read) == [6920, 872, 1821]
        assert (read.validation.inputs[0], read.validation.labels[0]) == ("one long string of cliches .", "0")
        fine = read_labelled(dataset("sentence_classification/raw.TREC.train"), encoding="latin-1", label="fine")
        assert len(set(fine.learnt.labels) | set(fine.validation.labels)) == 50
        path = dataset("sentence_classification/TREC.train.all")
        assert refused(path).startswith("TREC.train.all, line 66, byte 53: 0xf0 is not utf-8")

    @pytest.mark.parametrize(
        ("name", "counts", "shape", "classes"),
        [
            ("JapaneseVowels_TRAIN.ts.gz", [270, 370], (20, 12), 9),
            ("PickupGestureWiimoteZ_TRAIN.ts", [50, 50], (324, 1), 10),
            ("BasicMotions_TRAIN.ts", [40, 40], (100, 6), 4),
        ],
    )
    def test_series(self, name: str, counts: list[int], shape: tuple[int, int], classes: int) -> None:
        read = read_labelled(dataset(f"ucr_small/{name}"))
        learnt, validation, test = sizes(read)
        assert [learnt + validation, test] == counts
        assert read.learnt.inputs[0].shape == shape
        assert read.learnt.inputs[0].dtype == np.float32
        assert len(set(read.test.labels)) == classes

    def test_letters(self) -> None:
        names = read_labelled(dataset("names_by_language/names"))
        assert sum(sizes(names)) == 20050
        assert len(set(names.learnt.labels)) == 18
        dna = read_labelled(dataset("dna_splice/splice.csv"))
        assert sum(sizes(dna)) == 3190
        assert {len(text) for text in dna.learnt.inputs} == {60}
        assert not set(dna.learnt.inputs) & set(dna.test.inputs)
