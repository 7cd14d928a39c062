import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recurra.errors import ShapeError, UsageError
from recurra.losses import (
    LIKELIHOODS,
    Absolute,
    Gaussian,
    Likelihood,
    NegativeBinomial,
    Quantiles,
    Squared,
    StudentT,
    likelihood,
)
from tests.tolerance import close

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
ALL = [likelihood(name, LEVELS) for name in LIKELIHOODS]
BANDED = [one for one in ALL if not isinstance(one, Squared | Absolute)]
AFFINE = [one for one in ALL if not isinstance(one, NegativeBinomial)]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def made(one: Likelihood, *shape: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """raw, y, centre, spread with normal raw numbers and counts for y."""
    raw = torch.randn(*shape, one.parameters, generator=seeded(), dtype=dtype)
    y = torch.randint(0, 30, shape, generator=seeded(1)).to(dtype)
    centre = torch.randn(shape[0], *[1] * (len(shape) - 1), generator=seeded(2), dtype=dtype)
    return raw, y, centre, centre.exp()


def torch_says(one: Likelihood, raw: Tensor, spread: Tensor) -> Any:
    soft = [torch.nn.functional.softplus(part) + 1e-4 for part in raw.unbind(-1)]
    match one:
        case Gaussian():
            return torch.distributions.Normal(raw[..., 0], soft[1])
        case StudentT():
            return torch.distributions.StudentT(2 + soft[2], raw[..., 0], soft[1])
        case NegativeBinomial():
            odds = soft[0] * spread * soft[1] / spread.sqrt()
            return torch.distributions.NegativeBinomial(spread.sqrt() / soft[1], probs=odds / (1 + odds))
    raise AssertionError(one)


@pytest.mark.parametrize("one", [Gaussian(), StudentT(), NegativeBinomial()], ids=str)
def test_densities_are_those_of_torch(one: Likelihood) -> None:
    raw, y, centre, spread = made(one, 4, 5, 3)
    at = y if isinstance(one, NegativeBinomial) else (y - centre) / spread
    close(one.loss(raw, y, centre, spread), -torch_says(one, raw, spread).log_prob(at))


def test_point_losses_by_hand() -> None:
    raw, y, centre, spread = torch.tensor([[3.0]]), torch.tensor([14.0]), torch.tensor([10.0]), torch.tensor([2.0])
    close(Squared().loss(raw, y, centre, spread), torch.tensor([1.0]))
    close(Absolute().loss(raw, y, centre, spread), torch.tensor([1.0]))
    close(Squared().mean(raw, centre, spread), torch.tensor([16.0]))
    pinball = Quantiles((0.1, 0.5)).loss(torch.tensor([[1.0, 4.0]]), y, centre, spread)  # normalised truth 2
    close(pinball, torch.tensor([0.1 * 1 + 0.5 * 2]))


@pytest.mark.parametrize("one", BANDED, ids=str)
def test_samples_fall_between_the_quantiles_as_often_as_these_say(one: Likelihood) -> None:
    raw, _, centre, spread = made(one, 1)
    many = 20_000
    drawn = one.sample(raw.expand(many, -1), centre, 50 * spread, seeded())
    assert drawn.shape == (many,)
    for level, quantile in zip(LEVELS, one.quantiles(raw, centre, 50 * spread, LEVELS)[0], strict=True):
        below, up_to = (float(part.double().mean()) for part in (drawn < quantile, drawn <= quantile))
        assert below - 0.015 <= level <= up_to + 0.015


@pytest.mark.parametrize("one", BANDED, ids=str)
def test_samples_follow_the_generator(one: Likelihood) -> None:
    raw, _, centre, spread = made(one, 50)
    first, again, other = (one.sample(raw, centre, spread, seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("one", [Gaussian(), StudentT(), NegativeBinomial()], ids=str)
def test_the_mean_of_samples_is_the_mean(one: Likelihood) -> None:
    raw, _, centre, spread = made(one, 1)
    raw[..., -1] = 4.0 if isinstance(one, StudentT) else raw[..., -1]  # else its variance is near infinite
    drawn = one.sample(raw.expand(40_000, -1), centre, spread, seeded())
    assert float(drawn.mean()) == pytest.approx(float(one.mean(raw, centre, spread)), abs=4 * float(drawn.std()) / 200)


@pytest.mark.parametrize("one", BANDED, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_quantiles_never_cross(one: Likelihood, dtype: torch.dtype) -> None:
    raw, _, centre, spread = made(one, 6, 4, 3, dtype=dtype)
    levels = tuple(k / 40 for k in range(2, 39))
    for factor in (1, 30, 1000):
        quantiles = one.quantiles(factor * raw, centre, spread, levels)
        assert quantiles.shape == (6, 4, 3, 37)
        assert quantiles.dtype == dtype
        assert (quantiles.diff(dim=-1) >= 0).all()


@pytest.mark.parametrize("one", AFFINE, ids=str)
def test_the_scale_of_the_data_does_not_matter(one: Likelihood) -> None:
    raw, y, centre, spread = made(one, 4, 3)
    close(one.loss(raw, 1000 * y + 7, 1000 * centre + 7, 1000 * spread), one.loss(raw, y, centre, spread))
    close(one.mean(raw, 1000 * centre + 7, 1000 * spread), 1000 * one.mean(raw, centre, spread) + 7)


EXTREMES = [0.0, 30.0, -30.0, 200.0, -200.0, 1e4, -1e4, 1e8, -1e8]


@pytest.mark.parametrize("one", ALL, ids=str)
@pytest.mark.parametrize("y", [0.0, 1.0, 1e6])
def test_losses_and_gradients_are_finite_at_extreme_numbers(one: Likelihood, y: float) -> None:
    values = torch.tensor(EXTREMES)
    raw = torch.cartesian_prod(*[values] * min(one.parameters, 3)).reshape(-1, min(one.parameters, 3))
    raw = torch.cat([raw, raw[:, :1].expand(-1, one.parameters - raw.shape[1])], 1).requires_grad_()
    loss = one.loss(raw, torch.tensor(y), torch.tensor(0.0), torch.tensor(3.0))
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss).all()
    [gradient] = torch.autograd.grad(loss.sum(), raw)
    assert torch.isfinite(gradient).all()
    if not isinstance(one, Squared | Absolute):
        assert torch.isfinite(one.quantiles(raw.detach(), torch.tensor(0.0), torch.tensor(3.0), LEVELS)).all()


@pytest.mark.parametrize("one", ALL, ids=str)
def test_float32_keeps_its_digits(one: Likelihood) -> None:
    raw, y, centre, spread = made(one, 300)
    raw = torch.cat([raw, 8 * raw], 0)
    y, centre, spread = (part.repeat(2) for part in (y, centre, 20 * spread))
    exact = one.loss(raw.float().double(), y, centre, spread)
    short = one.loss(raw.float(), y, centre, spread)
    torch.testing.assert_close(short.double(), exact, rtol=3e-5, atol=1e-5)


def test_student_with_many_degrees_is_normal_also_in_float32() -> None:
    one, zero = torch.ones(1), torch.zeros(1)
    for freedom in (1e3, 1e5, 1e7, 1e20, 1e37):
        raw = torch.tensor([[0.3, 0.0, freedom]])
        assert float(StudentT().loss(raw, one, zero, one)) == pytest.approx(
            float(Gaussian().loss(raw[:, :2], one, zero, one)), abs=2 / freedom + 1e-6
        )


@pytest.mark.parametrize("one", ALL, ids=str)
def test_half_precision_is_raised(one: Likelihood) -> None:
    raw, y, centre, spread = made(one, 7, dtype=torch.float32)
    close(one.loss(raw.bfloat16(), y, centre, spread), one.loss(raw.bfloat16().float(), y, centre, spread))
    assert one.mean(raw.bfloat16(), centre, spread).dtype == torch.float32


@pytest.mark.parametrize("one", ALL, ids=str)
def test_the_loss_is_least_where_the_truth_comes_from(one: Likelihood) -> None:
    """Gradient descent on many draws of a known distribution finds its centre."""
    counts = isinstance(one, NegativeBinomial)
    truth = torch.poisson(torch.full((4000,), 6.0), generator=seeded()) if counts else torch.randn(4000, generator=seeded()) + 2
    raw = torch.zeros(one.parameters, requires_grad=True)
    zero, spread = torch.tensor(0.0), torch.tensor(4.0 if counts else 1.0)
    descent = torch.optim.Adam([raw], lr=0.05)
    for _ in range(300):
        descent.zero_grad()
        one.loss(raw.expand(4000, -1), truth, zero, spread).mean().backward()  # type: ignore[no-untyped-call]
        descent.step()
    wanted = 6.0 if counts else 2.0
    assert float(one.mean(raw.detach(), zero, spread)) == pytest.approx(wanted, abs=0.1)
    if one in BANDED:
        low, high = one.quantiles(raw.detach(), zero, spread, (0.05, 0.95)).tolist()
        assert (low, high) == pytest.approx((2, 10) if counts else (2 - 1.645, 2 + 1.645), abs=1 if counts else 0.12)


@given(st.lists(st.floats(-100, 100), min_size=5, max_size=5), st.floats(-100, 100))
def test_sorting_never_costs(numbers: list[float], y: float) -> None:
    one, zero = torch.tensor(1.0, dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64)
    raw = torch.tensor(numbers, dtype=torch.float64)
    loss = Quantiles(LEVELS).loss
    assert loss(raw.sort().values, y * one, zero, one) <= loss(raw, y * one, zero, one) + 1e-9


def test_quantiles_between_and_beyond_the_learnt() -> None:
    raw, zero, one = torch.tensor([1.0, 2.0, 4.0]), torch.tensor(0.0), torch.tensor(1.0)
    learnt = Quantiles((0.2, 0.4, 0.8))
    close(learnt.quantiles(raw, zero, one, (0.2, 0.3, 0.4, 0.5, 0.8)), torch.tensor([1.0, 1.5, 2.0, 2.5, 4.0]))
    close(learnt.mean(raw, zero, one), torch.tensor(2.5))
    with pytest.raises(UsageError, match=r"levels 0\.1 0\.5 go beyond those learnt, 0\.2 0\.4 0\.8"):
        learnt.quantiles(raw, zero, one, (0.1, 0.5))
    drawn = learnt.sample(raw.expand(50_000, 3), zero, one, seeded())
    assert torch.isfinite(drawn).all()
    tail = 2 / math.log(3)  # the slope between 0.4 and 0.8, in logarithms of what lies above
    assert float((drawn > 4 + tail).double().mean()) == pytest.approx(0.2 / math.e, abs=0.005)


def test_what_is_refused() -> None:
    zero, one = torch.tensor(0.0), torch.tensor(1.0)
    for point in (Squared(), Absolute()):
        with pytest.raises(UsageError, match="has neither quantiles nor samples"):
            point.quantiles(torch.zeros(1), zero, one, (0.5,))
        with pytest.raises(UsageError, match="has neither quantiles nor samples"):
            point.sample(torch.zeros(1), zero, one, seeded())
    for levels in ((0.5,), (0.6, 0.9), (0.9, 0.1), (0.1, 0.1, 0.9), (0.0, 0.5), (0.5, 1.0), ()):
        with pytest.raises(UsageError, match="levels are"):
            likelihood("quantile", levels)
    with pytest.raises(UsageError, match=r"levels are 1\.5; wanted"):
        Gaussian().quantiles(torch.zeros(2), zero, one, (1.5,))
    with pytest.raises(ShapeError, match=r"raw is \(4, 3\); wanted \(\.\.\., 2\)"):
        Gaussian().mean(torch.zeros(4, 3), zero, one)
    with pytest.raises(UsageError, match="did you mean student"):
        likelihood("studnet", ())


def test_they_are_values() -> None:
    assert likelihood("quantile", [0.1, 0.9]) == Quantiles((0.1, 0.9)) != Quantiles((0.2, 0.9))
    assert Gaussian() == Gaussian()
