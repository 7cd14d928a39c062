"""How much of the data may be learnt from, step by step: the easy part first."""

import math
from dataclasses import dataclass
from typing import final

from recurra.errors import UsageError

__all__ = ["Competence"]


@final
@dataclass(frozen=True)
class Competence:
    r"""The share of the data, the easiest first, that a learner is ready for at a step.

    .. math::
        c(t) = \min\left(1, \sqrt{t \, \frac{1 - c_0^2}{T} + c_0^2}\right)

    Source: Platanios et al. 2019, arXiv:1903.09848, section 2.2, "square root".

    Attributes:
        steps: T, updates until all of the data may be drawn, at least 1.
        start: c₀, the share at the first update, above 0 and at most 1.

    Example:
        >>> pacing = Competence(steps=1000, start=0.1)
        >>> [round(pacing(step), 3) for step in (0, 250, 500, 1000, 2000)]
        [0.1, 0.507, 0.711, 1.0, 1.0]
    """

    steps: int
    start: float = 0.01

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 < self.start <= 1:
            raise UsageError(f"Competence({self.steps}, {self.start}): wanted steps >= 1 and 0 < start <= 1")

    def __call__(self, step: int) -> float:
        """The share in (0, 1] at a step."""
        return min(1.0, math.sqrt(step * (1 - self.start**2) / self.steps + self.start**2))
