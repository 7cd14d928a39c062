"""Options of the task `transcribe`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, final

from pydantic import Field, model_validator

from recurra.errors import UsageError
from recurra.tasks.options.transcript import TranscriptOptions, TranscriptPrediction

__all__ = ["Transcribe", "TranscribePrediction"]


@final
class Transcribe(TranscriptOptions):
    """Speech, or other sound that says something, to text.

    Example:
        >>> Transcribe(unit="word", stride=8).rate
        0
    """

    task: ClassVar[str] = "transcribe"
    summary: ClassVar[str] = "speech to text, from recordings and what is said in them"
    afterwards: ClassVar[tuple[str, ...]] = ("predict RUN AUDIO", "evaluate RUN DATA", "report RUN")
    not_searched: ClassVar[frozenset[str]] = TranscriptOptions.not_searched | {"group", "longest"}
    headings: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {
            "Sound": ("rate", "bins", "normalise", "longest"),
            "Augmentation": ("masks", "band", "span", "speeds"),
            **TranscriptOptions.headings,
            "Network": (*TranscriptOptions.headings["Network"], "front", "channels", "stride"),
        }
    )

    # what is common to all tasks, with other defaults
    cell: str = Field("gru", description="the recurrent cell; recurra cells lists them")
    hidden: int = Field(192, ge=2, le=100_000, description="units of each layer, both directions together")
    lr: float = Field(0.004, gt=0, le=1000, description="highest learning rate")
    epochs: float = Field(30, gt=0, le=1_000_000, description="passes over the learning part")
    batch: int = Field(32, ge=1, description="recordings learnt from at a time, at most")
    tokens: int = Field(4000, ge=1, description="frames of 10 ms and symbols of a batch, padding included, at most")

    # the data
    audio: str = Field("path", description="column, or key, of the paths in a table of recordings and texts")
    text: str = Field("text", description="the same of what is said")
    group: str = Field("", description="the same of who says it: all of one stand on one side of the split")

    # the sound
    rate: int = Field(0, ge=0, le=768_000, description="samples a second; 0 takes that of the first recording, at most 16000")
    bins: int = Field(40, ge=4, le=1000, description="bands of frequencies, even in mel")
    normalise: Literal["running", "running-level", "whole", "whole-level", "data"] = Field(
        "running",
        description="what goes: the mean of each band, so far or of the whole recording; the same of all bands together, which "
        "is the loudness; or the mean of all data only",
    )
    longest: float = Field(30.0, gt=0, le=86_400, description="seconds of a recording, above which it is not learnt from")

    # the network
    bidirectional: bool = Field(False, description="read recordings from both ends, whole; without it, as they come, too")
    front: Literal["convolution", "resnet"] = Field(
        "convolution", description="two convolutions along time, or a residual network of time and bands, which hears all first"
    )
    channels: int = Field(0, ge=0, le=100_000, description="of its last stage; 0 takes 64 of convolution, 16 of resnet")
    stride: int = Field(4, ge=1, le=16, description="frames of 10 ms that a step of the layers stands for")

    # its training
    masks: int = Field(1, ge=0, le=100, description="bands, and as many spans of time, hidden in each recording; 0 for none")
    band: int = Field(6, ge=0, le=1000, description="widest of these, in bands")
    span: int = Field(8, ge=0, le=100_000, description="longest of these, in frames of 10 ms")
    speeds: bool = Field(False, description="recordings 0.9, 1 or 1.1 times as fast, drawn anew in each batch")

    @model_validator(mode="after")
    def _sounds(self) -> "Transcribe":
        if 0 < self.rate < 1000:
            raise UsageError(f"rate={self.rate}: wanted at least 1000, or 0 for that of the first recording")
        if self.speeds and self.rate % 10:
            raise UsageError(f"rate={self.rate} and speeds=true: wanted a multiple of 10")
        if self.masks and self.band > self.bins:
            raise UsageError(f"band={self.band}: wanted at most bins={self.bins}")
        if self.front == "resnet" and self.stride not in (1, 2, 4, 8):
            raise UsageError(f"front=resnet and stride={self.stride}: wanted 1, 2, 4 or 8")
        return self


@final
class TranscribePrediction(TranscriptPrediction):
    """How to find what recordings say.

    Example:
        >>> TranscribePrediction.parse(["chunk=0.2"]).chunk
        0.2
    """

    chunk: float = Field(
        0.0,
        ge=0,
        le=3600,
        description="seconds heard at a time, a row for each; 0 hears recordings whole, and standard input by 0.25",
    )
