"""Options of a search for options, and the space that it searches. No torch here."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias, final, get_origin

from pydantic import Field

from recurra.errors import UsageError
from recurra.tasks.options.options import Options, TaskOptions

__all__ = ["Choices", "Range", "Space", "Tuning", "space", "varied"]

NAMES = {"cell"}  # free text whose commas part choices; in all other free text they belong to the value


@final
class Tuning(Options):
    """How to search.

    Example:
        >>> Tuning.parse(["trials=50"]).trials
        50
    """

    trials: int = Field(20, ge=1, le=100_000, description="trainings to try, those that were stopped early included")


class Range(NamedTuple):
    """All numbers from `low` to `high`, both included: whole ones, or on a logarithmic scale, or both."""

    low: float
    high: float
    whole: bool
    log: bool

    def __str__(self) -> str:
        """As a person writes it."""
        return f"{self.low:.15g}..{self.high:.15g}"


class Choices(NamedTuple):
    """One of some values, all of them as they are written."""

    values: tuple[str, ...]

    def __str__(self) -> str:
        """As a person writes it."""
        return ",".join(self.values)


Dimension: TypeAlias = Range | Choices
"""What one option may be."""


class Space(NamedTuple):
    """What is searched, option by option, and the words ``name=value`` that stay as they are."""

    searched: Mapping[str, Dimension]
    fixed: tuple[str, ...]


def space(kind: type[TaskOptions], words: Iterable[str]) -> Space:
    """What is to be searched: as `varied` reads it, and something at least.

    Raises:
        UsageError: what `varied` raises, or nothing to search.
    """
    found = varied(kind, words)
    if not found.searched:
        raise UsageError("nothing to search; give a range or choices, such as hidden=64..512 or cell=lstm,gru")
    return found


def varied(kind: type[TaskOptions], words: Iterable[str]) -> Space:
    """Read words: ``low..high`` is a range, ``a,b,c`` are choices, all else is fixed.

    A range has a logarithmic scale where its ends are above 0 and differ ten times or more. Free text, such as an encoding or
    the names of columns, may have commas of its own and is never searched; the cell is.

    Raises:
        UsageError: an unknown name, a value that the option does not take, a range whose ends are not numbers in order, an
            option that changes what is measured, or two words for one option.

    Example:
        >>> from recurra.tasks.options import Text
        >>> found = varied(Text, ["hidden=64..1024", "cell=lstm,gru", "dropout=0..0.5", "layers=2"])
        >>> found.searched["hidden"]
        Range(low=64.0, high=1024.0, whole=True, log=True)
        >>> found.searched["cell"].values, found.searched["dropout"].log, found.fixed
        (('lstm', 'gru'), False, ('layers=2',))
    """
    searched: dict[str, Dimension] = {}
    fixed: list[str] = []
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or name not in kind.model_fields:
            kind.parse([word])  # says what is wrong
        if name in searched:
            raise UsageError(f"{name} is given twice, as {searched[name]} and {value}")
        found = _dimension(kind, name, value)
        if found is None:
            fixed.append(word)
        elif name in kind.not_searched:
            raise UsageError(f"{word}: {name} changes what is measured, so scores would not compare; give one value")
        else:
            searched[name] = found
    kind.parse(fixed)
    for name, dimension in searched.items():
        if any(word.startswith(f"{name}=") for word in fixed):
            raise UsageError(f"{name} is given twice, once as {dimension}")
    return Space(searched, tuple(fixed))


def _dimension(kind: type[TaskOptions], name: str, value: str) -> Dimension | None:
    annotation: Any = kind.model_fields[name].annotation
    low, dots, high = value.partition("..")
    if annotation in (int, float):
        if dots:
            return _range(kind, name, low, high)
    elif get_origin(annotation) is not Literal and annotation is not bool and name not in NAMES:
        return None
    values = tuple(value.split(","))
    if len(values) < 2:
        return None
    for each in values:
        kind.parse([f"{name}={each}"])
    if len(set(values)) < len(values):
        raise UsageError(f"{name}={value}: a choice stands twice")
    return Choices(values)


def _range(kind: type[TaskOptions], name: str, low: str, high: str) -> Range:
    ends = [getattr(kind.parse([f"{name}={end}"]), name) for end in (low, high)]
    if not ends[0] < ends[1]:
        raise UsageError(f"{name}={low}..{high}: wanted the lower end first, and another one above it")
    wide = ends[0] > 0 and ends[1] / ends[0] >= 10
    return Range(float(ends[0]), float(ends[1]), kind.model_fields[name].annotation is int, wide)
