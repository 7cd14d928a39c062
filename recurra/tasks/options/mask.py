"""Options of the task `mask`."""

from typing import ClassVar, Literal, final

from pydantic import Field, model_validator

from recurra.errors import UsageError
from recurra.tasks.options.options import Options, TaskOptions

__all__ = ["Mask", "MaskPrediction"]


@final
class Mask(TaskOptions):
    """An encoder of text that learns to tell hidden symbols from those around them, for other tasks to start from.

    Example:
        >>> Mask(unit="word", share=0.2).model
        'recurrent'
    """

    task: ClassVar[str] = "mask"
    summary: ClassVar[str] = "an encoder of raw text that fills gaps, for tasks with pairs to start from"
    afterwards: ClassVar[tuple[str, ...]] = ("predict RUN FILE", "evaluate RUN --json", "train translate PAIRS encoder=RUN")
    not_searched: ClassVar[frozenset[str]] = frozenset({"held_out", "unit", "vocabulary", "window"})

    # what is common to all tasks, with other defaults
    cell: str = Field("gru", description="the recurrent cell; recurra cells lists them")
    hidden: int = Field(256, ge=2, le=100_000, description="units of each layer, both directions together")
    layers: int = Field(1, ge=1, le=1000, description="recurrent layers, or blocks of a Transformer, on top of each other")
    batch: int = Field(64, ge=1, description="windows read side by side")
    window: int = Field(64, ge=2, description="symbols of a window, of which some are hidden")
    epochs: float = Field(40, gt=0, le=1_000_000, description="passes over the learning part")
    lr: float = Field(0.002, gt=0, le=1000, description="highest learning rate")

    unit: Literal["character", "word", "subword", "unigram"] = Field("subword", description="what a symbol is")
    vocabulary: int = Field(8000, ge=300, le=1_000_000, description="most words or subwords to know; characters are all known")
    encoding: str = Field("utf-8", description="of the text files")
    held_out: float = Field(0.1, gt=0, lt=1, description="share of the text that is not learnt from, but measured on")
    share: float = Field(0.15, gt=0, lt=1, description="share of the symbols of a window that are to be told, in training")
    model: Literal["recurrent", "transformer"] = Field("recurrent", description="what reads, in both directions")
    heads: int = Field(4, ge=1, le=1000, description="of a transformer's attention")
    embedding: int = Field(128, ge=1, le=100_000, description="size of the vector of a symbol")

    @model_validator(mode="after")
    def _halves(self) -> "Mask":
        if self.hidden % 2:
            raise UsageError(f"hidden={self.hidden}: wanted an even number, half for each direction")
        return self


@final
class MaskPrediction(Options):
    """How to fill gaps.

    Example:
        >>> MaskPrediction.parse(["best=1"]).best
        1
    """

    best: int = Field(3, ge=1, le=10_000, description="symbols to name for each gap, the most probable first")
    weights: Literal["full", "bfloat16", "int8"] = Field(
        "full", description="recurrent matrices, as they are or in fewer bytes"
    )
