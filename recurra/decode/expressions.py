"""Regular expressions as finite automata: what :mod:`re` calls a full match, for the part of its language stated below."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from recurra.errors import UsageError

__all__ = ["Characters", "recogniser"]

LARGEST = 10_000
"""States of an automaton; beyond, an expression is refused."""

Test = Callable[[str], bool]
Part = Callable[["_Machine", int], int]
"""Adds states that read a part of an expression, behind a state that is there already; gives the state where it ends."""

CLASSES: dict[str, Test] = {
    "d": str.isdecimal,
    "s": str.isspace,
    "w": lambda c: c.isalnum() or c == "_",
}
CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}


class Characters(NamedTuple):
    """A deterministic automaton over characters: `table` (S, C) of next states, -1 where there is none; it starts at state 0.

    `column` tells which column of the table a character has; `accepting` (S,) where it may stop.
    """

    table: NDArray[np.int64]
    column: dict[str, int]
    accepting: NDArray[np.bool_]


def recogniser(expression: str, alphabet: Iterable[str]) -> Characters:
    r"""The automaton of all texts over an alphabet that an expression matches as a whole.

    The language: characters, ``.`` (all but a line feed), sets ``[a-z_]`` and ``[^a-z]``, groups ``(...)`` and ``(?:...)``,
    ``|``, and repetition by ``*``, ``+``, ``?``, ``{m}``, ``{m,}``, ``{,n}``, ``{m,n}``; after a backslash ``d``, ``s``, ``w``,
    their opposites in capitals, ``n``, ``t``, ``r``, ``f``, ``v``, or any character that is no letter or digit, as
    itself. All else that :mod:`re` knows (anchors, references, looking around, lazy repetition, flags) is a UsageError.

    Example:
        >>> automaton = recogniser("ab*", "abc")
        >>> automaton.table[0, [automaton.column[letter] for letter in "abc"]].tolist(), automaton.accepting.tolist()
        ([1, -1, -1], [False, True, True])
    """
    machine = _Machine(expression)
    try:
        end = _Parser(expression).parse()(machine, 0)
    except RecursionError:
        raise UsageError(f"expression of {len(expression)} characters: groups too deep in each other") from None
    letters = sorted(set(alphabet))
    kinds = {letter: tuple(test(letter) for test in machine.tests) for letter in letters}
    columns = {kind: k for k, kind in enumerate(sorted(set(kinds.values())))}
    names = {machine.closure({0}): 0}
    todo, rows = [*names], list[list[int]]()
    for states in todo:  # it grows as we go
        moves = [(test, target) for state in states for test, target in machine.moves[state]]
        row = []
        for kind in columns:
            after = machine.closure({target for test, target in moves if kind[test]})
            if after and after not in names:
                names[after] = len(names)
                todo.append(after)
                if len(names) > LARGEST:
                    raise UsageError(f"expression {expression!r} needs more than {LARGEST} states; wanted a simpler one")
            row.append(names[after] if after else -1)
        rows.append(row)
    table = np.array(rows, np.int64).reshape(len(rows), len(columns))
    accepting = np.array([end in states for states in names])
    return Characters(table, {letter: columns[kind] for letter, kind in kinds.items()}, accepting)


class _Machine:
    """A nondeterministic automaton while it is built (Thompson 1968); state 0 is its first."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.tests: list[Test] = []
        self.moves: list[list[tuple[int, int]]] = [[]]  # of each state: which test must hold, and where it leads
        self.silent: list[list[int]] = [[]]

    def behind(self, *states: int) -> int:
        """A new state that these lead to without a character."""
        if len(self.moves) > 10 * LARGEST:
            raise UsageError(f"expression {self.expression!r} repeats too much; wanted at most {10 * LARGEST} places in it")
        self.moves.append([])
        self.silent.append([])
        for state in states:
            self.silent[state].append(len(self.moves) - 1)
        return len(self.moves) - 1

    def reads(self, start: int, test: Test) -> int:
        """A new state that one character leads to."""
        end = self.behind()
        self.moves[start].append((len(self.tests), end))
        self.tests.append(test)
        return end

    def closure(self, states: set[int]) -> frozenset[int]:
        """These states and all that they lead to without a character."""
        todo = [*states]
        for state in todo:  # it grows as we go
            new = [other for other in self.silent[state] if other not in states]
            states.update(new)
            todo.extend(new)
        return frozenset(states)


