"""The processor that code is made for: its vectors, and what LLVM must know of it."""

import os
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from recurra.engine.sweep import Isa
from recurra.engine.vector import Untraceable
from recurra.errors import UsageError, near_miss

__all__ = ["ISAS", "Target", "choose", "isa", "optimised", "target"]

ISAS = {"avx512": Isa(64, 32), "avx2": Isa(32, 16), "neon": Isa(16, 32)}
"""Vectors by name, the widest first: bytes and registers. NEON compiles, and nobody has measured it."""

NEEDED = {"avx512": ("avx512f", "avx512bw", "avx512dq", "avx512vl"), "avx2": ("avx2", "fma")}
WIDER = ("avx512", "avx10", "amx-avx512")  # features that bring 512-bit registers, or the upper 16 of the others


class Target(NamedTuple):
    """Name and shape of the vectors; triple, processor and features in LLVM's words."""

    name: str
    isa: Isa
    triple: str
    cpu: str
    features: str


def isa() -> Isa:
    """The vectors that the engine uses here."""
    return target().isa


@cache
def target() -> Target:
    """The processor of this process; the environment variable ``RECURRA_ISA`` restricts it. Read once."""
    import llvmlite.binding as llvm

    wanted = os.environ.get("RECURRA_ISA", "")
    return choose(wanted, llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features())


def choose(wanted: str, triple: str, cpu: str, features: Mapping[str, bool]) -> Target:
    """The vectors `wanted`, or the widest that a processor has; Untraceable where it has none of those known.

    Example:
        >>> choose("", "aarch64-linux-gnu", "generic", {}).isa
        Isa(bytes=16, registers=32)
    """
    arm = triple.startswith(("aarch64", "arm64"))
    held = ["neon"] if arm else [name for name, needed in NEEDED.items() if all(features.get(each) for each in needed)]
    if wanted and wanted not in ISAS:
        raise UsageError(f"RECURRA_ISA={wanted}: no such vectors; {near_miss(wanted, ISAS)}")
    if wanted and wanted not in held:
        has = " and ".join(held) or "none of ours"
        raise UsageError(f"RECURRA_ISA={wanted}: this processor ({cpu}) has {has}; unset it")
    if not held:
        raise Untraceable(f"no vectors known for this processor ({cpu})")
    name = wanted or held[0]
    told = {each: has and (name == "avx512" or not each.startswith(WIDER)) for each, has in features.items()}
    if name == "avx512":
        told["prefer-256-bit"] = False
    words = ",".join(f"{'+' if has else '-'}{each}" for each, has in sorted(told.items()))
    return Target(name, ISAS[name], triple, cpu, words)


def optimised(text: str, target: Target) -> tuple[Any, Any]:
    """LLVM assembly as an optimised module, and the machine that emits it."""
    import llvmlite.binding as llvm

    machine = llvm.Target.from_triple(target.triple).create_target_machine(cpu=target.cpu, features=target.features, opt=3)
    module = llvm.parse_assembly(text)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_unrolling = False  # the tiles are unrolled as far as registers go; more takes time and brings nothing
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    return module, machine
