"""Whole rows: where each lies, and their norms, in LLVM's language."""

from collections.abc import Callable
from typing import NamedTuple

from recurra.engine.layout import Function

__all__ = ["Moments", "denormalise", "index", "moments", "normalise"]

EPSILON = 1e-5


class Moments(NamedTuple):
    """Mean and inverse standard deviation of a row, each in all lanes."""

    mean: str
    inverse: str


def index(code: Function) -> None:
    """Fill the tables: where every row of the packed batch lies in x, where the state before it, and each row's last state.

    Without lengths, `starts` and `order` are filled as well. Before a reset comes a row of zeros.
    """
    batch, order, starts = code.slot("B"), code.slot("order"), code.slot("starts")
    nowhere = code.i("add", batch, code.slot("N"))
    with code.when(code.op(f"icmp eq i64 {code.slot('ragged')}, 0")):
        with code.loop(0, code.i("add", code.slot("T"), 1)) as t:
            code.keep(code.i("mul", t, batch), starts, t)
        with code.loop(0, batch) as b:
            code.keep(b, order, b)
    with code.loop(0, batch) as b:
        code.keep(b, code.slot("last"), b)
    with code.loop(0, code.slot("T")) as t:
        first, following = code.whole(starts, t), code.whole(starts, code.i("add", t, 1))
        earlier = code.op(f"call i64 @llvm.usub.sat.i64(i64 {t}, i64 1)")
        begun = code.i("add", batch, code.whole(starts, earlier))
        previous = code.op(f"select i1 {code.op(f'icmp eq i64 {t}, 0')}, i64 0, i64 {begun}")
        with code.loop(first, following) as n:
            b = code.i("sub", n, first)
            place = code.i("add", code.i("mul", code.whole(order, b), code.slot("steps")), t)
            code.keep(place, code.slot("places"), n)
            code.keep(n, code.slot("self"), n)
            code.keep(code.i("add", batch, n), code.slot("last"), b)
            code.keep(code.i("add", previous, b), code.slot("before"), n)
            with code.when(code.op(f"icmp ne ptr {code.slot('resets')}, null")):
                flag = code.op(f"getelementptr i8, ptr {code.slot('resets')}, i64 {place}")
                with code.when(code.op(f"icmp ne i8 {code.op(f'load i8, ptr {flag}')}, 0")):
                    code.keep(nowhere, code.slot("before"), n)


def moments(code: Function, row: str) -> Moments:
    """Of a row of hidden units: first the mean, then the mean square of what is left, so that nothing cancels."""
    mean = code.two("fdiv", _sum(code, lambda unit, mask: code.masked_load(code.at(row, unit), mask)), _size(code))

    def square(unit: str, mask: str) -> str:
        centred = code.two("fsub", code.load(code.at(row, unit)), mean)
        return code.select(mask, code.two("fmul", centred, centred), code.constant(0.0))

    variance = code.two("fdiv", _sum(code, square), _size(code))
    root = code.call("sqrt", code.two("fadd", variance, code.constant(EPSILON)))
    return Moments(mean, code.two("fdiv", code.constant(1.0), root))


def normalise(code: Function, name: str, row: str, of: Moments, b: str, units: tuple[str, str]) -> None:
    """The norm of a row, put where the pointwise stages look for it."""
    with code.loop(*units, code.lanes.width) as unit:
        scale, shift = (code.load(code.at(code.slot(f"{kind}.{name}"), unit)) for kind in ("scale", "shift"))
        value = code.fma(_standard(code, row, of, unit), scale, shift)
        code.store(value, code.row(f"N.{name}", b, "hidden", unit))


def denormalise(code: Function, name: str, row: str, b: str, units: tuple[str, str]) -> None:
    """The gradients of a norm: of what went in, and, added up, of scale and shift."""
    of, gradient = moments(code, row), code.row(f"dN.{name}", b, "hidden")

    def scaled(unit: str) -> str:
        return code.two("fmul", code.load(code.at(gradient, unit)), code.load(code.at(code.slot(f"scale.{name}"), unit)))

    def plain(unit: str, mask: str) -> str:
        return code.select(mask, scaled(unit), code.constant(0.0))

    def along(unit: str, mask: str) -> str:
        return code.select(mask, code.two("fmul", scaled(unit), _standard(code, row, of, unit)), code.constant(0.0))

    mean, slope = (code.two("fdiv", _sum(code, each), _size(code)) for each in (plain, along))
    with code.loop(*units, code.lanes.width) as unit:
        incoming, standard = code.load(code.at(gradient, unit)), _standard(code, row, of, unit)
        rest = code.two("fsub", code.two("fsub", scaled(unit), mean), code.two("fmul", standard, slope))
        code.store(code.two("fmul", of.inverse, rest), code.row(f"dA.{name}", b, "hidden", unit))
        for kind, value in (("dscale", code.two("fmul", incoming, standard)), ("dshift", incoming)):
            total = code.row(f"{kind}.{name}", b, "hidden", unit)
            code.store(code.two("fadd", code.load(total), value), total)


def _standard(code: Function, row: str, of: Moments, unit: str) -> str:
    return code.two("fmul", code.two("fsub", code.load(code.at(row, unit)), of.mean), of.inverse)


def _size(code: Function) -> str:
    """The number of units of a row, in all lanes."""
    return code.splat(code.op(f"uitofp i64 {code.slot('f.hidden')} to {code.lanes.number}"))


def _sum(code: Function, term: Callable[[str, str], str]) -> str:
    """Add up what `term` makes of each vector of the row; it is given where the vector begins, and its lanes inside."""
    total = code.room()
    code.store(code.constant(0.0), total)
    with code.loop(0, code.slot("n.hidden")) as block, code.loop(0, code.slot("s.hidden"), code.lanes.width) as inside:
        unit = code.i("add", code.i("mul", block, code.slot("u.hidden")), inside)
        value = term(unit, code.inside(inside, code.slot("s.hidden")))
        code.store(code.two("fadd", code.load(total), value), total)
    return code.total(code.load(total))
