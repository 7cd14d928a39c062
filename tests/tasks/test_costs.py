import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recurra.data import Symbols
from recurra.tasks import costs as measuring
from recurra.tasks import text
from recurra.tasks.costs import costs, pace, peak_bytes
from recurra.tasks.options import Text
from recurra.tasks.recipes import Setup
from recurra.train import Look, Loss

OPTIONS = Text(hidden=8, layers=2, embedding=4, window=8, batch=2, engine="fold", steps=4)
KB = 1024


def kilobytes(count: int) -> Tensor:
    return torch.empty(count * KB, dtype=torch.uint8)


class TestPeakBytes:
    def test_what_lives_at_one_time(self) -> None:
        def work() -> None:
            kept = [kilobytes(3)]
            for _ in range(5):
                kept[0] = kilobytes(3)  # the old one lives until the new one is there
            kept.append(kept[0][7:].view(-1)[::2])  # no memory of its own

        assert peak_bytes(work) == 6 * KB

    def test_what_was_there_before_is_not_counted(self) -> None:
        before = kilobytes(9)
        assert peak_bytes(lambda: before.view(3, -1).zero_()) == 0

    def test_a_way_back(self) -> None:
        x = torch.randn(KB, requires_grad=True)

        def work() -> None:
            (x.tanh() * 3).sum().backward()  # type: ignore[no-untyped-call]

        number = 4 * KB
        # tanh's value is kept; beside it first its product, then the gradients of both
        assert 3 * number <= peak_bytes(work) < 3 * number + 1000
        assert x.grad is not None


class TestCosts:
    def test_a_model(self, book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(measuring, "LENGTHS", (20, 40, 60))
        monkeypatch.setattr(measuring, "STEPPED", 0.01)
        setup = text.setup(OPTIONS, book)
        weights = {name: weight.clone() for name, weight in setup.model.state_dict().items()}
        told = costs(setup)
        assert told.parameters == sum(weight.numel() for weight in weights.values())
        assert told.how == "stepper"
        assert told.step is not None
        assert 0 < told.step < 0.1
        assert not told.without
        small, middle, large = told.memory.values()
        assert large - middle == pytest.approx(middle - small, rel=0.1)
        assert middle - small > 20 * 4 * (2 * 2 * 8 + len(Symbols.learn("character", book.read_text(), 300)))  # states, logits
        assert all(torch.equal(weight, weights[name]) for name, weight in setup.model.state_dict().items())
        assert all(weight.grad is None for weight in setup.model.parameters())

    def test_what_would_take_long_is_left_out(self, book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(measuring, "LENGTHS", (20, 10**9))
        monkeypatch.setattr(measuring, "STEPPED", 0.01)
        told = costs(text.setup(OPTIONS, book))
        assert set(told.memory) == {20}
        assert told.without["1000000000"].startswith("an update of 1,000,000,000 steps takes some ")

    def test_a_core_without_a_stepper_steps(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(measuring, "LENGTHS", (20,))
        monkeypatch.setattr(measuring, "STEPPED", 0.01)
        model = nn.ModuleList([Sums(), nn.Linear(3, 1)])
        update = lambda x, _: Loss(model[1](model[0](x)[0]).square().mean(), len(x))  # noqa: E731
        told = costs(Setup(model, update, [torch.randn(2, 5, 3)], 1, lambda: Look(0, {})))
        assert (told.how, told.parameters) == ("step", 4)
        assert 2 * 20 * 3 * 4 <= told.memory[20] < 8 * 20 * 3 * 4

    def test_nothing_recurs(self) -> None:
        model = nn.Linear(3, 1)
        told = costs(Setup(model, lambda x, _: Loss(model(x).mean(), 1), [torch.randn(2, 3)], 1, lambda: Look(0, {})))
        assert (told.parameters, told.step, told.memory) == (4, None, {})
        assert set(told.without.values()) == {"nothing in it recurs"}


class Sums(nn.Module):
    """A core of a few lines: what came so far, added up."""

    def initial(self, batch: int, *extent: int) -> Any:
        return torch.zeros(batch, 3)

    def forward(self, x: Tensor, state: Any = None, lengths: Any = None, resets: Any = None) -> tuple[Tensor, Any]:
        y = x.cumsum(1)
        return y, y[:, -1]

    sequence = forward

    def step(self, x: Tensor, state: Any, memory: Any = None) -> tuple[Tensor, Any]:
        return state + x, state + x


def slow(seconds: float) -> Setup:
    model = nn.Linear(1, 1)

    def update(x: Tensor, _: Any) -> Loss:
        time.sleep(seconds)
        return Loss(model(x).square().mean(), 1)

    return Setup(model, update, Same(), 1, lambda: pytest.fail("looked"))


class Same:
    def __getitem__(self, step: int) -> Tensor:
        return torch.ones(1, 1)


class TestPace:
    def test_seconds_of_an_update(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(measuring, "SHORTEST", 0.1)
        assert 0.01 <= pace(OPTIONS, slow(0.01), 1.0) < 0.1

    def test_a_budget_below_one_update(self) -> None:
        begun = time.monotonic()
        assert pace(OPTIONS, slow(0.3), 0.1) >= 0.3
        assert time.monotonic() - begun < 3
