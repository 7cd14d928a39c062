import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recurra import store
from recurra.errors import BusyError, CheckpointError, NumericError, Stopped
from recurra.train import Clip, Cosine, Look, Loss, Plateau, Report, Training
from tests.train.bench import EVERY, STEPS, Bench, Broken, log, nothing_else


class TestLoop:
    def test_reports_come_on_time(self) -> None:
        reports = Bench().run()
        assert [report.step for report in reports] == [5, 10, 12]
        assert {report.steps for report in reports} == {12}
        assert [report.sample for report in reports] == ["step 5", "step 10", "step 12"]
        assert reports[-1].seconds_left == 0
        assert all(report.items_per_second > 0 and report.seconds > 0 for report in reports)

    def test_figures_are_means_since_the_last_report(self) -> None:
        bench, losses, norms = Bench(clip=Clip(norm=0.3)), [], []

        def update(batch: Any, carry: Any) -> Loss:
            loss = bench.update(batch, carry)
            losses.append(loss.mean.item())
            wanted = torch.autograd.grad(loss.mean, list(bench.model.parameters()), retain_graph=True)
            norms.append(torch.cat([g.flatten() for g in wanted]).norm().item())
            return loss

        bench.training.update = update
        first, second, third = bench.run()
        for report, part in ((first, slice(0, 5)), (second, slice(5, 10)), (third, slice(10, 12))):
            count = len(losses[part])
            assert report.loss == pytest.approx(sum(losses[part]) / count)
            assert report.norm == pytest.approx(sum(norms[part]) / count, rel=1e-4)
            assert report.clipped == pytest.approx(sum(norm > 0.3 for norm in norms[part]) / count)
        assert second.lr == pytest.approx(0.05 * Cosine(STEPS, 3).factor(9, ()))

    def test_the_state_is_carried_without_its_history(self) -> None:
        bench = Bench()
        bench.run()
        assert len(bench.carries) == STEPS
        for carry in bench.carries[1:]:
            for memory in carry:
                assert memory.h.grad_fn is None
                assert not memory.h.requires_grad
                assert memory.h.abs().sum() > 0

    def test_what_is_carried_is_the_end_of_the_batch_before(self) -> None:
        bench, ends = Bench(), []

        def update(batch: Any, carry: Any) -> Loss:
            loss = bench.update(batch, carry)
            ends.append(loss.carry)
            return loss

        bench.training.update = update
        bench.run()
        assert all(before[0].h.equal(after[0].h) for before, after in zip(ends, bench.carries[1:], strict=False))

    def test_validation_restores_mode_and_random_state(self) -> None:
        plain = Bench()
        plain.run()
        bench, modes = Bench(), []

        def wild() -> Look:
            modes.append((bench.model.training, torch.is_grad_enabled()))
            torch.rand(17)
            torch.manual_seed(99)
            return bench.look()

        with bench.training as training:
            for _ in training.steps(wild, EVERY):
                assert bench.model.training
        assert modes == [(False, False)] * 3
        assert bench.weights.equal(plain.weights)

    def test_what_looks_are_made_does_not_change_what_is_learnt(self) -> None:
        plain = Bench()
        plain.run()
        bench = Bench()
        with bench.training as training:
            for _ in training.steps(None, 1):
                pass
        assert bench.weights.equal(plain.weights)

    def test_without_a_folder_nothing_is_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        Bench().run()
        assert not list(tmp_path.iterdir())

    def test_weights_without_a_gradient_are_left(self) -> None:
        model = nn.Linear(2, 2)
        model.bias.requires_grad_(False)
        x = torch.randn(4, 2)
        made = Training(
            model,
            lambda batch, carry: Loss(model(x).square().mean(), 4),
            [None] * 3,
            optimizer=torch.optim.SGD([model.weight], lr=0.1),
            steps=3,
        )
        with made as training:
            assert len(list(training.steps(every=1))) == 3


