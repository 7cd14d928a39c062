"""The whole program of a cell in LLVM's language.

Rows are packed by length, time first: step t has the rows `starts[t]` to `starts[t + 1]`, those still alive, so that finished rows
cost nothing. All of a call happens in here: packing the weights, input products, the loop over time, gradients of the weights.
"""

from recurra.engine.backward import backward
from recurra.engine.forward import forward
from recurra.engine.layout import Isa, Layout, layout
from recurra.engine.packing import packing
from recurra.engine.plan import Plan
from recurra.engine.pool import BARRIER, POOL, team
from recurra.engine.tile import products
from recurra.engine.vector import declarations

__all__ = ["FUNCTIONS", "Isa", "Layout", "layout", "source"]

FUNCTIONS = ("forward", "backward")
"""What a program exports: ``FUNCTION(args, threads)``."""


def source(plan: Plan, isa: Isa, size: int) -> str:
    """LLVM assembly for a plan, for numbers of `size` bytes."""
    made = layout(plan, isa, size)
    shared = [declarations(made.lanes), POOL, BARRIER, packing(made.lanes), products(made.lanes, isa.registers)]
    return "\n".join([*shared, forward(plan, made, isa), backward(plan, made, isa), *map(team, FUNCTIONS)])
