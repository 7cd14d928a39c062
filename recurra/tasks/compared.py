"""What a comparison found: variants, what each reached and costs, and which of them can be told apart."""

import math
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from recurra.metrics import FewMean, few_mean
from recurra.tasks.costs import Costs

__all__ = ["OVER", "Compared", "Gap", "Trained", "Variant", "plain"]

OFF = 0.2  # share by which training may miss its budget without a word
OVER = 1.5
"""Budgets after which a training ends at its next look, done or not."""


class Trained(NamedTuple):
    """One training: the figure that counts, what it did, how fast, and whether it ended because its budget was long over."""

    value: float
    interval: tuple[float, float]
    updates: int
    seconds: float
    items_per_second: float
    cut: bool = False


class Variant(NamedTuple):
    """One row: the options that set it apart, its trainings by seed, what it costs, and what failed and why.

    `failed` has the seed, or ``"all"`` where no training could begin.
    """

    name: str
    options: Mapping[str, str]
    trainings: Mapping[int, Trained]
    costs: Costs | None
    failed: Mapping[str, str]

    @property
    def value(self) -> float | None:
        """The mean over seeds; None where no training came to its end."""
        return fmean(each.value for each in self.trainings.values()) if self.trainings else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 %: Student's over seeds; of a single seed, that of its measurement, which knows nothing of other seeds."""
        if not self.trainings:
            return None
        [*values] = self.trainings.values()
        ends = values[0].interval if len(values) == 1 else few_mean([each.value for each in values])[1:]
        return ends if ends[0] <= ends[1] else None

    def mean(self, name: str) -> float | None:
        """The mean of a field of its trainings."""
        return fmean(getattr(each, name) for each in self.trainings.values()) if self.trainings else None

    def as_json(self) -> dict[str, Any]:
        """One object."""
        means = {name: self.mean(name) for name in ("value", "updates", "seconds", "items_per_second")}
        trainings = {str(seed): plain(each) for seed, each in self.trainings.items()}
        told = None if self.costs is None else plain(self.costs)
        ends = None if self.interval is None else list(self.interval)
        own = {"name": self.name, "options": dict(self.options), **means, "interval": ends}
        return own | {"costs": told, "trainings": trainings, "failed": dict(self.failed)}


class Gap(NamedTuple):
    """How much worse one variant is than another, in the mean over the seeds that both have, and its 95 % interval, paired."""

    better: str
    worse: str
    difference: FewMean
    seeds: int

    @property
    def sure(self) -> bool:
        """Whether the whole interval is above zero."""
        return self.difference.low > 0

    def __str__(self) -> str:
        """The sentence that stands under the table."""
        mean, low, high = (f"{number:.3g}" for number in self.difference)
        told = f"{mean} (95 % interval {low} to {high})"
        if self.sure:
            return f"{self.better} is better than {self.worse} by {told}"
        return f"{self.better} and {self.worse} cannot be told apart with {self.seeds} seeds: the difference is {told}"


class Compared(NamedTuple):
    """What a comparison found; lower values are better.

    `baselines` are naive methods on the same data; `budget` is in seconds, 0 where trainings had a number of updates.
    """

    folder: Path
    task: str
    figure: str
    seeds: tuple[int, ...]
    budget: float
    baselines: Mapping[str, float]
    variants: tuple[Variant, ...]

    @property
    def ranked(self) -> list[Variant]:
        """The variants, the best first; those without a training last."""
        return sorted(self.variants, key=lambda row: math.inf if row.value is None else row.value)

    @property
    def gaps(self) -> list[Gap]:
        """Every two variants that share two seeds or more, the best ones first."""
        found = []
        for better, worse in combinations(self.ranked, 2):
            both = [seed for seed in better.trainings if seed in worse.trainings]
            if len(both) < 2:
                continue
            differences = [worse.trainings[seed].value - better.trainings[seed].value for seed in both]
            names = (better.name, worse.name)
            if sum(differences) < 0:  # a seed that failed is in one mean and not in the other
                names, differences = names[::-1], [-each for each in differences]
            found.append(Gap(*names, few_mean(differences), len(both)))
        return found

    @property
    def sentences(self) -> list[str]:
        """What there is to say under the table: the best beside every other, what failed, what took longer than it should."""
        best, *_ = self.ranked
        said = [str(gap) for gap in self.gaps if best.name in gap[:2]]
        if not said and len(self.seeds) == 1:
            said.append("One seed each: what is luck cannot be told; give seeds=3 or more.")
        for row in self.variants:
            for seed, reason in row.failed.items():
                said.append(f"{row.name}{'' if seed == 'all' else f', seed {seed}'}: {reason}")
            if self.budget and row.trainings:
                said += self._told(row)
        return said

    def _told(self, row: Variant) -> Iterator[str]:
        """How far a variant's trainings missed the budget."""
        mean = fmean(each.seconds for each in row.trainings.values())
        took = f"{row.name} trained for {mean:.4g} s with a budget of {self.budget:g} s"
        if mean > (1 + OFF) * self.budget:
            yield f"{took}: the machine was slower than when the variant was timed"
        elif mean < (1 - OFF) * self.budget:
            yield f"{took}: the machine was faster than when the variant was timed, or patience ended it"
        if ended := [str(seed) for seed, each in row.trainings.items() if each.cut]:
            yield (
                f"{row.name} was ended at {OVER:g} budgets before its last update, seeds {', '.join(ended)}: "
                "its rate had not come down; leave the machine to it, or give steps in place of a budget"
            )

    def as_json(self) -> dict[str, Any]:
        """One object: baselines, variants with all their trainings, and differences."""
        facts = {"task": self.task, "figure": self.figure, "seeds": list(self.seeds), "budget": self.budget}
        gaps = [{**gap._asdict(), "difference": gap.difference._asdict(), "sure": gap.sure} for gap in self.gaps]
        rows = [row.as_json() for row in self.ranked]
        said = {"baselines": dict(self.baselines), "variants": rows, "differences": gaps, "sentences": self.sentences}
        return facts | said


def plain(value: Any) -> Any:
    """NamedTuples as objects, and what is not finite as nothing."""
    if hasattr(value, "_asdict"):
        return {name: plain(part) for name, part in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