class _Parser:
    """Reads an expression from left to right; each method gives a part that can be built any number of times."""

    def __init__(self, expression: str) -> None:
        self.text, self.place = expression, 0

    def parse(self) -> Part:
        part = self._choice()
        if self._take():
            self._refuse("an unmatched )")
        return part

    @property
    def here(self) -> str:
        return self.text[self.place : self.place + 1]

    def _take(self) -> str:
        self.place += 1
        return self.text[self.place - 1 : self.place]

    def _refuse(self, what: str) -> NoReturn:
        raise UsageError(f"expression {self.text!r}, place {min(self.place, len(self.text))}: {what}")

    def _choice(self) -> Part:
        branches = [self._sequence()]
        while self.here == "|":
            self._take()
            branches.append(self._sequence())
        return lambda machine, start: machine.behind(*[branch(machine, machine.behind(start)) for branch in branches])

    def _sequence(self) -> Part:
        parts = list[Part]()
        while self.here and self.here not in "|)":
            parts.append(self._repeated())

        def build(machine: _Machine, start: int) -> int:
            for part in parts:
                start = part(machine, start)
            return start

        return build

    def _repeated(self) -> Part:
        part = self._one()
        if not self.here or self.here not in "*+?{":
            return part
        least, most = self._times()
        if self.here and self.here in "*+?{":
            self._take()
            self._refuse("a repetition of a repetition")

        def build(machine: _Machine, start: int) -> int:
            for _ in range(least):
                start = part(machine, start)
            if most is None:
                loop = machine.behind(start)
                machine.silent[part(machine, loop)].append(loop)
                return machine.behind(loop)
            ends = [start]
            for _ in range(most - least):
                ends.append(part(machine, machine.behind(ends[-1])))
            return machine.behind(*ends)

        return build

    def _times(self) -> tuple[int, int | None]:
        match self._take():
            case "*":
                return 0, None
            case "+":
                return 1, None
            case "?":
                return 0, 1
        found = re.match(r"(\d*)(,?)(\d*)\}", self.text[self.place :], re.ASCII)
        if found is None or not (found[1] or found[3]):
            self._refuse("a { that begins no repetition; write \\{ for the character")
        self.place += found.end()
        least = int(found[1] or 0)
        most = least if not found[2] else int(found[3]) if found[3] else None
        if most is not None and most < least:
            self._refuse(f"{least} to {most} times")
        return least, most

    def _one(self) -> Part:
        test: Test
        match self._take():
            case "(":
                return self._group()
            case "[":
                test = self._set()
            case ".":
                test = "\n".__ne__
            case "\\":
                test = self._escaped()
            case "*" | "+" | "?" | "{" | "^" | "$" as sign:
                self._refuse(f"{sign} is not possible here; write \\{sign} for the character")
            case letter:
                test = letter.__eq__
        return lambda machine, start: machine.reads(start, test)

    def _group(self) -> Part:
        if self.here == "?":
            self._take()
            if self._take() != ":":
                self._refuse("of groups with ? only (?:...) is known")
        part = self._choice()
        if self._take() != ")":
            self._refuse("a ( without its )")
        return part

    def _set(self) -> Test:
        opposite = self.here == "^"
        if opposite:
            self._take()
        tests = list[Test]()
        while not tests or self.here != "]":
            if not self.here:
                self._refuse("a [ without its ]")
            first = self._take()
            if first == "\\" and self.here and self.here in "dswDSW":
                tests.append(self._escaped())
                if self._is_range:
                    self._take()
                    self._refuse("a range from a class")
                continue
            low = high = self._literal() if first == "\\" else first
            if self._is_range:
                self._take()
                high = self._take()
                high = self._literal() if high == "\\" else high
                if high < low:
                    self._refuse(f"from {low} to {high}, backwards")
            tests.append(partial(_between, low, high))
        self._take()
        return lambda c: any(test(c) for test in tests) != opposite

    @property
    def _is_range(self) -> bool:
        return self.here == "-" and self.text[self.place + 1 : self.place + 2] not in ("]", "")

    def _escaped(self) -> Test:
        if self.here and self.here in "DSW":
            inner = CLASSES[self._take().lower()]
            return lambda c: not inner(c)
        return CLASSES[self._take()] if self.here in CLASSES else self._literal().__eq__

    def _literal(self) -> str:
        letter = self._take()
        if letter in CONTROLS:
            return CONTROLS[letter]
        if not letter or letter.isalnum():
            self._refuse(f"\\{letter} is not known")
        return letter


def _between(low: str, high: str, letter: str) -> bool:
    return low <= letter <= high
