import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import recurra
from recurra import store
from recurra.errors import DataError, ModelFileError, ResourceError, UsageError
from recurra.tasks.options import Text
from recurra.tasks.runs import Run

DATA = {"source": "book.txt", "embedded": False, "fingerprint": "f" * 64, "characters": 5}


def create(folder: Path | None) -> Run:
    return Run.create(folder, Text(hidden=7), DATA, {"vocabulary.json": {"unit": "character", "entries": ["a"]}})


@pytest.fixture
def copy(trained: Run, tmp_path: Path) -> Path:
    """A copy of the trained run, to be damaged."""
    return Path(shutil.copytree(trained.folder, tmp_path / "copy"))


def change(folder: Path, **values: Any) -> None:
    facts = json.loads((folder / "run.json").read_text())
    store.write_json(folder / "run.json", facts | values)


class TestCreate:
    def test_it_holds_what_it_was_given(self, tmp_path: Path) -> None:
        run = create(tmp_path / "a" / "b")
        assert run.options == Text(hidden=7)
        assert run.read("vocabulary.json")["entries"] == ["a"]
        assert run.facts["data"] == DATA
        assert run.facts["format"] == 1
        assert set(run.facts["made_with"]) == {"recurra", "torch", "python"}
        assert recurra.load(str(run.folder)).options == run.options
        assert sorted(path.name for path in run.folder.iterdir()) == ["run.json", "vocabulary.json"]
        assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]

    def test_an_empty_folder_will_do(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        assert create(tmp_path / "empty").options.hidden == 7

    def test_without_a_name_it_gets_the_next_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert [create(None).folder for _ in range(3)] == [Path(f"runs/text-{k}") for k in (1, 2, 3)]

    def test_a_run_is_not_written_over(self, tmp_path: Path) -> None:
        create(tmp_path / "run")
        with pytest.raises(UsageError) as caught:
            create(tmp_path / "run")
        assert str(caught.value) == (
            f"{tmp_path}/run: holds a run already; recurra resume {tmp_path}/run goes on with it, or choose another --out"
        )

    @pytest.mark.parametrize("name", ["full", "full/file", "full/.hidden"])
    def test_what_is_there_is_not_touched(self, name: str, tmp_path: Path) -> None:
        (tmp_path / "full").mkdir()
        for file in ("file", ".hidden"):
            (tmp_path / "full" / file).write_text("mine")
        with pytest.raises(UsageError, match="is there already and is not empty; choose another --out"):
            create(tmp_path / name)
        assert {path.name: path.read_text() for path in (tmp_path / "full").iterdir()} == {"file": "mine", ".hidden": "mine"}

    @pytest.mark.parametrize("name", [".", "", "..", "/"])
    def test_a_folder_that_one_stands_in_is_not_taken(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        below = tmp_path / "a" / "b"
        below.mkdir(parents=True)
        monkeypatch.chdir(below)
        with pytest.raises(UsageError, match="name one that is not there yet"):
            create(Path(name))
        assert not list(below.iterdir())

    def test_where_nothing_can_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ResourceError, match="cannot be written"):
            create(tmp_path / "file" / "run")

    def test_whole_or_not_at_all(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="Out of range float"):
            Run.create(tmp_path / "run", Text(), DATA, {"a.json": float("nan")})
        assert not list(tmp_path.iterdir())


class TestOpen:
    @pytest.mark.parametrize("name", ["gone", "file", "empty", "file/below"])
    def test_what_is_no_run(self, name: str, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        (tmp_path / "empty").mkdir()
        with pytest.raises(ModelFileError, match=r"not a run folder, it has no run\.json; recurra train makes one"):
            recurra.load(tmp_path / name)

    def test_a_newer_format(self, tmp_path: Path) -> None:
        change(create(tmp_path / "run").folder, format=2)
        with pytest.raises(ModelFileError) as caught:
            recurra.load(tmp_path / "run")
        assert str(caught.value) == f"{tmp_path}/run: run format 2, this recurra reads up to 1; upgrade it"

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "{",
            "[]",
            "null",
            "5",
            "{}",
            '{"format": 1}',
            '{"format": "1", "task": "text", "options": {}, "data": {}}',
            '{"format": 1, "task": "text", "options": {}}',
            '{"format": 1, "task": "text", "options": {}, "data": {}}',
            '{"format": 1, "task": "text", "options": {}, "data": []}',
            '{"format": 1, "task": "text", "options": {}, "data": null}',
            '{"format": 1, "task": "texts", "options": {}, "data": {"source": "", "fingerprint": ""}}',
            '{"format": 1, "task": ["text"], "options": {}, "data": {"source": "", "fingerprint": ""}}',
            '{"format": 1, "task": "text", "options": [], "data": {"source": "", "fingerprint": ""}}',
            '{"format": 1, "task": "text", "options": {"hidden": 0}, "data": {"source": "", "fingerprint": ""}}',
            '{"format": 1, "task": "text", "options": {"hiddn": 1}, "data": {"source": "", "fingerprint": ""}}',
            '{"format": 1, "format": 1}',
        ],
    )
    def test_a_damaged_run_file(self, content: str, tmp_path: Path) -> None:
        (tmp_path / "run.json").write_text(content)
        with pytest.raises(ModelFileError, match=r"run\.json: not ") as caught:
            recurra.load(tmp_path)
        assert "\n" not in str(caught.value)


