import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra import store
from recurra.errors import ResourceError
from recurra.train.checkpoints import Checkpoint, newest, save


def made(step: int) -> Checkpoint:
    generator = torch.Generator().manual_seed(step)
    tensors = {"w": torch.randn(4, 3, generator=generator), "n": torch.tensor(step)}
    return Checkpoint(tensors, {"step": step, "scores": [1.5, 1 / 3], "text": "naïve\n"})


def filled(folder: Path, *steps: int) -> Path:
    for step in steps:
        save(folder, step, made(step))
    return folder


def found(folder: Path) -> int | None:
    checkpoint, _ = newest(folder)
    if checkpoint is None:
        return None
    step = int(checkpoint.facts["step"])
    assert checkpoint.facts == made(step).facts
    assert checkpoint.tensors.keys() == made(step).tensors.keys()
    assert all(tensor.equal(made(step).tensors[name]) for name, tensor in checkpoint.tensors.items())
    return step


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8 % len(content)] ^= 1 << bit % 8
    path.write_bytes(content)


def drop_seal(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["seal"]
    (folder / "manifest.json").write_text(json.dumps(manifest))


def change_step(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["facts"]["step"] += 1
    (folder / "manifest.json").write_text(json.dumps(manifest))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "bit in tensors": lambda folder: flip(folder / "tensors.safetensors", 900),
    "bit in header": lambda folder: flip(folder / "tensors.safetensors", 3),
    "tensors cut": lambda folder: (folder / "tensors.safetensors").write_bytes(b"12345"),
    "tensors empty": lambda folder: (folder / "tensors.safetensors").write_bytes(b""),
    "tensors missing": lambda folder: (folder / "tensors.safetensors").unlink(),
    "manifest cut": lambda folder: (folder / "manifest.json").write_text('{"facts": {'),
    "manifest empty": lambda folder: (folder / "manifest.json").write_text(""),
    "manifest missing": lambda folder: (folder / "manifest.json").unlink(),
    "manifest no object": lambda folder: (folder / "manifest.json").write_text("[1]"),
    "manifest null": lambda folder: (folder / "manifest.json").write_text("null"),
    "manifest binary": lambda folder: (folder / "manifest.json").write_bytes(b"\xff\x00"),
    "manifest no seal": drop_seal,
    "manifest changed": change_step,
    "tensors of another": lambda folder: store.write_tensors(folder / "tensors.safetensors", made(77).tensors),
    "not a folder": lambda folder: folder.rename(folder.with_name("gone")).joinpath("manifest.json").rename(folder),
}


class TestSave:
    def test_three_are_kept(self, tmp_path: Path) -> None:
        filled(tmp_path, 1, 5, 20, 100, 3000)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000000020", "step-000000100", "step-000003000"]

    def test_the_newest_is_the_one_of_the_latest_step(self, tmp_path: Path) -> None:
        assert found(filled(tmp_path, 9, 10, 100)) == 100

    def test_a_step_may_be_saved_again(self, tmp_path: Path) -> None:
        filled(tmp_path, 5)
        save(tmp_path, 5, Checkpoint({}, {"step": 6}))
        assert newest(tmp_path)[0] == Checkpoint({}, {"step": 6})

    def test_it_is_whole_or_not_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        filled(tmp_path, 1)
        monkeypatch.setattr("pathlib.Path.rename", fail)
        with pytest.raises(ResourceError, match="No space left on device"):
            save(tmp_path, 2, made(2))
        assert [path.name for path in tmp_path.iterdir()] == ["step-000000001"]

    def test_a_failed_save_keeps_the_older_ones(self, tmp_path: Path) -> None:
        filled(tmp_path, 1, 2, 3)
        with pytest.raises(ValueError, match="Out of range float"):
            save(tmp_path, 4, Checkpoint({}, {"loss": float("nan")}))
        assert found(tmp_path) == 3
        assert len(list(tmp_path.iterdir())) == 3


class TestNewest:
    def test_nothing_yet(self, tmp_path: Path) -> None:
        assert newest(tmp_path) == (None, [])
        assert newest(tmp_path / "gone") == (None, [])

    def test_sound_ones_need_no_note(self, tmp_path: Path) -> None:
        assert newest(filled(tmp_path, 1, 2))[1] == []

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_a_damaged_one_falls_back_and_says_so(self, damage: str, tmp_path: Path) -> None:
        filled(tmp_path, 1, 2, 3)
        DAMAGES[damage](tmp_path / "step-000000003")
        assert found(tmp_path) == 2
        [note] = newest(tmp_path)[1]
        assert "step-000000003" in note
        assert note.endswith("; the one before it is tried")
        assert "\n" not in note

    def test_two_damaged_ones(self, tmp_path: Path) -> None:
        filled(tmp_path, 1, 2, 3)
        for name in ("step-000000003", "step-000000002"):
            flip(tmp_path / name / "tensors.safetensors", 999)
        assert found(tmp_path) == 1
        assert len(newest(tmp_path)[1]) == 2

    def test_all_damaged(self, tmp_path: Path) -> None:
        filled(tmp_path, 1, 2, 3)
        for name in tmp_path.iterdir():
            flip(name / "tensors.safetensors", 999)
        none, notes = newest(tmp_path)
        assert none is None
        assert len(notes) == 3

    @given(st.integers(0, 10_000), st.sampled_from(["tensors.safetensors", "manifest.json"]))
    @settings(max_examples=100, deadline=None)
    def test_no_bit_flips_unnoticed(self, tmp_path_factory: pytest.TempPathFactory, bit: int, name: str) -> None:
        folder = tmp_path_factory.getbasetemp() / "flips"
        shutil.rmtree(folder, ignore_errors=True)
        filled(folder, 1, 2)
        flip(folder / "step-000000002" / name, bit)
        assert found(folder) in ({1, 2} if name == "manifest.json" else {1})  # a blank in JSON may become another blank

    def test_half_a_write_is_not_looked_at(self, tmp_path: Path) -> None:
        filled(tmp_path, 1)
        (tmp_path / ".step-000000002.123.tmp").mkdir()
        assert newest(tmp_path)[1] == []
        assert found(tmp_path) == 1
