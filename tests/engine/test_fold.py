from typing import Any, NamedTuple, final

import pytest
import torch
from torch import Tensor

from recurra import state as states
from recurra.cells import Cell, Maps, Parts
from recurra.engine import Fold
from recurra.engine.engine import Job
from recurra.layers import Conv2d, Dense, Recurrent
from recurra.wirings import Wiring
from tests.engine.cells import OWN
from tests.laws.cases import Mixed
from tests.tolerance import close, equal


@final
class Count(Cell):
    """A cell that can be followed by hand: h grows by what comes in, and by `push`."""

    gates = ("x",)
    noise = ("push",)

    class State(NamedTuple):
        h: Tensor

    def step(self, x: Parts, s: State, m: Maps) -> tuple[Tensor, State]:
        h = s.h + x.x + m.push
        return 10 * h, self.State(h)


WEIGHTS = {"input_weight": torch.ones(1, 1), "input_bias": torch.zeros(1)}


def run(job: Job, wiring: Wiring = Dense(1, 1), weights: Any = WEIGHTS) -> tuple[list[list[float]], list[float]]:  # noqa: B008
    y, end = Fold().run(Count(), wiring, weights, job)
    return y.flatten(2)[..., 0].tolist(), end.h.flatten(1)[:, 0].tolist()


def job(**more: Any) -> Job:
    x = torch.tensor([[1.0, 2, 3, 4], [5, 6, 7, 8]])[..., None]
    quiet = {"push": torch.zeros(2, 4, 1)}
    return Job(x, Count.State(torch.tensor([[100.0], [200]])), **{"noise": quiet, **more})


def test_step_by_step() -> None:
    assert run(job()) == ([[1010, 1030, 1060, 1100], [2050, 2110, 2180, 2260]], [110, 226])


def test_lengths() -> None:
    assert run(job(lengths=torch.tensor([2, 0]))) == ([[1010, 1030, 0, 0], [0, 0, 0, 0]], [103, 200])


def test_resets() -> None:
    resets = torch.tensor([[True, False, False, False], [False, False, True, True]])
    assert run(job(resets=resets)) == ([[10, 30, 60, 100], [2050, 2110, 70, 80]], [10, 8])


def test_resets_behind_the_end() -> None:
    resets = torch.tensor([[False, True, True, True], [True, True, True, True]])
    assert run(job(resets=resets, lengths=torch.tensor([2, 0]))) == ([[1010, 20, 0, 0], [0, 0, 0, 0]], [2, 200])


def test_noise_comes_step_by_step() -> None:
    push = torch.arange(8.0).view(2, 4, 1)
    assert run(job(noise={"push": push})) == ([[1010, 1040, 1090, 1160], [2090, 2200, 2330, 2480]], [116, 248])


def test_images() -> None:
    x = torch.tensor([[1.0, 2], [3, 4]]).view(2, 2, 1, 1, 1).expand(2, 2, 1, 3, 4)
    start = Count.State(torch.zeros(2, 1, 3, 4))
    weights = {"input_weight": torch.ones(1, 1, 1, 1), "input_bias": torch.zeros(1)}
    push = {"push": torch.zeros(2, 2, 1, 1, 1)}
    got = run(Job(x, start, torch.tensor([2, 1]), noise=push), Conv2d(1, 1, 1), weights)
    assert got == ([[10, 30], [30, 0]], [3, 3])


def test_steps_yield_what_run_gives() -> None:
    torch.manual_seed(0)
    layer = Recurrent(Mixed(), Dense(3, 5))
    given = Job(torch.randn(4, 6, 3), layer.initial(4), torch.tensor([6, 2, 0, 3]))
    arguments = (layer.cell, layer.wiring, layer.weights, given)
    y, end = Fold().run(*arguments)
    outputs, after = zip(*Fold().steps(*arguments), strict=True)
    equal(torch.stack(outputs, dim=1), y)
    equal(after[-1], end)
    close(states.take(after[1], torch.tensor([1])), states.take(end, torch.tensor([1])))


@pytest.mark.parametrize("cell", OWN.values(), ids=str)
def test_whatever_a_cell_declares_is_run_stepped_and_differentiated(cell: Cell) -> None:
    torch.manual_seed(0)
    layer = Recurrent(cell, Dense(3, 5, projected_size=2), engine=Fold())
    x = torch.randn(4, 6, 3, requires_grad=True)
    start = states.map(lambda part: torch.randn_like(part).requires_grad_(), layer.initial(4))
    noise = {name: torch.rand(4, 6, 5) for name in cell.noise}
    y, end = layer(x, start, noise=noise)
    state = start
    for t in range(6):
        y_t, state = layer.step(x[:, t], state, noise={name: mask[:, t] for name, mask in noise.items()})
        close(y_t, y[:, t])
    close(state, end)
    (y.sum() + sum(part.sin().sum() for part in end)).backward()
    inputs = {"x": x, **states.named(start), **dict(layer.named_parameters())}
    gradients = {name: tensor.grad for name, tensor in inputs.items()}
    assert not [name for name, grad in gradients.items() if grad is None or not grad.isfinite().all() or not grad.any()]


def test_it_takes_and_can_everything() -> None:
    assert Fold().takes(Count(), Dense(1, 1))
    assert Fold().can(job(resets=torch.zeros(2, 4, dtype=torch.bool)))
