"""What a measurement says: every figure with its interval and its naive baselines."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Evaluation", "Figure"]


class Figure(NamedTuple):
    """One figure: value, 95 % interval, and what naive methods reach on the same data."""

    name: str
    value: float
    interval: tuple[float, float]
    baselines: Mapping[str, float]


class Evaluation(NamedTuple):
    """All figures of a run on some data, with what there is to say about them."""

    task: str
    data: str
    figures: tuple[Figure, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """One object: metrics by name, each with value, interval and baselines."""
        metrics = {
            figure.name: {
                "value": _number(figure.value),
                "interval": [_number(end) for end in figure.interval],
                "baselines": {name: _number(value) for name, value in figure.baselines.items()},
            }
            for figure in self.figures
        }
        return {"task": self.task, "data": self.data, "metrics": metrics, "notes": list(self.notes)}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
