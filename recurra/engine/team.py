"""Who does what: the shares of one thread, in LLVM's language.

Each thread owns rows, and needs no barrier inside a step; or, where rows are few, units, with one barrier a stage.
"""

from recurra.engine.layout import Function
from recurra.engine.pool import member

__all__ = ["Team"]


class Team:
    """The number of this thread, and how many there are."""

    def __init__(self, code: Function, thread: str, size: str) -> None:
        self.code, self.thread, self.size = code, thread, size

    @classmethod
    def here(cls, code: Function) -> "Team":
        """The team that runs a worker."""
        return cls(code, *member(code))

    def share(self, total: str) -> tuple[str, str]:
        """This thread's part of 0 to `total`."""
        first, last = (
            self.code.i("udiv", self.code.i("mul", total, which), self.size)
            for which in (self.thread, self.code.i("add", self.thread, 1))
        )
        return first, last

    def either(self, rows: tuple[str, str], grains: tuple[str, str]) -> tuple[tuple[str, str], tuple[str, str]]:
        """This thread's rows with all grains of units, or all rows with its grains."""
        code = self.code
        by_units = code.op(f"icmp ne i64 {code.slot('by_units')}, 0")
        pairs = []
        for (first, last), mine in ((rows, False), (grains, True)):
            begin, end = self.share(code.i("sub", last, first))
            begin, end = code.i("add", first, begin), code.i("add", first, end)
            yes, no = ((begin, end), (first, last)) if mine else ((first, last), (begin, end))
            pair = [code.op(f"select i1 {by_units}, i64 {a}, i64 {b}") for a, b in zip(yes, no, strict=True)]
            pairs.append((pair[0], pair[1]))
        return pairs[0], pairs[1]

    def ranges(self) -> tuple[str, str, str, str, str, str]:
        """Which rows of a step, hidden units and projected units are this thread's: first and end of each."""
        code, bounds = self.code, list[str]()
        for width in ("hidden", "projected"):
            grain = code.layout.grain
            rows, grains = self.either(("0", code.slot("B")), ("0", code.i("udiv", code.slot(f"w.{width}"), grain)))
            bounds += [*(rows if width == "hidden" else ()), *(code.i("mul", end, grain) for end in grains)]
        b0, b1, u0, u1, v0, v1 = bounds
        return b0, b1, u0, u1, v0, v1

    def meet(self) -> None:
        """Wait for all."""
        self._barrier(self.size)

    def meet_by_units(self) -> None:
        """Wait for all where they share the units of a row."""
        by_units = self.code.op(f"icmp ne i64 {self.code.slot('by_units')}, 0")
        self._barrier(self.code.op(f"select i1 {by_units}, i64 {self.size}, i64 1"))

    def _barrier(self, count: str) -> None:
        address = self.code.op(f"getelementptr i64, ptr %a, i64 {len(self.code.layout.slots)}")  # behind the arguments
        self.code.line(f"call void @recurra_barrier(ptr {address}, i64 {count})")
