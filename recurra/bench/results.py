"""What a run of the benchmark found: times side by side, and the goals beside what was reached. No torch here."""

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Self

from pydantic import TypeAdapter

__all__ = ["Contender", "Measure", "Reached", "Result", "Roofs", "Row", "Shape", "geometric_mean", "plain"]


class Contender(StrEnum):
    """Who runs."""

    OURS = "recurra"
    OURS_LSTM = "recurra's LSTM"
    BF16 = "recurra, bfloat16 weights"
    INT8 = "recurra, int8 weights"
    DIAGONAL = "recurra, wired diagonally"
    LOW_MEMORY = "recurra, memory=low"
    CACHED = "recurra, from the disk cache"
    FOLD = "Python fold"
    NN = "torch.nn"
    NN_CELL = "torch.nn, one cell"
    LOOP = "Python loop"
    COMPILED = "torch.compile"
    KERAS = "Keras on JAX"
    ONNX = "ONNX Runtime"
    PRODUCT = "A @ A"
    INPUT_PRODUCT = "input product"
    READING = "reading the weights"


class Shape(NamedTuple):
    """Rows B, steps T, units H; as many inputs as units."""

    batch: int
    steps: int
    units: int

    def __str__(self) -> str:
        return ", ".join(map(str, self))


@dataclass(frozen=True)
class Measure:
    """Contenders that ran in turn: the median seconds of each.

    Args:
        part: of the benchmark, one of :data:`recurra.bench.PARTS`.
        subject: the cell, or what of it.
        way: training (forward and backward), inference, step, training step, first call.
        shape: rows, steps and units.
        threads: how many torch had.
        seconds: by contender.
        missing: contenders that did not run, and why.
        gates: of the cell.
        work: floating-point operations of the products in one call.
        traffic: bytes that one call moves if nothing stays in a cache from one step to the next; of a step, its weights.
        memory: peak bytes of one call, by contender.
    """

    part: str
    subject: str
    way: str
    shape: Shape
    threads: int
    seconds: Mapping[str, float]
    missing: Mapping[str, str] = field(default_factory=dict)
    gates: int = 1
    work: float = 0.0
    traffic: float = 0.0
    memory: Mapping[str, float] = field(default_factory=dict)

    def ratio(self, peer: str, own: str = Contender.OURS) -> float:
        """How many times as long as `own` the peer takes."""
        return self.seconds[peer] / self.seconds[own]

    @property
    def peers(self) -> list[str]:
        """The contenders that ours, where there is one, is compared with."""
        return [name for name in self.seconds if name not in (Contender.OURS, Contender.PRODUCT)]

    @property
    def ratios(self) -> dict[str, float]:
        """How many times as long as ours each peer takes; none where ours did not run."""
        return {peer: self.ratio(peer) for peer in self.peers} if Contender.OURS in self.seconds else {}

    @property
    def product(self) -> float:
        """Seconds that the products of one call take at the speed of this run's ``A @ A``."""
        return self.work / (SQUARE_WORK / self.seconds[Contender.PRODUCT])

    @property
    def share(self) -> float:
        """The share of the speed of this run's ``A @ A`` that ours reaches."""
        return self.product / self.seconds[Contender.OURS]

    def cap(self, peer: str = Contender.NN) -> float:
        """The ratio of an implementation that did the products at the speed of ``A @ A`` and all else in no time."""
        return self.seconds[peer] / self.product


SQUARE = 1024
"""Rows and columns of the A in ``A @ A``."""
SQUARE_WORK = 2.0 * SQUARE**3


class Roofs(NamedTuple):
    """What this run's machine can do: products in FLOP a second, and bytes read a second from memory and from the cache."""

    product: float
    memory: float
    cache: float


class Reached(NamedTuple):
    """A goal's value: as text, whether it is met (None where nothing was measured), and what stands behind it."""

    text: str
    met: bool | None = None
    detail: str = ""


class Row(NamedTuple):
    """A line of the goals table; what was reached, by the number of threads."""

    name: str
    goal: str
    reached: Mapping[int, Reached]


@dataclass(frozen=True)
class Result:
    """A whole run."""

    command: str
    machine: Mapping[str, Any]
    threads: tuple[int, ...]
    seconds: float
    roofs: Mapping[int, Roofs]
    rows: tuple[Row, ...]
    measures: tuple[Measure, ...]

    def as_json(self) -> dict[str, Any]:
        """One object, which `of` takes back, numbers to four digits; each measure has its ratios beside it."""
        measures = [vars(measure) | {"ratios": measure.ratios} for measure in self.measures]
        table: dict[str, Any] = plain(vars(self) | {"measures": measures})
        return table

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Self:
        """The result that `as_json` made this of."""
        result: Self = _RESULT.validate_python(table)
        return result


_RESULT: TypeAdapter[Any] = TypeAdapter(Result)


def plain(value: Any) -> Any:
    """Results as JSON has them: objects, lists, numbers and texts."""
    if isinstance(value, Measure | Result):
        return plain(vars(value))
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, Shape | Roofs | Reached | Row):
        return plain(value._asdict())
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value  # no time is known better


def geometric_mean(values: Iterable[float]) -> float:
    """The mean of ratios.

    >>> geometric_mean([2.0, 8.0])
    4.0
    """
    return math.exp(statistics.fmean(map(math.log, values)))
