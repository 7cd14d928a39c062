"""What a measurement says: every figure with its interval and its naive baselines."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from recurra.errors import UsageError, near_miss

__all__ = ["Evaluation", "Figure", "Held", "Rows"]


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


class Rows(NamedTuple):
    """Figures in rows; those of a table that is not `shown` are for files and pages, and not for a terminal."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float, ...], ...]
    shown: bool = True

    def as_json(self) -> list[dict[str, Any]]:
        """An object for each row."""
        return [dict(zip(self.columns, map(_cell, row), strict=True)) for row in self.rows]


class Evaluation(NamedTuple):
    """All figures of a run on some data, with what there is to say about them."""

    task: str
    data: str
    figures: tuple[Figure, ...]
    notes: tuple[str, ...]
    tables: tuple[Rows, ...] = ()

    def figure(self, name: str) -> Figure:
        """The figure of this name.

        Example:
            >>> Evaluation("text", "a book", (Figure("bits", 2.0, (1.9, 2.1), {}),), ()).figure("bits").value
            2.0
        """
        found = {figure.name: figure for figure in self.figures}
        if name not in found:
            raise UsageError(f"{name}: no such figure; {near_miss(name, found)}")
        return found[name]

    def as_json(self) -> dict[str, Any]:
        """One object: metrics by name, each with value, interval and baselines, and with weights where they are not full."""
        metrics = {figure.name: _metric(figure) for figure in self.figures}
        told = {"task": self.task, "data": self.data, "metrics": metrics, "notes": list(self.notes)}
        return told | ({"tables": {table.name: table.as_json() for table in self.tables}} if self.tables else {})


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


def _cell(value: str | float) -> str | float | None:
    return _number(value) if isinstance(value, float) else value


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
