"""The whole program of a cell in LLVM's language.

Rows are packed by length, time first: step t has the rows `starts[t]` to `starts[t + 1]`, those still alive, so that finished
rows cost nothing. All of a call happens in here: packing weights, input products, the loop over time, gradients of the weights.
"""

from recurra.engine.backward import backward
from recurra.engine.forward import forward
from recurra.engine.layout import Isa, Layout, layout
from recurra.engine.packing import packing
from recurra.engine.plan import Plan
from recurra.engine.pool import BARRIER, POOL, team
from recurra.engine.precision import FULL, Precision
from recurra.engine.tile import products
from recurra.engine.vector import declarations

__all__ = ["Isa", "Layout", "exported", "layout", "source"]


def exported(precision: Precision) -> tuple[str, ...]:
    """The functions of a program, each ``FUNCTION(args, threads)``. With weights in fewer bytes there is no way back."""
    return ("forward", "pack", "backward") if precision.kind == "full" else ("forward", "pack")


def source(plan: Plan, isa: Isa, size: int, precision: Precision = FULL) -> str:
    """LLVM assembly for a plan, for numbers of `size` bytes."""
    made, functions = layout(plan, isa, size, precision), exported(precision)
    parts = [declarations(made.lanes), POOL, BARRIER, packing(made.lanes, precision)]
    parts += [products(made.lanes, isa.registers, precision), forward(plan, made, isa)]
    if "backward" in functions:
        parts.append(backward(plan, made, isa))
    return "\n".join([*parts, *map(team, functions)])
