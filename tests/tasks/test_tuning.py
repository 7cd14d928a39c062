import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import recurra
from recurra.errors import BusyError, DataError, NumericError, Stopped, UsageError
from recurra.tasks.tuning import Tuned, tune
from recurra.train import Report
from recurra.train.guard import locked
from tests.conftest import sentences
from tests.tasks.stopping import stop_after

pytest.importorskip("optuna")

FIXED = ["layers=1", "window=16", "batch=4", "embedding=8", "steps=8", "check=1", "warmup=0", "engine=torch"]
WORDS = [*FIXED, "hidden=4..32", "lr=1e-4..1e-1", "cell=lstm,gru", "dropout=0..0.5", "trials=7"]

RANGES = {"hidden": (4, 32), "lr": (1e-4, 1e-1), "dropout": (0, 0.5)}


def search(book: Path, out: Path, *words: str) -> Tuned:
    return tune("text", book, words or WORDS, out=out, show=False)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "book.txt"
    path.write_text(sentences(60), "utf-8")
    return path


@pytest.fixture(scope="module")
def found(book: Path, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    return search(book, tmp_path_factory.mktemp("tune") / "search")


class TestTune:
    def test_the_trials(self, found: Tuned) -> None:
        assert [trial.number for trial in found.trials] == list(range(1, 8))
        for trial in found.trials:
            assert set(trial.options) == {*RANGES, "cell"}
            assert all(low <= trial.options[name] <= high for name, (low, high) in RANGES.items())
            assert isinstance(trial.options["hidden"], int)
            assert trial.options["cell"] in ("lstm", "gru")
            assert float(f"{trial.options['lr']:.3g}") == trial.options["lr"]
            assert (trial.state == "complete") == (trial.looks == 8)
        assert len({json.dumps(trial.options) for trial in found.trials}) == 7
        assert sum(trial.state == "complete" for trial in found.trials) >= 5

    def test_the_best_is_an_ordinary_run(self, found: Tuned) -> None:
        first = found.ranked[0]
        assert first.value == min(trial.value for trial in found.trials if trial.state == "complete" and trial.value)
        run = recurra.load(found.folder / "best")
        assert {name: getattr(run.options, name) for name in first.options} == first.options
        assert run.read("evaluation.json") == run.evaluate().as_json()
        assert len("".join(run.generate(length=5))) == 5
        looks = [json.loads(line)["value"] for line in (run.folder / "log.jsonl").read_text().splitlines()]
        assert min(looks) == first.value

    def test_the_command_trains_the_best_again(self, found: Tuned, book: Path, tmp_path: Path) -> None:
        recurra_, train, task, data, *words = found.command.split()
        assert (recurra_, train, task, data) == ("recurra", "train", "text", str(book))
        run = recurra.Text.parse(words).fit(book, out=tmp_path / "again", show=False)
        for name in ("weights.safetensors", "evaluation.json"):
            assert (run.folder / name).read_bytes() == (found.best.folder / name).read_bytes()

    def test_only_the_best_keeps_its_weights(self, found: Tuned) -> None:
        folders = sorted((found.folder / "trials").iterdir())
        assert len(folders) == 7
        assert all((folder / "run.json").exists() and (folder / "log.jsonl").exists() for folder in folders)
        assert [folder.name for folder in folders if (folder / "weights.safetensors").exists()] == [
            f"{found.ranked[0].number - 1:04}"
        ]

    def test_what_is_kept(self, found: Tuned) -> None:
        assert json.loads((found.folder / "trials.json").read_text()) == json.loads(json.dumps(found.as_json()))
        assert set(found.importances) == {*RANGES, "cell"}
        assert sum(found.importances.values()) == pytest.approx(1)

    def test_hopeless_trials_end_early(self, book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        started = iter(range(1000))

        def scripted(run: recurra.Run) -> Iterator[Report]:
            level = next(started)  # each trial is worse than the one before
            for report in train(run):
                yield report._replace(value=level + 1 / report.step)

        train = recurra.Run.reports
        monkeypatch.setattr(recurra.Run, "reports", scripted)
        tuned = search(book, tmp_path / "search")
        assert [trial.state for trial in tuned.trials] == ["complete"] * 5 + ["pruned"] * 2
        assert [trial.looks for trial in tuned.trials] == [8] * 5 + [6] * 2


def replies(tuned: Tuned) -> list[Any]:
    return [trial[:5] for trial in tuned.trials]


class TestResume:
    @pytest.mark.parametrize("cut", [0, 3, 8, 44])
    def test_a_stop_and_the_rest_are_the_whole(
        self, cut: int, found: Tuned, book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patched:
            stop_after(cut, 8, patched)
            with pytest.raises(Stopped, match=r"^trial \d of 7: stopped at step \d of 8; the same command goes on$"):
                search(book, tmp_path / "search")
        again = search(book, tmp_path / "search")
        assert replies(again) == replies(found)
        assert again.command == found.command
        for name in ("weights.safetensors", "evaluation.json"):
            assert (again.best.folder / name).read_bytes() == (found.best.folder / name).read_bytes()

    def test_more_trials_go_on(self, found: Tuned, book: Path, tmp_path: Path) -> None:
        few = search(book, tmp_path / "search", *WORDS[:-1], "trials=3")
        assert len(few.trials) == 3
        more = search(book, tmp_path / "search")
        assert replies(more) == replies(found)
        assert more.command == found.command

    def test_nothing_is_done_again(self, found: Tuned, book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        shutil.copytree(found.folder, tmp_path / "search")
        monkeypatch.setattr(recurra.Run, "reports", lambda run: pytest.fail("trained again"))
        assert replies(search(book, tmp_path / "search")) == replies(found)

    def test_another_search_in_the_folder(self, found: Tuned, book: Path) -> None:
        with pytest.raises(UsageError, match="holds another search, its searched differ; give the same words, or choose"):
            search(book, found.folder, *FIXED, "hidden=4..33")
        with pytest.raises(UsageError, match="its fixed differ"):
            search(book, found.folder, *WORDS, "seed=1")

    def test_data_that_changed(self, book: Path, tmp_path: Path) -> None:
        data = tmp_path / "book.txt"
        data.write_text(book.read_text())
        search(data, tmp_path / "search", *WORDS[:-1], "trials=1")
        data.write_text(book.read_text() + "more\n")
        with pytest.raises(DataError, match="changed since this search began"):
            search(data, tmp_path / "search", *WORDS[:-1], "trials=2")

    def test_two_at_once(self, found: Tuned, book: Path) -> None:
        with locked(found.folder), pytest.raises(BusyError):
            search(book, found.folder)


class TestBad:
    @pytest.mark.parametrize(
        ("task", "words", "message"),
        [
            ("txt", WORDS, "txt: no such task; "),
            ("text", ["hidden=64"], "nothing to search"),
            ("text", ["hidden=4..32", "seeds=2"], "seeds: each trial trains once"),
            ("text", ["hidden=4..32", "seeds=1..3"], "seeds: each trial trains once"),
            ("text", ["hidden=4..32", "trials=0"], "trials=0: wanted whole number >= 1"),
            ("text", ["hidden=4..32", "cell=lstmm"], "cell=lstmm: did you mean lstm?"),
        ],
    )
    def test_what_cannot_be_leaves_no_folder(
        self, task: str, words: list[str], message: str, book: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(UsageError, match=f"^{message}"):
            tune(task, book, words, out=tmp_path / "search", show=False)
        assert not list(tmp_path.iterdir())

    def test_data_that_are_none(self, tmp_path: Path) -> None:
        with pytest.raises(DataError):
            search(tmp_path / "none.txt", tmp_path / "search")
        assert not list(tmp_path.iterdir())

    def test_a_folder_of_something_else(self, found: Tuned, book: Path) -> None:
        with pytest.raises(UsageError, match="is there already and is no search; choose another --out"):
            search(book, found.best.folder)

    def test_without_optuna(self, book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "optuna", None)
        with pytest.raises(UsageError, match=r"^tune needs the optuna library; type: pip install 'recurra\[tune\]'$"):
            search(book, tmp_path / "search")

    def test_options_that_the_data_do_not_admit_are_told(self, book: Path, tmp_path: Path) -> None:
        tuned = search(book, tmp_path / "search", *FIXED[:1], *FIXED[2:], "window=16,1000000", "trials=6")
        failed = [trial for trial in tuned.trials if trial.state == "failed"]
        assert failed
        assert all(trial.options["window"] == "1000000" and "give more text" in trial.reason for trial in failed)
        assert tuned.ranked[-1].state == "failed"

    def test_all_diverge(self, book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def diverged(run: recurra.Run) -> Iterator[Report]:
            raise NumericError("step 5: loss nan")
            yield

        monkeypatch.setattr(recurra.Run, "reports", diverged)
        with pytest.raises(NumericError, match="no trial came to its end; the last one: step 5: loss nan"):
            search(book, tmp_path / "search", *WORDS[:-1], "trials=2")
