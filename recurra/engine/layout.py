"""How compiled code and Python agree on memory: the slots of the arguments, and how wide everything is padded."""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from recurra.engine.plan import MapPlan, Plan
from recurra.engine.precision import FULL, Precision
from recurra.engine.tile import VECTORS
from recurra.engine.vector import Code, Lanes

__all__ = ["WIDTHS", "Function", "Isa", "Layout", "layout"]

WIDTHS = ("hidden", "projected", "input")
"""Widths of rows. Each has five numbers: n blocks of s numbers padded to u; w = n u and f = n s in all."""

COUNTS = ("T", "N", "B", "steps", "chunk", "keep", "ready", "ragged", "by_units", "team")
NUMBERS = (*COUNTS, *(f"{kind}.{width}" for width in WIDTHS for kind in "nsuwf"))
BLOCKS = ("ahead", "packed", "back")


class Isa(NamedTuple):
    """What of a processor shapes the code: bytes in a vector, and how many vector registers."""

    bytes: int
    registers: int


class Layout(NamedTuple):
    """Lanes, precision of weights, units in a grain (a panel's; every block is whole grains), and the slots of the arguments.

    `slots` are names with their places: numbers, then addresses of tensors of the user, then places, in bytes, in three blocks
    of memory: what the way `ahead` makes, weights as they are `packed`, and what the way `back` makes.
    """

    lanes: Lanes
    precision: Precision
    grain: int
    slots: dict[str, int]
    ahead: tuple[str, ...]
    packed: tuple[str, ...]
    back: tuple[str, ...]


