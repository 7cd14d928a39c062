"""Vectors of units in LLVM's intermediate language: loads, stores, loops, and the pointwise functions with their error bounds.

Every function here is within 4 units in the last place of the exact value; NaN goes through all of them.
"""

import ctypes
import math
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from recurra.engine import functions

if TYPE_CHECKING:
    from recurra.engine.trace import Graph, Value

__all__ = ["LOWERED", "Code", "Lanes", "Untraceable", "declarations", "internal"]


class Untraceable(Exception):  # noqa: N818 - caught by the choice of engines, which leaves the cell to the next one
    """Why a cell's step cannot be compiled, and which of torch's operations is to blame, if one is."""

    def __init__(self, reason: str, op: str = "") -> None:
        super().__init__(reason)
        self.op = op


class Lanes(NamedTuple):
    """A vector type: how many numbers of 4 or 8 bytes."""

    width: int
    size: int

    @property
    def number(self) -> str:
        """LLVM's name of one number."""
        return "float" if self.size == 4 else "double"

    @property
    def vector(self) -> str:
        """LLVM's name of the vector."""
        return f"<{self.width} x {self.number}>"

    @property
    def whole(self) -> str:
        """The vector of whole numbers of the same size."""
        return f"<{self.width} x i{8 * self.size}>"


