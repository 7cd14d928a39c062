"""Options of the tasks that write down what a sequence says."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from recurra.errors import UsageError
from recurra.tasks.options.options import GROUPS, Options, TaskOptions

__all__ = ["TranscriptOptions", "TranscriptPrediction"]


class TranscriptOptions(TaskOptions):
    """Base of the options of tasks that learn from sequences and texts, which no one has aligned: `read` and its kin."""

    not_searched: ClassVar[frozenset[str]] = frozenset(
        {"held_out", "output", "unit", "vocabulary", "language", "language_weight", "bonus"}
    )
    headings: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {
            "Network": ("model", "bidirectional", "heads"),
            "What is told": ("output", "decoder", "attention", "feeding", "ctc_weight", "pooling"),
            "Language model": ("language", "language_weight", "bonus"),
            **GROUPS,
        }
    )

    # what is common to all tasks, with other defaults
    cell: str = Field("lstm", description="the recurrent cell; recurra cells lists them")
    hidden: int = Field(256, ge=2, le=100_000, description="units of each layer, both directions together")
    layers: int = Field(2, ge=1, le=1000, description="recurrent layers, or blocks of a Transformer, on top of each other")
    dropout: float = Field(0.2, ge=0, lt=1, description="share of activations set to zero, in training")
    batch: int = Field(32, ge=1, description="sequences learnt from at a time, at most")
    epochs: float = Field(30, gt=0, le=1_000_000, description="passes over the learning part")
    lr: float = Field(0.002, gt=0, le=1000, description="highest learning rate")

    # the data
    encoding: str = Field("utf-8", description="of the text files")
    held_out: float = Field(
        0.1, gt=0, lt=1, description="share of the data that is not learnt from, where they bring no such part"
    )
    unit: Literal["character", "word", "subword", "unigram"] = Field("character", description="what a symbol is")
    vocabulary: int = Field(1000, ge=300, le=1_000_000, description="most words or subwords to know; characters are all known")
    tokens: int = Field(8000, ge=1, description="steps and symbols of a batch, padding included, at most")

    # the network
    model: Literal["recurrent", "transformer"] = Field("recurrent", description="what reads")
    bidirectional: bool = Field(True, description="read from both ends, or forwards only")
    heads: int = Field(4, ge=1, le=1000, description="of a transformer's attention")

    # what writes, or tells
    output: Literal["text", "label"] = Field("text", description="text, symbol by symbol, or one label of a whole")
    pooling: Literal["mean", "max", "attention"] = Field("max", description="what makes one vector of all frames, for a label")
    decoder: Literal["ctc", "attention"] = Field(
        "ctc", description="what writes: each frame a symbol or none, or a decoder that looks at all frames"
    )
    attention: Literal[
        "additive", "scaled-dot", "general", "multi-head", "local-predictive", "monotonic", "location", "coverage"
    ] = Field("location", description="how a decoder looks at the frames")
    feeding: bool = Field(True, description="let its recurrence know what was attended to; steps are then taken one by one")
    ctc_weight: float = Field(
        0.5, ge=0, lt=1, description="of the loss by frames in that of a decoder with attention, which it leads along"
    )

    # what judges beside it
    language: str = Field("", description="run of the task text, of characters or words, that judges what is written")
    language_weight: float = Field(0.5, ge=0, le=100, description="of that run's log-probabilities")
    bonus: float = Field(0.0, ge=-100, le=100, description="added for each symbol, or word, that the run judges")

    @model_validator(mode="after")
    def _fits(self) -> "TranscriptOptions":
        if self.bidirectional and self.model == "recurrent" and self.hidden % 2:
            raise UsageError(f"hidden={self.hidden}: wanted an even number, half for each direction; or bidirectional=false")
        if self.output == "label" and self.language:
            raise UsageError(f"language={self.language}: a label asks no language model; wanted output=text")
        if self.output == "label" and self.decoder != "ctc":
            raise UsageError(f"decoder={self.decoder}: a label is not written symbol by symbol; wanted output=text")
        pooling = type(self).model_fields["pooling"].default
        if self.output == "text" and self.pooling != pooling:
            raise UsageError(f"pooling={self.pooling}: a text is written from each frame; wanted output=label with it")
        if self.decoder == "attention":
            if self.language:
                raise UsageError(f"language={self.language}: decoder=attention asks no language model; wanted decoder=ctc")
            return self
        for name in ("attention", "feeding", "ctc_weight"):
            given, default = (str(value).lower() for value in (getattr(self, name), type(self).model_fields[name].default))
            if given != default:
                raise UsageError(f"{name}={given}: decoder=ctc attends to nothing; wanted decoder=attention with it")
        return self


class TranscriptPrediction(Options):
    """How to find what sequences say.

    Example:
        >>> TranscriptPrediction.parse(["beam=1"]).beam
        1
    """

    beam: int = Field(16, ge=1, le=10_000, description="prefixes followed side by side; 1 is greedy")
    best: int = Field(1, ge=1, le=10_000, description="texts to write for each input, at most beam")
    language: str = Field("", description="run of the task text that judges; empty takes that of training, none does without")
    language_weight: float = Field(0.0, ge=0, le=100, description="of its log-probabilities; 0 takes that of training")
    bonus: float = Field(0.0, ge=-100, le=100, description="for each symbol, or word, that it judges; 0 takes that of training")
    weights: Literal["full", "bfloat16", "int8"] = Field(
        "full", description="recurrent matrices, as they are or in fewer bytes"
    )
