import json
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recurra import store
from recurra.errors import BusyError, CheckpointError, NumericError, Stopped, UsageError
from recurra.layers import LSTM
from recurra.models import LanguageModel
from recurra.train import OPTIMIZERS, Clip, Cosine, Look, Loss, Plateau, Report, Training, optimizer
from recurra.train import training as module
from tests.tolerance import close

STEPS, EVERY, V = 12, 5, 6
TIMES = {"seconds", "seconds_left", "items_per_second", "notes"}


class Windows:
    """Batches of random symbols, a function of the step."""

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        ids = torch.randint(V, (3, 5), generator=torch.Generator().manual_seed(step))
        return ids[:, :-1], ids[:, 1:]


class Bench:
    """A small language model with dropout, and a training of it that carries its state."""

    def __init__(self, folder: Path | None = None, *, name: str = "adamw", **options: Any) -> None:
        torch.manual_seed(0)
        self.model = LanguageModel(V, 3, LSTM(3, 4, layers=2, dropout=0.3), 4, dropout=0.3, tied=True)
        self.carries: list[Any] = []
        self.training = Training(
            self.model,
            options.pop("update", self.update),
            options.pop("batches", Windows()),
            optimizer=optimizer(name, self.model, lr=0.05, weight_decay=0.01),
            **{"steps": STEPS, "schedule": Cosine(STEPS, 3), "carry": self.model.initial(3), "folder": folder, **options},
        )

    def update(self, batch: tuple[Tensor, Tensor], carry: Any) -> Loss:
        self.carries.append(carry)
        logits, state = self.model(batch[0], carry)
        return Loss(nn.functional.cross_entropy(logits.flatten(0, 1), batch[1].flatten()), batch[1].numel(), state)

    def look(self) -> Look:
        x, y = Windows()[1000]
        nats, _ = self.model.nats(x, y, None)
        value = nats.mean().item()
        return Look(value, {"nats": value}, f"step {self.training.step}")

    def run(self, *, until: int | None = None) -> list[Report]:
        """Train to the end, or be stopped after so many updates of this life."""
        with self.training as training:
            return list(training.steps(self.look if until is None else self.stopped(until), EVERY))

    def stopped(self, until: int) -> Callable[[], Look]:
        """The look of a run that gets a signal in its update number `until`."""
        update, due = self.training.update, iter([None])

        def with_signal(batch: Any, carry: Any) -> Loss:
            if self.training.step == until - 1 and next(due, 0) is None:
                signal.raise_signal(signal.SIGTERM)
            return update(batch, carry)

        self.training.update = with_signal
        return self.look

    @property
    def weights(self) -> Tensor:
        return torch.cat([weight.detach().flatten() for weight in self.model.parameters()])


def log(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in TIMES} for line in lines]


def nothing_else(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} <= {".lock", "checkpoints", "weights.safetensors", "log.jsonl"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, Path]:
    folder = tmp_path_factory.mktemp("whole")
    bench = Bench(folder)
    bench.run()
    return bench, folder


def same(bench: Bench, folder: Path, whole: tuple[Bench, Path]) -> None:
    unbroken, there = whole
    assert bench.weights.equal(unbroken.weights)
    assert log(folder) == log(there)
    assert (folder / "weights.safetensors").read_bytes() == (there / "weights.safetensors").read_bytes()
    assert bench.training.scores == unbroken.training.scores
    nothing_else(folder)


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


class Broken:
    """The bench, but the loss of some steps is not finite."""

    def __init__(self, bad: set[int], value: float = math.nan, folder: Path | None = None, **options: Any) -> None:
        self.bad, self.value = bad, value
        self.bench = Bench(folder, update=self.update, **options)
        self.weights: list[Tensor] = []

    def update(self, batch: Any, carry: Any) -> Loss:
        self.weights.append(self.bench.weights.clone())
        loss = self.bench.update(batch, carry)
        return loss._replace(mean=loss.mean * self.value) if self.bench.training.step in self.bad else loss


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