class Code:
    """Lines of one function in LLVM's language, over vectors of one kind."""

    def __init__(self, lanes: Lanes) -> None:
        self.lanes, self.lines, self._count = lanes, list[str](), 0

    def fresh(self) -> str:
        """A name not used before."""
        self._count += 1
        return f"%.{self._count}"

    def line(self, text: str) -> None:
        """Add a line."""
        self.lines.append("  " + text)

    def op(self, text: str) -> str:
        """Add an instruction with a result, and give its name."""
        name = self.fresh()
        self.line(f"{name} = {text}")
        return name

    def label(self, name: str) -> None:
        """Begin a block."""
        self.lines.append(f"{name}:")

    def block(self) -> str:
        """A name for a block."""
        self._count += 1
        return f"block.{self._count}"

    def end(self) -> str:
        """Close the function, and give its text."""
        self.line("ret void")
        return "\n".join([*self.lines, "}"])

    # whole numbers and addresses
    def i(self, kind: str, a: str | int, b: str | int) -> str:
        """A 64-bit operation: add, sub, mul, udiv, ..."""
        return self.op(f"{kind} i64 {a}, {b}")

    def least(self, a: str, b: str) -> str:
        """The smaller of two unsigned numbers."""
        return self.op(f"select i1 {self.op(f'icmp ult i64 {a}, {b}')}, i64 {a}, i64 {b}")

    def at(self, base: str, index: str | int) -> str:
        """The address of a number in an array."""
        return self.op(f"getelementptr {self.lanes.number}, ptr {base}, i64 {index}")

    def whole(self, base: str, index: str) -> str:
        """A 64-bit number of an array of them."""
        return self.op(f"load i64, ptr {self.op(f'getelementptr i64, ptr {base}, i64 {index}')}")

    def keep(self, number: str, base: str, index: str) -> None:
        """A 64-bit number into an array of them."""
        self.line(f"store i64 {number}, ptr {self.op(f'getelementptr i64, ptr {base}, i64 {index}')}")

    def load(self, address: str) -> str:
        """A vector from memory."""
        return self.op(f"load {self.lanes.vector}, ptr {address}, align {self.lanes.size}")

    def store(self, vector: str, address: str) -> None:
        """A vector to memory."""
        self.line(f"store {self.lanes.vector} {vector}, ptr {address}, align {self.lanes.size}")

    def broadcast(self, address: str) -> str:
        """One number from memory in every lane."""
        return self.splat(self.op(f"load {self.lanes.number}, ptr {address}, align {self.lanes.size}"))

    def splat(self, number: str) -> str:
        """One number in every lane."""
        first = self.op(f"insertelement {self.lanes.vector} poison, {self.lanes.number} {number}, i64 0")
        zeros = f"<{self.lanes.width} x i32> zeroinitializer"
        return self.op(f"shufflevector {self.lanes.vector} {first}, {self.lanes.vector} poison, {zeros}")

    def masked_load(self, address: str, mask: str) -> str:
        """The lanes of `mask` from memory, zeros in the others."""
        n, v, zero = self.lanes.width, self.lanes.vector, self.constant(0.0)
        suffix = f"v{n}f{8 * self.lanes.size}.p0"
        align = self.lanes.size
        return self.op(f"call {v} @llvm.masked.load.{suffix}(ptr {address}, i32 {align}, <{n} x i1> {mask}, {v} {zero})")

    def masked_store(self, vector: str, address: str, mask: str) -> None:
        """The lanes of `mask` to memory."""
        n, v = self.lanes.width, self.lanes.vector
        suffix = f"v{n}f{8 * self.lanes.size}.p0"
        where = f"ptr {address}, i32 {self.lanes.size}, <{n} x i1> {mask}"
        self.line(f"call void @llvm.masked.store.{suffix}({v} {vector}, {where})")

    def total(self, vector: str) -> str:
        """The sum of the lanes, in every lane."""
        number, v = self.lanes.number, self.lanes.vector
        suffix = f"v{self.lanes.width}f{8 * self.lanes.size}"
        return self.splat(self.op(f"call reassoc {number} @llvm.vector.reduce.fadd.{suffix}({number} 0.0, {v} {vector})"))

    def address(self, base: str, *terms: tuple[str | int, str | int] | str | int) -> str:
        """The address of a number in an array, at the sum of the terms; a pair is a product."""
        index: str | int = 0
        for term in terms:
            value = self.i("mul", *term) if isinstance(term, tuple) else term
            index = value if index == 0 else self.i("add", index, value)
        return self.at(base, index)

    @contextmanager
    def when(self, test: str) -> Iterator[None]:
        """The body runs where the test is true."""
        yes, done = self.block(), self.block()
        self.line(f"br i1 {test}, label %{yes}, label %{done}")
        self.label(yes)
        yield
        self.line(f"br label %{done}")
        self.label(done)

    @contextmanager
    def loop(self, start: str | int, stop: str | int, step: str | int = 1) -> Iterator[str]:
        """``for i in range(start, stop, step)``; the body sees i."""
        with self._counted(start, step, lambda i, _: f"icmp ult i64 {i}, {stop}") as i:
            yield i

    def blocks(self, start: str, stop: str, sizes: Sequence[int]) -> Iterator[tuple[str, int]]:
        """``start`` to ``stop`` in the largest blocks that fit; the body, run once for each size, sees where a block begins."""
        for size in sizes:
            with self._counted(start, size, lambda _, following: f"icmp ule i64 {following}, {stop}") as i:
                yield i, size
            start = i

    @contextmanager
    def _counted(self, start: str | int, step: str | int, more: Callable[[str, str], str]) -> Iterator[str]:
        """The body runs with i = start, start + step, ... while `more` of i and of what follows it holds."""
        before, head, body, latch, done = (self.block() for _ in range(5))
        i, following = self.fresh(), self.fresh()
        self.line(f"br label %{before}")
        self.label(before)
        self.line(f"br label %{head}")
        self.label(head)
        self.line(f"{i} = phi i64 [{start}, %{before}], [{following}, %{latch}]")
        self.line(f"{following} = add i64 {i}, {step}")
        self.line(f"br i1 {self.op(more(i, following))}, label %{body}, label %{done}")
        self.label(body)
        yield i
        self.line(f"br label %{latch}")
        self.label(latch)
        self.line(f"br label %{head}")
        self.label(done)

    # numbers
    def constant(self, value: float) -> str:
        """The same number in every lane."""
        if self.lanes.size == 4:
            value = ctypes.c_float(value).value
        bits = struct.unpack(">Q", struct.pack(">d", value))[0]
        return f"splat ({self.lanes.number} 0x{bits:016X})"

    def two(self, kind: str, a: str, b: str) -> str:
        """fadd, fsub, fmul or fdiv, rounded each by itself: the same bits in a block of one row and of six."""
        return self.op(f"{kind} nsz {self.lanes.vector} {a}, {b}")

    def fma(self, a: str, b: str, c: str) -> str:
        """A b + c, rounded once."""
        return self.call("fma", a, b, c)

    def call(self, name: str, *vectors: str) -> str:
        """An intrinsic of LLVM on vectors."""
        suffix = f"v{self.lanes.width}f{8 * self.lanes.size}"
        arguments = ", ".join(f"{self.lanes.vector} {vector}" for vector in vectors)
        return self.op(f"call {self.lanes.vector} @llvm.{name}.{suffix}({arguments})")

    def select(self, test: str, yes: str, no: str) -> str:
        """Lane by lane."""
        return self.op(f"select <{self.lanes.width} x i1> {test}, {self.lanes.vector} {yes}, {self.lanes.vector} {no}")

    def compare(self, kind: str, a: str, b: str) -> str:
        """A test, lane by lane."""
        return self.op(f"fcmp {kind} {self.lanes.vector} {a}, {b}")

    def inside(self, unit: str, end: str) -> str:
        """Which lanes of the vector that begins at `unit` lie before `end`."""
        n = self.lanes.width
        kind = f"<{n} x i64>"
        spread = f"{kind} poison, <{n} x i32> zeroinitializer"
        first, last = (
            self.op(f"shufflevector {kind} {self.op(f'insertelement {kind} poison, i64 {value}, i64 0')}, {spread}")
            for value in (unit, end)
        )
        steps = ", ".join(f"i64 {k}" for k in range(n))
        return self.op(f"icmp ult {kind} {self.op(f'add {kind} {first}, <{steps}>')}, {last}")

    def clamp(self, x: str, low: float, high: float) -> str:
        """Between two bounds; NaN stays."""
        x = self.select(self.compare("olt", x, self.constant(low)), self.constant(low), x)
        return self.select(self.compare("ogt", x, self.constant(high)), self.constant(high), x)

    def polynomial(self, x: str, coefficients: Sequence[float]) -> str:
        """Horner's scheme, the highest power first."""
        p = self.constant(coefficients[0])
        for coefficient in coefficients[1:]:
            p = self.fma(p, x, self.constant(coefficient))
        return p

    def exp(self, x: str) -> str:
        """e^x as 2^n e^r, r at most ln 2 / 2, by its Taylor polynomial; at most 2 ulp, denormal and infinite ends included."""
        small = self.lanes.size == 4
        x = self.clamp(x, *((-104.0, 89.0) if small else (-746.0, 710.0)))
        n = self.call("roundeven", self.two("fmul", x, self.constant(1 / math.log(2))))
        high_part, low_part = (
            (0.693359375, -2.12194440e-4) if small else (6.93147180369123816490e-1, 1.90821492927058770002e-10)
        )
        r = self.fma(n, self.constant(-high_part), x)
        r = self.fma(n, self.constant(-low_part), r)
        p = self.polynomial(r, [1 / math.factorial(k) for k in range(7 if small else 13, -1, -1)])
        whole = self.op(f"fptosi {self.lanes.vector} {n} to {self.lanes.whole}")
        half = self.op(f"ashr {self.lanes.whole} {whole}, splat (i{8 * self.lanes.size} 1)")
        rest = self.op(f"sub {self.lanes.whole} {whole}, {half}")
        scaled = self.two("fmul", self.two("fmul", p, self._power_of_two(half)), self._power_of_two(rest))
        return self.select(self.compare("uno", x, x), x, scaled)  # fptosi of NaN is nothing

    def _power_of_two(self, n: str) -> str:
        bias, shift = (127, 23) if self.lanes.size == 4 else (1023, 52)
        width = 8 * self.lanes.size
        biased = self.op(f"add {self.lanes.whole} {n}, splat (i{width} {bias})")
        placed = self.op(f"shl {self.lanes.whole} {biased}, splat (i{width} {shift})")
        return self.op(f"bitcast {self.lanes.whole} {placed} to {self.lanes.vector}")

    def sigmoid(self, x: str) -> str:
        """1 / (1 + e^-x); at most 3 ulp."""
        one = self.constant(1.0)
        return self.two("fdiv", one, self.two("fadd", one, self.exp(self.op(f"fneg {self.lanes.vector} {x}"))))

    def tanh(self, x: str) -> str:
        """1 - 2 / (e^2|x| + 1) with the sign of x; an odd rational function near 0; at most 3 ulp."""
        one, size = self.constant(1.0), self.call("fabs", x)
        e = self.exp(self.two("fadd", size, size))
        far = self.two("fsub", one, self.two("fdiv", self.constant(2.0), self.two("fadd", e, one)))
        z = self.two("fmul", x, x)
        if self.lanes.size == 4:
            p = self.polynomial(
                z, [-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1]
            )
        else:
            above = self.polynomial(z, [-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3])
            below = [1.0, 1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3]
            p = self.two("fdiv", above, self.polynomial(z, below))
        near = self.fma(self.two("fmul", p, z), x, x)
        return self.select(self.compare("ogt", size, self.constant(0.625)), self.call("copysign", far, x), near)

    def sign(self, x: str) -> str:
        """-1, 0 or 1."""
        zero, one = self.constant(0.0), self.constant(1.0)
        above = self.select(self.compare("ogt", x, zero), one, x)  # 0 and NaN stay as they are
        return self.select(self.compare("olt", x, zero), self.constant(-1.0), above)

    def graph(self, graph: "Graph", inputs: Mapping[str, str], outputs: Sequence[str]) -> dict[str, str]:
        """Lower what `outputs` need of a graph; `inputs` are vectors by name."""
        needed = {number for name in outputs if isinstance(number := graph.outputs[name], int)}
        first = len(graph.inputs)
        for number in range(first + len(graph.ops) - 1, first - 1, -1):
            if number in needed:
                needed |= {argument for argument in graph.ops[number - first].args if isinstance(argument, int)}
        values: dict[int, str] = {number: inputs[name] for number, name in enumerate(graph.inputs) if number in needed}

        def vector(argument: "Value") -> str:
            return values[argument] if isinstance(argument, int) else self.constant(argument)

        for number, op in enumerate(graph.ops, first):
            if number in needed:
                values[number] = LOWERED[op.name][1](self, *(vector(argument) for argument in op.args))
        return {name: vector(graph.outputs[name]) for name in outputs}


