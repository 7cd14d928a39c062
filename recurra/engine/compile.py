"""From LLVM's language to addresses: the host's target, the thread pool, and one compilation for each cell value."""

import ctypes
import mmap
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch

from recurra.cells import Cell
from recurra.engine.plan import Plan, plan
from recurra.engine.sweep import Isa, Layout, layout, source
from recurra.engine.trace import trace
from recurra.engine.vector import Untraceable

__all__ = ["Program", "assemble", "isa", "program", "refusal"]

KNOWN = {"AVX512": Isa(64, 32), "AVX2": Isa(32, 16)}


class Program(NamedTuple):
    """The compiled sweeps of one cell for one size of number."""

    plan: Plan
    layout: Layout
    functions: tuple[int, int]
    keep: object

    def run(self, way: int, arguments: "ctypes.Array[ctypes.c_int64]", threads: int) -> None:
        """Run forwards (0) or backwards (1); the arguments are numbers and addresses in the order of the layout's slots."""
        ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int32)(self.functions[way])(ctypes.addressof(arguments), threads)


@cache
def refusal(cell: Cell, diagonal: bool = False) -> str:
    """Why a cell cannot be compiled on this machine; empty where it can."""
    try:
        _planned(cell, diagonal)
    except Untraceable as error:
        return str(error)
    return ""


@cache
def program(cell: Cell, diagonal: bool, size: int) -> Program:
    """Trace, plan and compile a cell for numbers of `size` bytes; Untraceable says why it cannot be."""
    planned = _planned(cell, diagonal)
    engine = assemble(source(planned, isa(), size))
    functions = engine.get_function_address("forward"), engine.get_function_address("backward")
    return Program(planned, layout(planned, isa(), size), functions, engine)


@cache
def _planned(cell: Cell, diagonal: bool) -> Plan:
    _runtime()
    made = plan(cell, trace(cell, diagonal))
    source(made, isa(), 4)  # an operation that has no lowering is found here
    return made


def assemble(text: str) -> Any:
    """Compile LLVM assembly for this processor; the result gives the addresses of functions, and must be kept."""
    import llvmlite.binding as llvm

    _runtime()
    module = llvm.parse_assembly(text)
    module.verify()
    features = llvm.get_host_cpu_features().flatten() + ",-prefer-256-bit"
    target = llvm.Target.from_default_triple().create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=3)
    passes = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=3))
    passes.getModulePassManager().run(module, passes)
    engine = llvm.create_mcjit_compiler(module, target)
    engine.finalize_object()
    return engine


def isa() -> Isa:
    """The vectors of this processor."""
    capability = torch.backends.cpu.get_cpu_capability()
    if capability not in KNOWN:
        raise Untraceable(f"no vectors known for this processor ({capability})")
    return KNOWN[capability]


@cache
def _runtime() -> None:
    """Give LLVM the functions of torch's own thread pool; Untraceable where something is missing."""
    try:
        import llvmlite.binding as llvm
    except ImportError:
        raise Untraceable("llvmlite is not installed") from None
    try:  # where memory may not be executed, LLVM would end the process
        mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    except (OSError, AttributeError):
        raise Untraceable("this system lets no memory be executed") from None
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    pool = ctypes.CDLL(_libgomp())
    for name in ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads"):
        llvm.add_symbol(name, ctypes.cast(getattr(pool, name), ctypes.c_void_p).value)
    llvm.add_symbol("sched_yield", ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value)


def _libgomp() -> str:
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    found = [match[0] for line in lines if (match := re.search(r"/\S*libgomp\S*", line))]
    if not found:
        raise Untraceable("torch's thread pool was not found in this process")
    return found[0]