class Regression:
    """A line through batches of unequal size, with the carried state counting the items."""

    def __init__(self, sizes: list[int], **options: Any) -> None:
        generator = torch.Generator().manual_seed(3)
        self.model, self.carries = nn.Linear(2, 1), list[float]()
        nn.init.ones_(self.model.weight)
        nn.init.zeros_(self.model.bias)
        self.batches = [torch.randn(size, 2, generator=generator) for size in sizes]
        sgd = torch.optim.SGD(self.model.parameters(), lr=0.1)
        given: dict[str, Any] = {"optimizer": sgd, "clip": Clip(norm=0), "carry": torch.zeros(1)} | options
        self.training = Training(self.model, self.update, self.batches, **given)

    def update(self, x: Tensor, carry: Tensor) -> Loss:
        self.carries.append(carry.item())
        return Loss((self.model(x) - x.sum(1, keepdim=True) ** 2).square().mean(), len(x), carry + len(x))

    def run(self) -> list[Report]:
        with self.training as training:
            return list(training.steps(every=1))


class TestAccumulate:
    def test_it_is_the_update_of_one_large_batch(self) -> None:
        parts = Regression([3, 5, 4, 2], accumulate=2, steps=2)
        whole = Regression([], steps=2)
        whole.training.batches = [torch.cat(parts.batches[:2]), torch.cat(parts.batches[2:])]
        for mine, wanted in zip(parts.run(), whole.run(), strict=True):
            assert mine.loss == pytest.approx(wanted.loss)
            assert mine.norm == pytest.approx(wanted.norm)
            assert (mine.step, mine.steps) == (wanted.step, wanted.steps)
        close(parts.model.weight, whole.model.weight)
        close(parts.model.bias, whole.model.bias)

    def test_the_state_runs_on_through_the_batches(self) -> None:
        parts = Regression([3, 5, 4, 2], accumulate=2, steps=2)
        parts.run()
        assert parts.carries == [0, 3, 8, 12]
        assert parts.training.carry.item() == 14

    def test_one_batch_that_is_not_finite_spoils_the_update(self) -> None:
        parts = Regression([3, 3, 3, 3], accumulate=2, steps=2)
        parts.batches[1][0, 0] = math.nan
        first, second = parts.run()
        assert (first.skipped, second.skipped) == (1, 0)
        assert parts.carries == [0, 3, 0, 3]
        assert parts.model.weight.isfinite().all()

    @pytest.mark.parametrize("options", [{"accumulate": 0}, {"average": 1.0}, {"average": -0.1}], ids=str)
    def test_what_cannot_be(self, options: dict[str, Any]) -> None:
        with pytest.raises(UsageError, match="wanted 1 batch or more, a decay >= 0 and below 1"):
            Regression([], steps=1, **options)


class TestAverage:
    def test_looks_and_the_best_are_the_average(self, tmp_path: Path) -> None:
        bench, own, looked = Bench(tmp_path, average=0.7), list[Tensor](), list[Tensor]()
        step = bench.training.optimizer.step

        def stepped() -> None:
            step()
            own.append(bench.weights.clone())

        bench.training.optimizer.step = stepped  # type: ignore[method-assign,assignment]

        def look() -> Look:
            looked.append(bench.weights.clone())
            return Look(-bench.training.step, {})

        with bench.training as training:
            for _ in training.steps(look, EVERY):
                assert bench.weights.equal(own[-1])
        for count, found in zip((5, 10, 12), looked, strict=True):
            shares = torch.tensor([0.7 ** (count - 1 - k) for k in range(count)])
            close(found, (torch.stack(own[:count]) * (shares / shares.sum())[:, None]).sum(0))
        bench.model.load_state_dict(store.read_tensors(tmp_path / "weights.safetensors"))
        assert bench.weights.equal(looked[-1])

    def test_it_does_not_change_what_is_learnt(self) -> None:
        plain = Bench()
        plain.run()
        averaged = Bench(average=0.9)
        averaged.run()
        assert averaged.weights.equal(plain.weights)

    def test_without_looks_the_last_average_is_kept(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path, average=0.5)
        with bench.training as training:
            list(training.steps(every=EVERY))
        assert bench.training.average is not None
        best = store.read_tensors(tmp_path / "weights.safetensors")
        assert all(weight.equal(best[name]) for name, weight in bench.training.average.weights.items())

    def test_a_step_that_is_not_applied_does_not_count(self) -> None:
        broken = Broken({2, 3}, average=0.5)
        broken.bench.run()
        assert broken.bench.training.average is not None
        assert broken.bench.training.average.count == STEPS - 2


