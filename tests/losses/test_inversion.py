import math
from fractions import Fraction

import pytest
import torch

from recurra.losses.inversion import gamma_quantile, negative_binomial_quantile, student_quantile

WHOLE = 10**9  # stands for no end


def t(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(
    ("freedom", "level", "wanted"),  # from printed tables
    [
        (3, 0.9, 1.637744),
        (3, 0.975, 3.182446),
        (3, 0.9995, 12.923979),
        (4, 0.95, 2.131847),
        (5, 0.75, 0.726687),
        (10, 0.995, 3.169273),
        (30, 0.025, -2.042272),
        (120, 0.9, 1.288646),
        (WHOLE, 0.975, 1.959964),
    ],
)
def test_printed_tables_of_student(freedom: int, level: float, wanted: float) -> None:
    assert float(student_quantile(t(freedom), level)[0]) == pytest.approx(wanted, abs=6e-7)


@pytest.mark.parametrize("level", [1e-6, 1e-4, 0.01, 0.3, 0.4999, 0.5, 0.6, 0.95, 0.999, 1 - 1e-6])
def test_student_with_two_and_four_degrees_has_closed_forms(level: float) -> None:
    share = 4 * level * (1 - level)
    two = (2 * level - 1) * math.sqrt(2 / share)
    four = math.copysign(2 * math.sqrt(math.cos(math.acos(math.sqrt(share)) / 3) / math.sqrt(share) - 1), level - 0.5)
    assert student_quantile(t(2, 4), level).tolist() == pytest.approx([two, four], rel=1e-7, abs=1e-7 * (level == 0.5))


def student_mass(x: float, freedom: float) -> float:
    """P(T < x) by a crude sum over a fine grid, x > 0."""
    grid = torch.linspace(0, x, 200_001, dtype=torch.float64)
    log = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    density = torch.exp(log - (freedom + 1) / 2 * torch.log1p(grid**2 / freedom))
    return 0.5 + float(torch.trapezoid(density, grid))


@pytest.mark.parametrize("freedom", [2.0001, 2.3, 3.7, 7.5, 29.9, 1234.5, 1e6])
@pytest.mark.parametrize("level", [0.55, 0.8, 0.95, 0.995])
def test_student_undoes_the_cumulated_density(freedom: float, level: float) -> None:
    assert student_mass(float(student_quantile(t(freedom), level)[0]), freedom) == pytest.approx(level, abs=1e-8)


def test_student_keeps_dtype_and_shape_and_is_odd() -> None:
    freedom = torch.rand(3, 1, 5, generator=torch.Generator().manual_seed(0)) * 50 + 2
    low, high = student_quantile(freedom, 0.1), student_quantile(freedom, 0.9)
    assert high.dtype == torch.float32
    assert high.shape == freedom.shape
    torch.testing.assert_close(low, -high)


@pytest.mark.parametrize("level", [1e-5, 0.05, 0.5, 0.9, 0.9999])
def test_gamma_undoes_the_incomplete_gamma_function(level: float) -> None:
    shape = torch.logspace(-1.5, 8, 60, dtype=torch.float64)
    x = gamma_quantile(shape, torch.full_like(shape, level))
    there = x > 1e-290  # below, float64 has no numbers left
    back = torch.special.gammainc(shape, x)
    torch.testing.assert_close(back[there], torch.full_like(back[there], level), rtol=1e-5, atol=1e-6)
    assert there[-40:].all()


def exact_counts(mean: float, dispersion: float, levels: list[float], most: int = 40_000) -> list[int]:
    """By adding logarithms of probabilities, over all counts."""
    size, odds = 1 / dispersion, mean * dispersion
    k = torch.arange(most, dtype=torch.float64)
    log = torch.lgamma(k + size) - math.lgamma(size) - torch.lgamma(k + 1) - (k + size) * math.log1p(odds) + k * math.log(odds)
    total = log.exp().cumsum(0)
    assert total[-1] > max(levels)
    return [int((total < level).sum()) for level in levels]


LEVELS = [0.005, 0.05, 0.1, 0.5, 0.8, 0.9, 0.95, 0.995]
CASES = [
    (mean, dispersion)
    for mean in (0.01, 0.7, 3.0, 25.0, 120.0, 260.0, 900.0, 5000.0)
    for dispersion in (1e-6, 1e-3, 0.05, 0.5, 1.0)
]


@pytest.mark.parametrize(("mean", "dispersion"), CASES)
def test_negative_binomial_counts(mean: float, dispersion: float) -> None:
    got = negative_binomial_quantile(t(mean), t(dispersion), t(*LEVELS))[0].tolist()
    for count, wanted in zip(got, exact_counts(mean, dispersion, LEVELS), strict=True):
        assert abs(count - wanted) <= (wanted >= 32), (got, wanted)


def test_geometric_counts_by_hand() -> None:
    p = Fraction(1, 3)  # dispersion 1 is the geometric distribution with p = 1 / (1 + mean)
    wanted = [next(k for k in range(500) if 1 - (1 - p) ** (k + 1) >= Fraction(level)) for level in LEVELS]
    assert negative_binomial_quantile(t(2.0), t(1.0), t(*LEVELS))[0].tolist() == wanted


def test_counts_of_many_shapes_never_cross() -> None:
    random = torch.Generator().manual_seed(0)
    mean, dispersion = (10 ** (6 * torch.rand(4, 50, generator=random, dtype=torch.float64) - low) for low in (1, 5))
    counts = negative_binomial_quantile(mean, dispersion, t(*LEVELS))
    assert counts.shape == (4, 50, len(LEVELS))
    assert (counts.diff(dim=-1) >= 0).all()
    assert (counts >= 0).all()
