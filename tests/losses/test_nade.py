import pytest
import torch
from torch import Tensor

from recurra.errors import ShapeError, UsageError
from recurra.losses import NADE

UNITS = 5
EVERY = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * UNITS)


@pytest.fixture
def nade() -> NADE:
    torch.manual_seed(0)
    return NADE(UNITS, 4, 6).double()


def brute(nade: NADE, context: Tensor, x: Tensor) -> Tensor:
    """The sum, unit by unit, as the equation says."""
    visible, hidden = nade._biases(context)
    nats = torch.zeros((), dtype=torch.float64)
    for i in range(UNITS):
        p = torch.sigmoid(visible[i] + nade.decode[i] @ torch.sigmoid(hidden))
        nats = nats - torch.log(p if x[i] else 1 - p)
        hidden = hidden + x[i] * nade.encode[i]
    return nats


def test_all_patterns_together_are_certain(nade: NADE) -> None:
    context = torch.randn(4, dtype=torch.float64)
    nats = nade(context.expand(len(EVERY), -1), EVERY.double())
    assert float((-nats.detach()).exp().sum()) == pytest.approx(1, abs=1e-12)


def test_against_the_equation_with_gradients(nade: NADE) -> None:
    context = torch.randn(len(EVERY), 4, dtype=torch.float64, requires_grad=True)
    fast = nade(context, EVERY.double())
    slow = torch.stack([brute(nade, c, x) for c, x in zip(context, EVERY.double(), strict=True)])
    assert torch.allclose(fast, slow, atol=1e-12)
    leaves = [context, *nade.parameters()]
    for one, other in zip(torch.autograd.grad(fast.sum(), leaves), torch.autograd.grad(slow.sum(), leaves), strict=True):
        assert torch.allclose(one, other, atol=1e-12)


def test_leading_sizes(nade: NADE) -> None:
    context, x = torch.randn(2, 3, 4, dtype=torch.float64), EVERY[:6].double().view(2, 3, UNITS)
    nats = nade(context, x)
    assert nats.shape == (2, 3)
    assert torch.allclose(nats[1, 2], nade(context[1, 2][None], x[1, 2][None])[0])


def test_silence_alone(nade: NADE) -> None:
    assert bool(torch.isfinite(nade(torch.zeros(3, 4).double(), torch.zeros(3, UNITS).double())).all())


def test_draws_are_as_often_as_they_are_probable(nade: NADE) -> None:
    context = torch.randn(4, dtype=torch.float64)
    probable = (-nade(context.expand(len(EVERY), -1), EVERY.double()).detach()).exp()
    drawn = nade.sample(context.expand(40_000, -1), torch.Generator().manual_seed(0))
    number = (drawn @ (2.0 ** torch.arange(UNITS - 1, -1, -1, dtype=torch.float64))).long()
    often = torch.bincount(number, minlength=len(EVERY)) / len(drawn)
    assert float((often - probable).abs().max()) < 0.012


def test_without_chance_each_unit_takes_what_is_more_probable(nade: NADE) -> None:
    context = torch.randn(8, 4, dtype=torch.float64)
    drawn = nade.sample(context, temperature=0)
    assert torch.equal(drawn, (nade.logits(context, drawn) > 0).double())
    cold = nade.sample(context, torch.Generator().manual_seed(0), temperature=1e-6)
    assert torch.equal(cold, drawn)


def test_shapes() -> None:
    with pytest.raises(ShapeError, match=r"x is \(2, 4\); wanted \(\.\.\., 5\)"):
        NADE(5, 3, 4)(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(UsageError, match="hidden_size is 0"):
        NADE(5, 3, 0)
