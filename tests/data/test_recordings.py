import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from recurra.data.archives import Place, contents
from recurra.data.recordings import RecordingParts, Recordings, find_recordings, read_recordings, split_recordings
from recurra.errors import DataError, UsageError
from tests.places import dataset


def refused(path: Path, *columns: str, kind: type[Exception] = DataError) -> str:
    with pytest.raises(kind) as caught:
        read_recordings(path, *columns)
    text = str(caught.value)
    assert "\n" not in text
    return text.replace(f"{path.parent}/", "")


def files(folder: Path, names: Mapping[str, str]) -> Path:
    """Nothing here listens: what is in a file of sound does not matter."""
    for name, content in names.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def numbered(count: int, folder: str = "") -> dict[str, str]:
    return {f"{folder}{k}{ending}": f"{k} said {ending}" for k in range(count) for ending in (".wav", ".txt")}


def packed(path: Path, names: Mapping[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in names.items():
            told = tarfile.TarInfo(name)
            told.size = len(content)
            archive.addfile(told, io.BytesIO(content.encode()))
    return path


def sizes(parts: RecordingParts) -> list[int]:
    return [len(part) for part in (parts.learnt, parts.validation, parts.test)]


def texts(parts: RecordingParts) -> set[str]:
    return {text for part in (parts.learnt, parts.validation, parts.test) for text in part.texts}


class TestFolders:
    def test_texts_beside_recordings_are_split_by_name(self, tmp_path: Path) -> None:
        parts = read_recordings(files(tmp_path, numbered(40) | {"notes.md": "no sound"}), held_out=0.2)
        assert sizes(parts) == [32, 4, 4]
        assert texts(parts) == {f"{k} said .txt" for k in range(40)}
        assert parts.notes == ("recordings: 32 to learn from, 4 for looks during training, 4 to measure on",)
        again = read_recordings(tmp_path, held_out=0.2)
        assert again == parts
        (tmp_path / "7.wav").write_text("something else")
        assert read_recordings(tmp_path).fingerprint != parts.fingerprint

    def test_folders_of_parts_are_the_parts(self, tmp_path: Path) -> None:
        names = numbered(9, "train/") | numbered(2, "dev/") | numbered(3, "test/deep/")
        assert sizes(read_recordings(files(tmp_path, names))) == [9, 2, 3]

    def test_what_has_no_text_is_left_out_and_told(self, tmp_path: Path) -> None:
        names = {name: content for name, content in numbered(9).items() if name != "0.txt"} | {"1.txt": " \n"}
        parts = read_recordings(files(tmp_path, names))
        assert sum(sizes(parts)) == 7
        assert parts.notes[0] == f"{tmp_path.name}: 2 recordings without a text (the first in recording 1): left out"
        for path in tmp_path.glob("*.txt"):
            path.unlink()
        assert "9 recordings and no texts; wanted a.txt beside a.wav" in refused(tmp_path)

    def test_without_texts_the_folders_are_labels(self, tmp_path: Path) -> None:
        sounds = {f"{name}/{k}.wav": "" for name in ("yes", "no") for k in range(20)}
        parts = read_recordings(files(tmp_path / "whole", sounds))
        assert [place.file.parent.name for place in parts.learnt.places] == parts.learnt.texts
        assert {*parts.learnt.texts} == {"yes", "no"}
        assert parts.notes[0] == "whole: no texts: the names of the 2 folders are taken as such (no, yes, ...)"
        made = {f"{part}/{name}": content for part in ("train", "test") for name, content in sounds.items()}
        parts = read_recordings(files(tmp_path / "parts", made))
        assert (len(parts.test), {*parts.test.texts}) == (40, {"yes", "no"})
        assert len([note for note in parts.notes if "no texts" in note]) == 1
        refused(files(tmp_path / "none", {"train/a.wav": "", "test/b.wav": ""}))

    def test_an_archive_is_like_a_folder(self, tmp_path: Path) -> None:
        path = packed(tmp_path / "all.tar.gz", numbered(12, "deep/"))
        parts = read_recordings(path)
        assert texts(parts) == {f"{k} said .txt" for k in range(12)}
        found = dict(contents(parts.learnt.places))
        assert {k: content for k, content in found.items() if isinstance(content, bytes)} == {
            k: f"{PLACE.stem} said .wav".encode() for k, PLACE in enumerate(parts.learnt.places)
        }
        path.write_bytes(path.read_bytes()[:100])
        assert "all.tar.gz: no archive that can be read" in refused(path)

    def test_archives_made_from_a_folder_have_their_texts(self, tmp_path: Path) -> None:
        path = packed(tmp_path / "all.tar.gz", {f"./{name}": content for name, content in numbered(12, "deep/").items()})
        parts = read_recordings(path)
        assert texts(parts) == {f"{k} said .txt" for k in range(12)}
        assert all(place.member.startswith("./deep/") for place in parts.learnt.places)
        assert len(dict(contents(parts.learnt.places))) == len(parts.learnt)

    def test_archives_may_hold_equal_names(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            members = {member: f"{name} {content}" for member, content in numbered(6).items()}
            packed(tmp_path / f"{name}.tar.gz", members)
        files(tmp_path, {"5.wav": "", "5.txt": "loose"})
        parts = read_recordings(tmp_path)
        assert sum(sizes(parts)) == 13
        assert texts(parts) == {"loose", *(f"{name} {k} said .txt" for name in ("one", "two") for k in range(6))}
        for part in (parts.learnt, parts.validation, parts.test):
            for place, said in zip(part.places, part.texts, strict=True):
                assert said.startswith(place.file.name[:3] if place.member else "loose")

    def test_a_text_elsewhere_is_that_of_the_only_recording_of_its_name(self, tmp_path: Path) -> None:
        sounds = {name: "" for name in numbered(6) if name.endswith(".wav")}
        packed(tmp_path / "a.tar.gz", sounds)
        packed(tmp_path / "b.tar.gz", {"5.wav": "", "5.txt": "five of b"})
        files(tmp_path, {f"{k}.txt": f"{k}" for k in range(5)})
        found = find_recordings(tmp_path)
        told = {(place.file.name, place.member): said for place, said in zip(found.places, found.texts, strict=True)}
        assert told == {("a.tar.gz", f"{k}.wav"): str(k) for k in range(5)} | {
            ("a.tar.gz", "5.wav"): "",
            ("b.tar.gz", "5.wav"): "five of b",
        }

    def test_equal_names_in_folders_are_split(self, tmp_path: Path) -> None:
        path = files(tmp_path / "deep", {f"spk{k}/audio{end}": f"{k}" for k in range(6) for end in (".wav", ".txt")})
        parts = read_recordings(path)
        assert sizes(parts) == [4, 1, 1]
        assert texts(parts) == set("012345")
        (tmp_path / "packed").mkdir()
        for k in range(6):
            packed(tmp_path / "packed" / f"spk{k}.tar.gz", {"audio.wav": "", "audio.txt": f"{k}"})
        assert sizes(read_recordings(tmp_path / "packed")) == [4, 1, 1]
        rows = "".join(f"spk{k}/audio.wav\t{k}\n" for k in range(6))
        (path / "transcripts.tsv").write_text(f"path\ttext\n{rows}")
        told = read_recordings(path)
        assert (told.validation.texts, told.test.texts) == (parts.validation.texts, parts.test.texts)

    def test_flat_folders_are_split_as_ever(self, tmp_path: Path) -> None:
        parts = read_recordings(files(tmp_path, numbered(12)))
        assert [place.file.name for place in (*parts.validation.places, *parts.test.places)] == ["0.wav", "11.wav"]


class TestTables:
    def test_paths_are_found_from_the_table_or_by_name_in_archives(self, tmp_path: Path) -> None:
        files(tmp_path, {"near.wav": "", "sub/far.wav": ""})
        packed(tmp_path / "more.tar.gz", {"inside/a.wav": "a", "inside/b.wav": "b"})
        rows = ["near.wav\tone", "far.wav\ttwo", "a.wav\tthree", "inside/b.wav\tfour"]
        (tmp_path / "transcripts.tsv").write_text("path\ttext\n" + "\n".join(rows))
        parts = read_recordings(tmp_path)
        told = dict[str, str]()
        for side in (parts.learnt, parts.validation, parts.test):
            told |= dict(zip(map(str, side.places), side.texts, strict=True))
        names = ["near.wav", "sub/far.wav", "more.tar.gz:inside/a.wav", "more.tar.gz:inside/b.wav"]
        assert told == dict(zip((f"{tmp_path}/{name}" for name in names), ("one", "two", "three", "four"), strict=True))

    def test_a_member_that_two_archives_have(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            packed(tmp_path / f"{name}.tar", {"./in/a.wav": name, "in/b.wav": name, "c/a.wav": name})
        for told in ("one.tar/in/a.wav", "./one.tar/in/b.wav"):
            (tmp_path / "all.tsv").write_text(f"path\ttext\n{told}\tone\n")
            [(_, content)] = contents(find_recordings(tmp_path / "all.tsv").places)
            assert content == b"one"
        (tmp_path / "two.tsv").write_text("path\ttext\nin/a.wav\ttwo\nc/a.wav\ttwo\n")
        assert {content for _, content in contents(find_recordings(tmp_path / "two.tsv").places)} == {b"two"}
        (tmp_path / "all.tsv").write_text("path\ttext\nin/a.wav\tone\n")
        assert "in/a.wav: 2 files of this name, one.tar:./in/a.wav and two.tar:./in/a.wav" in refused(tmp_path / "all.tsv")

    def test_whole_groups_stand_on_one_side(self, tmp_path: Path) -> None:
        files(tmp_path, {f"{k}.wav": "" for k in range(30)})
        rows = "".join(f'{{"path": "{k}.wav", "text": "hi", "who": "{"abcdef"[k % 6]}"}}\n' for k in range(30))
        (tmp_path / "all.jsonl").write_text(rows)
        parts = read_recordings(tmp_path / "all.jsonl", group="who")
        assert sizes(parts) == [20, 5, 5]
        sides = [set(part.groups) for part in (parts.learnt, parts.validation, parts.test)]
        assert sum(map(len, sides)) == len(set.union(*sides)) == 6
        other = files(tmp_path / "x", numbered(3))
        assert "wanted one with a column of that name" in refused(other, "path", "text", "who", kind=UsageError)

    def test_tables_of_parts_are_the_parts(self, tmp_path: Path) -> None:
        files(tmp_path, {f"{k}.wav": "" for k in range(9)})
        for part, places in (("train", range(6)), ("valid", (6,)), ("test", (7, 8))):
            (tmp_path / f"{part}.csv").write_text("text,path\n" + "".join(f'"so, {k}",{k}.wav\n' for k in places))
        parts = read_recordings(tmp_path)
        assert sizes(parts) == [6, 1, 2]
        assert parts.test.texts == ["so, 7", "so, 8"]
        assert parts.test.lines == [2, 3]

    def test_what_is_not_there_or_twice_is_named_with_its_line(self, tmp_path: Path) -> None:
        (tmp_path / "a.tsv").write_text("path\ttext\nno.wav\tone\n")
        assert refused(tmp_path / "a.tsv") == f"a.tsv, line 2: no.wav: no such file; wanted the path from {tmp_path}"
        files(tmp_path, {"x/no.wav": "", "y/no.wav": ""})
        assert "no.wav: 2 files of this name, x/no.wav and y/no.wav" in refused(tmp_path / "a.tsv")


def test_too_little_is_refused(tmp_path: Path) -> None:
    assert "no such file or folder" in refused(tmp_path / "none")
    assert "nothing to learn from" in refused(tmp_path)
    (tmp_path / "0.wav").write_text("")
    assert "1 recording and no texts" in refused(tmp_path)
    files(tmp_path, numbered(2))
    assert "0 to learn from, 1 for looks during training, 1 to measure on; wanted at least 2, 1 and 1" in refused(tmp_path)
    assert "wanted a table of paths and texts" in refused(tmp_path / "0.wav")


def test_recordings_are_found_with_the_texts_that_there_are(tmp_path: Path) -> None:
    files(tmp_path, {"a.wav": "", "a.txt": "one\n two", "sub/b.flac": ""})
    found = find_recordings(tmp_path)
    assert [str(place) for place in found.places] == [f"{tmp_path}/a.wav", f"{tmp_path}/sub/b.flac"]
    assert found.texts == ["one two", ""]
    assert find_recordings(tmp_path / "a.wav").texts == ["one two"]
    with pytest.raises(DataError, match="no such file or folder"):
        find_recordings(tmp_path / "c.wav")


def test_a_split_of_what_is_there_takes_all_once() -> None:
    whole = Recordings("ten", [Place(Path(f"{k}.wav")) for k in range(10)], list("abcdefghij"), [""] * 10, list(range(10)))
    parts = split_recordings(whole, "print", held_out=0.4)
    assert sizes(parts) == [6, 2, 2]
    assert texts(parts) == set("abcdefghij")


@pytest.mark.data
def test_yes_and_no_are_read_as_they_were_packed() -> None:
    parts = read_recordings(dataset("yesno"))
    assert sizes(parts) == [54, 3, 3]
    assert all(len(text.split()) == 8 for text in texts(parts))
