"""Inputs with a label each, as a file holds them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

__all__ = ["Labelled", "bare", "note"]


@dataclass(frozen=True)
class Labelled:
    """Inputs side by side with their labels.

    Attributes:
        name: where they were read.
        inputs: N texts, or N series of shape (T, C) in single precision.
        labels: of each; empty where none is known.
        rows: of the file, counted from 1: where each begins.
        counted: what `rows` counts.
        channels: the names of the C channels of series; none of texts.
        notes: what was understood about the file.

    Example:
        >>> read = Labelled("reviews.tsv", ["fine", "dull"], ["good", "bad"], [1, 2])
        >>> read.kind, read.take([1]).labels
        ('text', ['bad'])
    """

    name: str
    inputs: list[Any]
    labels: list[str]
    rows: list[int]
    counted: str = "line"
    channels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def kind(self) -> Literal["text", "series"]:
        """What the inputs are."""
        return "series" if self.channels else "text"

    def take(self, places: Sequence[int]) -> "Labelled":
        """Some of them, in the order that is asked for."""
        return replace(
            self,
            inputs=[self.inputs[k] for k in places],
            labels=[self.labels[k] for k in places],
            rows=[self.rows[k] for k in places],
        )


def bare(name: str) -> str:
    """The name of a file without what says that it is packed."""
    return name.removesuffix(".gz").removesuffix(".xz")


def note(read: Labelled, what: str, places: Sequence[int], done: str) -> list[str]:
    """One line about some of the inputs: how many, where the first stands, what was done with them; none about nothing."""
    if not len(places):
        return []
    name, where = read.name.rpartition("/")[2], f"{read.counted} {read.rows[places[0]]}"
    one = "text" if read.kind == "text" else "series"
    many = "texts" if read.kind == "text" else "series"
    count, where = (f"1 {one}", where) if len(places) == 1 else (f"{len(places):,} {many}", f"the first in {where}")
    return [f"{name}: {count} {what} ({where}): {done}"]
