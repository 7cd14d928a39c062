"""From a cell to functions: trace, plan, text, object code, addresses. Each is made once, and found on disk the next time."""

import ctypes
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from recurra.cells import Cell
from recurra.engine import kept, pool
from recurra.engine.plan import Plan, plan
from recurra.engine.precision import FULL, Precision
from recurra.engine.sweep import Layout, exported, layout, source
from recurra.engine.target import Target, isa, optimised, target
from recurra.engine.trace import Traced, trace
from recurra.engine.vector import Untraceable

__all__ = ["Program", "assemble", "isa", "program", "refusal"]

FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int32)
NOTHING: Mapping[str, str] = {}


class Program(NamedTuple):
    """The compiled sweeps of one cell for one size of number."""

    plan: Plan
    layout: Layout
    functions: tuple[Callable[[int, int], None], ...]
    keep: object

    def run(self, way: int, arguments: "ctypes.Array[ctypes.c_int64]", threads: int) -> None:
        """Call the function at place `way` of those exported, with numbers and addresses in the order of the slots."""
        self.functions[way](ctypes.addressof(arguments), threads)


@cache
def refusal(cell: Cell, diagonal: bool = False) -> str:
    """Why a cell cannot be compiled on this machine; empty where it can. `diagonal`: its maps are one weight for each unit."""
    try:
        _planned(cell, diagonal)
    except Untraceable as error:
        return str(error)
    return ""


@cache
def program(cell: Cell, diagonal: bool, size: int, precision: Precision = FULL) -> Program:
    """Trace, plan and compile a cell for numbers of `size` bytes; Untraceable says why it cannot be."""
    planned = _planned(cell, diagonal)
    header = {"cell": kept.label(cell, diagonal), "numbers": f"float{8 * size}", "weights": precision.kind}
    engine = assemble(source(planned, isa(), size, precision), header)
    functions = tuple(FUNCTION(engine.get_function_address(name)) for name in exported(precision))
    return Program(planned, layout(planned, isa(), size, precision), functions, engine)


@cache
def _planned(cell: Cell, diagonal: bool) -> Plan:
    _runtime()

    def make() -> Traced:
        traced = trace(cell, diagonal)
        source(plan(cell, traced), isa(), 4)  # an operation that has no lowering is found here
        return traced

    return plan(cell, kept.graphs(cell, diagonal, make))


def assemble(text: str, header: Mapping[str, str] = NOTHING) -> Any:
    """Compile LLVM assembly for this processor; the result gives the addresses of functions, and must be kept.

    The header says what it is, for those who look into the cache.
    """
    _runtime()
    return _loaded(text, target(), header)


def _loaded(text: str, chosen: Target, header: Mapping[str, str]) -> Any:
    import llvmlite
    import llvmlite.binding as llvm

    def make() -> bytes:
        module, machine = optimised(text, chosen)
        made: bytes = machine.emit_object(module)
        return made

    versions = (llvmlite.__version__, str(llvm.llvm_version_info))
    code = kept.code(text, (chosen.triple, chosen.cpu, chosen.features, *versions), {"isa": chosen.name, **header}, make)
    machine = llvm.Target.from_triple(chosen.triple).create_target_machine(cpu=chosen.cpu, features=chosen.features, opt=3)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine


@cache
def _runtime() -> object:
    """Give LLVM the functions that compiled code calls, and give back what must be kept; Untraceable where it cannot run."""
    try:
        import llvmlite.binding as llvm
    except ImportError:
        raise Untraceable("llvmlite is not installed") from None
    try:  # where memory may not be executed, LLVM would end the process
        llvm.check_jit_execution()
    except OSError:
        raise Untraceable("this system lets no memory be executed") from None
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    chosen, found, alone = target(), pool.addresses(), None
    if not found:
        alone = _loaded(pool.ALONE, chosen, NOTHING)
        found = {name: alone.get_function_address(f"recurra_{name}") for name in pool.CALLED}
    for name, address in found.items():
        llvm.add_symbol(name, address)
    return alone
