"""How the learning rate moves: pure functions of the step and of the held-out scores so far."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Constant", "Cosine", "Exponential", "OneCycle", "Plateau", "Schedule"]


class Schedule(Protocol):
    """A factor of the learning rate."""

    def factor(self, step: int, scores: Sequence[float]) -> float:
        """The factor at `step`, counted from 0, after the held-out `scores` (lower is better)."""


@dataclass(frozen=True)
class Constant:
    """Always the full rate, after a linear rise over `warmup` steps."""

    warmup: int = 0

    def factor(self, step: int, scores: Sequence[float]) -> float:
        """1, or less while the rate still rises."""
        return _rise(step, self.warmup)


@dataclass(frozen=True)
class Cosine:
    r"""A linear rise over `warmup` steps, then half a cosine down to `floor` at the last step.

    .. math:: f + (1 - f) \tfrac12 \big(1 + \cos \tfrac{\pi (k - w)}{n - w}\big)

    Source: Loshchilov & Hutter 2017.

    Example:
        >>> [round(Cosine(100, warmup=10).factor(k, ()), 2) for k in (0, 9, 54, 99)]
        [0.1, 1.0, 0.51, 0.01]
    """

    steps: int
    warmup: int = 0
    floor: float = 0.01

    def factor(self, step: int, scores: Sequence[float]) -> float:
        """The formula above at step k."""
        if step < self.warmup:
            return _rise(step, self.warmup)
        done = _done(step, self.steps, self.warmup)
        return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * done))


@dataclass(frozen=True)
class Exponential:
    r"""A linear rise over `warmup` steps, then an exponential fall to `floor` at the last step: equal shares in equal times.

    .. math:: f^{(k - w) / (n - 1 - w)}

    Example:
        >>> [round(Exponential(101).factor(k, ()), 3) for k in (0, 50, 100)]
        [1.0, 0.1, 0.01]
    """

    steps: int
    warmup: int = 0
    floor: float = 0.01

    def factor(self, step: int, scores: Sequence[float]) -> float:
        """The formula above at step k."""
        if step < self.warmup:
            return _rise(step, self.warmup)
        return float(self.floor ** _done(step, self.steps, self.warmup))


@dataclass(frozen=True)
class OneCycle:
    """From a 25th up to the full rate over the first `rise` of all steps, then down to nearly nothing, both by cosine.

    Source: Smith & Topin 2018.
    """

    steps: int
    rise: float = 0.3

    def factor(self, step: int, scores: Sequence[float]) -> float:
        """1/25 at the first step, 1 at the top, 1/10000 at the last."""
        top = max(1.0, self.rise * self.steps)
        if step < top:
            return _swing(1 / 25, 1.0, step / top)
        return _swing(1.0, 1e-4, min(1.0, (step - top) / max(1.0, self.steps - 1 - top)))


@dataclass(frozen=True)
class Plateau:
    """Multiply the rate by `cut` each time that `patience` looks in a row brought no better score."""

    patience: int = 2
    cut: float = 0.5
    warmup: int = 0

    def factor(self, step: int, scores: Sequence[float]) -> float:
        """`cut` to the power of the waits that ended so far."""
        factor, best, waited = _rise(step, self.warmup), math.inf, 0
        for score in scores:
            waited = 0 if score < best else waited + 1
            best = min(best, score)
            if waited == self.patience:
                factor, waited = factor * self.cut, 0
        return factor


def _done(step: int, steps: int, warmup: int) -> float:
    """The share of the fall behind the warmup that is done, 1 from the last step on."""
    return min(1.0, (step - warmup) / max(1, steps - 1 - warmup))


def _rise(step: int, warmup: int) -> float:
    return min(1.0, (step + 1) / warmup) if warmup else 1.0


def _swing(start: float, end: float, share: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * share))
