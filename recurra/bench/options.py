"""Options of the benchmark. No torch here."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Self, final

from pydantic import Field, model_validator

from recurra.bench.results import Result, Shape
from recurra.errors import UsageError, near_miss
from recurra.tasks.options import Options

__all__ = ["PARTS", "Bench", "Plan"]

PARTS = {
    "shapes": "training and inference beside torch.nn, and the share of A @ A",
    "grid": "the same over B and H, for the pictures",
    "variants": "ragged rows, float64, projections, both directions, beside torch.nn",
    "cells": "a user's cells beside our LSTM, the Python fold and a Python loop",
    "family": "every member of the family beside our LSTM and the Python fold",
    "profile": "where the time of a call goes: products, the loop over time, all else",
    "start": "the first call in a new process, without and with the disk cache",
    "step": "one step of one row, float32, bfloat16 and int8 weights, beside torch's cells and ONNX Runtime",
    "scan": "a cell without a product in its loop",
    "memory": "memory=low beside the usual way",
    "avx2": "beside torch.nn, both restricted to AVX2",
    "peers": "Keras on JAX; torch.compile with slow=true",
}
"""The parts of the benchmark, and what each measures."""

SLOW_TO_START = ("memory", "avx2", "peers")
"""Parts that quick=true leaves out of all: each starts processes of its own."""
CELLS = ("gru", "elman", "lstm")
NINE = (
    Shape(1, 128, 32),
    Shape(1, 64, 256),
    Shape(1, 64, 512),
    Shape(8, 128, 64),
    Shape(16, 128, 128),
    Shape(16, 128, 256),
    Shape(32, 128, 256),
    Shape(64, 64, 512),
    Shape(32, 784, 128),
)
FOLD = (Shape(1, 128, 32), Shape(8, 128, 64), Shape(16, 128, 128), Shape(32, 128, 256))
QUICK = (Shape(1, 128, 32), Shape(8, 128, 64), Shape(16, 64, 128))


class Plan(NamedTuple):
    """What is measured, from the options: shapes for each part, and how long each comparison may take."""

    cells: tuple[str, ...]
    shapes: tuple[Shape, ...]
    grid: tuple[Shape, ...]
    fold: tuple[Shape, ...]
    family: tuple[Shape, ...]
    variants: tuple[Shape, ...]
    units: tuple[int, ...]
    scan: tuple[Shape, ...]
    memory: Shape
    slow: bool
    processes: int
    rounds: tuple[int, int]
    budget: float


@final
class Bench(Options):
    """A run of the benchmark.

    Example:
        >>> Bench(cells="gru", threads="2").plan().cells
        ('gru',)
    """

    cells: str = Field(",".join(CELLS), description="those beside torch.nn, some of gru, elman and lstm")
    threads: str = Field("1,2", description="numbers of threads, each measured in turn")
    parts: str = Field("all", description=f"what to measure: {', '.join(PARTS)}, or all")
    shapes: str = Field("", description="B x T x H, as in 8x128x64,32x100x200, in place of the nine of the part shapes")
    quick: bool = Field(False, description="few and small shapes, about a minute")
    full: bool = Field(False, description="a grid of B 1-128, T 16-1024, H 32-1024, hours")
    slow: bool = Field(False, description="torch.compile too, minutes of compiling")

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse words that no list knows."""
        _known("cells", self.cells, CELLS)
        _known("parts", self.parts, ("all", *PARTS))
        _numbers("threads", self.threads, ",")
        self.plan()
        return self

    @property
    def counts(self) -> tuple[int, ...]:
        """The numbers of threads."""
        return _numbers("threads", self.threads, ",")

    @property
    def chosen(self) -> tuple[str, ...]:
        """The parts, in their own order."""
        asked = self.parts.split(",")
        whole = [part for part in PARTS if "all" in asked and not (self.quick and part in SLOW_TO_START)]
        return tuple(part for part in PARTS if part in [*asked, *whole])

    def plan(self) -> Plan:
        """What these options measure."""
        own = tuple(Shape(*_numbers("shapes", each, "x", 3)) for each in self.shapes.split(",") if each)
        sides: tuple[tuple[int, ...], ...] = ((1, 8, 32, 128), (128,), (32, 128, 512, 1024))
        if self.full:
            sides = (1, 4, 16, 64, 128), (16, 128, 1024), (32, 64, 128, 256, 512, 1024)
        if self.quick:
            sides = (1, 16), (32,), (32, 128)
        grid = tuple(Shape(b, t, h) for t in sides[1] for b in sides[0] for h in sides[2])
        return Plan(
            cells=tuple(self.cells.split(",")),
            shapes=own or (QUICK if self.quick else NINE),
            grid=grid,
            fold=FOLD[:2] if self.quick else FOLD,
            family=FOLD[1:2] if self.quick else FOLD[1::2],
            variants=FOLD[1:2] if self.quick else FOLD[1:],
            units=(64, 256) if self.quick else (64, 256, 512, 1024),
            scan=tuple(Shape(1, steps, 64) for steps in (1024, 16_384, 65_536)),
            memory=Shape(4, 1024, 64) if self.quick else Shape(32, 1024, 256),
            slow=self.slow,
            processes=1 if self.quick else 3,
            rounds=(3, 3) if self.quick else (3, 9),
            budget=0.3 if self.quick else 3.0,
        )

    def run(self, out: str | Path | None = None, *, show: bool = True) -> Result:
        """Measure, and write ``bench.json``, ``bench.md`` and the pictures into the folder `out`.

        Args:
            out: a folder, made where it is missing; None writes nothing.
            show: print each comparison as it is done.
        """
        result: Result = import_module("recurra.bench.run").measure(self, None if out is None else Path(out), show=show)
        return result


def _known(name: str, words: str, choices: Sequence[str]) -> None:
    for word in words.split(","):
        if word not in choices:
            raise UsageError(f"{name}={words}: no {word!r}; {near_miss(word, choices)}")


def _numbers(name: str, words: str, sign: str, count: int = 0) -> tuple[int, ...]:
    found = words.split(sign)
    if not all(word.isdecimal() and int(word) > 0 for word in found) or (count and len(found) != count):
        wanted = "1x128x32,8x128x64" if count else "1,2"
        raise UsageError(f"{name}={words}: wanted whole numbers of at least 1, as in {name}={wanted}")
    return tuple(map(int, found))
