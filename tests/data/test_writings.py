import io
import json
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from recurra.data.writing_parts import read_writings
from recurra.data.writings import Look, find_writings
from recurra.errors import DataError, UsageError
from tests.places import dataset

Image = pytest.importorskip("PIL.Image")


def drawn(number: int) -> bytes:
    """A page of 8 x 12 with as many dark columns."""
    page = np.full((8, 12), 255, np.uint8)
    page[:, : number % 5] = 0
    page[number % 7, 11] = 0
    page[number % 3, 9] = 100
    content = io.BytesIO()
    Image.fromarray(page).save(content, "PNG")
    return content.getvalue()


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as made:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            made.addfile(about, io.BytesIO(content))
    return path


def folder(path: Path, members: dict[str, bytes]) -> Path:
    for name, content in members.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


LOOK = Look(height=8)
BESIDE = {f"{k}.png": drawn(k) for k in range(3)} | {
    "0.txt": b"zero",
    "1.gt.txt": " eins\n".encode("utf-8-sig"),
    "2.bin.png": drawn(4),
}


def test_texts_beside_images(tmp_path: Path) -> None:
    for path in (folder(tmp_path / "a", BESIDE), archive(tmp_path / "b.tar", BESIDE)):
        found = find_writings(path, LOOK)
        told = {name.rpartition("/")[2].rpartition(":")[2]: text for name, text in zip(found.names, found.texts, strict=True)}
        assert told == {"0.png": "zero", "1.png": "eins", "2.png": "", "2.bin.png": ""}
        assert found.inputs[0].shape == (12, 8)
    one = find_writings(tmp_path / "a" / "0.png", LOOK)
    assert (one.texts, len(one)) == (["zero"], 1)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.tsv", "0.png\tzero\n1.png\tone\n"),
        ("list.tsv", "text\tpath\nzero\t0.png\none\t1.png\n"),
        ("list.csv", "path,text\n0.png,zero\n1.png,one\n"),
        ("list.csv", '"path","text"\n"0.png","zero"\n"1.png","one"\n'),
        ("list.csv", '"text";"path"\nzero;0.png\none;1.png\n'),
        ("list.jsonl", '{"path": "0.png", "text": "zero"}\n{"path": "1.png", "text": "one"}\n'),
    ],
)
def test_tables_of_paths(tmp_path: Path, name: str, content: str) -> None:
    members = {f"{k}.png": drawn(k) for k in range(2)}
    path = folder(tmp_path / "a", members | {name: content.encode()})
    archive(folder(tmp_path / "b", {name: content.encode()}) / "list.tar", members)
    for place in (path, path / name, tmp_path / "b", tmp_path / "b" / name):
        assert find_writings(place, LOOK).texts == ["zero", "one"]


def test_archives_made_from_a_folder(tmp_path: Path) -> None:
    found = find_writings(archive(tmp_path / "b.tar", {f"./{name}": content for name, content in BESIDE.items()}), LOOK)
    told = {name.rpartition("/")[2]: text for name, text in zip(found.names, found.texts, strict=True)}
    assert told == {"0.png": "zero", "1.png": "eins", "2.png": "", "2.bin.png": ""}


def test_an_image_that_is_listed_twice(tmp_path: Path) -> None:
    members = {f"{k}.png": drawn(k) for k in range(2)}
    path = folder(tmp_path, members | {"list.tsv": b"0.png\tzero\n1.png\tone\n0.png\tzero\n"})
    found = find_writings(path, LOOK)
    assert (found.texts, found.lines) == (["zero", "one"], [1, 2])
    assert found.remarks == [("several lines in tables",), ()]
    folder(path, {"more.csv": b"path,text\n1.png,two\n"})
    with pytest.raises(DataError) as caught:
        find_writings(path, LOOK)
    wanted = "more.csv, line 2: 1.png has another text in list.tsv, line 2; wanted one text for each image"
    assert str(caught.value).replace(f"{path}/", "") == wanted


