"""Text, symbol by symbol, or one label of a whole: what is made of a sequence with a text, which the options choose."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from recurra.tasks import transcripts, wholes
from recurra.tasks.evaluation import Evaluation
from recurra.tasks.options import TranscriptOptions
from recurra.tasks.recipes import Setup
from recurra.tasks.runs import Run

__all__ = ["Told", "by"]


class Told(Protocol):
    """What the two modules have in common."""

    @property
    def begin(self) -> Callable[..., Run]:
        """Learn what there is to tell, and make the run folder."""

    @property
    def setup(self) -> Callable[..., Setup]:
        """What there is to train, of a run or of none."""

    @property
    def setup_of(self) -> Callable[..., Setup]:
        """What a run trains."""

    @property
    def evaluate(self) -> Callable[..., Evaluation]:
        """The figures, beside naive ones."""

    @property
    def predict(self) -> Callable[..., Iterator[Mapping[str, Any]]]:
        """A row for each thing that is told of each input."""


def by(options: TranscriptOptions) -> Told:
    """The module that does what ``output=`` says."""
    return wholes if options.output == "label" else transcripts
