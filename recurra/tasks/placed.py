"""Where in what it read a run finds each symbol that it writes down."""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from recurra.data import Ragged, Transcribed
from recurra.errors import UsageError
from recurra.tasks import transcripts
from recurra.tasks.runs import Run
from recurra.tasks.transcripts import Kind

__all__ = ["Placed", "find_places"]


class Placed(NamedTuple):
    """One input and what is written of it.

    Attributes:
        looks: (T, C) the input as people look at it: bands of sound, columns of an image, pen points.
        length: of the input, in `unit`.
        unit: seconds of sound, columns or points of writing.
        wanted: what it truly says.
        symbols: N, those that are written; where a decoder attends the last is its end, empty.
        weights: (N, T') where each lies among the frames: how surely the one that says it does, or how attention is shared.
    """

    looks: NDArray[np.float64]
    length: float
    unit: str
    wanted: str
    symbols: tuple[str, ...]
    weights: NDArray[np.float64]

    @property
    def centres(self) -> list[float]:
        """Of each symbol, where the middle of its weights lies, in `unit` from the beginning."""
        frames = np.arange(self.weights.shape[1]) + 0.5
        sums = self.weights.sum(1)
        shares = self.weights @ frames / np.where(sums > 0, sums, 1) / max(1, len(frames))
        return [float(share * self.length) for share in shares]


@torch.no_grad()
def find_places(run: Run, kind: Kind, asked: Transcribed, count: int, unit: str, per_unit: float = 1.0) -> list[Placed]:
    """Some of these, evenly from all, written greedily; without those of which nothing is written."""
    options: Any = run.options
    if options.output == "label":
        raise UsageError(f"{run.folder}: output=label: a label lies nowhere; wanted a run with output=text")
    whole, found = transcripts.opened(run, kind), list[Placed]()
    for place in np.unique(np.linspace(0, len(asked) - 1, min(count, len(asked))).round().astype(np.int64)):
        one = asked.take([place])
        [(_, batch)] = kind.in_order(one.inputs, Ragged.of([[]]))
        [(numbers, weights)] = whole.where(batch)
        if not numbers:
            continue
        symbols = tuple(whole.symbols.decode([number]) for number in numbers) + ("",) * (len(weights) - len(numbers))
        looks = np.asarray(kind.looks(one.inputs.row(0)), np.float64)
        found.append(Placed(looks, float(one.inputs.lengths[0]) / per_unit, unit, one.texts[0], symbols, weights))
    return found
