"""Whether one forecaster is better than another, or only luckier."""

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.errors import UsageError
from recurra.metrics.student import student_quantile

__all__ = ["Difference", "diebold_mariano", "no_skill", "widening"]

Floats = NDArray[np.float64]


class Difference(NamedTuple):
    """A mean difference of losses and its interval; below 0 the first forecaster is better. NaN where nothing can be said."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.mean:+.4g} (too few origins for an interval)"
        return f"{self.mean:+.4g} (95 % interval {self.low:+.4g} to {self.high:+.4g})"


def diebold_mariano(losses: Floats, others: Floats, overlap: int, level: float = 0.95) -> Difference:
    r"""The mean difference of two forecasters' losses, origin by origin, with an interval that respects their overlap.

    .. math::
        \bar d \pm z \, w \sqrt{v / n} \qquad v = \gamma_0 + 2 \sum_{k<h} (1 - k/h) \, \gamma_k

    Forecasts that share truth have losses that hang together: :math:`\gamma_k` are their autocovariances up to h - 1 origins.
    Bartlett's weights keep v from being negative; what they leave out, and what few origins hide, is in the `widening` w.
    Source: Diebold & Mariano 1995.

    Args:
        losses: (n,) mean loss at each origin, in the order of time; NaN where nothing was observed, left out of both.
        others: (n,) those of the other forecaster.
        overlap: h, how many neighbouring origins share truth: the horizon over the stride, rounded up.
        level: how often the interval holds the true mean.

    Example:
        >>> noise = np.random.default_rng(0).normal(size=200)
        >>> print(diebold_mariano(1 + 0.1 * noise, np.full(200, 1.1), overlap=1))
        -0.09847 (95 % interval -0.1119 to -0.08504)
    """
    if losses.shape != others.shape or losses.ndim != 1:
        raise UsageError(f"losses are {losses.shape} and {others.shape}; wanted both (origins,)")
    if overlap < 1:
        raise UsageError(f"overlap is {overlap}; wanted 1 or more")
    both = losses - others
    d = both[~np.isnan(both)]
    n = len(d)
    mean = math.fsum(d) / n if n else math.nan
    if n < max(4, 2 * overlap):
        return Difference(mean, math.nan, math.nan)
    c = d - mean
    shares = np.array([c[k:] @ c[: n - k] for k in range(overlap)]) / n
    variance = max(0.0, float(2 * ((1 - np.arange(overlap) / overlap) * shares).sum() - shares[0]))
    width = NormalDist().inv_cdf((1 + level) / 2) * widening(n, overlap, overlap, level) * math.sqrt(variance / n)
    return Difference(mean, mean - width, mean + width)


def widening(n: int, overlap: int, block: int, level: float = 0.95) -> float:
    r"""How much wider than its estimate an interval from n origins must be, of which h neighbours overlap.

    .. math::
        w = \frac{t}{z} \sqrt{\frac{n^2}{(n - h)(n - h + 1)} \Big/ \frac1h \Big(1 + 2 \sum_{k<h} (1 - k/h)(1 - k/b) \Big)}

    First the correction of Harvey, Leybourne & Newbold 1997 for an estimated mean; second the share of the variance that
    blocks of b (or Bartlett's weights) keep where the losses are moving means over h, as those of overlapping forecasts almost
    are; last Student's t with as many degrees of freedom as there are stretches of h, less one, but 3 at least. On such losses
    the 95 % intervals hold the truth 90 to 98 times in a hundred, measured from two stretches on.

    Example:
        >>> [round(widening(n, 12, 12), 3) for n in (24, 60, 240, 10_000)]
        [3.815, 2.143, 1.371, 1.226]
    """
    lags = np.arange(1, overlap)
    kept = (1 + 2 * ((1 - lags / overlap) * (1 - lags / block)).sum()) / overlap
    harvey = (n - overlap) * (n - overlap + 1) / n**2
    p = (1 + level) / 2
    return student_quantile(max(3, n // overlap - 1), p) / NormalDist().inv_cdf(p) / math.sqrt(harvey * kept)


def no_skill(losses: Floats, baselines: Mapping[str, Floats], overlap: int) -> str:
    """The sentence to print where a model is not surely better than the best of the naive forecasts; else nothing.

    With too few origins for an interval a model that is better on average gets the sentence that this cannot be judged.

    Example:
        >>> noise = np.random.default_rng(0).normal(size=200)
        >>> no_skill(1 + 0.1 * noise, {"repeat last": np.full(200, 1.0), "drift": np.full(200, 3.0)}, overlap=1)
        'no skill: the difference from repeat last is +0.001526 (95 % interval -0.01191 to +0.01496)'
        >>> no_skill(1 + 0.1 * noise, {"drift": np.full(200, 3.0)}, overlap=1)
        ''
    """
    if not baselines:
        raise UsageError("no baseline came; wanted at least one")
    differences = {name: diebold_mariano(losses, others, overlap) for name, others in baselines.items()}
    known = [name for name, difference in differences.items() if not math.isnan(difference.mean)] or list(differences)
    name = max(known, key=lambda one: differences[one].mean)  # the strongest: where the model wins least
    difference = differences[name]
    if difference.high < 0:
        return ""
    judged = "skill cannot be judged" if math.isnan(difference.low) and not difference.mean >= 0 else "no skill"
    return f"{judged}: the difference from {name} is {difference}"
