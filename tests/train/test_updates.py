"""Updates of several batches, averaged weights, bfloat16."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recurra import store
from recurra.errors import CheckpointError, Stopped, UsageError
from recurra.train import Average, Clip, Look, Loss, Report, Training
from tests.tolerance import close
from tests.train.bench import EVERY, STEPS, Bench, Broken, log, same


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


def test_a_step_that_is_not_applied_leaves_running_statistics_alone() -> None:
    norm = nn.BatchNorm1d(2)
    batches = [torch.full((4, 2), math.nan), torch.randn(4, 2)]
    sgd = torch.optim.SGD(norm.parameters(), lr=0.1)
    with Training(norm, lambda x, _: Loss(norm(x).square().sum(), len(x)), batches, optimizer=sgd, steps=2) as training:
        assert [report.skipped for report in training.steps(every=1)] == [1, 0]
    close(norm.running_mean, 0.1 * batches[1].mean(0))
    assert norm.num_batches_tracked == 1


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


class TestLateAverage:
    """NT-ASGD: looks get worse on purpose, so the average begins after the second look of three."""

    def bench(self, folder: Path | None = None) -> Bench:
        bench = Bench(folder, name="nt-asgd")
        bench.training.average = Average(bench.model, 1.0, patience=1)
        return bench

    def run(self, bench: Bench, until: int | None = None) -> list[tuple[int, Tensor]]:
        looked = list[tuple[int, Tensor]]()

        def look() -> Look:
            looked.append((bench.training.step, bench.weights.clone()))
            return Look(bench.training.step, {})

        bench.look = look  # type: ignore[method-assign]
        with bench.training as training:
            for _ in training.steps(look if until is None else bench.stopped(until), every=2):
                pass
        return looked

    def test_looks_and_the_best_are_the_mean_since_then(self) -> None:
        bench, own = self.bench(), list[Tensor]()
        step = bench.training.optimizer.step

        def stepped() -> None:
            step()
            own.append(bench.weights.clone())

        bench.training.optimizer.step = stepped  # type: ignore[method-assign,assignment]
        for at, weights in self.run(bench):
            close(weights, torch.stack(own[6:at]).mean(0) if at > 6 else own[at - 1])
        assert bench.training.average is not None
        assert bench.training.average.count == STEPS - 6

    @pytest.mark.parametrize("cut", [3, 6, 7, 9])
    def test_it_resumes_exactly(self, cut: int, tmp_path: Path) -> None:
        whole = self.bench()
        wanted = self.run(whole)
        with pytest.raises(Stopped):
            self.run(self.bench(tmp_path), until=cut)
        again = self.bench(tmp_path)
        found = self.run(again)
        assert again.weights.equal(whole.weights)
        assert found[-1][0] == wanted[-1][0]
        assert found[-1][1].equal(wanted[-1][1])


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
