from typing import Literal

import pytest
import torch

from recurra.layers import GRU
from recurra.models import RollModel

Output = Literal["independent", "nade"]


@pytest.fixture(params=["independent", "nade"])
def model(request: pytest.FixtureRequest) -> RollModel:
    torch.manual_seed(0)
    output: Output = request.param
    return RollModel(6, GRU(6, 8), 8, output=output, nade_hidden=5).eval()


def x(rows: int = 3, steps: int = 7) -> torch.Tensor:
    return (torch.rand(rows, steps, 6, generator=torch.Generator().manual_seed(1)) < 0.4).float()


def test_steps_are_the_sequence(model: RollModel) -> None:
    every, end = model(x())
    state = model.initial(3)
    for t in range(7):
        h, state = model.step(x()[:, t], state)
        assert torch.allclose(h, every[:, t], atol=1e-5)
    stepper, state = model.stepper(), model.initial(3)
    for t in range(7):
        h, state = stepper(x()[:, t], state)
        assert torch.allclose(h, every[:, t], atol=1e-5)
    assert end[0].shape == state[0].shape if hasattr(end[0], "shape") else True


def test_all_patterns_together_are_certain(model: RollModel) -> None:
    every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 6)
    h = torch.randn(1, 8).expand(64, -1)
    assert (-model.nats(h, every)).exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_probabilities_say_what_nats_say(model: RollModel) -> None:
    h, y = torch.randn(10, 8), x(10, 1)[:, 0]
    p = model.probabilities(h, y)
    nats = -(y * p.log() + (1 - y) * (1 - p).log()).sum(-1)
    assert torch.allclose(nats, model.nats(h, y), atol=1e-4)


def test_draws(model: RollModel) -> None:
    h = torch.randn(1, 8).expand(5000, -1)
    drawn = model.draw(h, torch.Generator().manual_seed(0))
    assert set(drawn.flatten().tolist()) <= {0.0, 1.0}
    assert torch.equal(drawn, model.draw(h, torch.Generator().manual_seed(0)))
    cold = model.draw(h, temperature=0)
    assert bool((cold == cold[:1]).all())
    if model.output.__class__.__name__ == "Linear":
        assert torch.allclose(drawn.mean(0), model.probabilities(h[:1], cold[:1])[0], atol=0.03)
