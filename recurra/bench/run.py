"""A run of the benchmark: every part with every number of threads, then the files."""

import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from recurra import store
from recurra.bench import avx2, family, memory, peers, sequences, start, step
from recurra.bench.goals import judged
from recurra.bench.machine import describe
from recurra.bench.options import Bench, Plan
from recurra.bench.page import line, page
from recurra.bench.pictures import pictures
from recurra.bench.results import Measure, Result
from recurra.bench.roofs import roofs
from recurra.errors import ResourceError
from recurra.tasks.console import terminal

__all__ = ["PARTS", "measure"]

PARTS: dict[str, Callable[[Plan, int], Iterator[Measure]]] = {
    "shapes": sequences.shapes,
    "grid": sequences.grid,
    "variants": sequences.variants,
    "cells": sequences.cells,
    "family": family.family,
    "profile": sequences.profile,
    "start": start.start,
    "step": step.step,
    "scan": sequences.scan,
    "memory": memory.memory,
    "avx2": avx2.avx2,
    "peers": peers.peers,
}
"""What each part of the options measures."""


def measure(options: Bench, out: Path | None = None, *, show: bool = True) -> Result:
    """Run the benchmark; see :meth:`recurra.bench.Bench.run`."""
    if out is not None:
        _make(out)
    plan, console, begun = options.plan(), terminal(quiet=not show), time.perf_counter()
    measures, limits = list[Measure](), {}
    usual = torch.get_num_threads()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "LSTM with projections is not supported with oneDNN")
            for threads in options.counts:
                torch.set_num_threads(threads)
                limits[threads] = roofs(sequences.timer(plan))
                for part in options.chosen:
                    for found in PARTS[part](plan, threads):
                        console.print(line(found), highlight=False, markup=False, soft_wrap=True)
                        measures.append(found)
    finally:
        torch.set_num_threads(usual)
    result = Result(
        command=_command(options),
        machine=describe(),
        threads=options.counts,
        seconds=time.perf_counter() - begun,
        roofs=limits,
        rows=judged(measures, options.counts),
        measures=tuple(measures),
    )
    if out is not None:
        _write(result, out)
    return result


def _command(options: Bench) -> str:
    words = ((name, getattr(options, name)) for name in sorted(options.model_fields_set))
    return " ".join(["recurra bench", *(f"{name}={str(value).lower()}" for name, value in words)])


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResourceError(f"{folder}: cannot be made ({error.strerror}); choose another folder") from None


def _write(result: Result, folder: Path) -> None:
    drawn = pictures(result)
    store.write_json(folder / "bench.json", result.as_json())
    for name, content in drawn.items():
        store.write_bytes(folder / name, content)
    store.write_text(folder / "bench.md", page(result, list(drawn)))
