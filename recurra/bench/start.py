"""The first call of a user's cell in a new process, without and with the disk cache; torch's import is not counted."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from recurra.bench.apart import Failed, answer, ask
from recurra.bench.options import Plan
from recurra.bench.results import Contender, Measure, Shape

__all__ = ["start"]

SHAPE = Shape(8, 32, 64)


def start(plan: Plan, threads: int) -> Iterator[Measure]:
    """Seconds until the first training call has ended."""
    seconds: dict[str, float] = {}
    missing: dict[str, str] = {}
    cold, cached = [], []
    try:
        for _ in range(plan.processes):
            with tempfile.TemporaryDirectory() as folder:
                environment = {"RECURRA_CACHE": folder}
                cold.append(ask("start", plan, threads, environment=environment))
                if any(path.is_file() for path in Path(folder).rglob("*")):
                    cached.append(ask("start", plan, threads, environment=environment))
        seconds[Contender.OURS] = statistics.median(cold)
    except Failed as failed:
        missing[Contender.OURS] = str(failed)
    if cached:
        seconds[Contender.CACHED] = statistics.median(cached)
    else:
        missing[Contender.CACHED] = "nothing was kept on disk"
    yield Measure("start", "MGU", "first call", SHAPE, threads, seconds, missing)


def _first_call(_plan: Plan, _threads: int, _word: str) -> float:
    import torch

    x = torch.randn(*SHAPE)
    begun = time.perf_counter()
    from recurra.bench.cells import MGU
    from recurra.layers import Dense, Recurrent

    layer = Recurrent(MGU(), Dense(SHAPE.units, SHAPE.units))
    layer(x)[0].sum().backward()
    return time.perf_counter() - begun


if __name__ == "__main__":
    answer(_first_call)
