"""The runs that docs/quality.md shows, and with them the options that a task starts from for a cell."""

from collections.abc import Iterable
from typing import NamedTuple

from benchmarks.memory.options import MemoryOptions
from benchmarks.memory.tasks import make

__all__ = ["RUNS", "Planned", "defaults"]


class Planned(NamedTuple):
    """A task, the options found for a cell, with how many seeds it is run, and about how many minutes one takes alone."""

    task: str
    options: str
    seeds: int = 1
    minutes: float = 1.0


LANGUAGE = "hidden=128 batch=32 lr=0.005 check=500"
BLOCKS = "blocks=true layers=2"
JOINED = "blocks=true convolution=2"
ROTATED = "cell=orthogonal hidden=128 batch=20 lr=0.002 recurrent_lr=0.02"
DIGITS = "layers=2 hidden=128 batch=100 lr=0.004 dropout=0.2 schedule=onecycle average=0.998"
PIXELS = f"cell=mingru {BLOCKS} hidden=48 batch=32 lr=0.005"
RUNS = (
    Planned("adding", "cell=lstm hidden=64 batch=50 lr=0.005 chrono=200 steps=3000 minutes=5 check=100 travel=true", minutes=4),
    Planned("adding", "cell=gru hidden=64 batch=50 lr=0.005 steps=2000 minutes=5 check=100 travel=true", minutes=2),
    Planned("adding", f"cell=mingru {BLOCKS} hidden=32 batch=32 lr=0.01 steps=2000 minutes=5 check=100", minutes=1),
    Planned("adding", f"cell=lru {BLOCKS} hidden=64 batch=20 lr=0.002 steps=4000 curriculum=3000 check=250", minutes=3),
    Planned("adding", "cell=elman hidden=64 batch=50 lr=0.001 steps=5000 minutes=5 check=100 travel=true", minutes=2),
    Planned("adding", f"cell=mingru length=1000 {BLOCKS} hidden=32 batch=20 lr=0.01 steps=2000 check=100", minutes=4),
    Planned("copy", f"{ROTATED} steps=800 check=50", minutes=1),
    Planned("copy", "cell=lstm hidden=128 batch=20 lr=0.003 steps=1500 check=50", minutes=3),
    Planned("copy", f"{ROTATED} length=1000 steps=1000 check=100", minutes=4),
    Planned("recall", "cell=lstm hidden=128 batch=32 lr=0.003 steps=5000 queries=8 curriculum=2000 check=250", minutes=2),
    Planned("recall", "cell=gru hidden=128 batch=64 lr=0.003 steps=6000 check=250", minutes=2),
    Planned("recall", f"cell=mlstm {JOINED} hidden=64 batch=32 lr=0.003 steps=3000 queries=8 check=250", minutes=2),
    Planned("recall", "cell=elman hidden=128 batch=64 lr=0.001 steps=6000 check=250", minutes=1),
    Planned("parity", f"cell=gru {LANGUAGE} steps=3000 curriculum=1000", seeds=5, minutes=1),
    Planned("even-pairs", f"cell=gru {LANGUAGE} steps=1500 curriculum=500", seeds=5, minutes=0.5),
    Planned("cycle-navigation", f"cell=gru {LANGUAGE} steps=6000 curriculum=3000", seeds=5, minutes=2),
    Planned("modular-arithmetic", f"cell=gru {LANGUAGE} steps=10000 curriculum=3500", seeds=5, minutes=3),
    Planned("mnist-rows", f"cell=lstm {DIGITS} shift=1 steps=4000 minutes=5 check=400", minutes=5),
    Planned("mnist-pixels", f"{PIXELS} convolution=4 steps=2800 minutes=10 check=400", minutes=9),
    Planned("mnist-permuted", f"{PIXELS} steps=4400 minutes=10 check=400", minutes=9),
)
"""What ``scripts/quality memory`` runs."""


def defaults(task: str, pairs: Iterable[str]) -> MemoryOptions:
    """The options of the planned run of this task and cell, that of this length if there is one; then `pairs`.

    >>> defaults("adding", ["cell=lstm", "length=400", "seed=3"]).lr
    0.005
    """
    given = MemoryOptions.parse(pairs)
    told, length = given.model_fields_set, make(task, given).length
    planned = [MemoryOptions.parse(one.options.split()) for one in RUNS if one.task == task]
    same = [one for one in planned if one.cell == given.cell or "cell" not in told]
    if not same:
        return given
    start = next((one for one in same if make(task, one).length == length), same[0])
    return start.model_copy(update={name: getattr(given, name) for name in told})