def test_an_image_of_the_archive_that_is_called_as_its_table(tmp_path: Path) -> None:
    for k, page in enumerate(("one", "two")):
        archive(tmp_path / f"{page}.tar", {"line.png": drawn(k + 1)})
        (tmp_path / f"{page}.tsv").write_text(f"line.png\t{page}\n")
    found = find_writings(tmp_path, LOOK)
    assert found.texts == ["one", "two"]
    assert not np.array_equal(found.inputs[0], found.inputs[1])
    (tmp_path / "three.tsv").write_text("line.png\tthree\n")
    with pytest.raises(DataError, match=r"line 1: line\.png: 2 files of this name"):
        find_writings(tmp_path, LOOK)
    (tmp_path / "three.tsv").write_text("none.png\tthree\n")
    with pytest.raises(DataError, match=r"line 1: none\.png: no such file"):
        find_writings(tmp_path, LOOK)


def test_folders_are_classes_and_parts(tmp_path: Path) -> None:
    members = {f"{part}/{label}/{k}.png": drawn(k) for part in ("train", "test") for label in "ab" for k in range(12)}
    parts = read_writings(folder(tmp_path, members), LOOK, held_out=0.8)
    assert sorted(parts.test.texts) == ["a"] * 12 + ["b"] * 12
    assert len(parts.learnt) + len(parts.validation) == 24
    assert not {"test"} & {Path(name).parts[-3] for name in parts.learnt.names}


def test_folders_of_parts_are_no_classes(tmp_path: Path) -> None:
    members = {f"{part}/{k}.png": drawn(k) for part in ("train", "test") for k in range(4)}
    for path in (folder(tmp_path / "a", members), archive(tmp_path / "b.tar", members)):
        assert not any(find_writings(path, LOOK).texts)
        with pytest.raises(DataError, match=r"8 images and no texts; wanted .* a folder for each class, in each part"):
            read_writings(path, LOOK)
    named = folder(tmp_path / "c", {name.replace("test", "bus"): content for name, content in members.items()})
    assert {*find_writings(named, LOOK).texts} == {"bus", "train"}


def test_folders_of_archives_are_classes(tmp_path: Path) -> None:
    members = {f"./{label}/{k}.png": drawn(k) for label in "ab" for k in range(3)}
    assert sorted(find_writings(archive(tmp_path / "a.tar", members), LOOK).texts) == list("aaabbb")
    flat = archive(tmp_path / "b.tar", {f"{k}.png": drawn(k) for k in range(3)})
    assert not any(find_writings(flat, LOOK).texts)


def test_parts_by_names_and_by_hash(tmp_path: Path) -> None:
    members = {f"{k:02}.png": drawn(k) for k in range(60)} | {f"{k:02}.txt": b"x" for k in range(60)}
    path = folder(tmp_path, members)
    parts = read_writings(path, LOOK, test="1.png", held_out=0.4)
    assert sorted(Path(name).name for name in parts.test.names) == [f"{k}1.png" for k in range(6)]
    halves = read_writings(path, LOOK, held_out=0.8)
    same = {values.tobytes() for values in halves.learnt.inputs} & {values.tobytes() for values in halves.test.inputs}
    assert not same  # what is equal stands on one side
    assert halves.fingerprint == read_writings(path, LOOK, held_out=0.5).fingerprint
    (path / "00.txt").write_text("y")
    assert halves.fingerprint != read_writings(path, LOOK, held_out=0.5).fingerprint


def test_what_cannot_be_used_is_left_out_and_told(tmp_path: Path) -> None:
    members = {f"{k:02}.png": drawn(k) for k in range(40)} | {f"{k:02}.txt": b"x" for k in range(39)}
    members |= {"bad.png": b"nothing", "bad.txt": b"x"}
    buffer = io.BytesIO()
    Image.new("RGB", (9, 9), "red").save(buffer, "PNG")
    parts = read_writings(folder(tmp_path, members | {"red.png": buffer.getvalue(), "red.txt": b"r"}), LOOK, held_out=0.6)
    told = "\n".join(parts.notes)
    assert "1 of 42 with colours (the first is red.png): kept" in told
    assert "with no contrast" in told
    assert "1 of 42 cannot be read (the first:" in told
    assert "1 of 42 without a text (the first is 39.png): left out" in told
    assert len(parts.learnt) + len(parts.validation) + len(parts.test) == 40