def internal(lanes: Lanes, head: str) -> Code:
    """A function of which the head is written, its name and parameters."""
    code = Code(lanes)
    code.lines.append(f"define internal void {head} noinline {{")  # inlined, they would take twice as long to compile
    code.label("entry")
    return code


def declarations(lanes: Lanes) -> str:
    """The intrinsics that the functions above call."""
    v, suffix = lanes.vector, f"v{lanes.width}f{8 * lanes.size}"
    masked = f"<{lanes.width} x i1>"
    memory = (
        f"declare {v} @llvm.masked.load.{suffix}.p0(ptr, i32 immarg, {masked}, {v})\n"
        f"declare void @llvm.masked.store.{suffix}.p0({v}, ptr, i32 immarg, {masked})\n"
        f"declare {lanes.number} @llvm.vector.reduce.fadd.{suffix}({lanes.number}, {v})\n"
    )
    arities = {"fma": 3, "roundeven": 1, "fabs": 1, "sqrt": 1, "maximum": 2, "minimum": 2, "copysign": 2}
    return memory + "".join(f"declare {v} @llvm.{name}.{suffix}({', '.join([v] * n)})\n" for name, n in arities.items())


def _two(kind: str) -> Callable[..., str]:
    return lambda code, a, b: code.two(kind, a, b)


