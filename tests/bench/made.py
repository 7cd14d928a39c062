"""Measures and results as a run might leave them; nothing was timed for them."""

from typing import Any

from recurra.bench import Contender, Measure, Reached, Result, Roofs, Shape
from recurra.bench.goals import judged

SQUARE_SECONDS = 0.01  # of A @ A, which is 2 x 1024^3 operations
SHAPE = Shape(16, 128, 128)


def measured(part: str, subject: str, way: str, *, shape: Shape = SHAPE, **facts: Any) -> Measure:
    """A measure with one thread, where nothing else is said."""
    return Measure(part, subject, way, shape, facts.pop("threads", 1), facts.pop("seconds", {}), **facts)


def beside_torch(ratio: float, *, ours: float = 0.01, **facts: Any) -> Measure:
    """Our GRU beside torch's, `ratio` times as fast."""
    seconds = {Contender.OURS: ours, Contender.NN: ratio * ours, Contender.PRODUCT: SQUARE_SECONDS}
    work = facts.pop("work", 2.0 * 1024**3 / 2)
    part, subject, way = facts.pop("part", "shapes"), facts.pop("subject", "gru"), facts.pop("way", "training")
    return measured(part, subject, way, seconds=seconds, gates=3, work=work, traffic=1e6, **facts)


def result(*measures: Measure, threads: tuple[int, ...] = (1,)) -> Result:
    """A run that found these."""
    machine = {"processor": "Abacus 5", "cores": 2, "threads": 2, "instructions": "BEADS", "python": "3.11", "torch": "2.13"}
    return Result(
        command="recurra bench",
        machine=machine,
        threads=threads,
        seconds=61.0,
        roofs=dict.fromkeys(threads, Roofs(2e11, 2e10, 1e11)),
        rows=judged(measures, threads),
        measures=measures,
    )


def reached(name: str, *measures: Measure) -> Reached:
    """What these measures say of a goal, by the beginning of its name, with one thread."""
    [row] = [row for row in judged(measures, (1,)) if row.name.startswith(name)]
    return row.reached[1]
