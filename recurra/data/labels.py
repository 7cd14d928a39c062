"""Inputs with a label each, as a file holds them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from recurra.data.counts import told_count

__all__ = ["Labelled", "bare", "channel_order", "channels_told", "note"]

NAMELESS = re.compile(r"(channel|column)_[0-9]+|value")  # what channels are called that have no names


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


def channel_order(came: Sequence[str], wanted: Sequence[str]) -> list[int] | None:
    """Where the channels that are wanted stand among those that came: by name, or in their order where one side has no names.

    None where they do not fit.

    Example:
        >>> channel_order(("b", "a"), ("a", "b")), channel_order(("channel_1",), ("a",)), channel_order(("c", "a"), ("a", "b"))
        ([1, 0], [0], None)
    """
    if sorted(came) == sorted(wanted):
        return [list(came).index(name) for name in wanted] if len(set(came)) == len(came) else list(range(len(came)))
    nameless = any(all(NAMELESS.fullmatch(name) for name in side) for side in (came, wanted))
    return list(range(len(came))) if nameless and len(came) == len(wanted) else None


def channels_told(channels: Sequence[str]) -> str:
    """What channels there are, in words.

    Example:
        >>> channels_told(["x", "y"]), channels_told([])
        ('series of 2 channels (x, y)', 'text')
    """
    if not channels:
        return "text"
    names = f"{', '.join(channels[:5])}{', ...' if len(channels) > 5 else ''}"
    return f"series of {told_count(len(channels), 'channel')} ({names})"


def bare(name: str) -> str:
    """The name of a file without what says that it is packed."""
    return name.removesuffix(".gz").removesuffix(".xz")


def note(read: Labelled, what: str, places: Sequence[int], done: str) -> list[str]:
    """One line about some of the inputs: how many, where the first stands, what was done with them; none about nothing."""
    if not len(places):
        return []
    name, where = read.name.rpartition("/")[2], f"{read.counted} {read.rows[places[0]]}"
    where = where if len(places) == 1 else f"the first in {where}"
    return [f"{name}: {told_count(len(places), read.kind)} {what} ({where}): {done}"]
