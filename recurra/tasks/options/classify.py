"""Options of the task `classify`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, final

from pydantic import Field, model_validator

from recurra.errors import UsageError
from recurra.tasks.options.options import GROUPS, Options, TaskOptions

__all__ = ["Classify", "ClassifyPrediction"]


@final
class Classify(TaskOptions):
    """Labels of whole sequences, or numbers: sentences, names, series of sensors, DNA.

    Example:
        >>> Classify(pooling="attention", balance="loss").unit
        'auto'
    """

    task: ClassVar[str] = "classify"
    summary: ClassVar[str] = "labels, or numbers, of whole sequences: sentences, names, sensor series, DNA"
    afterwards: ClassVar[tuple[str, ...]] = ("predict RUN FILE", "evaluate RUN FILE", "report RUN")
    not_searched: ClassVar[frozenset[str]] = frozenset({"held_out", "output", "encoder", "vectors"})
    headings: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {
            "Network": (
                *("model", "bidirectional", "pooling", "heads", "embedding", "vectors", "encoder", "convolution", "stride"),
            ),
            **GROUPS,
        }
    )

    # what is common to all tasks, with other defaults
    cell: str = Field("gru", description="the recurrent cell; recurra cells lists them")
    hidden: int = Field(128, ge=2, le=100_000, description="units of each layer, both directions together")
    layers: int = Field(1, ge=1, le=1000, description="recurrent layers, or blocks of a Transformer, on top of each other")
    dropout: float = Field(0.4, ge=0, lt=1, description="share of activations set to zero, in training")
    batch: int = Field(32, ge=1, description="sequences learnt from at a time, at most")
    epochs: float = Field(10, gt=0, le=1_000_000, description="passes over the learning part")
    lr: float = Field(0.004, gt=0, le=1000, description="highest learning rate")

    # the data
    text: str = Field("", description="column or key of the inputs; empty finds it")
    label: str = Field("", description="column or key of the labels, or fine for labels of two parts; empty finds it")
    encoding: str = Field("utf-8", description="of the text files")
    held_out: float = Field(
        0.2, gt=0, lt=1, description="share of the sequences that is not learnt from, where the data bring no such part"
    )
    output: Literal["label", "number"] = Field("label", description="what is told of a sequence: a label, or a number")
    unit: Literal["auto", "character", "word", "subword", "unigram"] = Field(
        "auto", description="what a symbol of text is; auto takes words where most texts have several"
    )
    vocabulary: int = Field(8000, ge=300, le=1_000_000, description="most words or subwords to know; characters are all known")
    longest: int = Field(2000, ge=1, le=10_000_000, description="steps that are read of a sequence, the first ones")
    tokens: int = Field(8000, ge=1, description="steps of a batch, padding included, at most")

    # the network
    model: Literal["recurrent", "transformer"] = Field("recurrent", description="what reads")
    bidirectional: bool = Field(True, description="read from both ends, or forwards only")
    pooling: Literal["last", "mean", "max", "attention"] = Field(
        "max", description="what makes one vector of those of all steps"
    )
    heads: int = Field(4, ge=1, le=1000, description="of a transformer's attention")
    embedding: int = Field(128, ge=1, le=100_000, description="size of the vector of a symbol")
    vectors: str = Field("", description="file of word vectors to start from, as word2vec and GloVe write them as text")
    encoder: str = Field("", description="run of the task mask or text whose reading this one starts as, with its sizes")
    convolution: int = Field(0, ge=0, le=10_000, description="steps that a convolution before the layers sees; 0 for none")
    stride: int = Field(1, ge=1, le=10_000, description="steps from one frame of the convolution to the next")

    # its training
    smoothing: float = Field(0.0, ge=0, lt=1, description="label smoothing")
    balance: Literal["none", "loss", "sampling"] = Field(
        "none", description="let rare labels count as much as frequent ones, by the loss, or by how often they are drawn"
    )
    word_dropout: float = Field(0.0, ge=0, lt=1, description="share of the symbols read as the unknown one, in training")

    @model_validator(mode="after")
    def _fits(self) -> "Classify":
        if self.bidirectional and self.model == "recurrent" and self.hidden % 2:
            raise UsageError(f"hidden={self.hidden}: wanted an even number, half for each direction; or bidirectional=false")
        if self.stride > max(1, self.convolution):
            wanted = (
                f"at most convolution={self.convolution}" if self.convolution else f"convolution={self.stride} or more with it"
            )
            raise UsageError(f"stride={self.stride}: wanted {wanted}, or some steps are not seen")
        if self.output == "number" and (self.balance != "none" or self.smoothing):
            given = f"balance={self.balance}" if self.balance != "none" else f"smoothing={self.smoothing}"
            raise UsageError(f"{given}: of labels; with output=number there are none")
        if self.encoder and (self.vectors or self.convolution):
            given = f"vectors={self.vectors}" if self.vectors else f"convolution={self.convolution}"
            raise UsageError(f"{given}: encoder={self.encoder} brings what reads; leave one of them out")
        return self


@final
class ClassifyPrediction(Options):
    """How to tell labels.

    Example:
        >>> ClassifyPrediction.parse(["best=3"]).best
        3
    """

    best: int = Field(1, ge=1, le=100_000, description="labels to name for each sequence, the most probable first")
    weights: Literal["full", "bfloat16", "int8"] = Field(
        "full", description="recurrent matrices, as they are or in fewer bytes"
    )
