"""Options of a comparison, and the variants that it trains. No torch here."""

import re
from collections.abc import Iterable, Mapping
from itertools import product
from typing import NamedTuple, final

from pydantic import Field

from recurra.errors import UsageError
from recurra.tasks.options.options import Options, TaskOptions
from recurra.tasks.options.tuning import Range, varied

__all__ = ["Comparison", "Variants", "variants"]

SECONDS = {"s": 1, "m": 60, "h": 3600}
PLAIN = ("cell=", "model=")  # whose values say by themselves what they are
LENGTHS = ("steps", "epochs")


@final
class Comparison(Options):
    """How long to train what is compared.

    Example:
        >>> Comparison.parse(["budget=1.5m"]).seconds
        90.0
    """

    budget: str = Field(
        "", description="time that each spends in updates, as 90s, 5m or 1h; empty trains for steps, or for epochs"
    )

    @property
    def seconds(self) -> float:
        """The budget in seconds; 0 where there is none."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", self.budget)
        seconds = float(found[1]) * SECONDS[found[2]] if found else 0.0
        if self.budget and not seconds:
            raise UsageError(f"budget={self.budget}: wanted a time, such as 90s, 5m or 1h; a number of updates is steps=N")
        return seconds


class Variants(NamedTuple):
    """The options that vary; each variant's words ``name=value`` by its name; the words that all have; and the budget."""

    options: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]]
    fixed: tuple[str, ...]
    budget: Comparison


def variants(kind: type[TaskOptions], words: Iterable[str]) -> Variants:
    """Read words: ``a,b,c`` are choices, of which every combination is a variant; all else is the same for all.

    Raises:
        UsageError: what :func:`recurra.tasks.options.tuning.varied` raises, a range, seeds that vary, fewer than two variants,
            a budget that is no time or stands beside ``steps`` or ``epochs``.

    Example:
        >>> from recurra.tasks.options import Text
        >>> found = variants(Text, ["cell=lstm,gru", "layers=1,2", "hidden=64", "budget=5m"])
        >>> list(found.words)
        ['lstm layers=1', 'lstm layers=2', 'gru layers=1', 'gru layers=2']
        >>> found.words["gru layers=2"], found.fixed
        (('cell=gru', 'layers=2'), ('hidden=64',))
    """
    pairs = list(words)
    own = [word for word in pairs if word.partition("=")[0] in Comparison.model_fields]
    budget = Comparison.parse(own)
    found = varied(kind, [word for word in pairs if word not in own])
    choices: dict[str, tuple[str, ...]] = {}
    for name, dimension in found.searched.items():
        if isinstance(dimension, Range):
            raise UsageError(f"{name}={dimension}: wanted values, such as {name}={dimension.low:g},{dimension.high:g}")
        if name in ("seed", "seeds"):
            raise UsageError(f"{name}={dimension}: every variant has the same seeds; give seeds=N")
        choices[name] = dimension.values
    if not choices:
        raise UsageError("nothing to compare; give an option two values or more, such as cell=lstm,gru")
    if budget.seconds:
        given = {word.partition("=")[0] for word in found.fixed} | set(choices)
        for name in LENGTHS:
            if name in given:
                raise UsageError(f"budget={budget.budget} and {name} both say how long to train; give one of them")
    each = [
        tuple(f"{name}={value}" for name, value in zip(choices, values, strict=True)) for values in product(*choices.values())
    ]
    return Variants(tuple(choices), {_name(pairs): pairs for pairs in each}, found.fixed, budget)


def _name(pairs: Iterable[str]) -> str:
    return " ".join(pair.partition("=")[2] if pair.startswith(PLAIN) else pair for pair in pairs)