class TestNotFinite:
    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_such_a_step_is_not_applied_but_counted(self, value: float) -> None:
        broken = Broken({2, 3, 7}, value)
        first, second, third = broken.bench.run()
        assert [report.skipped for report in (first, second, third)] == [2, 1, 0]
        assert broken.weights[2].equal(broken.weights[3])
        assert broken.weights[3].equal(broken.weights[4])
        assert not broken.weights[4].equal(broken.weights[5])
        assert math.isfinite(first.loss)
        assert math.isfinite(first.norm)
        assert broken.bench.carries[3] is broken.bench.carries[2]
        assert broken.bench.weights.isfinite().all()

    def test_a_gradient_that_is_not_finite_counts_too(self) -> None:
        bench = Bench()

        class Hole(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: Tensor) -> Tensor:
                return x.clone()

            @staticmethod
            def backward(ctx: Any, *gradients: Tensor) -> Tensor:
                return gradients[0] * math.inf

        def update(batch: Any, carry: Any) -> Loss:
            loss = bench.update(batch, carry)
            return loss._replace(mean=Hole.apply(loss.mean)) if bench.training.step == 1 else loss  # type: ignore[no-untyped-call]

        bench.training.update = update
        assert bench.run()[0].skipped == 1
        assert bench.weights.isfinite().all()

    def test_four_in_a_row_go_on(self) -> None:
        reports = Broken({0, 1, 2, 3, 5, 6, 7, 8}).bench.run()
        assert sum(report.skipped for report in reports) == 8

    def test_five_in_a_row_are_an_error(self, tmp_path: Path) -> None:
        broken = Broken({6, 7, 8, 9, 10}, folder=tmp_path)
        with pytest.raises(NumericError) as caught:
            broken.bench.run()
        assert str(caught.value).startswith(
            "step 11: loss nan, gradient norm nan, not finite 5 times in a row; nothing of it was applied"
        )
        assert "lower lr (now " in str(caught.value)
        assert broken.bench.weights.isfinite().all()
        again = Bench(tmp_path)
        with again.training as training:
            assert training.step == 10  # the last report
            assert again.weights.isfinite().all()

    def test_a_report_of_skipped_steps_alone(self, tmp_path: Path) -> None:
        bench = Broken({0, 1, 2}, folder=tmp_path).bench
        with bench.training as training:
            report = next(training.steps(bench.look, 3))
        assert math.isnan(report.loss)
        assert (report.skipped, report.norm, report.clipped) == (3, 0, 0)
        assert log(tmp_path)[0]["loss"] is None

    def test_the_count_survives_a_stop(self, tmp_path: Path) -> None:
        broken = Broken({3, 4, 5, 6, 7}, folder=tmp_path)
        with pytest.raises(Stopped):
            broken.bench.run(until=6)
        with pytest.raises(NumericError, match=r"^step 8"):
            Broken({3, 4, 5, 6, 7}, folder=tmp_path).bench.run()

    def test_a_look_that_is_not_finite_is_the_worst(self, tmp_path: Path) -> None:
        bench, values = Bench(tmp_path), iter([math.nan, 2.0, math.inf])

        def look() -> Look:
            value = next(values)
            return Look(value, {"nats": value})

        with bench.training as training:
            best = [report.best for report in training.steps(look, EVERY)]
        assert best == [True, True, False]
        assert [line["metrics"]["nats"] for line in log(tmp_path)] == [None, 2.0, None]


class TestBest:
    def run(self, scores: list[float], folder: Path | None = None, **options: Any) -> tuple[Bench, list[Report], list[Tensor]]:
        bench, values, weights = Bench(folder, **options), iter(scores), []

        def look() -> Look:
            weights.append(bench.weights.clone())
            return Look(next(values), {})

        with bench.training as training:
            return bench, list(training.steps(look, 1)), weights

    def test_the_best_weights_are_kept(self, tmp_path: Path) -> None:
        bench, reports, weights = self.run([5, 4, 2, 3, 2, 2.5, 7, 8, 9, 9, 9, 9], tmp_path)
        assert [report.step for report in reports if report.best] == [1, 2, 3]
        bench.model.load_state_dict(store.read_tensors(tmp_path / "weights.safetensors"))
        assert bench.weights.equal(weights[2])

    def test_patience(self) -> None:
        bench, reports, _ = self.run([5, 4, 4, 4.5, 3, 6, 6, 6, 0, 0, 0, 0], patience=3)
        assert len(reports) == 8
        assert bench.training.finished
        assert bench.training.looks_since_best == 3

    def test_patience_0_never_stops(self) -> None:
        assert len(self.run([1.0, *[2.0] * 11])[1]) == 12

    def test_patience_survives(self, tmp_path: Path) -> None:
        self.run([5, 4, 4, 4], tmp_path, patience=2)
        bench, reports, _ = self.run([], tmp_path, patience=2)
        assert reports == []
        assert bench.training.step == 4

    def test_a_plateau_lowers_the_rate(self) -> None:
        _, reports, _ = self.run([5, 6, 7, 8, 9, 4, 5, 6, 7, 7, 7, 7], schedule=Plateau(patience=2))
        assert [round(0.05 / report.lr) for report in reports] == [1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 16, 16]

    def test_without_looks_the_last_weights_are_kept(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path)
        with bench.training as training:
            reports = list(training.steps(every=EVERY))
        assert not any(report.best for report in reports)
        before = bench.weights
        bench.model.load_state_dict(store.read_tensors(tmp_path / "weights.safetensors"))
        assert bench.weights.equal(before)


class TestFolder:
    def test_two_at_once(self, tmp_path: Path) -> None:
        with Bench(tmp_path).training, pytest.raises(BusyError, match=f"process {os.getpid()}"), Bench(tmp_path).training:
            pass

    def test_signals_are_as_before(self, tmp_path: Path) -> None:
        before = signal.getsignal(signal.SIGTERM)
        Bench(tmp_path).run()
        assert signal.getsignal(signal.SIGTERM) == before

    def test_an_error_on_the_way_in_frees_the_folder(self, tmp_path: Path) -> None:
        Bench(tmp_path).run()
        for path in (tmp_path / "checkpoints").iterdir():
            (path / "manifest.json").unlink()
        for _ in range(2):
            with pytest.raises(CheckpointError), Bench(tmp_path).training:
                pass

    def test_what_a_killed_writer_left_is_swept(self, tmp_path: Path) -> None:
        with pytest.raises(Stopped):
            Bench(tmp_path).run(until=2)
        (tmp_path / ".weights.safetensors.123.tmp").write_text("half")
        (tmp_path / "checkpoints" / ".step-000000005.123.tmp").mkdir()
        Bench(tmp_path).run()
        nothing_else(tmp_path)
        assert all(path.name.startswith("step-") for path in (tmp_path / "checkpoints").iterdir())
