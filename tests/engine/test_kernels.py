from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor

from recurra.cells import LSTM, Cell, ProjectedLSTM
from recurra.engine import Fold, Sweep, TorchKernels
from recurra.engine.engine import Job
from recurra.layers import Conv2d, Dense, Recurrent
from tests.engine.cells import PLAIN
from tests.laws.cases import Mixed
from tests.tolerance import close, equal


def job(layer: Recurrent, lengths: Tensor | None = None, **more: Any) -> Job:
    torch.manual_seed(0)
    x = torch.randn(4, 6, 3)
    return Job(x, layer.initial(4), lengths, **more)


@pytest.fixture(params=[*PLAIN.values(), ProjectedLSTM()], ids=str)
def layer(request: pytest.FixtureRequest) -> Recurrent:
    torch.manual_seed(0)
    return Recurrent(request.param, Dense(3, 5, projected_size=2), engine=TorchKernels())


def test_what_it_takes() -> None:
    assert TorchKernels().takes(LSTM(), Dense(3, 5))
    assert not TorchKernels().takes(LSTM(), Conv2d(3, 5))
    assert not TorchKernels().takes(Mixed(), Dense(3, 5))


def test_what_it_can(layer: Recurrent) -> None:
    can = TorchKernels().can
    assert can(job(layer))
    assert can(job(layer, torch.tensor([0, 0, 1, 0])))
    assert not can(job(layer, torch.tensor([0, 0, 0, 0])))
    assert not can(job(layer, resets=torch.zeros(4, 6, dtype=torch.bool)))
    assert not can(job(layer, noise={"keep": torch.ones(4, 6, 5)}))
    assert not can(Job(torch.zeros(0, 6, 3), layer.initial(0)))


@pytest.mark.parametrize("lengths", [[6, 4, 2, 1], [1, 6, 2, 4], [0, 6, 0, 3], [0, 0, 0, 1], [3, 3, 3, 3]], ids=str)
def test_lengths_in_any_order(layer: Recurrent, lengths: list[int]) -> None:
    given = job(layer, torch.tensor(lengths))
    y, end = TorchKernels().run(layer.cell, layer.wiring, layer.weights, given)
    close((y, end), Fold().run(layer.cell, layer.wiring, layer.weights, given))
    for row, length in enumerate(lengths):
        assert not y[row, length:].any()


def test_no_steps_at_all_fall_to_the_fold(layer: Recurrent) -> None:
    start = layer.cell.State(*(torch.randn_like(part).requires_grad_() for part in layer.initial(4)))
    y, end = layer(torch.randn(4, 6, 3), start, torch.zeros(4, dtype=torch.long))
    equal(end, start)
    assert y.shape[:2] == (4, 6)
    assert not y.any()
    end[0].sum().backward()
    equal(start[0].grad, torch.ones_like(start[0]))


def test_the_kernel_runs_where_it_can(layer: Recurrent, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[str] = Counter()
    for engine in (TorchKernels, Sweep):
        run = engine.run

        def counted(self: Any, *args: Any, run: Any = run) -> Any:
            calls[self.name] += 1
            return run(self, *args)

        monkeypatch.setattr(engine, "run", counted)
    x = torch.randn(4, 6, 3)
    layer(x)
    layer(x, lengths=torch.tensor([0, 6, 2, 2]))
    assert calls == {"torch": 2}
    layer(x, resets=torch.zeros(4, 6, dtype=torch.bool))
    assert calls == {"torch": 2, "sweep": 1}


@pytest.mark.parametrize("cell", [LSTM(), ProjectedLSTM()], ids=str)
def test_gradients_in_evaluation(cell: Cell) -> None:
    layer = Recurrent(cell, Dense(3, 5, projected_size=2), engine=TorchKernels()).eval()
    layer(torch.randn(4, 6, 3))[0].sum().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in layer.parameters())
