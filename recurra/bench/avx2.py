"""Layers beside torch.nn where both may use AVX2 at most, in a process of its own."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from pydantic import TypeAdapter

from recurra.bench.apart import Failed, answer, ask
from recurra.bench.options import Plan
from recurra.bench.results import Contender, Measure
from recurra.bench.sequences import shapes

__all__ = ["avx2"]

RESTRICTED = {
    "RECURRA_ISA": "avx2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}


def avx2(plan: Plan, threads: int) -> Iterator[Measure]:
    """Every chosen cell in the shapes of the part `cells`."""
    try:
        if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
            raise Failed("this processor has no AVX2")
        found = ask("avx2", plan, threads, environment=RESTRICTED)
    except Failed as failed:
        lack = {str(Contender.OURS): str(failed)}
        yield from (Measure("avx2", cell, "training", plan.fold[0], threads, {}, lack) for cell in plan.cells)
        return
    for measure in TypeAdapter(list[Measure]).validate_python(found):
        yield replace(measure, part="avx2")


def _restricted(plan: Plan, threads: int, _word: str) -> list[Measure]:
    return list(shapes(plan._replace(shapes=plan.fold), threads))


if __name__ == "__main__":
    answer(_restricted)
