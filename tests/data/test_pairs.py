from collections.abc import Callable
from pathlib import Path

import pytest

from recurra.data import Pairs, Sides, read_pairs, split_pairs
from recurra.errors import DataError, UsageError
from tests.places import dataset

Write = Callable[..., Path]


def table(count: int, start: int = 0) -> str:
    return "".join(f"source {k}\ttarget {k}\n" for k in range(start, start + count))


def refused(path: Path, *options: str, kind: type[Exception] = DataError, **more: float) -> str:
    with pytest.raises(kind) as caught:
        read_pairs(path, *options, **more)  # type: ignore[arg-type]
    text = str(caught.value)
    assert "\n" not in text
    return text.replace(f"{path.parent}/", "")


def parts(pairs: Pairs) -> dict[str, set[str]]:
    return {name: set(side.sources) for name, side in sides(pairs).items()}


def sides(pairs: Pairs) -> dict[str, Sides]:
    return {"train": pairs.learnt, "validation": pairs.validation, "test": pairs.test}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part, count in (("train", 30), ("valid", 4), ("test_a", 3), ("test_b", 3)):
        for side in ("en", "de"):
            (tmp_path / f"{part}.{side}").write_text("".join(f"{part} {k} {side}\n" for k in range(count)))
    (tmp_path / "train.fr").write_text("too short\n")
    return tmp_path


class TestFolder:
    def test_the_split_that_it_brings(self, folder: Path) -> None:
        read = read_pairs(folder, "de", "en")
        assert [len(part) for part in sides(read).values()] == [30, 4, 3]
        assert (read.validation.sources[1], read.validation.targets[1]) == ("valid 1 de", "valid 1 en")
        assert read.test.sources[0] == "test_a 0 de"
        assert read.notes == (
            "test_a.de is read; not test_b.de",
            "pairs: 30 to learn from, 4 for looks during training, 3 to measure on",
        )

    @pytest.mark.parametrize("missing", ["valid", "test"])
    def test_what_it_does_not_bring_is_held_out(self, folder: Path, missing: str) -> None:
        whole = read_pairs(folder, "de", "en")
        for file in folder.glob(f"{missing}*"):
            file.unlink()
        read = read_pairs(folder, "de", "en", held_out=0.5)
        held = read.validation if missing == "valid" else read.test
        assert 0 < len(held) < 30
        assert set(held.sources) | set(read.learnt.sources) == set(whole.learnt.sources)
        assert len(held) + len(read.learnt) == 30

    def test_one_file_a_part(self, tmp_path: Path) -> None:
        for part, start in (("train", 0), ("dev", 20), ("test", 30)):
            (tmp_path / f"{part}.tsv").write_text(table(10, start))
        (tmp_path / "training.tsv").write_text("not a part\n")
        read = read_pairs(tmp_path)
        assert read.validation.sources[0] == "source 20"
        assert [len(part) for part in sides(read).values()] == [10] * 3

    def test_sources_that_stand_on_both_sides_are_told(self, tmp_path: Path) -> None:
        for part, start in (("train", 0), ("val", 20), ("test", 8)):
            (tmp_path / f"{part}.tsv").write_text(table(10, start))
        read = read_pairs(tmp_path)
        assert len(read.test) == 10
        assert "test.tsv: of 10 sources 2 are learnt from, too: kept" in read.notes

    def test_without_files_to_learn_from(self, folder: Path) -> None:
        name = folder.name
        assert refused(folder, "de", "it") == (
            f"{name}: no train.de and train.it, nor train.tsv, .csv, .jsonl or .txt; "
            "train.* there is in de, en, fr; say source=en target=de, or what they are"
        )
        for file in folder.glob("train*"):
            file.unlink()
        message = f"{name}: no train.de and train.en, nor train.tsv, .csv, .jsonl or .txt; name a file instead"
        assert refused(folder, "de", "en") == message
        assert refused(folder, "en", "en", kind=UsageError) == "source=en target=en: the same; wanted two that differ"


