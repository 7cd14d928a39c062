"""What a forecast says of a number, and what saying it costs: point losses, quantiles, distributions."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Protocol, final

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from recurra.errors import ShapeError, UsageError, near_miss
from recurra.losses.inversion import negative_binomial_quantile, normal_quantile, student_quantile

__all__ = [
    "LIKELIHOODS",
    "Absolute",
    "Gaussian",
    "Likelihood",
    "NegativeBinomial",
    "Quantiles",
    "Squared",
    "StudentT",
    "likelihood",
]

FLOOR = 1e-4  # of scales, in units of the spread: no density grows without bound
LOG_TAU = math.log(2 * math.pi) / 2


class Likelihood(Protocol):
    r"""What a network's raw numbers mean, and how they are held against the truth.

    A forecast number is :math:`c + s u`: centre :math:`c` and spread :math:`s` undo the scaling of a series or of a window, and
    :math:`u` is what the distribution is of.

    Shapes: raw (..., N); y, centre and spread are broadcast to (...). Half precision is raised to float32.
    """

    @property
    def parameters(self) -> int:
        """N, the numbers that a network gives for each number it forecasts."""

    def loss(self, raw: Tensor, y: Tensor, centre: Tensor, spread: Tensor) -> Tensor:
        """(...), not reduced; a density is that of (y - centre) / spread: add ``log(spread)`` for that of y."""

    def mean(self, raw: Tensor, centre: Tensor, spread: Tensor) -> Tensor:
        """(...): the point forecast; the median where the loss asks for it."""

    def quantiles(self, raw: Tensor, centre: Tensor, spread: Tensor, levels: Sequence[float]) -> Tensor:
        """(..., Q), never crossing, for Q ascending levels; UsageError where the loss knows of none."""

    def sample(self, raw: Tensor, centre: Tensor, spread: Tensor, generator: Generator) -> Tensor:
        """(...): one draw of each number, independently."""


@final
@dataclass(frozen=True)
class Squared(Likelihood):
    """Squared error :math:`(u - y')^2` of the normalised truth :math:`y'`; the point forecast is the mean, and no band.

    Example:
        >>> one, zero = torch.ones(1), torch.zeros(1)
        >>> Squared().loss(torch.tensor([[3.0]]), one, zero, one)
        tensor([4.])
    """

    parameters: ClassVar[int] = 1

    def loss(self, raw: Tensor, y: Tensor, centre: Tensor, spread: Tensor) -> Tensor:
        [unit] = _parts(raw, 1)
        return (unit - _normalised(y, centre, spread, unit)) ** 2

    def mean(self, raw: Tensor, centre: Tensor, spread: Tensor) -> Tensor:
        return centre + spread * _parts(raw, 1)[0]

    def quantiles(self, raw: Tensor, centre: Tensor, spread: Tensor, levels: Sequence[float]) -> Tensor:
        raise _point("squared")

    def sample(self, raw: Tensor, centre: Tensor, spread: Tensor, generator: Generator) -> Tensor:
        raise _point("squared")


@final
@dataclass(frozen=True)
class Absolute(Likelihood):
    """Absolute error :math:`|u - y'|`; the point forecast is the median, and no band.

    Example:
        >>> one, zero = torch.ones(1), torch.zeros(1)
        >>> Absolute().loss(torch.tensor([[3.0]]), one, zero, one)
        tensor([2.])
    """

    parameters: ClassVar[int] = 1

    def loss(self, raw: Tensor, y: Tensor, centre: Tensor, spread: Tensor) -> Tensor:
        [unit] = _parts(raw, 1)
        return (unit - _normalised(y, centre, spread, unit)).abs()

    def mean(self, raw: Tensor, centre: Tensor, spread: Tensor) -> Tensor:
        return centre + spread * _parts(raw, 1)[0]

    def quantiles(self, raw: Tensor, centre: Tensor, spread: Tensor, levels: Sequence[float]) -> Tensor:
        raise _point("absolute")

    def sample(self, raw: Tensor, centre: Tensor, spread: Tensor, generator: Generator) -> Tensor:
        raise _point("absolute")


@final
@dataclass(frozen=True)
class Quantiles(Likelihood):
    r"""Pinball loss at several levels (Koenker & Bassett 1978), in units of the absolute error.

    .. math:: \frac{2}{Q} \sum_q \max\big(\tau_q (y' - u_q),\; (\tau_q - 1)(y' - u_q)\big)

    What is read are the sorted numbers, which never cross and never cost more (Chernozhukov et al. 2010); between two levels
    a straight line. Beyond the outermost levels only samples go, along exponential tails. The point forecast is the median.

    Args:
        levels: ascending, between 0 and 1, on both sides of 0.5.

    Example:
        >>> raw = torch.tensor([[2.0, 1.0, 4.0]])  # crossed
        >>> Quantiles((0.1, 0.5, 0.9)).quantiles(raw, torch.zeros(1), torch.ones(1), (0.1, 0.3, 0.9))
        tensor([[1.0000, 1.5000, 4.0000]])
    """

    levels: tuple[float, ...] = (0.1, 0.5, 0.9)

    def __post_init__(self) -> None:
        _ascending(self.levels)
        if len(self.levels) < 2 or not self.levels[0] <= 0.5 <= self.levels[-1]:
            raise UsageError(f"levels are {_listed(self.levels)}; wanted at least two, on both sides of 0.5")

    @property
    def parameters(self) -> int:
        """One number for each level."""
        return len(self.levels)

    def loss(self, raw: Tensor, y: Tensor, centre: Tensor, spread: Tensor) -> Tensor:
        units = torch.stack(_parts(raw, self.parameters), -1)
        missed = _normalised(y, centre, spread, units)[..., None] - units
        levels = units.new_tensor(self.levels)
        return 2 * torch.maximum(levels * missed, (levels - 1) * missed).mean(-1)

    def mean(self, raw: Tensor, centre: Tensor, spread: Tensor) -> Tensor:
        return self.quantiles(raw, centre, spread, (0.5,))[..., 0]

    def quantiles(self, raw: Tensor, centre: Tensor, spread: Tensor, levels: Sequence[float]) -> Tensor:
        _ascending(levels)
        if levels[0] < self.levels[0] or levels[-1] > self.levels[-1]:
            beyond = f"levels {_listed(levels)} go beyond those learnt, {_listed(self.levels)}"
            raise UsageError(f"{beyond}; wanted levels between, or train with these")
        units = self._at(raw, raw.new_tensor(levels, dtype=_precise(raw)).expand(*raw.shape[:-1], len(levels)))
        return centre[..., None] + spread[..., None] * units

    def sample(self, raw: Tensor, centre: Tensor, spread: Tensor, generator: Generator) -> Tensor:
        chance = torch.rand(*raw.shape[:-1], 1, dtype=_precise(raw), device=raw.device, generator=generator)
        smallest = torch.finfo(chance.dtype).eps
        return centre + spread * self._at(raw, chance.clamp(smallest, 1 - smallest))[..., 0]

    def _at(self, raw: Tensor, levels: Tensor) -> Tensor:
        """(..., N), (..., Q) -> (..., Q)."""
        units = torch.stack(_parts(raw, self.parameters), -1).sort(-1).values
        learnt = units.new_tensor(self.levels)
        place = torch.searchsorted(learnt, levels.contiguous()).clamp(1, len(learnt) - 1)
        lower, upper = units.gather(-1, place - 1), units.gather(-1, place)
        below, above = learnt[place - 1], learnt[place]
        gap = upper - lower
        between = torch.minimum(lower + gap * ((levels - below) / (above - below)).clamp(0, 1), upper)
        over = (torch.log1p(-above) - torch.log1p(-levels)).clamp(min=0) / (torch.log1p(-below) - torch.log1p(-above))
        under = (below.log() - levels.log()).clamp(min=0) / (above.log() - below.log())
        return between + gap * (over - under)


@final
@dataclass(frozen=True)
class Gaussian(Likelihood):
    r"""Normal distribution: :math:`u \sim N(a, \sigma^2)`, raw = :math:`(a, \ln(e^{\sigma - \epsilon} - 1))`.

    .. math:: \tfrac12 \big((y' - a) / \sigma\big)^2 + \ln \sigma + \tfrac12 \ln 2 \pi

    Example:
        >>> raw, one, zero = torch.zeros(1, 2), torch.ones(1), torch.zeros(1)
        >>> Gaussian().quantiles(raw, 10 * one, 2 * one, (0.5, 0.9))
        tensor([[10.0000, 11.7769]])
    """

    parameters: ClassVar[int] = 2

    def loss(self, raw: Tensor, y: Tensor, centre: Tensor, spread: Tensor) -> Tensor:
        place, scale = _parts(raw, 2)
        scale = _positive(scale)
        return ((_normalised(y, centre, spread, place) - place) / scale) ** 2 / 2 + scale.log() + LOG_TAU

    def mean(self, raw: Tensor, centre: Tensor, spread: Tensor) -> Tensor:
        return centre + spread * _parts(raw, 2)[0]

    def quantiles(self, raw: Tensor, centre: Tensor, spread: Tensor, levels: Sequence[float]) -> Tensor:
        _ascending(levels)
        place, scale = _parts(raw, 2)
        z = place.new_tensor([normal_quantile(level) for level in levels])
        return centre[..., None] + spread[..., None] * (place[..., None] + _positive(scale)[..., None] * z)

    def sample(self, raw: Tensor, centre: Tensor, spread: Tensor, generator: Generator) -> Tensor:
        place, scale = _parts(raw, 2)
        return centre + spread * (place + _positive(scale) * _normal(place, generator))


@final
@dataclass(frozen=True)
class StudentT(Likelihood):
    r"""Student's t with its degrees of freedom learnt, :math:`\nu > 2`: rare large errors cost little.

    .. math::
        u = a + \sigma t_\nu \qquad
        \tfrac{\nu + 1}{2} \ln\Big(1 + \frac{(y' - a)^2}{\nu \sigma^2}\Big) + \ln \sigma + \tfrac12 \ln \pi \nu
        + \ln \Gamma(\tfrac\nu2) - \ln \Gamma(\tfrac{\nu + 1}2)

    raw = (:math:`a`, and what softplus makes :math:`\sigma` and :math:`\nu - 2` of).

    Example:
        >>> raw, one, zero = torch.tensor([[0.0, 0.5413, 1e6]]), torch.ones(1), torch.zeros(1)  # almost the normal distribution
        >>> StudentT().loss(raw, one, zero, one)
        tensor([1.4189])
    """

    parameters: ClassVar[int] = 3

    def loss(self, raw: Tensor, y: Tensor, centre: Tensor, spread: Tensor) -> Tensor:
        place, scale, freedom = self._read(raw)
        t = (_normalised(y, centre, spread, place) - place) / scale
        return (freedom + 1) / 2 * torch.log1p(t * t / freedom) + scale.log() + LOG_TAU - _log_gammas(freedom / 2)

    def mean(self, raw: Tensor, centre: Tensor, spread: Tensor) -> Tensor:
        return centre + spread * _parts(raw, 3)[0]

    def quantiles(self, raw: Tensor, centre: Tensor, spread: Tensor, levels: Sequence[float]) -> Tensor:
        _ascending(levels)
        place, scale, freedom = self._read(raw)
        t = torch.stack([student_quantile(freedom, level) for level in levels], -1)
        return centre[..., None] + spread[..., None] * (place[..., None] + scale[..., None] * t)

    def sample(self, raw: Tensor, centre: Tensor, spread: Tensor, generator: Generator) -> Tensor:
        place, scale, freedom = self._read(raw)
        chi = torch._standard_gamma(freedom / 2, generator=generator) / (freedom / 2)
        return centre + spread * (place + scale * _normal(place, generator) / chi.clamp(min=torch.finfo(chi.dtype).tiny).sqrt())

    def _read(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        place, scale, freedom = _parts(raw, 3)
        return place, _positive(scale), 2 + _positive(freedom)


@final
@dataclass(frozen=True)
class NegativeBinomial(Likelihood):
    r"""Counts y = 0, 1, 2 ... with mean :math:`\mu` and variance :math:`\mu + \alpha \mu^2`.

    .. math::
        -\ln \Gamma(y + r) + \ln \Gamma(r) + \ln \Gamma(y + 1) + (y + r) \ln(1 + \alpha \mu) - y \ln(\alpha \mu) \qquad
        r = 1 / \alpha \quad \mu = s \, \mathrm{softplus}(x_0) \quad \alpha = \mathrm{softplus}(x_1) / \sqrt{s}

    It stands on the scale of the data, which must be counts: of the affine map only the spread :math:`s` is used. Worked out
    in float64, since the logarithms of large factorials leave float32 no digits. Source: DeepAR, Salinas et al. 2017,
    arXiv:1704.04110.

    Example:
        >>> raw, one, zero = torch.tensor([[0.0, -4.0]]), torch.ones(1), torch.zeros(1)
        >>> NegativeBinomial().quantiles(raw, zero, 10 * one, (0.1, 0.5, 0.9))
        tensor([[ 4.,  7., 10.]])
    """

    parameters: ClassVar[int] = 2

    def loss(self, raw: Tensor, y: Tensor, centre: Tensor, spread: Tensor) -> Tensor:
        mean, dispersion = self._read(raw, spread)
        y, size, odds = y.double(), 1 / dispersion, mean * dispersion
        ways = torch.lgamma(y + size) - torch.lgamma(size) - torch.lgamma(y + 1)
        return ((y + size) * odds.log1p() - y * odds.log() - ways).to(_precise(raw))

    def mean(self, raw: Tensor, centre: Tensor, spread: Tensor) -> Tensor:
        return self._read(raw, spread)[0].to(_precise(raw))

    def quantiles(self, raw: Tensor, centre: Tensor, spread: Tensor, levels: Sequence[float]) -> Tensor:
        _ascending(levels)
        mean, dispersion = self._read(raw, spread)
        return negative_binomial_quantile(mean, dispersion, mean.new_tensor(levels)).to(_precise(raw))

    def sample(self, raw: Tensor, centre: Tensor, spread: Tensor, generator: Generator) -> Tensor:
        mean, dispersion = self._read(raw, spread)
        rate = torch._standard_gamma(1 / dispersion, generator=generator) * dispersion * mean
        return torch.poisson(rate, generator=generator).to(_precise(raw))

    def _read(self, raw: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
        mean, dispersion = (_positive(part.double()) for part in _parts(raw, 2))
        return spread.double() * mean, dispersion / spread.double().sqrt()


LIKELIHOODS: dict[str, Callable[[Sequence[float]], Likelihood]] = {
    "absolute": lambda _: Absolute(),
    "gaussian": lambda _: Gaussian(),
    "negative-binomial": lambda _: NegativeBinomial(),
    "quantile": lambda levels: Quantiles(tuple(levels)),
    "squared": lambda _: Squared(),
    "student": lambda _: StudentT(),
}
"""Every loss of forecasts by its name, made from the levels to learn."""


def likelihood(name: str, levels: Sequence[float]) -> Likelihood:
    """The loss of that name; `levels` are those that ``quantile`` learns.

    Example:
        >>> likelihood("student", ()).parameters, likelihood("quantile", (0.05, 0.5, 0.95)).parameters
        (3, 3)
    """
    if name not in LIKELIHOODS:
        raise UsageError(f"loss {name!r} is not known; {near_miss(name, LIKELIHOODS)}")
    return LIKELIHOODS[name](levels)


def _precise(raw: Tensor) -> torch.dtype:
    return torch.promote_types(raw.dtype, torch.float32)


def _parts(raw: Tensor, count: int) -> tuple[Tensor, ...]:
    if raw.shape[-1:] != (count,):
        raise ShapeError(f"raw is {tuple(raw.shape)}; wanted (..., {count})")
    return raw.to(_precise(raw)).unbind(-1)


def _normalised(y: Tensor, centre: Tensor, spread: Tensor, like: Tensor) -> Tensor:
    return ((y - centre) / spread).to(like.dtype)


def _positive(raw: Tensor) -> Tensor:
    return F.softplus(raw) + FLOOR


def _normal(like: Tensor, generator: Generator) -> Tensor:
    return torch.randn(like.shape, dtype=like.dtype, device=like.device, generator=generator)


def _log_gammas(x: Tensor) -> Tensor:
    r""":math:`\ln \Gamma(x + \frac12) - \ln \Gamma(x) - \frac12 \ln x`, by its series where the three would cancel."""
    near, far = x.clamp(max=8.0), 1 / x.clamp(min=8.0)
    exact = torch.lgamma(near + 0.5) - torch.lgamma(near) - near.log() / 2
    square = far * far
    return torch.where(x < 8.0, exact, far * (-1 / 8 + square * (1 / 192 - square / 640)))


def _ascending(levels: Sequence[float]) -> None:
    if not levels or not all(0 < level < 1 for level in levels) or any(a >= b for a, b in pairwise(levels)):
        raise UsageError(f"levels are {_listed(levels)}; wanted them ascending, between 0 and 1")


def _listed(levels: Sequence[float]) -> str:
    return " ".join(f"{level:g}" for level in levels) or "none"


def _point(name: str) -> UsageError:
    others = [other for other in LIKELIHOODS if other not in {"absolute", "squared"}]
    return UsageError(f"the loss {name} has neither quantiles nor samples; choose from {', '.join(others)}")
