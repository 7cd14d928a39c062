"""The learning-rate range test: let the rate rise from almost nothing until training breaks, and look where it learnt best."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, pstdev
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from recurra.errors import Stopped, UsageError
from recurra.train.clipping import Clip
from recurra.train.training import Batches, Loss, Training

__all__ = ["RangeTest", "range_test"]

SMOOTHING = 0.9
REFERENCE = 0.1  # share of the updates, the first ones: they learn nothing yet and tell the level and spread of losses
FEWEST = 20


class RangeTest(NamedTuple):
    """The loss of each update while the rate rose, as it came and smoothed.

    `level` and `spread` are mean and standard deviation of the losses of the `first` updates, where next to nothing is learnt;
    `diverged` says whether the test ended before the highest rate.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    first: int
    level: float
    spread: float
    diverged: bool

    @property
    def lowest(self) -> float:
        """The rate at which the smoothed loss was lowest, after the first ones: by then it is about to rise."""
        return self.rates[self._after.index(self._lowest) + len(self.rates) - len(self._after)]

    @property
    def steepest(self) -> float:
        """The rate at which the smoothed loss fell fastest, by the logarithm of the rate."""
        if len(self.rates) < 2:
            return self.rates[0]
        falls = [after - before for before, after in pairwise(self.smoothed)]
        return self.rates[1 + falls.index(min(falls))]

    @property
    def suggestion(self) -> float | None:
        """A tenth of `lowest`, to one digit; None where the loss fell by no more than its first values are apart."""
        return float(f"{self.lowest / 10:.0e}") if self.level - self._lowest > self.spread else None

    @property
    def _after(self) -> tuple[float, ...]:
        return self.smoothed[self.first :] or self.smoothed  # a mean of one or two losses says little

    @property
    def _lowest(self) -> float:
        return min(self._after)

    def as_json(self) -> dict[str, Any]:
        """All of it as one object."""
        told = {"suggestion": self.suggestion, "lowest": self.lowest, "steepest": self.steepest, "diverged": self.diverged}
        return told | {"rates": self.rates, "losses": self.losses, "smoothed": self.smoothed}


def range_test(
    model: nn.Module,
    update: Callable[[Any, Any], Loss],
    batches: Batches,
    *,
    optimizer: torch.optim.Optimizer,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 150,
    clip: Clip | None = None,
    carry: Any = (),
    accumulate: int = 1,
    precision: Literal["float32", "bfloat16"] = "float32",
) -> RangeTest:
    r"""Train with a rate that rises exponentially, until the loss diverges; the model is spent afterwards.

    .. math:: \eta_k = \eta_\mathrm{lowest} (\eta_\mathrm{highest} / \eta_\mathrm{lowest})^{k / (n - 1)} \qquad
        s_k = \frac{\sum_{i \le k} \beta^{k-i} L_i}{\sum_{i \le k} \beta^{k-i}}, \beta = 0.9

    Losses of likelihoods may be negative, so divergence is told by how far the smoothed loss came down: the test ends where it
    stands as far above its first level as it had been below, and four deviations more. A loss that is not finite ends it too.

    Args:
        model, update, batches, clip, carry, accumulate, precision: as `Training` takes them.
        optimizer: of the model's weights; its own rate does not matter, but that of each group beside it does.
        lowest: the first rate.
        highest: the last rate, if it comes so far.
        steps: n, the updates from one to the other.

    Raises:
        UsageError: where the rates do not rise, or there are fewer than 20 updates.

    Source: Smith 2017, arXiv:1506.01186. A tenth of the rate of the lowest loss as the suggestion is a rule of thumb.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> model = nn.Linear(1, 1)
        >>> update = lambda x, carry: Loss((model(x) - 2 * x - 0.1 * torch.randn_like(x)).square().mean(), len(x))
        >>> batches, sgd = [torch.randn(8, 1) for _ in range(150)], torch.optim.SGD(model.parameters())
        >>> test = range_test(model, update, batches, optimizer=sgd)
        >>> 0.01 < test.suggestion < 0.2
        True
    """
    if not 0 < lowest < highest or steps < FEWEST:
        wanted = f"wanted 0 < lowest < highest and {FEWEST} steps or more"
        raise UsageError(f"lowest={lowest:g}, highest={highest:g}, steps={steps}: {wanted}")
    for group in optimizer.param_groups:
        group["lr"] *= highest / optimizer.defaults["lr"]
    ramp = _Ramp(steps, lowest / highest)
    training = Training(
        model,
        update,
        batches,
        optimizer=optimizer,
        steps=steps,
        schedule=ramp,
        clip=clip,
        carry=carry,
        accumulate=accumulate,
        precision=precision,
    )
    rates, losses, smoothed, weight, diverged = list[float](), list[float](), list[float](), 0.0, False
    first = round(REFERENCE * steps)
    try:
        with training:
            for report in training.steps(every=1):
                if not math.isfinite(report.loss):
                    diverged = True
                    break
                before = weight
                weight = 1 + SMOOTHING * before
                held = SMOOTHING * before * smoothed[-1] if smoothed else 0.0
                rates.append(report.lr)
                losses.append(report.loss)
                smoothed.append((report.loss + held) / weight)
                level, spread = fmean(losses[:first]), pstdev(losses[:first])
                if len(losses) > first and smoothed[-1] > 2 * level - min(smoothed) + 4 * spread:
                    diverged = True
                    break
    except Stopped:  # there is nothing to go on from
        raise KeyboardInterrupt from None
    if not rates:
        raise UsageError(f"the loss is not finite at a rate of {lowest:g}; wanted a model that can be trained at all")
    return RangeTest(tuple(rates), tuple(losses), tuple(smoothed), first, level, spread, diverged)


@dataclass(frozen=True)
class _Ramp:
    steps: int
    ratio: float

    def factor(self, step: int, scores: Sequence[float]) -> float:
        return float(self.ratio ** (1 - step / (self.steps - 1)))
