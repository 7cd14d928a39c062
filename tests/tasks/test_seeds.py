import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import recurra
from recurra import store
from recurra.errors import BusyError, NumericError, Stopped
from recurra.tasks import text
from recurra.tasks.seeds import Spread, best_look
from recurra.train import Report
from recurra.train.guard import locked
from tests.conftest import SMALL

FEW = SMALL | {"steps": 12, "check": 4, "seed": 7}


@pytest.fixture(scope="module")
def three(book: Path, tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    run: recurra.Run = recurra.Text(**FEW, seeds=3).fit(book, out=tmp_path_factory.mktemp("seeds") / "run", show=False)
    return run


def same(run: recurra.Run, other: recurra.Run) -> None:
    for name in ("weights.safetensors", "seeds.json", "evaluation.json"):
        assert (run.folder / name).read_bytes() == (other.folder / name).read_bytes()


class TestTrain:
    def test_the_best_is_the_run(self, three: recurra.Run) -> None:
        told = three.read("seeds.json")
        scores = {entry["seed"]: entry["score"] for entry in told["seeds"]}
        assert list(scores) == [7, 8, 9]
        assert len(set(scores.values())) == 3
        assert told["best"] == min(scores, key=lambda seed: scores[seed])
        best = three.folder / "seeds" / str(told["best"])
        for name in ("weights.safetensors", "log.jsonl"):
            assert (three.folder / name).read_bytes() == (best / name).read_bytes()
        assert told["lowest"] == scores[told["best"]]
        assert told["mean"] == pytest.approx(sum(scores.values()) / 3)

    def test_each_is_a_run_as_if_alone(self, three: recurra.Run, book: Path, tmp_path: Path) -> None:
        alone = recurra.Text(**FEW | {"seed": 8}).fit(book, out=tmp_path / "alone", show=False)
        part = recurra.load(three.folder / "seeds" / "8")
        assert part.options == alone.options
        assert (part.folder / "weights.safetensors").read_bytes() == (alone.folder / "weights.safetensors").read_bytes()
        assert part.evaluate() == alone.evaluate()

    @pytest.mark.parametrize("cut", [1, 2, 3, 4, 6, 8])
    def test_a_stop_anywhere_and_the_rest_are_the_whole(
        self, cut: int, three: recurra.Run, book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run, train, looks = (
            text.begin(recurra.Text(**FEW, seeds=3), book, tmp_path / "run"),
            recurra.Run.reports,
            iter(range(cut)),
        )

        def stopped(part: recurra.Run) -> Iterator[Report]:
            for report in train(part):
                yield report
                if next(looks, None) is None:
                    raise Stopped(f"stopped at step {report.step} of 12; go on with: recurra resume {part.folder}")

        with monkeypatch.context() as patched:
            patched.setattr(recurra.Run, "reports", stopped)
            said = rf"^seed \d: stopped at step \d+ of 12; go on with: recurra resume {run.folder}$"
            with pytest.raises(Stopped, match=said):
                run.train(show=False)
        recurra.load(run.folder).train(show=False)
        same(run, three)

    def test_what_is_done_is_not_done_again(self, three: recurra.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        run = recurra.load(shutil.copytree(three.folder, tmp_path / "run"))
        monkeypatch.setattr(recurra.Run, "reports", lambda part: pytest.fail("trained again"))
        run.train(show=False)
        same(run, three)

    def test_a_seed_that_diverges_does_not_end_the_others(
        self, book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        train = recurra.Run.reports

        def sometimes(part: recurra.Run) -> Iterator[Report]:
            if part.options.seed == 7:
                raise NumericError("step 5: loss nan")
            yield from train(part)

        monkeypatch.setattr(recurra.Run, "reports", sometimes)
        run = recurra.Text(**FEW, seeds=2).fit(book, out=tmp_path / "run", show=False)
        told = run.read("seeds.json")
        assert told["seeds"][0] == {"seed": 7, "score": None, "folder": "seeds/7"}
        assert told["best"] == 8
        assert told["deviation"] is None

    def test_all_diverge(self, book: Path, tmp_path: Path) -> None:
        wild: dict[str, Any] = {"lr": 1000, "weight_decay": 1000, "optimizer": "sgd", "warmup": 0, "check": 100, "steps": 60}
        run = text.begin(recurra.Text(**SMALL | wild, seeds=2), book, tmp_path / "run")
        for _ in range(2):
            with pytest.raises(NumericError):
                run.train(show=False)

    def test_two_at_once(self, three: recurra.Run) -> None:
        with locked(three.folder), pytest.raises(BusyError):
            three.train(show=False)


class TestSpread:
    def test_what_is_said(self) -> None:
        assert str(Spread({3: 2.0, 4: 1.0})) == (
            "held-out score of 2 seeds: mean 1.5000, standard deviation 0.7071, 1.0000 to 2.0000; seed 4 is kept. "
            "Of another training expect the mean, not the best."
        )
        assert "1 diverged." in str(Spread({3: None, 4: 1.0}))
        assert str(Spread({3: None})) == "none of 1 seeds came to a score"

    def test_json_can_be_written(self, tmp_path: Path) -> None:
        for scores in ({}, {1: None}, {1: 2.0}, {1: 2.0, 2: None}):
            if scores:
                store.write_json(tmp_path / "a.json", Spread(scores).as_json())


def test_best_look(tmp_path: Path) -> None:
    assert best_look(tmp_path) is None
    lines = [{"step": 1, "value": 2.0}, {"step": 2, "value": None}, {"step": 3, "value": 1.5}, {"step": 4, "value": 3.0}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert best_look(tmp_path) == 1.5