def layout(plan: Plan, isa: Isa, size: int, precision: Precision = FULL) -> Layout:
    """The layout of a plan for numbers of `size` bytes, and weights held in a precision of their own."""
    lanes = Lanes(isa.bytes // size, size)
    maps, vectors = [each.name for each in plan.maps], [each.name for each in plan.vectors]
    both = [f"{kind}.{name}" for name in ("input", *maps, *plan.norms) for kind in ("weight", "bias")]
    both += [f"vector.{name}" for name in vectors]
    rates = ["input", *maps] if precision.kind == "int8" else []
    given = ["x", "y", "starts", "order", "resets", "zeros", *both, *(f"noise.{name}" for name in plan.noise)]
    given += [f"rate.{name}" for name in rates]
    ends = [f"{way}.{field}" for way in ("from", "to") for field in plan.fields]
    given += [*ends, "dx", "dy", *(f"d{name}" for name in (*both, *ends))]
    ahead = ["places", "before", "self", "last", "own_starts", "own_order", "X", "G", "Y", *(f"M.{name}" for name in maps)]
    ahead += [*(f"A.{name}" for name in plan.saved), *(f"N.{name}" for name in plan.norms)]
    ahead += [*(f"S.{field}" for field in plan.fields), *(f"K.{name}" for name in plan.noise)]
    packed = ["I", "bias", *(f"{kind}.{name}" for name in maps for kind in ("P", "b")), *(f"V.{name}" for name in vectors)]
    packed += [*(f"{kind}.{name}" for name in plan.norms for kind in ("scale", "shift")), *(f"rates.{name}" for name in rates)]
    back = ["dX", "QI", "dY", *(f"Q.{name}" for name in maps), *(f"dS.{field}" for field in plan.fields)]
    back += [*(f"dA.{name}" for name in plan.saved), *(f"dV.{name}" for name in vectors)]
    back += [f"{kind}.{name}" for name in plan.norms for kind in ("dN", "dscale", "dshift")]
    if not plan.in_place:
        back += ["D", *(f"D.{name}" for name in maps)]
    slots = {name: place for place, name in enumerate([*NUMBERS, *BLOCKS, *given, *ahead, *packed, *back])}
    return Layout(lanes, precision, lanes.width * VECTORS, slots, tuple(ahead), tuple(packed), tuple(back))


class Function(Code):
    """A function that is given the arguments of a sweep, and perhaps whole numbers; it loads those slots that it uses."""

    def __init__(self, layout: Layout, name: str, numbers: Sequence[str] = ()) -> None:
        super().__init__(layout.lanes)
        self.layout, self._room = layout, list[str]()
        parameters = ", ".join(["ptr noalias %a", *(f"i64 %{number}" for number in numbers)])
        self._head = f"define internal void @{name}({parameters}) noinline {{\nentry:"  # inlined, they would take twice as long

    def slot(self, name: str) -> str:
        """An argument, a number or an address."""
        return f"%a.{self.layout.slots[name]}"  # by place, since a user's names may hold what LLVM's do not

    def end(self) -> str:
        """Close the function, and give its text."""
        used = {int(place) for place in re.findall(r"%a\.(\d+)", "\n".join(self.lines))}
        loads = []

        def load(place: int, kind: str, value: str) -> None:
            loads.append(f"  %at.{place} = getelementptr i64, ptr %a, i64 {place}")
            loads.append(f"  {value} = load {kind}, ptr %at.{place}, align 8")

        blocks = {"ahead": self.layout.ahead, "packed": self.layout.packed, "back": self.layout.back}
        for block, names in blocks.items():
            own = sorted(used.intersection(self.layout.slots[name] for name in names))
            if own:
                load(self.layout.slots[block], "ptr", self.slot(block))
            for place in own:
                load(place, "i64", f"%in.{place}")
                loads.append(f"  %a.{place} = getelementptr i8, ptr {self.slot(block)}, i64 %in.{place}")
            used.difference_update(own)
        for place in sorted(used):
            load(place, "i64" if place < len(NUMBERS) else "ptr", f"%a.{place}")
        return "\n".join([self._head, *self._room, *loads, *self.lines, "  ret void", "}"])

    def room(self, vectors: int = 1) -> str:
        """The address of memory for some vectors, which is the function's own."""
        name = self.fresh()
        self._room.append(f"  {name} = alloca [{vectors} x {self.lanes.vector}], align 64")
        return name

    def row(self, slot: str, row: str, width: str, unit: str | int = 0, count: int = 1, place: int = 0) -> str:
        """The address of a unit in a row, where a row is `count` parts of a width, and the part is the one at `place`."""
        wide = self.slot(f"w.{width}")
        along = self.i("mul", wide, count) if count > 1 else wide
        terms: list[tuple[str | int, str | int] | str | int] = [(row, along)]
        if place:
            terms.append((wide, place))
        return self.address(self.slot(slot), *terms, *([unit] if unit != 0 else []))

    def move(self, way: Literal["enter", "leave"], to: str, source: str, width: str) -> None:
        """A row inwards, padded, or outwards; see :mod:`recurra.engine.packing`."""
        sizes = ", ".join(f"i64 {self.slot(f'{kind}.{width}')}" for kind in "nsu")
        self.line(f"call void @recurra_{way}(ptr {to}, ptr {source}, {sizes})")

    def before(self, row: str) -> str:
        """Where the state before a row of the packed batch lies."""
        return self.whole(self.slot("before"), row)

    def gate(self, plan: Plan, gate: str, row: str, unit: str | int, *, gradient: bool = False) -> str:
        """The address of the pre-activation of a gate, or of its gradient."""
        for each in plan.maps:
            if gate in each.parts[: each.merged]:
                return self.part(each, gate, row, unit, gradient=gradient)
        slot = "D" if gradient and "D" in self.layout.slots else "G"
        return self.row(slot, row, "hidden", unit, len(plan.apart), plan.apart.index(gate))

    def part(self, each: MapPlan, part: str, row: str, unit: str | int, *, gradient: bool = False) -> str:
        """The address of what a map gives for a part, or of its gradient."""
        slot = self.gradients(each) if gradient else f"M.{each.name}"
        return self.row(slot, row, each.gives, unit, len(each.parts), each.parts.index(part))

    def gradients(self, each: MapPlan) -> str:
        """The slot of the gradients of what a map gives: they may take the place of the values."""
        return f"D.{each.name}" if "D" in self.layout.slots else f"M.{each.name}"
