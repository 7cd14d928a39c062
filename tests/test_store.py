import errno
import json
import math
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra import store
from recurra.errors import ModelFileError, ResourceError

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b.c": torch.tensor([1, -2]), "half": torch.ones(3, dtype=torch.bfloat16)}
WRITERS: dict[str, Callable[[Path], None]] = {
    "json": lambda path: store.write_json(path, {"new": 1}),
    "tensors": lambda path: store.write_tensors(path, TENSORS),
}


def refuse(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(params=WRITERS)
def write(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    return WRITERS[request.param]


class TestReplace:
    def test_nothing_is_left_beside_the_file(self, write: Callable[[Path], None], tmp_path: Path) -> None:
        write(tmp_path / "file")
        write(tmp_path / "file")
        assert [path.name for path in tmp_path.iterdir()] == ["file"]

    @pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.replace"])
    def test_a_failed_write_leaves_the_old_file(
        self, write: Callable[[Path], None], call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "file"
        path.write_text("old")
        monkeypatch.setattr(call, refuse)
        with pytest.raises(ResourceError) as caught:
            write(path)
        assert str(caught.value) == f"{path}: cannot be written (No space left on device); free space or choose another folder"
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_an_interrupt_leaves_the_old_file_and_nothing_else(
        self, write: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(_: int) -> None:
            raise KeyboardInterrupt

        path = tmp_path / "file"
        path.write_text("old")
        monkeypatch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write(path)
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize("place", ["no/such/folder/file", "taken/file", "x" * 250])
    def test_a_place_that_cannot_be(self, write: Callable[[Path], None], place: str, tmp_path: Path) -> None:
        (tmp_path / "taken").write_text("a file, not a folder")
        with pytest.raises(ResourceError, match="cannot be written"):
            write(tmp_path / place)
        assert [path.name for path in tmp_path.iterdir()] == ["taken"]

    def test_an_error_without_words_still_says_something(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(_: int) -> None:
            raise OSError("the disk is on fire")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(ResourceError, match="the disk is on fire"):
            store.write_json(tmp_path / "file", 1)


class TestJson:
    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(st.characters(exclude_categories=["Cs"])),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
        )
    )
    @settings(max_examples=50, deadline=None)
    def test_values_come_back(self, tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
        path = tmp_path_factory.getbasetemp() / "values.json"
        store.write_json(path, value)
        assert store.read_json(path) == value

    def test_it_is_text_that_people_read(self, tmp_path: Path) -> None:
        store.write_json(tmp_path / "file", {"naïve": [1]})
        assert (tmp_path / "file").read_text("utf-8") == '{\n  "naïve": [\n    1\n  ]\n}\n'

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, {"deep": [math.nan]}])
    def test_numbers_that_are_none_are_not_written(self, value: Any, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="Out of range float"):
            store.write_json(tmp_path / "file", value)
        with pytest.raises(ValueError, match="Out of range float"):
            store.append_line(tmp_path / "log", value)
        assert not (tmp_path / "file").exists()

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b'{"a": 1, "a": 2}', "a key stands twice"),
            (b'[{"x": {"a": 1, "a": 1}}]', "a key stands twice"),
            (b'{"a": NaN}', "NaN is not a number"),
            (b"[-Infinity]", "-Infinity is not a number"),
            (b'{"a": ', "Expecting value"),
            (b"", "Expecting value"),
            (b"\xff\xfe", "codec can't decode"),
            (b"[" * 100_000, ""),
        ],
    )
    def test_damaged_files(self, content: bytes, why: str, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match="not the JSON that recurra writes") as caught:
            store.read_json(path)
        assert why in str(caught.value)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


