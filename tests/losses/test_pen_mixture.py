import math
from typing import Any

import pytest
import torch
from torch import Tensor

from recurra.errors import ShapeError, UsageError
from recurra.losses.pen_mixture import DOWN, END, LIFTED, PenMixture


@pytest.fixture
def mixture() -> PenMixture:
    torch.manual_seed(0)
    return PenMixture(5, 3).double()


def reference(mixture: PenMixture, context: Tensor, move: Tensor) -> Tensor:
    """The density by torch's own Gaussians."""
    parts = mixture.parts(context)
    rho = parts.slope / (1 + parts.slope.square()).sqrt()
    wide, high = parts.wide.exp(), parts.high.exp()
    covariance = torch.stack([wide**2, rho * wide * high, rho * wide * high, high**2], -1).view(*wide.shape, 2, 2)
    means = torch.stack([parts.x, parts.y], -1)
    gaussians: Any = torch.distributions.MultivariateNormal(means, covariance)
    logs: Tensor = gaussians.log_prob(move[..., None, :])
    return -(parts.weight + logs).logsumexp(-1)


def test_against_the_gaussians_of_torch_with_gradients(mixture: PenMixture) -> None:
    context = torch.randn(50, 5, dtype=torch.float64, requires_grad=True)
    points = torch.cat([torch.randn(50, 2, dtype=torch.float64), torch.full((50, 1), float(DOWN))], -1)
    move, _ = mixture.nats(context, points)
    expected = reference(mixture, context, points[:, :2])
    assert torch.allclose(move, expected, atol=1e-10)
    ours, theirs = (torch.autograd.grad(each.sum(), context)[0] for each in (move, expected))
    assert torch.allclose(ours, theirs, atol=1e-9)


def test_the_density_is_one_in_all(mixture: PenMixture) -> None:
    side = torch.linspace(-12, 12, 481, dtype=torch.float64)
    places = torch.cartesian_prod(side, side)
    points = torch.cat([places, torch.zeros(len(places), 1)], -1)
    move, _ = mixture.nats(torch.zeros(len(points), 5, dtype=torch.float64), points)
    assert ((-move.detach()).exp().sum() * (side[1] - side[0]) ** 2).item() == pytest.approx(1, abs=1e-3)


def test_the_last_point_has_no_move(mixture: PenMixture) -> None:
    points = torch.tensor([[7.0, 9.0, END], [0.0, 0.0, END], [0.0, 0.0, LIFTED]]).double()
    move, pen = mixture.nats(torch.zeros(3, 5, dtype=torch.float64), points)
    assert move[:2].tolist() == [0, 0]
    assert move[2].item() != 0
    assert torch.equal(pen[0], pen[1])


def test_a_million_of_anything_is_finite() -> None:
    torch.manual_seed(1)
    mixture = PenMixture(4, 5)
    with torch.no_grad():
        mixture.told.weight.mul_(1000)
    context = torch.randn(1_000_000 // 20, 4) * 100
    context.requires_grad_()
    moves = torch.randn(len(context), 2) * torch.logspace(-6, 6, len(context))[:, None]
    points = torch.cat([moves, torch.randint(0, 3, (len(context), 1)).float()], -1)
    for _ in range(20):
        nats = mixture(context, points)
        assert bool(torch.isfinite(nats).all())
        [gradient] = torch.autograd.grad(nats.mean(), context)
        assert bool(torch.isfinite(gradient).all())
        points = points[torch.randperm(len(points))]
    assert bool(torch.isfinite(mixture.draw(context.detach())).all())


def test_draws_have_the_moments_of_the_density(mixture: PenMixture) -> None:
    context = torch.randn(1, 5, dtype=torch.float64)
    with torch.no_grad():
        parts = mixture.parts(context)
    weight = parts.weight.exp()[0]
    drawn = mixture.draw(context.expand(200_000, -1), torch.Generator().manual_seed(0))
    moves = drawn[drawn[:, 2] != END, :2]
    mean = torch.stack([(weight * parts.x[0]).sum(), (weight * parts.y[0]).sum()])
    assert torch.allclose(moves.mean(0), mean, atol=0.02)
    wide, high = parts.wide[0].exp(), parts.high[0].exp()
    rho = parts.slope[0] / (1 + parts.slope[0].square()).sqrt()
    product = (weight * (rho * wide * high + parts.x[0] * parts.y[0])).sum() - mean.prod()
    assert float(((moves - mean) ** 2).mean(0)[0]) == pytest.approx(
        ((weight * (wide**2 + parts.x[0] ** 2)).sum() - mean[0] ** 2).item(), rel=0.03
    )
    assert float((moves - mean).prod(1).mean()) == pytest.approx(product.item(), abs=0.03)
    often = torch.bincount(drawn[:, 2].long(), minlength=3) / len(drawn)
    assert torch.allclose(often.double(), parts.pen[0].softmax(-1), atol=0.01)


def test_bias_makes_a_tidier_hand(mixture: PenMixture) -> None:
    context = torch.randn(1, 5, dtype=torch.float64).expand(20_000, -1)
    spread = [mixture.draw(context, torch.Generator().manual_seed(0), bias)[:, 0].std().item() for bias in (0.0, 1.0, 3.0)]
    assert spread[0] > spread[1] > spread[2]


def test_shapes() -> None:
    with pytest.raises(ShapeError, match=r"points are \(2, 2\); wanted \(\.\.\., 3\)"):
        PenMixture(4)(torch.zeros(2, 4), torch.zeros(2, 2))
    with pytest.raises(UsageError, match="components is 0"):
        PenMixture(4, 0)
    assert math.isfinite(PenMixture(4)(torch.zeros(1, 4), torch.zeros(1, 3)).item())
