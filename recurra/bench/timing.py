"""Times of several contenders, taken in turn, so that what slows the machine down slows all of them."""

import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

__all__ = ["Timer"]

TICK = 1e-3
"""Seconds that one reading lasts at least: shorter calls are repeated, and their number is divided by."""


class Timer(NamedTuple):
    """Medians of at least `least` rounds, and of more, up to `most`, as long as all have taken less than `budget` seconds."""

    least: int
    most: int
    budget: float

    def medians(self, runs: Mapping[str, Callable[[], object]]) -> dict[str, float]:
        """Call every contender in turn, round after round, after one call of each to warm up: the median seconds of each.

        Each round begins with another contender, so that none always finds the caches as the same one left them.

        >>> Timer(3, 3, 1.0).medians({"nothing": lambda: None})["nothing"] < 1e-3
        True
        """
        for run in runs.values():
            run()
        begun = time.perf_counter()
        first = {name: _seconds(run, 1) for name, run in runs.items()}
        repeats = {name: math.ceil(TICK / max(seconds, 1e-8)) for name, seconds in first.items()}
        found = {name: [seconds] if repeats[name] == 1 else [] for name, seconds in first.items()}
        collecting = gc.isenabled()
        gc.disable()
        try:
            for turn in range(1, self.most):
                if turn >= self.least and time.perf_counter() - begun > self.budget:
                    break
                for name in _from(turn, list(runs)):
                    found[name].append(_seconds(runs[name], repeats[name]) / repeats[name])
        finally:
            if collecting:
                gc.enable()
        return {name: statistics.median(times) for name, times in found.items()}


def _from(turn: int, names: list[str]) -> list[str]:
    first = turn % len(names)
    return names[first:] + names[:first]


def _seconds(run: Callable[[], object], times: int) -> float:
    begun = time.perf_counter()
    for _ in range(times):
        run()
    return time.perf_counter() - begun