class TestPrecision:
    def test_the_update_runs_under_autocast(self) -> None:
        kinds, looks = set[torch.dtype](), set[torch.dtype]()
        parts = Regression([4] * 3, steps=3, precision="bfloat16")

        def update(x: Tensor, carry: Tensor) -> Loss:
            y = parts.model(x)
            kinds.add(y.dtype)
            return Loss((y.float() - x.sum(1, keepdim=True)).square().mean(), 4, (carry + 1).bfloat16())

        def look() -> Look:
            looks.add(parts.model(parts.batches[0]).dtype)
            return Look(1.0, {})

        parts.training.update = update
        with parts.training as training:
            list(training.steps(look, 1))
        assert (kinds, looks) == ({torch.bfloat16}, {torch.float32})
        assert parts.training.carry.dtype == torch.float32
        assert parts.training.carry.item() == 3
        assert all(weight.dtype == torch.float32 for weight in parts.model.parameters())

    def test_it_is_near_full_precision(self) -> None:
        exact, rough = Regression([64] * 20, steps=20), Regression([64] * 20, steps=20, precision="bfloat16")
        exact.run()
        rough.run()
        assert not rough.model.weight.equal(exact.model.weight)
        torch.testing.assert_close(rough.model.weight, exact.model.weight, rtol=0.03, atol=0.03)


MORE: dict[str, Any] = {"accumulate": 3, "average": 0.8}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, Path]:
    folder = tmp_path_factory.mktemp("unbroken")
    bench = Bench(folder, **MORE)
    bench.run()
    return bench, folder


class TestResumeWithMore:
    @pytest.mark.parametrize("cut", range(1, STEPS))
    def test_every_cut_gives_the_bits_of_the_whole(self, cut: int, tmp_path: Path, unbroken: tuple[Bench, Path]) -> None:
        with pytest.raises(Stopped):
            Bench(tmp_path, **MORE).run(until=cut)
        bench = Bench(tmp_path, **MORE)
        bench.run()
        same(bench, tmp_path, unbroken)
        assert bench.training.average is not None
        assert unbroken[0].training.average is not None
        assert bench.training.average.count == unbroken[0].training.average.count == STEPS
        wanted = unbroken[0].training.average.weights
        assert all(weight.equal(wanted[name]) for name, weight in bench.training.average.weights.items())

    def test_checkpoints_without_an_average_do_not_fit(self, tmp_path: Path) -> None:
        Bench(tmp_path).run()
        with pytest.raises(CheckpointError, match="not those of the model in"), Bench(tmp_path, average=0.5).training:
            pass

    def test_reports_say_what_they_were_judged_by(self, tmp_path: Path) -> None:
        values = iter([2.5, math.nan, 1.5])
        bench = Bench(tmp_path)
        with bench.training as training:
            reports = list(training.steps(lambda: Look(next(values), {}), EVERY))
        assert [report.value for report in reports] == [2.5, math.inf, 1.5]
        assert [line["value"] for line in log(tmp_path)] == [2.5, None, 1.5]
        with Bench().training as training:
            assert math.isnan(next(training.steps(every=EVERY)).value)


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
