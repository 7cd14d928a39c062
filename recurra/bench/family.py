"""Every member of the family beside our LSTM, and beside its own equation in Python."""

from collections.abc import Iterator

from torch import nn

from recurra.bench.options import Plan
from recurra.bench.results import Contender, Measure, Shape
from recurra.bench.sequences import Candidate, given, ours, runs, timer
from recurra.cells import LSTM
from recurra.engine import Fold
from recurra.layers import FAMILY, Dense, Member

__all__ = ["family"]


def family(plan: Plan, threads: int) -> Iterator[Measure]:
    """Training of every member as it runs by default."""
    for name, one in FAMILY.items():
        for shape in plan.family:
            seconds = timer(plan).medians(runs(_candidates(one, shape), "training"))
            told = {str(contender): each for contender, each in seconds.items()}
            yield Measure("family", name, "training", shape, threads, told)


def _candidates(one: Member, shape: Shape) -> dict[str, Candidate]:
    """The member, our LSTM, and the member in Python if it is a cell."""
    x, units = given(shape), shape.units

    def candidate(core: nn.Module) -> Candidate:
        return Candidate(core, x, lambda x: core(x)[0])

    found: dict[str, Candidate] = {Contender.OURS: candidate(one.build(units, units))}
    found |= ours(LSTM(), Dense(units, units), x, name=Contender.OURS_LSTM)
    return found | ({} if one.cell is None else {Contender.FOLD: candidate(one.build(units, units, engine=Fold()))})