def test_mnist_files(tmp_path: Path) -> None:
    images = np.arange(3 * 8 * 8, dtype=np.uint8).reshape(3, 8, 8)
    for name, count in (("train", 3), ("t10k", 2)):
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(
            struct.pack(">HBBIII", 0, 8, 3, count, 8, 8) + images[:count].tobytes()
        )
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, count) + bytes(range(count)))
    found = find_writings(tmp_path / "train-images-idx3-ubyte", LOOK)
    assert found.texts == ["0", "1", "2"]
    np.testing.assert_allclose(found.inputs[1].T * 255, images[1], atol=1e-4)
    assert find_writings(tmp_path / "train-images-idx3-ubyte", Look(height=4)).inputs[0].shape == (4, 4)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01")
    with pytest.raises(DataError, match="no IDX file"):
        find_writings(tmp_path, LOOK)


def test_pen_points_in_parts(tmp_path: Path) -> None:
    for part, count in (("train", 30), ("dev", 2), ("test", 3)):
        rows = [json.dumps({"strokes": [[[0, 0], [k + 1, 3]]], "text": str(k)}) for k in range(count)]
        (tmp_path / f"{part}.jsonl").write_text("\n".join(rows))
    parts = read_writings(tmp_path)
    assert (parts.learnt.kind, parts.learnt.inputs[0].shape[1]) == ("ink", 5)
    assert len(read_writings(tmp_path / "train.jsonl", held_out=0.5).learnt) < 30
    with pytest.raises(DataError, match="wanted at least 2, 1 and 1"):
        read_writings(tmp_path / "test.jsonl", held_out=0.01)  # a part by its name, but all there is
    assert [len(part) for part in (parts.learnt, parts.validation, parts.test)] == [30, 2, 3]
    assert parts.test.names[1].endswith("test.jsonl, line 2")
    (tmp_path / "a.png").write_bytes(drawn(1))
    with pytest.raises(DataError, match="one of both"):
        find_writings(tmp_path)


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        find_writings(tmp_path / "a")
    with pytest.raises(DataError, match="no writing in it"):
        find_writings(tmp_path)
    folder(tmp_path, {f"{k}.png": drawn(k) for k in range(3)})
    with pytest.raises(DataError, match="3 images and no texts"):
        read_writings(tmp_path, LOOK)
    (tmp_path / "0.txt").write_text("x")
    with pytest.raises(DataError, match="wanted at least 2, 1 and 1"):
        read_writings(tmp_path, LOOK)
    with pytest.raises(UsageError, match="held_out=1"):
        read_writings(tmp_path, LOOK, held_out=1)
    with pytest.raises(DataError, match="wanted some to learn from"):
        read_writings(tmp_path, LOOK, test="png")
    with pytest.raises(DataError, match=r"test=page is in no name; there are 0\.png, 1\.png, 2\.png: wanted letters of those"):
        read_writings(tmp_path, LOOK, test="page")
    (tmp_path / "0.txt").write_bytes(b"\xe4")
    with pytest.raises(DataError, match=r"0\.txt, line 1, byte 1: 0xe4 is not utf-8; say encoding=latin-1"):
        read_writings(tmp_path, LOOK)
    for k in (1, 2):
        (tmp_path / f"{k}.png").unlink()
    (tmp_path / "0.txt").unlink()
    with pytest.raises(DataError, match="1 image and no texts"):
        read_writings(tmp_path, LOOK)


@pytest.mark.data
def test_printed_lines() -> None:
    found = find_writings(dataset("ocr_lines/avicanon_007.tsv"), Look(height=16))
    assert len(found) == 39
    assert found.texts[1] == "De subiectis medicinae."
    assert {values.shape[1] for values in found.inputs} == {16}
    beside = find_writings(dataset("ocr_lines/uw3_50lines_test.tar"), Look(height=16))
    assert len(beside) == 20
    assert all(beside.texts)
