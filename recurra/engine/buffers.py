"""The memory of a sweep: two blocks, one for each way, cut into what the compiled code reads and writes."""

import ctypes
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from recurra.cells import Cell
from recurra.engine.compile import Program, program
from recurra.engine.layout import WIDTHS
from recurra.engine.pool import threads
from recurra.wirings import Dense, Diagonal, Heads

__all__ = ["Buffers", "Call"]

SMALL = 60_000  # multiplications of one step below which a second thread costs more than it brings
ROWS = 192  # rows of a chunk of steps, whose input product is taken at once
BARRIER = 32  # numbers behind the arguments, where threads meet
LINE = 64  # bytes


class Call(NamedTuple):
    """One run of a layer, but for its numbers."""

    cell: Cell
    wiring: Dense | Heads | Diagonal
    names: tuple[str, ...]
    lengths: Tensor | None = None
    resets: Tensor | None = None
    noise: Mapping[str, Tensor] = {}


class Size(NamedTuple):
    """What the memory of a call depends on: B, T, the longest row, all rows' steps, and whether they are kept for the way back."""

    batch: int
    steps: int
    span: int
    rows: int
    ragged: bool
    keep: bool
    team: int


class Frame(NamedTuple):
    """Arguments but for addresses, the bytes of both blocks (with and without the gradient of x), and widths without padding."""

    made: Program
    arguments: bytes
    ahead: int
    back: tuple[int, int]
    full: dict[str, int]


