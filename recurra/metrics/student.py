"""Means of few numbers, such as one for each seed, with Student's interval."""

import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist, fmean, stdev
from typing import NamedTuple

from recurra.errors import UsageError

__all__ = ["FewMean", "few_mean", "student_quantile"]

MANY = 100  # degrees of freedom


class FewMean(NamedTuple):
    """A mean and the ends of its interval, which are NaN of a single number."""

    mean: float
    low: float
    high: float


def few_mean(values: Sequence[float], level: float = 0.95) -> FewMean:
    r"""The mean of independent numbers, and the interval that holds what it estimates `level` of the time.

    .. math:: \bar x \pm t_{n-1} \, s / \sqrt n

    Source: Student 1908. It is exact where the numbers are normal; of differences in pairs it is the paired t-test's.

    Example:
        >>> [round(number, 3) for number in few_mean([1.0, 2.0, 3.0])]
        [2.0, -0.484, 4.484]
    """
    if not values:
        raise UsageError("no number came; wanted at least one")
    mean = fmean(values)
    if len(values) == 1:
        return FewMean(mean, math.nan, math.nan)
    width = student_quantile(len(values) - 1, (1 + level) / 2) * stdev(values) / math.sqrt(len(values))
    return FewMean(mean, mean - width, mean + width)


@cache
def student_quantile(freedom: int, p: float) -> float:
    r"""The quantile of Student's t at p, for any whole number of degrees of freedom.

    With :math:`\theta = \arctan(t / \sqrt \nu)`, what lies between -t and t is a finite sum (Abramowitz & Stegun 1964, 26.7.3):

    .. math::
        \tfrac2\pi \Big( \theta + \sin\theta \big(\cos\theta + \tfrac23 \cos^3\theta + \dots
        + \tfrac{2 \cdot 4 \cdots (\nu - 3)}{3 \cdot 5 \cdots (\nu - 2)} \cos^{\nu-2}\theta\big) \Big)
        \qquad
        \sin\theta \big(1 + \tfrac12 \cos^2\theta + \dots
        + \tfrac{1 \cdot 3 \cdots (\nu - 3)}{2 \cdot 4 \cdots (\nu - 2)} \cos^{\nu-2}\theta\big)

    for odd and even :math:`\nu`; bisection turns it around. Above 100 degrees of freedom it is the series of Cornish and
    Fisher, which is then as exact.

    Example:
        >>> [round(student_quantile(n, 0.975), 3) for n in (1, 2, 3, 10, 100)]
        [12.706, 4.303, 3.182, 2.228, 1.984]
    """
    if freedom < 1 or not 0 < p < 1:
        raise UsageError(f"freedom is {freedom}, p is {p}; wanted 1 or more, and between 0 and 1")
    if freedom > MANY:
        return _series(freedom, NormalDist().inv_cdf(p))
    wanted = abs(2 * p - 1)
    low, high = 0.0, math.pi / 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _between(freedom, middle) < wanted else (low, middle)
    return math.copysign(math.tan(low) * math.sqrt(freedom), p - 0.5)


def _series(freedom: int, z: float) -> float:
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return math.fsum(term / freedom**power for power, term in enumerate(terms))


def _between(freedom: int, angle: float) -> float:
    odd, sine, cosine = freedom % 2, math.sin(angle), math.cos(angle)
    if freedom == 1:
        return 2 * angle / math.pi
    term = total = cosine if odd else 1.0
    for k in range(2 + odd, freedom, 2):
        term *= (k - 1) / k * cosine**2
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
