"""The memory of a sweep: two blocks, one for each way, cut into what the compiled code reads and writes."""

import ctypes
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from recurra.cells import Cell
from recurra.engine.compile import Program, program
from recurra.engine.plan import Plan
from recurra.engine.pool import threads
from recurra.engine.precision import FULL, Precision
from recurra.wirings import Dense, Diagonal, Heads

__all__ = ["LINE", "Buffers", "Call", "Size", "Vectors", "aligned", "frame"]

SMALL = 60_000  # multiplications of one step below which a second thread costs more than it brings
ROWS = 192  # rows of a chunk of steps, whose input product is taken at once
BARRIER = 32  # numbers behind the arguments, where threads meet
LINE = 64
"""Bytes that come into the cache together, at whose bounds memory is laid out."""
OF_X = ("dX", "QI")

Vectors: TypeAlias = Dense | Heads | Diagonal
"""The wirings of vectors."""


class Call(NamedTuple):
    """One run of a layer, but for its numbers."""

    cell: Cell
    wiring: Vectors
    names: tuple[str, ...]
    lengths: Tensor | None = None
    resets: Tensor | None = None
    noise: Mapping[str, Tensor] = {}
    precision: Precision = FULL


class Size(NamedTuple):
    """What the memory of a call depends on: B, T, the longest row, all rows' steps, whether they are kept, threads."""

    batch: int
    steps: int
    span: int
    rows: int
    ragged: bool
    keep: bool
    team: int