class Buffers:
    """What a sweep reads and writes; see :mod:`recurra.engine.layout` for the slots."""

    def __init__(self, call: Call, x: Tensor, state: Sequence[Tensor], weights: Mapping[str, Tensor], *, keep: bool) -> None:
        batch, steps, _ = x.shape
        lengths, team = call.lengths, threads()
        ragged = lengths is not None and not bool((lengths == steps).all())
        span, rows = (int(lengths.max()), int(lengths.sum())) if ragged and lengths is not None else (steps, batch * steps)
        frame = _frame(call.cell, call.wiring, x.element_size(), Size(batch, steps, span, rows, ragged, keep, team))
        self.call, self.x, self.weights, self.frame = call, x.contiguous(), weights, frame
        self.plan, self._slots = frame.made.plan, frame.made.layout.slots
        self._arguments = (ctypes.c_int64 * (len(self._slots) + BARRIER)).from_buffer_copy(frame.arguments)
        self._kept: list[Tensor] = []
        self._ragged = ragged
        block = self._block("ahead", frame.ahead)
        if ragged:
            assert lengths is not None
            self._sort(lengths, span)
        else:
            for name in ("starts", "order"):
                self._arguments[self._slots[name]] = block + self._arguments[self._slots[f"own_{name}"]]
        if call.resets is not None:
            self._give("resets", call.resets)
        for name, mask in call.noise.items():
            self._give(f"noise.{name}", mask)
        self._give("x", self.x)
        self._give("zeros", x.new_zeros(max(self._number(f"w.{width}") for width in WIDTHS)))
        for field, part in zip(self.plan.fields, state, strict=True):
            self._give(f"from.{field}", part)
        self._give_weights(weights)

    def ahead(self) -> tuple[Tensor, ...]:
        """Sweep forwards: y (B, T, ...), and each field of the state after every row's last step."""
        y = self._new(self.x.shape[1], self.plan.width)
        ends = self._fields("to")
        self._give("y", y)
        self._run(0)
        return y, *ends

    def back(self, cotangents: Sequence[Tensor | None], *, need_x: bool) -> tuple[Tensor | None, list[Tensor], dict[str, Tensor]]:
        """Sweep backwards: the gradients of x, of the first state, and of every weight by name."""
        self._block("back", self.frame.back[need_x])
        names = ["dy", *(f"dto.{field}" for field in self.plan.fields)]
        for name, each in zip(names, cotangents, strict=True):
            if each is not None:
                self._give(name, each)
        dx = self._new(self.x.shape[1], "input") if need_x else None
        if dx is not None:
            self._give("dx", dx)
        first = self._fields("dfrom")
        by_name = {name: torch.empty_like(weight, memory_format=torch.contiguous_format) for name, weight in self.weights.items()}
        self._give_weights(by_name, "d")
        self._run(1)
        return dx, first, by_name

    def _run(self, way: int) -> None:
        self.frame.made.run(way, self._arguments, self._number("team"))

    def _number(self, name: str) -> int:
        return self._arguments[self._slots[name]]

    def _give(self, name: str, tensor: Tensor) -> None:
        """Hand a tensor to the code, and keep it alive."""
        tensor = tensor.contiguous()
        self._arguments[self._slots[name]] = tensor.data_ptr()
        self._kept.append(tensor)

    def _block(self, name: str, size: int) -> int:
        block = self.x.new_empty(size // self.x.element_size() + LINE)
        self._kept.append(block)
        first = -(-block.data_ptr() // LINE) * LINE
        self._arguments[self._slots[name]] = first
        return first

    def _new(self, steps: int, width: str) -> Tensor:
        """(B, T, ...), with zeros behind each row's end."""
        make: Callable[..., Tensor] = self.x.new_zeros if self._ragged else self.x.new_empty
        return make(len(self.x), steps, self.frame.full[width])

    def _fields(self, way: str) -> list[Tensor]:
        """Room for every field of a state."""
        fields = []
        for field in self.plan.fields:
            fields.append(self.x.new_empty(len(self.x), self.frame.full[self.plan.widths[f"s.{field}"]]))
            self._give(f"{way}.{field}", fields[-1])
        return fields

    def _sort(self, lengths: Tensor, span: int) -> None:
        """Rows by length, the longest first, and where those alive at each step begin."""
        starts = torch.zeros(span + 1, dtype=torch.long)
        torch.cumsum((lengths[:, None] > torch.arange(span)).sum(0), 0, out=starts[1:])
        self._give("starts", starts)
        self._give("order", torch.argsort(lengths, descending=True, stable=True))

    def _give_weights(self, tensors: Mapping[str, Tensor], way: str = "") -> None:
        """Weights, or room for their gradients."""
        units = self.frame.full["hidden"]
        for name in ("input", *(each.name for each in self.plan.maps), *self.plan.norms):
            for kind in ("weight", "bias"):
                if f"{name}_{kind}" in tensors:
                    self._give(f"{way}{kind}.{name}", tensors[f"{name}_{kind}"])
        for each in self.plan.vectors:  # a diagonal map without biases has zeros, whose gradient nobody asks for
            whole = tensors.get(each.weight)
            own = self.x.new_zeros(units) if whole is None else whole.view(-1)[each.place * units : (each.place + 1) * units]
            self._give(f"{way}vector.{each.name}", own)


@lru_cache(maxsize=256)
def _frame(cell: Cell, wiring: Dense | Heads | Diagonal, element: int, size: Size) -> Frame:
    made = program(cell, isinstance(wiring, Diagonal), element)
    plan, layout = made.plan, made.layout
    heads = wiring.heads if isinstance(wiring, Heads) else 1
    projected = (wiring.projected_size or 0) if isinstance(wiring, Dense) else 0
    blocks = {"hidden": (heads, wiring.hidden_size // heads), "projected": (1, projected), "input": (1, wiring.input_size)}
    padded = {name: -(-s // layout.grain) * layout.grain for name, (_, s) in blocks.items()}
    wide, full = ({name: n * of[name] for name, (n, _) in blocks.items()} for of in (padded, {k: s for k, (_, s) in blocks.items()}))
    chunk = max(2, ROWS // size.batch)
    kept = size.rows if size.keep else min(size.rows, chunk * size.batch)
    work = size.batch * wide["hidden"] * sum(len(each.parts) * blocks[each.takes][1] for each in plan.maps)
    if not plan.maps and not plan.norms:  # nothing to wait for
        work = size.rows * wide["hidden"] * len(plan.gates) * full["input"] // 32
    team = size.team if work >= SMALL else 1
    numbers = {"T": size.span, "N": size.rows, "B": size.batch, "steps": size.steps, "chunk": chunk, "team": team}
    numbers |= {"keep": int(size.keep), "ragged": int(size.ragged), "by_units": int(size.batch < 6 * team)}
    for name, (n, s) in blocks.items():
        numbers |= {f"n.{name}": n, f"s.{name}": s, f"u.{name}": padded[name], f"w.{name}": wide[name], f"f.{name}": full[name]}

    units, gates, rows, batch = wide["hidden"], len(plan.gates), size.rows, size.batch
    long, real = 8, element
    ahead = {name: rows * long for name in ("places", "before", "self")}
    ahead |= {"last": batch * long, "own_starts": (size.span + 1) * long, "own_order": batch * long}
    ahead |= {"X": rows * wide["input"] * real, "I": gates * units * full["input"] * real, "bias": gates * units * real}
    ahead |= {"G": kept * len(plan.apart) * units * real, "Y": rows * wide[plan.width] * real if plan.y is None else 0}
    back = {"dX": rows * wide["input"] * real, "QI": gates * units * wide["input"] * real, "dY": rows * wide[plan.width] * real}
    for each in plan.maps:
        parts = len(each.parts) * wide[each.gives] * real
        ahead |= {f"P.{each.name}": parts * blocks[each.takes][1], f"b.{each.name}": parts, f"M.{each.name}": kept * parts}
        back[f"Q.{each.name}"] = len(each.parts) * wide[each.takes] * padded[each.gives] * real
        back[f"D.{each.name}"] = rows * parts
    back["D"] = rows * len(plan.apart) * units * real
    for field in plan.fields:
        width = wide[plan.widths[f"s.{field}"]] * real
        ahead[f"S.{field}"], back[f"dS.{field}"] = (batch + rows + 1) * width, batch * width
    for name in plan.saved:
        width = wide[plan.widths[f"a.{name}"]] * real
        ahead[f"A.{name}"], back[f"dA.{name}"] = kept * width, batch * width
    for name in plan.norms:
        ahead |= {f"scale.{name}": units * real, f"shift.{name}": units * real, f"N.{name}": batch * units * real}
        back |= {f"{kind}.{name}": batch * units * real for kind in ("dN", "dscale", "dshift")}
    for vector in plan.vectors:
        ahead[f"V.{vector.name}"], back[f"dV.{vector.name}"] = units * real, batch * units * real
    ahead |= {f"K.{name}": rows * units * real for name in plan.noise}

    arguments = (ctypes.c_int64 * (len(layout.slots) + BARRIER))()
    ends = {}
    for way, names, counts in (("ahead", layout.ahead, ahead), ("back", layout.back, back)):
        end, with_x = 0, 0
        for name in sorted(names, key=lambda name: name in ("dX", "QI")):  # those of x last: they may be left out
            numbers[name] = end
            end += -(-counts[name] // LINE) * LINE
            if name not in ("dX", "QI"):
                with_x = end
        ends[way] = (with_x, end)
    for name, number in numbers.items():
        arguments[layout.slots[name]] = number
    return Frame(made, bytes(arguments), ends["ahead"][1], ends["back"], full)
