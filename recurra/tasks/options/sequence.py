"""Options of the tasks that read one sequence and write another."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from recurra.errors import UsageError
from recurra.tasks.options.options import GROUPS, Options, TaskOptions

__all__ = ["SequenceOptions", "SequencePrediction"]


class SequenceOptions(TaskOptions):
    """Base of the options of tasks with a source and a target: `translate` and its kin."""

    not_searched: ClassVar[frozenset[str]] = frozenset(
        {"held_out", "unit", "vocabulary", "shared", "encoder", "longest", "ratio"}
    )
    reads: ClassVar[Literal["all", "first", "last"]] = "all"
    """What is learnt of a source of more than `longest` symbols: the first or the last; all leaves such a pair out."""
    headings: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {
            "Network": (
                *("model", "attention", "feeding", "copying", "bidirectional", "encoder_cell", "encoder_layers", "heads"),
                *("embedding", "tied", "encoder"),
            ),
            **GROUPS,
        }
    )

    # what is common to all tasks, with other defaults
    cell: str = Field("gru", description="the recurrent cell; recurra cells lists them")
    hidden: int = Field(256, ge=2, le=100_000, description="units of each layer, both directions together")
    layers: int = Field(1, ge=1, le=1000, description="recurrent layers of the decoder")
    dropout: float = Field(0.3, ge=0, lt=1, description="share of activations set to zero, in training")
    batch: int = Field(128, ge=1, description="pairs learnt from at a time, at most")
    epochs: float = Field(20, gt=0, le=1_000_000, description="passes over the learning part")
    lr: float = Field(0.002, gt=0, le=1000, description="highest learning rate")

    # the data
    encoding: str = Field("utf-8", description="of the text files")
    held_out: float = Field(
        0.1, gt=0, lt=1, description="share of the pairs that is not learnt from, where the data bring no such part"
    )
    unit: Literal["character", "word", "subword", "unigram"] = Field("subword", description="what a symbol is")
    vocabulary: int = Field(8000, ge=300, le=1_000_000, description="most words or subwords to know; characters are all known")
    shared: bool = Field(False, description="one vocabulary, and one matrix of vectors, for sources and targets")
    longest: int = Field(200, ge=1, le=1_000_000, description="symbols of a side, above which a pair is not learnt from")
    ratio: float = Field(
        0.0, ge=0, le=1_000_000, description="longer side over shorter, above which a pair is not; 0 takes all"
    )
    tokens: int = Field(4000, ge=1, description="symbols of a batch, both sides and padding included, at most")

    # the network
    model: Literal["recurrent", "transformer"] = Field("recurrent", description="what reads and writes")
    attention: Literal[
        "additive",
        "dot",
        "scaled-dot",
        "general",
        "multi-head",
        "local-window",
        "local-predictive",
        "monotonic",
        "coverage",
        "none",
    ] = Field("general", description="how the decoder looks at the source; none knows the state at its end only")
    feeding: bool = Field(False, description="let the recurrence know what was attended to; steps are then taken one by one")
    copying: bool = Field(False, description="let symbols of the source be said as they are; wants shared=true")
    bidirectional: bool = Field(True, description="read the source from both ends")
    encoder_cell: str = Field("", description="the cell that reads the source; empty is that of cell=")
    encoder_layers: int = Field(0, ge=0, le=1000, description="recurrent layers that read the source; 0 has as many as layers=")
    heads: int = Field(4, ge=1, le=1000, description="of a transformer's attention")
    embedding: int = Field(128, ge=1, le=100_000, description="size of the vector of a symbol")
    tied: bool = Field(False, description="predict with the embedding matrix itself")
    encoder: str = Field("", description="run of the task mask whose encoder this one starts as, with its symbols and sizes")

    # its training
    smoothing: float = Field(0.1, ge=0, lt=1, description="label smoothing")
    forcing: float = Field(
        1.0, ge=0, le=1, description="share of true symbols read in training, at its end; the others are the model's own"
    )
    forcing_decay: Literal["constant", "linear", "exponential", "inverse-sigmoid"] = Field(
        "linear", description="how that share falls from 1 over the updates; constant has it from the first"
    )
    curriculum: Literal["none", "length", "loss"] = Field(
        "none", description="begin with short targets, or with those that an n-gram of them finds easy"
    )

    @model_validator(mode="after")
    def _fits(self) -> "SequenceOptions":
        if self.copying and not self.shared:
            raise UsageError("copying=true: symbols of the source are said in the target; wanted shared=true with it")
        if (self.copying or self.feeding) and self.attention == "none":
            raise UsageError(f"attention=none: {'copying' if self.copying else 'feeding'}=true needs attention")
        if self.bidirectional and self.hidden % 2:
            raise UsageError(f"hidden={self.hidden}: wanted an even number, half for each direction; or bidirectional=false")
        return self


class SequencePrediction(Options):
    """How to write the targets of some sources.

    Example:
        >>> SequencePrediction.parse(["beam=1"]).beam
        1
    """

    beam: int = Field(5, ge=1, le=10_000, description="hypotheses followed side by side; 1 is greedy")
    best: int = Field(1, ge=1, le=10_000, description="targets to write for each source, at most beam")
    length_penalty: float = Field(0.6, ge=0, le=100, description="what favours the long: 0 nothing, 1 about the mean")
    coverage_penalty: float = Field(0.0, ge=0, le=100, description="what leaving parts of the source out costs")
    groups: int = Field(1, ge=1, le=10_000, description="of hypotheses that shall differ; divides beam")
    diversity: float = Field(0.0, ge=0, le=1000, description="what saying what another group says costs")
    no_repeat: int = Field(0, ge=0, le=1000, description="symbols in a row that may not come twice; 0 lets all")
    pattern: str = Field("", description="regular expression that all that is written must match")
    prefix: str = Field("", description="how all that is written begins")
    longest: int = Field(0, ge=0, le=1_000_000, description="most symbols to write; 0 is twice the source's and 50 more")
    weights: Literal["full", "bfloat16", "int8"] = Field(
        "full", description="recurrent matrices, as they are or in fewer bytes"
    )
