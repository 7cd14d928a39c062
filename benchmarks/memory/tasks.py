"""The memory tasks by name."""

from collections.abc import Callable, Mapping
from functools import partial
from inspect import signature

from benchmarks.memory.adding import Adding
from benchmarks.memory.copying import Copying
from benchmarks.memory.digits import Digits
from benchmarks.memory.languages import CycleNavigation, EvenPairs, ModularArithmetic, Parity
from benchmarks.memory.options import MemoryOptions
from benchmarks.memory.recall import Recall
from benchmarks.memory.task import Task
from recurra.errors import UsageError, near_miss

__all__ = ["TASKS", "make"]

TASKS: Mapping[str, Callable[..., Task]] = {
    "adding": Adding,
    "copy": Copying,
    "recall": Recall,
    "parity": Parity,
    "even-pairs": EvenPairs,
    "cycle-navigation": CycleNavigation,
    "modular-arithmetic": ModularArithmetic,
    "mnist-rows": partial(Digits, "rows"),
    "mnist-pixels": partial(Digits, "pixels"),
    "mnist-permuted": partial(Digits, "permuted"),
}
"""What makes each, from those of the options that it takes."""


def make(name: str, options: MemoryOptions) -> Task:
    """The task of this name, of the length that the options say.

    >>> make("copy", MemoryOptions(length=30))
    Copying(length=30)
    """
    if name not in TASKS:
        raise UsageError(f"{name}: no such memory task; {near_miss(name, TASKS)}")
    given = {one: getattr(options, one) for one in ("length", "prefixes", "queries", "shift") if one in options.changed()}
    taken = signature(TASKS[name]).parameters
    for one, value in given.items():
        if one not in taken:
            raise UsageError(f"{one}={value}: {name} takes none; leave it out")
    return TASKS[name](**given)