class TestFill:
    def test_weights_of_another_shape(self, copy: Path) -> None:
        options = json.loads((copy / "run.json").read_text())["options"]
        change(copy, options=options | {"hidden": 17})
        with pytest.raises(
            ModelFileError, match=r"weights\.safetensors: not the weights of .*run\.json \(.*size mismatch"
        ) as caught:
            recurra.load(copy).evaluate()
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("content", [b"", b"12345678", b"\x00" * 100])
    def test_damaged_weights(self, content: bytes, copy: Path) -> None:
        (copy / "weights.safetensors").write_bytes(content)
        with pytest.raises(ModelFileError, match="not a sound safetensors file"):
            recurra.load(copy).evaluate()

    def test_not_yet(self, tmp_path: Path) -> None:
        with pytest.raises(ModelFileError, match="not there yet; recurra resume"):
            create(tmp_path / "run").fill(nn.Linear(1, 1))

    def test_a_vocabulary_of_another_run(self, copy: Path) -> None:
        store.write_json(copy / "vocabulary.json", {"unit": "character", "entries": ["a", "b"]})
        with pytest.raises(ModelFileError, match="size mismatch"):
            next(recurra.load(copy).predict(copy / "log.jsonl"))

    @pytest.mark.parametrize("content", ["", "[]", '{"unit": "x", "entries": []}'])
    def test_a_damaged_vocabulary(self, content: str, copy: Path) -> None:
        (copy / "vocabulary.json").write_text(content)
        with pytest.raises(ModelFileError, match="vocabulary"):
            recurra.load(copy).evaluate()


class TestData:
    def test_changed(self, trained: Run, copy: Path, tmp_path: Path) -> None:
        text = Path(trained.source).read_text()
        other = tmp_path / "book.txt"
        other.write_text(text)
        change(copy, data=trained.facts["data"] | {"source": str(other)})
        recurra.load(copy).evaluate()
        other.write_text(text[:-1] + "?")
        with pytest.raises(DataError) as caught:
            recurra.load(copy).train(show=False)
        assert str(caught.value) == f"{other}: changed since this run began; bring the old data back, or train anew"
        with pytest.raises(DataError, match="changed since"):
            recurra.load(copy).evaluate()

    def test_gone(self, trained: Run, copy: Path, tmp_path: Path) -> None:
        change(copy, data=trained.facts["data"] | {"source": str(tmp_path / "gone.txt")})
        with pytest.raises(DataError, match="no such file"):
            recurra.load(copy).train(show=False)

    def test_other_data_can_still_be_measured(self, trained: Run, copy: Path, tmp_path: Path, book: Path) -> None:
        change(copy, data=trained.facts["data"] | {"source": str(tmp_path / "gone.txt")})
        evaluation = recurra.load(copy).evaluate(book)
        assert evaluation.notes[0].startswith("no n-gram baselines, they need the learning text: ")
        assert all(not figure.baselines for figure in evaluation.figures)


class TestTrain:
    def test_a_finished_run_is_only_measured_again(self, copy: Path) -> None:
        before = (copy / "weights.safetensors").read_bytes(), (copy / "log.jsonl").read_bytes()
        (copy / "evaluation.json").unlink()
        torch.manual_seed(5)
        recurra.load(copy).train(show=False)
        assert before == ((copy / "weights.safetensors").read_bytes(), (copy / "log.jsonl").read_bytes())
        assert (copy / "evaluation.json").exists()

    def test_options_changed_by_hand_do_not_fit_the_checkpoint(self, copy: Path) -> None:
        options = json.loads((copy / "run.json").read_text())["options"]
        change(copy, options=options | {"hidden": 17})
        with pytest.raises(recurra.errors.CheckpointError, match="size mismatch"):
            recurra.load(copy).train(show=False)

    def test_a_verb_that_a_task_lacks(self, trained: Run) -> None:
        with pytest.raises(UsageError, match="the task text does not fly"):
            trained._verb("fly")
