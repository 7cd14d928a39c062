"""Options of the task `summarise`."""

from typing import ClassVar, Literal, final

from pydantic import Field

from recurra.tasks.options.sequence import SequenceOptions, SequencePrediction

__all__ = ["Summarise", "SummaryPrediction"]


@final
class Summarise(SequenceOptions):
    """From a text to its summary.

    Example:
        >>> Summarise(source="article", target="highlights").copying
        True
    """

    task: ClassVar[str] = "summarise"
    summary: ClassVar[str] = "summaries of texts"
    afterwards: ClassVar[tuple[str, ...]] = ("predict RUN FILE", "evaluate RUN FILE", "report RUN")
    reads: ClassVar[Literal["all", "first", "last"]] = "first"

    source: str = Field(
        "text", description="key of the texts in JSON lines; or a column, or several as 1,2; or ending of their file"
    )
    target: str = Field("summary", description="the same of the summaries")

    # what other tasks of sequences have, with other defaults
    epochs: float = Field(30, gt=0, le=1_000_000, description="passes over the learning part")
    held_out: float = Field(
        0.2, gt=0, lt=1, description="share of the pairs that is not learnt from, where the data bring no such part"
    )
    shared: bool = Field(True, description="one vocabulary, and one matrix of vectors, for texts and summaries")
    copying: bool = Field(True, description="let a recurrent decoder say symbols of the text as they are; wants shared=true")
    longest: int = Field(
        400, ge=1, le=1_000_000, description="symbols of a text that are read; a pair with a longer summary is left out"
    )


@final
class SummaryPrediction(SequencePrediction):
    """How to write the summaries of some texts.

    Example:
        >>> SummaryPrediction().no_repeat
        3
    """

    no_repeat: int = Field(3, ge=0, le=1000, description="symbols in a row that may not come twice; 0 lets all")
    longest: int = Field(120, ge=0, le=1_000_000, description="most symbols to write; 0 is twice the text's and 50 more")