class TestTensors:
    def test_they_come_back_bit_by_bit(self, tmp_path: Path) -> None:
        strange = torch.tensor([math.nan, math.inf, -0.0, 1e-45])
        store.write_tensors(tmp_path / "file", {**TENSORS, "strange": strange})
        back = store.read_tensors(tmp_path / "file")
        assert back.keys() == {*TENSORS, "strange"}
        assert back["strange"].view(torch.int32).equal(strange.view(torch.int32))
        for name, tensor in TENSORS.items():
            assert back[name].dtype == tensor.dtype
            assert back[name].equal(tensor)

    def test_shared_memory_views_and_parameters(self, tmp_path: Path) -> None:
        base = torch.nn.Parameter(torch.randn(4, 4))
        tied = {
            "one": base,
            "two": base,
            "turned": base.t(),
            "part": base[1:, ::2],
            "number": torch.tensor(3),
            "none": base[:0],
        }
        store.write_tensors(tmp_path / "file", tied)
        back = store.read_tensors(tmp_path / "file")
        assert all(back[name].equal(tensor) for name, tensor in tied.items())
        assert not any(tensor.requires_grad for tensor in back.values())

    def test_no_tensors_are_tensors_too(self, tmp_path: Path) -> None:
        store.write_tensors(tmp_path / "file", {})
        assert store.read_tensors(tmp_path / "file") == {}

    @given(st.data())
    @settings(max_examples=200, deadline=None)
    def test_damaged_files(self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
        path = tmp_path_factory.getbasetemp() / "damaged"
        store.write_tensors(path, TENSORS)
        sound = path.read_bytes()
        if data.draw(st.booleans()):
            path.write_bytes(sound[: data.draw(st.integers(0, len(sound) - 1))])
            with pytest.raises(ModelFileError, match="not a sound safetensors file"):
                store.read_tensors(path)
        else:
            at = data.draw(st.integers(0, len(sound) - 1))
            path.write_bytes(sound[:at] + data.draw(st.binary(min_size=1, max_size=4)) + sound[at + 1 :])
            with suppress(ModelFileError):  # or it reads as something else: no checksum guards it
                store.read_tensors(path)


@pytest.mark.parametrize("read", [store.read_json, store.read_tensors], ids=lambda read: str(read.__name__))
class TestReading:
    def test_a_missing_file(self, read: Callable[[Path], Any], tmp_path: Path) -> None:
        with pytest.raises(ModelFileError) as caught:
            read(tmp_path / "none")
        assert str(caught.value) == f"{tmp_path / 'none'}: no such file"

    def test_a_folder_and_a_file_taken_for_one(self, read: Callable[[Path], Any], tmp_path: Path) -> None:
        (tmp_path / "taken").write_text("a file, not a folder")
        for path in (tmp_path, tmp_path / "taken" / "file"):
            with pytest.raises(ModelFileError, match="cannot be read"):
                read(path)


class TestLog:
    def test_lines_are_added(self, tmp_path: Path) -> None:
        for step in range(3):
            store.append_line(tmp_path / "log", {"step": step, "word": "naïve\n"})
        lines = (tmp_path / "log").read_text("utf-8").splitlines()
        assert [json.loads(line) for line in lines] == [{"step": step, "word": "naïve\n"} for step in range(3)]

    def test_a_place_that_cannot_be(self, tmp_path: Path) -> None:
        with pytest.raises(ResourceError, match="cannot be written"):
            store.append_line(tmp_path / "no" / "log", 1)

    def test_lines_to_keep(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        store.keep_lines(log, lambda _: True)
        assert not log.exists()
        for step in range(4):
            store.append_line(log, {"step": step})
        with log.open("ab") as file:
            file.write('{"step": 4, "word": "naï'.encode()[:-1])  # cut off inside a character
        store.keep_lines(log, lambda line: line["step"] < 2)
        assert log.read_text() == '{"step": 0}\n{"step": 1}\n'

    def test_lines_hold_any_text(self, tmp_path: Path) -> None:
        store.append_line(tmp_path / "log", {"sample": "a\u2028b\x85c\x1dd"})
        store.keep_lines(tmp_path / "log", lambda _: True)
        assert json.loads((tmp_path / "log").read_text("utf-8")) == {"sample": "a\u2028b\x85c\x1dd"}


class TestPublish:
    def test_the_folder_is_there_at_once(self, tmp_path: Path) -> None:
        target = tmp_path / "deep" / "run"

        def fill(folder: Path) -> None:
            (folder / "inner").mkdir()
            (folder / "inner" / "file").write_text("whole")
            assert not target.exists()

        store.publish(target, fill)
        assert (target / "inner" / "file").read_text() == "whole"
        assert list(target.parent.iterdir()) == [target]

    @pytest.mark.parametrize("error", [ValueError("bad data"), KeyboardInterrupt(), ResourceError("full")])
    def test_half_made_is_never_seen(self, error: BaseException, tmp_path: Path) -> None:
        def fill(folder: Path) -> None:
            (folder / "file").write_text("half")
            raise error

        with pytest.raises(type(error)):
            store.publish(tmp_path / "run", fill)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("call", ["os.fsync", "fill", "pathlib.Path.rename"])
    def test_a_full_disk(self, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        if call != "fill":
            monkeypatch.setattr(call, refuse)
        with pytest.raises(ResourceError, match="No space left on device"):
            store.publish(tmp_path / "run", refuse if call == "fill" else lambda folder: (folder / "file").touch())
        assert list(tmp_path.iterdir()) == []

    def test_what_stands_there_is_kept(self, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "old").write_text("old")
        with pytest.raises(ResourceError):
            store.publish(tmp_path / "run", lambda folder: (folder / "new").touch())
        assert [path.name for path in (tmp_path / "run").iterdir()] == ["old"]
        assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert store.sha256(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