def _compare(kind: str) -> Callable[..., str]:
    return lambda code, a, b: code.compare(kind, a, b)


def _call(name: str) -> Callable[..., str]:
    return lambda code, *vectors: code.call(name, *vectors)


def _tests(kind: str) -> Callable[..., str]:
    return lambda code, a, b: code.op(f"{kind} <{code.lanes.width} x i1> {a}, {b}")


def _inverse(code: Code, x: str) -> str:
    return code.two("fdiv", code.constant(1.0), x)


LOWERED: dict[str, tuple[int, Callable[..., str]]] = {
    "abs": (1, _call("fabs")),
    "add": (2, _two("fadd")),
    "clamp": (3, lambda code, x, low, high: code.call("minimum", code.call("maximum", x, low), high)),
    "cos": (1, functions.cos),
    "div": (2, _two("fdiv")),
    "eq": (2, _compare("oeq")),
    "exp": (1, Code.exp),
    "ge": (2, _compare("oge")),
    "gt": (2, _compare("ogt")),
    "le": (2, _compare("ole")),
    "log": (1, functions.log),
    "log1p": (1, functions.log1p),
    "logical_and": (2, _tests("and")),
    "logical_not": (1, lambda code, x: code.op(f"xor <{code.lanes.width} x i1> {x}, splat (i1 true)")),
    "logical_or": (2, _tests("or")),
    "lt": (2, _compare("olt")),
    "maximum": (2, _call("maximum")),
    "minimum": (2, _call("minimum")),
    "mul": (2, _two("fmul")),
    "ne": (2, _compare("une")),
    "neg": (1, lambda code, x: code.op(f"fneg {code.lanes.vector} {x}")),
    "reciprocal": (1, _inverse),
    "relu": (1, lambda code, x: code.call("maximum", x, code.constant(0.0))),
    "rsqrt": (1, lambda code, x: _inverse(code, code.call("sqrt", x))),
    "sigmoid": (1, Code.sigmoid),
    "sign": (1, Code.sign),
    "sin": (1, functions.sin),
    "sqrt": (1, _call("sqrt")),
    "sub": (2, _two("fsub")),
    "tanh": (1, Code.tanh),
    "where": (3, Code.select),
}
"""The operations that can be compiled: how many arguments each has, and its instructions. The trace makes powers products."""
