"""Logarithms and sines in LLVM's intermediate language, within 4 units in the last place as the functions beside them.

Sines are so up to 10,000 radians; further out the argument itself is known no better.
"""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recurra.engine.vector import Code

__all__ = ["cos", "log", "log1p", "sin"]


def log(code: "Code", x: str) -> str:
    """Log x as e ln 2 + log m, m from half a root of 2 to a root, by the series of the inverse hyperbolic tangent."""
    small, size = code.lanes.size == 4, 8 * code.lanes.size
    shift, tiny = (23, 2.0**-126) if small else (52, 2.0**-1022)
    denormal = code.compare("olt", x, code.constant(tiny))
    v = code.select(denormal, code.two("fmul", x, code.constant(2.0 ** (shift + 1))), x)
    bits = code.op(f"bitcast {code.lanes.vector} {v} to {code.lanes.whole}")
    half_root = 0x3F3504F3 if small else 0x3FE6A09E667F3BCD  # its bits: from there on a mantissa counts to the next power of 2
    above = code.op(f"sub {code.lanes.whole} {bits}, splat (i{size} {half_root})")
    power = code.op(f"ashr {code.lanes.whole} {above}, splat (i{size} {shift})")
    placed = code.op(f"shl {code.lanes.whole} {power}, splat (i{size} {shift})")
    mantissa = code.op(f"sub {code.lanes.whole} {bits}, {placed}")
    m = code.op(f"bitcast {code.lanes.whole} {mantissa} to {code.lanes.vector}")
    e = code.op(f"sitofp {code.lanes.whole} {power} to {code.lanes.vector}")
    e = code.select(denormal, code.two("fsub", e, code.constant(shift + 1.0)), e)
    f = code.two("fsub", m, code.constant(1.0))
    s = code.two("fdiv", f, code.two("fadd", f, code.constant(2.0)))
    z = code.two("fmul", s, s)
    series = code.two("fmul", z, code.polynomial(z, [1 / (2 * k + 1) for k in range(5 if small else 11, 0, -1)]))
    high, low = (0.693359375, -2.12194440e-4) if small else (6.93147180369123816490e-1, 1.90821492927058770002e-10)
    twice = code.two("fadd", s, s)
    # log m = 2 s + 2 s series = f - s (f - 2 series), which keeps the digits of f
    rest = code.fma(twice, series, code.two("fmul", e, code.constant(low)))
    near = code.fma(code.op(f"fneg {code.lanes.vector} {s}"), f, rest)
    whole = code.fma(e, code.constant(high), code.two("fadd", f, near))
    return _ends(code, x, whole)


def _ends(code: "Code", x: str, inside: str) -> str:
    """The logarithm where x is 0, infinite, negative or not a number."""
    zero, infinity = code.constant(0.0), code.constant(math.inf)
    result = code.select(code.compare("oeq", x, infinity), infinity, inside)
    result = code.select(code.compare("oeq", x, zero), code.constant(-math.inf), result)
    return code.select(code.compare("oge", x, zero), result, code.constant(math.nan))


def log1p(code: "Code", x: str) -> str:
    """log(1 + x): the logarithm of the rounded sum, by the share of x that the sum has (Kahan)."""
    one = code.constant(1.0)
    sum_ = code.two("fadd", one, x)
    share = code.two("fdiv", x, code.two("fsub", sum_, one))
    large = code.two("fmul", log(code, sum_), share)
    result = code.select(code.compare("oeq", sum_, one), x, large)
    return code.select(code.compare("oeq", x, code.constant(math.inf)), x, result)


def sin(code: "Code", x: str) -> str:
    """The sine of an angle in radians."""
    return _turned(code, x, 0.0)


def cos(code: "Code", x: str) -> str:
    """The cosine: the sine a quarter of a turn further."""
    return _turned(code, x, 1.0)


def _turned(code: "Code", x: str, ahead: float) -> str:
    """The sine of x and `ahead` quarter turns: x less its nearest quarter turns, then the series of that quadrant."""
    small = code.lanes.size == 4
    n = code.call("roundeven", code.two("fmul", x, code.constant(2 / math.pi)))
    r = x
    for part in _parts_of_quarter(22 if small else 51, 24 if small else 53):
        r = code.fma(n, code.constant(-part), r)
    z = code.two("fmul", r, r)
    odd, even = (range(9 if small else 17, 1, -2), range(10 if small else 18, 1, -2))
    sine = code.fma(code.two("fmul", z, code.polynomial(z, [_term(k) for k in odd])), r, r)
    cosine = code.fma(z, code.polynomial(z, [_term(k) for k in even]), code.constant(1.0))
    turns = code.two("fmul", code.two("fadd", n, code.constant(ahead)), code.constant(0.25))
    quarter = code.two("fsub", turns, code.call("roundeven", turns))  # -1/2, -1/4, 0, 1/4 or 1/2 of a turn
    size = code.call("fabs", quarter)
    value = code.select(code.compare("oeq", size, code.constant(0.25)), cosine, sine)
    back = code.op(f"fneg {code.lanes.vector} {value}")
    away = code.compare("oeq", size, code.constant(0.5))
    behind = code.compare("oeq", quarter, code.constant(-0.25))
    return code.select(code.op(f"or <{code.lanes.width} x i1> {away}, {behind}"), back, value)


def _term(k: int) -> float:
    """The factor of r^k in the series of the sine and of the cosine."""
    return (-1.0 if k % 4 > 1 else 1.0) / math.factorial(k)


def _parts_of_quarter(first: int, others: int) -> list[float]:
    """Half of pi as a sum of three numbers of so many binary digits; of the first, whole multiples leave an exact rest."""
    half_pi, scale = 0x1921FB54442D18469898CC51701B839A252049C1114CF98E, 188  # 2^188 pi / 2
    parts = []
    for digits in (first, others, others):
        drop = half_pi.bit_length() - digits
        head = (half_pi >> drop) << drop
        parts.append(math.ldexp(head >> drop, drop - scale))
        half_pi -= head
    return parts
