"""Sequences of vectors, and what each of them says."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recurra.data.parts import Parts
from recurra.data.ragged import Ragged

__all__ = ["Transcribed", "TranscribedParts"]


@dataclass(frozen=True)
class Transcribed:
    """Sequences and what they say, side by side.

    Attributes:
        name: where they were read.
        inputs: sequences (T, C).
        texts: what each says.
        lines: where each was told of: a line of a table, or a file's number.
        counted: what `lines` counts.
    """

    name: str
    inputs: Ragged
    texts: list[str]
    lines: list[int]
    counted: str = "line"

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, places: Sequence[int] | NDArray[np.int64]) -> "Transcribed":
        """Some of them, in the order that is asked for."""
        chosen = np.asarray(places, np.int64)
        texts, lines = ([side[k] for k in chosen] for side in (self.texts, self.lines))
        return replace(self, inputs=self.inputs.take(chosen), texts=texts, lines=lines)


TranscribedParts = Parts[Transcribed]
"""Sequences and texts in three parts."""