class TestSplit:
    def test_equal_sources_stand_on_one_side_and_more_lines_move_none(self, tmp_path: Path) -> None:
        path = tmp_path / "t.tsv"
        path.write_text(table(300) + table(300).replace("\ttarget", "\tother"))
        before = parts(read_pairs(path))
        assert not before["train"] & before["test"]
        assert not before["train"] & before["validation"]
        assert not before["test"] & before["validation"]
        assert sum(map(len, before.values())) == 300
        path.write_text(table(400, 200) + table(200))
        after = parts(read_pairs(path))
        assert all(before[part] <= after[part] for part in before)

    def test_the_shares(self, tmp_path: Path) -> None:
        path = tmp_path / "t.tsv"
        path.write_text(table(5000))
        for held_out in (0.1, 0.4):
            read = read_pairs(path, held_out=held_out)
            for part in (read.validation, read.test):
                wanted = 5000 * held_out / 2
                assert abs(len(part) - wanted) < 4 * wanted**0.5
        assert parts(read_pairs(path, held_out=0.2))["test"] < parts(read_pairs(path, held_out=0.4))["test"]

    def test_lines_are_those_of_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "t.tsv").write_text(table(100))
        for part in sides(read_pairs(tmp_path / "t.tsv", held_out=0.4)).values():
            assert part.sources == [f"source {line - 1}" for line in part.lines]

    def test_pairs_that_are_there_already(self, tmp_path: Path) -> None:
        path = tmp_path / "t.tsv"
        path.write_text(table(100))
        texts = [[f"{side} {k}" for k in range(100)] for side in ("source", "target")]
        read, given = read_pairs(path, "1", "2", held_out=0.3), split_pairs(str(path), *texts, held_out=0.3)
        assert given == read

    def test_too_few(self, tmp_path: Path) -> None:
        (tmp_path / "t.tsv").write_text(table(2))
        message = refused(tmp_path / "t.tsv")
        assert message.startswith("t.tsv: pairs: ")
        assert message.endswith("wanted at least 2, 1 and 1: give more pairs, or a larger held_out")

    @pytest.mark.parametrize("held_out", [0.0, 1.0, -1.0])
    def test_a_share_that_cannot_be(self, tmp_path: Path, held_out: float) -> None:
        assert "wanted a share above 0" in refused(tmp_path, kind=UsageError, held_out=held_out)


class TestFingerprint:
    def test_it_knows_what_is_read_and_not_the_share(self, tmp_path: Path) -> None:
        path = tmp_path / "t.tsv"
        path.write_text(table(100))
        once = read_pairs(path).fingerprint
        assert len(once) == 64
        assert read_pairs(path, held_out=0.3).fingerprint == once
        (tmp_path / "below").mkdir()
        other = path.rename(tmp_path / "below" / "t.tsv")
        assert read_pairs(other).fingerprint == once
        assert read_pairs(other, "2", "1").fingerprint != once
        other.write_text(table(100).replace("target 7\n", "target 07\n"))
        assert read_pairs(other).fingerprint != once

    def test_a_test_part_counts(self, folder: Path) -> None:
        once = read_pairs(folder, "en", "de").fingerprint
        (folder / "test_b.de").write_text("not read")
        assert read_pairs(folder, "en", "de").fingerprint == once
        (folder / "test_a.de").write_text("a\nb\nc\n")
        assert read_pairs(folder, "en", "de").fingerprint != once


@pytest.mark.data
class TestPublished:
    def test_multi30k(self) -> None:
        read = read_pairs(dataset("multi30k"), "en", "de")
        assert [len(part) for part in sides(read).values()] == [29000, 1014, 1000]
        assert read.test.sources[0] == "A man in an orange hat starring at something."
        assert read.test.targets[0] == "Ein Mann mit einem orangefarbenen Hut, der etwas anstarrt."
        assert read.notes == (
            "test_2016_flickr.en.gz is read; not test_2017_flickr.en.gz, test_2017_mscoco.en.gz",
            "train.en.gz: 3 pairs that stand there before (the first in line 14215): kept",
            "val.en.gz: of 1,014 sources 1 are learnt from, too: kept",
            "pairs: 29,000 to learn from, 1,014 for looks during training, 1,000 to measure on",
        )

    def test_scan(self) -> None:
        read = read_pairs(dataset("scan/tasks_train_simple.txt.gz"))
        assert sum(len(part) for part in sides(read).values()) == 16728
        assert read.learnt.targets[0].startswith("I_TURN_RIGHT I_TURN_RIGHT I_JUMP")

    def test_inflection(self) -> None:
        read = read_pairs(dataset("sigmorphon2016_inflection/german-task1-train.gz"), "1,2", "3")
        assert sum(len(part) for part in sides(read).values()) == 12490
        assert read.learnt.sources[0] == "aalen pos=V,mood=IND,tense=PRS,per=1,num=PL"
        assert not set(read.test.sources) & set(read.learnt.sources)
