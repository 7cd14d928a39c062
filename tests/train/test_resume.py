"""A resumed run ends with the bits of the unbroken one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from recurra import store
from recurra.errors import CheckpointError, Stopped
from recurra.train import OPTIMIZERS, Look, Loss, Training
from recurra.train import training as module
from tests.train.bench import EVERY, STEPS, Bench, same


class TestResume:
    @pytest.mark.parametrize("cut", range(1, STEPS))
    def test_every_cut_gives_the_bits_of_the_whole(self, cut: int, tmp_path: Path, whole: tuple[Bench, Path]) -> None:
        with pytest.raises(Stopped, match=f"^stopped at step {cut} of {STEPS}; go on with: recurra resume {tmp_path}$"):
            Bench(tmp_path).run(until=cut)
        torch.rand(cut)
        bench = Bench(tmp_path)
        bench.run()
        same(bench, tmp_path, whole)

    def test_many_cuts(self, tmp_path: Path, whole: tuple[Bench, Path]) -> None:
        for cut in range(1, STEPS):
            with pytest.raises(Stopped):
                Bench(tmp_path).run(until=cut)
        bench = Bench(tmp_path)
        bench.run()
        same(bench, tmp_path, whole)

    def test_a_signal_in_the_last_step_comes_too_late(self, tmp_path: Path, whole: tuple[Bench, Path]) -> None:
        bench = Bench(tmp_path)
        bench.run(until=STEPS)
        same(bench, tmp_path, whole)

    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_every_optimizer(self, name: str, tmp_path: Path) -> None:
        unbroken = Bench(name=name)
        unbroken.run()
        with pytest.raises(Stopped):
            Bench(tmp_path, name=name).run(until=7)
        bench = Bench(tmp_path, name=name)
        bench.run()
        assert bench.weights.equal(unbroken.weights)

    @pytest.mark.parametrize("step", [0, 3, 5, 11])
    def test_an_error_in_an_update_leaves_what_was_saved(self, step: int, tmp_path: Path, whole: tuple[Bench, Path]) -> None:
        bench = Bench(tmp_path)

        def update(batch: Any, carry: Any) -> Loss:
            if bench.training.step == step:
                raise KeyboardInterrupt
            return bench.update(batch, carry)

        bench.training.update = update
        with pytest.raises(KeyboardInterrupt):
            bench.run()
        again = Bench(tmp_path)
        again.run()
        same(again, tmp_path, whole)

    @pytest.mark.parametrize("looks", [1, 2, 3])
    def test_an_interrupt_in_a_look_is_made_good(self, looks: int, tmp_path: Path, whole: tuple[Bench, Path]) -> None:
        bench, left = Bench(tmp_path), iter(range(looks - 1))

        def look() -> Look:
            torch.rand(3)
            if next(left, None) is None:
                raise KeyboardInterrupt
            return bench.look()

        with pytest.raises(KeyboardInterrupt), bench.training as training:
            for _ in training.steps(look, EVERY):
                pass
        assert bench.model.training
        again = Bench(tmp_path)
        again.run()
        same(again, tmp_path, whole)

    @pytest.mark.parametrize("call", ["write_tensors", "append_line"])
    def test_an_interrupt_in_a_report_is_made_good(
        self, call: str, tmp_path: Path, whole: tuple[Bench, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(store, call, interrupted)
            with pytest.raises(KeyboardInterrupt):
                Bench(tmp_path).run()
        again = Bench(tmp_path)
        again.run()
        same(again, tmp_path, whole)

    def test_leaving_the_loop_saves(self, tmp_path: Path, whole: tuple[Bench, Path]) -> None:
        bench = Bench(tmp_path)
        with bench.training as training:
            for report in training.steps(bench.look, EVERY):
                if report.step == 10:
                    break
        again = Bench(tmp_path)
        with again.training as training:
            assert training.step == 10
            for _ in training.steps(again.look, EVERY):
                pass
        same(again, tmp_path, whole)

    @pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
    def test_an_error_of_the_caller_saves(self, error: type[BaseException], tmp_path: Path) -> None:
        bench = Bench(tmp_path)

        def use() -> None:
            with bench.training as training:
                next(training.steps(bench.look, 1))
                raise error

        with pytest.raises(error):
            use()
        with Bench(tmp_path).training as training:
            assert training.step == 1

    def test_a_finished_run_stays_as_it_is(self, tmp_path: Path) -> None:
        Bench(tmp_path).run()
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        assert Bench(tmp_path).run() == []
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before

    def test_the_log_loses_what_was_not_saved(self, tmp_path: Path, whole: tuple[Bench, Path]) -> None:
        with pytest.raises(Stopped):
            Bench(tmp_path).run(until=11)
        with (tmp_path / "log.jsonl").open("a") as file:
            file.write('{"step": 12, "x": 1}\n{"step": 1')
        again = Bench(tmp_path)
        again.run()
        same(again, tmp_path, whole)

    def test_weights_of_a_later_step_are_taken_back(self, tmp_path: Path, whole: tuple[Bench, Path]) -> None:
        with pytest.raises(Stopped):
            Bench(tmp_path).run(until=7)
        (tmp_path / "weights.safetensors").write_bytes(b"half of someth")
        again = Bench(tmp_path)
        again.run()
        same(again, tmp_path, whole)

    def test_a_damaged_checkpoint_is_gone_around(self, tmp_path: Path, whole: tuple[Bench, Path]) -> None:
        with pytest.raises(Stopped):
            Bench(tmp_path).run(until=11)
        newest = max((tmp_path / "checkpoints").iterdir())
        (newest / "tensors.safetensors").write_bytes(b"")
        again = Bench(tmp_path)
        [report] = again.run()
        assert any("step-000000011" in note and "is tried" in note for note in report.notes)
        same(again, tmp_path, whole)

    def test_all_damaged_is_an_error(self, tmp_path: Path) -> None:
        Bench(tmp_path).run()
        for path in (tmp_path / "checkpoints").iterdir():
            (path / "manifest.json").unlink()
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        with (
            pytest.raises(CheckpointError, match=r"no checkpoint is sound: remove .*checkpoints to start anew"),
            Bench(tmp_path).training,
        ):
            pass
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before

    def test_another_model_is_an_error(self, tmp_path: Path) -> None:
        Bench(tmp_path).run()
        other = nn.Linear(3, 2)
        update: Callable[[Any, Any], Loss] = lambda batch, carry: Loss(other(batch).mean(), 1)  # noqa: E731
        made = Training(other, update, [], optimizer=torch.optim.SGD(other.parameters()), steps=3, folder=tmp_path)
        with pytest.raises(CheckpointError, match="not those of the model in"), made:
            pass

    def test_a_log_without_a_checkpoint_begins_anew(self, tmp_path: Path, whole: tuple[Bench, Path]) -> None:
        (tmp_path / "log.jsonl").write_text('{"step": 5}\n')
        bench = Bench(tmp_path)
        bench.run()
        same(bench, tmp_path, whole)

    def test_another_number_of_threads_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(Stopped):
            Bench(tmp_path).run(until=6)
        here = module.surroundings(torch.device("cpu"))
        monkeypatch.setattr(module, "surroundings", lambda device: here | {"threads": 77, "torch": "9.9"})
        first, second = Bench(tmp_path).run()
        assert set(first.notes) == {
            f"threads was {here['threads']} and is now 77: the run goes on, but not bit for bit",
            f"torch was {here['torch']} and is now 9.9: the run goes on, but not bit for bit",
        }
        assert second.notes == ()

    def test_the_same_surroundings_need_no_word(self, whole: tuple[Bench, Path]) -> None:
        lines = [json.loads(line) for line in (whole[1] / "log.jsonl").read_text().splitlines()]
        assert all(line["notes"] == [] for line in lines)