class Sizes(NamedTuple):
    """A width: n blocks of s numbers, padded to u; w and f numbers in all, with and without what pads."""

    n: int
    s: int
    u: int
    w: int
    f: int

    @classmethod
    def of(cls, n: int, s: int, grain: int) -> "Sizes":
        """Every block is padded to whole grains."""
        u = -(-s // grain) * grain
        return cls(n, s, u, n * u, n * s)


class Frame(NamedTuple):
    """Arguments but for addresses, the bytes of each block (`back` without and with the gradient of x), and the widths."""

    made: Program
    arguments: bytes
    ahead: int
    packed: int
    back: tuple[int, int]
    widths: dict[str, Sizes]

    def bare(self) -> "ctypes.Array[ctypes.c_int64]":
        """A copy of the arguments, to which a call adds its addresses."""
        return (ctypes.c_int64 * (len(self.arguments) // 8)).from_buffer_copy(self.arguments)


class Buffers:
    """What a sweep reads and writes; see :mod:`recurra.engine.layout` for the slots."""

    def __init__(self, call: Call, x: Tensor, state: Sequence[Tensor], weights: Mapping[str, Tensor], *, keep: bool) -> None:
        batch, steps, _ = x.shape
        lengths = call.lengths
        ragged = lengths is not None and not bool((lengths == steps).all())
        span, rows = (int(lengths.max()), int(lengths.sum())) if ragged and lengths is not None else (steps, batch * steps)
        size = Size(batch, steps, span, rows, ragged, keep, threads())
        self.frame = laid = frame(call.cell, call.wiring, x.element_size(), size, call.precision)
        self.x, self.weights, self.plan, self._slots = x.contiguous(), weights, laid.made.plan, laid.made.layout.slots
        self._arguments = laid.bare()
        self._kept: list[Tensor] = []
        self._ragged = ragged
        block = aligned(self._block("ahead", laid.ahead + laid.packed))
        self._arguments[self._slots["packed"]] = block + laid.ahead
        if ragged:
            assert lengths is not None
            self._sort(lengths, span)
        else:
            for name in ("starts", "order"):
                self._arguments[self._slots[name]] = block + self._arguments[self._slots[f"own_{name}"]]
        if call.resets is not None:
            self.give("resets", call.resets)
        for name, mask in call.noise.items():
            self.give(f"noise.{name}", mask)
        self.give("x", self.x)
        self.give("zeros", x.new_zeros(max(sizes.w for sizes in laid.widths.values())))
        for field, part in zip(self.plan.fields, state, strict=True):
            self.give(f"from.{field}", part)
        self._give_weights(weights)

    def ahead(self) -> tuple[Tensor, ...]:
        """Sweep forwards: y (B, T, ...), and each field of the state after every row's last step."""
        own = len(self._kept)
        y = self._new(self.x.shape[1], self.plan.width)
        ends = self._fields("to")
        self.give("y", y)
        self._run(0)
        del self._kept[own:]  # outputs know their history, and that knows these buffers: they would hold each other
        return y, *ends

    def back(
        self, cotangents: Sequence[Tensor | None], *, need_x: bool
    ) -> tuple[Tensor | None, list[Tensor], dict[str, Tensor]]:
        """Sweep backwards: the gradients of x, of the first state, and of every weight by name."""
        self._block("back", self.frame.back[need_x])
        names = ["dy", *(f"dto.{field}" for field in self.plan.fields)]
        for name, each in zip(names, cotangents, strict=True):
            if each is not None:
                self.give(name, each)
        dx = self._new(self.x.shape[1], "input") if need_x else None
        if dx is not None:
            self.give("dx", dx)
        first = self._fields("dfrom")
        by_name = {name: weight.new_empty(weight.shape) for name, weight in self.weights.items()}
        self._give_weights(by_name, "d")
        self._run(2)
        return dx, first, by_name

    def pack(self) -> Tensor:
        """Pack the weights alone; the block of memory that holds them."""
        block = self._block("packed", self.frame.packed)
        self._run(1)
        return block

    def _run(self, way: int) -> None:
        self.frame.made.run(way, self._arguments, self._number("team"))

    def _number(self, name: str) -> int:
        return self._arguments[self._slots[name]]

    def give(self, name: str, tensor: Tensor) -> None:
        """Hand a tensor to the code, and keep it alive."""
        tensor = tensor.resolve_neg().contiguous()
        self._arguments[self._slots[name]] = tensor.data_ptr()
        self._kept.append(tensor)

    def _block(self, name: str, size: int) -> Tensor:
        block = self.x.new_empty(size // self.x.element_size() + LINE)
        self._kept.append(block)
        self._arguments[self._slots[name]] = aligned(block)
        return block

    def _new(self, steps: int, width: str) -> Tensor:
        """(B, T, ...), with zeros behind each row's end."""
        make: Callable[..., Tensor] = self.x.new_zeros if self._ragged else self.x.new_empty
        return make(len(self.x), steps, self.frame.widths[width].f)

    def _fields(self, way: str) -> list[Tensor]:
        """Room for every field of a state."""
        fields = []
        for field in self.plan.fields:
            fields.append(self.x.new_empty(len(self.x), self.frame.widths[self.plan.widths[f"s.{field}"]].f))
            self.give(f"{way}.{field}", fields[-1])
        return fields

    def _sort(self, lengths: Tensor, span: int) -> None:
        """Rows by length, the longest first, and where those alive at each step begin."""
        steps = torch.arange(span + 1, device=lengths.device)
        alive = (lengths[:, None] > steps).sum(0)
        self.give("starts", torch.cumsum(alive, 0) - alive)
        self.give("order", torch.argsort(lengths, descending=True, stable=True))

    def _give_weights(self, tensors: Mapping[str, Tensor], way: str = "") -> None:
        """Weights, or room for their gradients."""
        units = self.frame.widths["hidden"].f
        for name in ("input", *(each.name for each in self.plan.maps), *self.plan.norms):
            for kind in ("weight", "bias"):
                if f"{name}_{kind}" in tensors:
                    self.give(f"{way}{kind}.{name}", tensors[f"{name}_{kind}"])
        for each in self.plan.vectors:  # a diagonal map without biases has zeros, whose gradient nobody asks for
            whole = tensors.get(each.weight)
            own = self.x.new_zeros(units) if whole is None else whole.view(-1)[each.place * units : (each.place + 1) * units]
            self.give(f"{way}vector.{each.name}", own)


def aligned(block: Tensor) -> int:
    """Where the first line of a block begins."""
    return -(-block.data_ptr() // LINE) * LINE


@lru_cache(maxsize=256)
def frame(cell: Cell, wiring: Vectors, element: int, size: Size, precision: Precision) -> Frame:
    """The memory of a call of this size, laid out."""
    made = program(cell, isinstance(wiring, Diagonal), element, precision)
    plan, layout = made.plan, made.layout
    heads = wiring.heads if isinstance(wiring, Heads) else 1
    projected = (wiring.projected_size or 0) if isinstance(wiring, Dense) else 0
    blocks = {"hidden": (heads, wiring.hidden_size // heads), "projected": (1, projected), "input": (1, wiring.input_size)}
    widths = {name: Sizes.of(n, s, layout.grain) for name, (n, s) in blocks.items()}
    numbers = _numbers(plan, widths, size)
    ends = {}
    for way, names, counts in (
        ("ahead", layout.ahead, _ahead(plan, widths, size, element, kept=numbers["kept"])),
        ("packed", layout.packed, _packed(plan, widths, element, precision)),
        ("back", layout.back, _back(plan, widths, size, element)),
    ):
        end, without_x = 0, 0
        for name in sorted(names, key=lambda name: name in OF_X):  # last, since they may be left out
            numbers[name] = end
            end += -(-counts[name] // LINE) * LINE
            without_x = without_x if name in OF_X else end
        ends[way] = (without_x, end)
    arguments = (ctypes.c_int64 * (len(layout.slots) + BARRIER))()
    for name, place in layout.slots.items():
        arguments[place] = numbers.get(name, 0)
    return Frame(made, bytes(arguments), ends["ahead"][1], ends["packed"][1], ends["back"], widths)


def _numbers(plan: Plan, widths: Mapping[str, Sizes], size: Size) -> dict[str, int]:
    units, inputs = widths["hidden"].w, widths["input"].f
    work = size.batch * units * sum(len(each.parts) * widths[each.takes].s for each in plan.maps)
    if not plan.maps and not plan.norms:  # nothing to wait for
        work = size.rows * units * len(plan.gates) * inputs // 32
    team, chunk = size.team if work >= SMALL else 1, max(2, ROWS // size.batch)
    numbers = {"T": size.span, "N": size.rows, "B": size.batch, "steps": size.steps, "chunk": chunk, "team": team}
    numbers |= {"keep": int(size.keep), "ragged": int(size.ragged), "by_units": int(size.batch < 6 * team)}
    numbers |= {f"{kind}.{width}": number for width, sizes in widths.items() for kind, number in sizes._asdict().items()}
    return numbers | {"kept": size.rows if size.keep else min(size.rows, chunk * size.batch)}


def _ahead(plan: Plan, widths: Mapping[str, Sizes], size: Size, element: int, *, kept: int) -> dict[str, int]:
    units, batch, rows, whole = widths["hidden"].w * element, size.batch, size.rows, 8
    counts = dict.fromkeys(("places", "before", "self"), rows * whole)
    counts |= {"last": batch * whole, "own_starts": (size.span + 1) * whole, "own_order": batch * whole}
    counts |= {"X": rows * widths["input"].w * element, "G": kept * len(plan.apart) * units}
    counts["Y"] = 0 if plan.y else rows * widths[plan.width].w * element
    counts |= {f"M.{each.name}": kept * len(each.parts) * widths[each.gives].w * element for each in plan.maps}
    counts |= {f"A.{name}": kept * widths[plan.widths[f"a.{name}"]].w * element for name in plan.saved}
    counts |= {f"N.{name}": batch * units for name in plan.norms} | {f"K.{name}": rows * units for name in plan.noise}
    return counts | {f"S.{f}": (batch + rows + 1) * widths[plan.widths[f"s.{f}"]].w * element for f in plan.fields}


def _packed(plan: Plan, widths: Mapping[str, Sizes], element: int, precision: Precision) -> dict[str, int]:
    units, gates, weight = widths["hidden"].w, len(plan.gates), precision.bytes(element)
    counts = {"I": gates * units * widths["input"].f * weight}
    counts |= dict.fromkeys(("bias", "rates.input"), gates * units * element)
    for each in plan.maps:
        parts = len(each.parts) * widths[each.gives].w
        counts |= {f"P.{each.name}": parts * widths[each.takes].s * weight}
        counts |= {f"b.{each.name}": parts * element, f"rates.{each.name}": parts * element}
    counts |= {f"V.{each.name}": units * element for each in plan.vectors}
    return counts | {f"{kind}.{name}": units * element for name in plan.norms for kind in ("scale", "shift")}


def _back(plan: Plan, widths: Mapping[str, Sizes], size: Size, element: int) -> dict[str, int]:
    units, batch, rows = widths["hidden"].w * element, size.batch, size.rows
    inputs = widths["input"].w
    counts = {"dX": rows * inputs * element, "QI": len(plan.gates) * units * inputs}
    counts |= {"dY": rows * widths[plan.width].w * element, "D": rows * len(plan.apart) * units}
    for each in plan.maps:
        parts = len(each.parts) * element
        counts |= {f"D.{each.name}": rows * parts * widths[each.gives].w}
        counts |= {f"Q.{each.name}": parts * widths[each.takes].w * widths[each.gives].u}
    counts |= {f"dS.{field}": batch * widths[plan.widths[f"s.{field}"]].w * element for field in plan.fields}
    counts |= {f"dA.{name}": batch * widths[plan.widths[f"a.{name}"]].w * element for name in plan.saved}
    counts |= {f"{kind}.{name}": batch * units for name in plan.norms for kind in ("dN", "dscale", "dshift")}
    return counts | {f"dV.{each.name}": batch * units for each in plan.vectors}
