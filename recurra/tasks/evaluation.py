"""What a measurement says: every figure with its interval and its naive baselines."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Evaluation", "Figure", "Held"]


class Held(NamedTuple):
    """What weights in fewer bytes cost: the figure with full weights, the mean difference, and its 95 % interval, paired."""

    weights: str
    full: float
    difference: float
    interval: tuple[float, float]


class Figure(NamedTuple):
    """One figure: value, 95 % interval, what naive methods reach on the same data, and what weights in fewer bytes cost.

    Lower is better, but where `higher` says the contrary.
    """

    name: str
    value: float
    interval: tuple[float, float]
    baselines: Mapping[str, float]
    held: Held | None = None
    higher: bool = False


class Evaluation(NamedTuple):
    """All figures of a run on some data, with what there is to say about them."""

    task: str
    data: str
    figures: tuple[Figure, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """One object: metrics by name, each with value, interval and baselines, and with weights where they are not full."""
        metrics = {figure.name: _metric(figure) for figure in self.figures}
        return {"task": self.task, "data": self.data, "metrics": metrics, "notes": list(self.notes)}


def _metric(figure: Figure) -> dict[str, Any]:
    metric = {
        "value": _number(figure.value),
        "interval": _ends(figure.interval),
        "baselines": {name: _number(value) for name, value in figure.baselines.items()},
    } | ({"higher_is_better": True} if figure.higher else {})
    if figure.held is None:
        return metric
    kind, full, difference, interval = figure.held
    held = {"held": kind, "full": _number(full), "difference": _number(difference), "interval": _ends(interval)}
    return metric | {"weights": held}


def _ends(interval: tuple[float, float]) -> list[float | None]:
    return [_number(end) for end in interval]


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
