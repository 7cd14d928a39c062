"""Options of the task `tag`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, final

from pydantic import Field, model_validator

from recurra.errors import UsageError
from recurra.tasks.options.options import GROUPS, Options, TaskOptions

__all__ = ["Tag", "TagPrediction"]


@final
class Tag(TaskOptions):
    """Labels of the words of a sentence, and of several words together: named entities, parts of speech.

    Example:
        >>> Tag(characters="lstm", output="softmax").scheme
        'iobes'
    """

    task: ClassVar[str] = "tag"
    summary: ClassVar[str] = "named entities, and other labels of the words of sentences"
    afterwards: ClassVar[tuple[str, ...]] = ("predict RUN FILE", "evaluate RUN FILE", "report RUN")
    not_searched: ClassVar[frozenset[str]] = frozenset({"held_out", "token", "tag", "text", "spans", "encoding"})
    headings: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {
            "Network": (
                *("model", "bidirectional", "heads", "embedding", "vectors", "lower", "shapes"),
                *("characters", "character_embedding", "spelling", "output", "scheme"),
            ),
            **GROUPS,
        }
    )

    # what is common to all tasks, with other defaults
    cell: str = Field("lstm", description="the recurrent cell; recurra cells lists them")
    hidden: int = Field(256, ge=2, le=100_000, description="units of each layer, both directions together")
    layers: int = Field(1, ge=1, le=1000, description="recurrent layers, or blocks of a Transformer, on top of each other")
    dropout: float = Field(0.5, ge=0, lt=1, description="share of activations set to zero, in training")
    batch: int = Field(32, ge=1, description="sentences learnt from at a time, at most")
    epochs: float = Field(15, gt=0, le=1_000_000, description="passes over the learning part")
    lr: float = Field(0.003, gt=0, le=1000, description="highest learning rate")

    # the data
    token: int = Field(0, ge=0, le=10_000, description="column of the words, counted from 1; 0 finds it")
    tag: int = Field(0, ge=0, le=10_000, description="column of the tags, counted from 1; 0 finds it")
    text: str = Field("text", description="key of the text in JSON lines")
    spans: str = Field("spans", description="key of the spans in JSON lines")
    encoding: str = Field("utf-8", description="of the files")
    held_out: float = Field(
        0.2, gt=0, lt=1, description="share of the sentences that is not learnt from, where the data bring no such part"
    )
    vocabulary: int = Field(50_000, ge=1, le=10_000_000, description="most words to know, the most frequent ones")
    rare: int = Field(1, ge=1, le=1_000_000, description="times that a word must stand in the learning part to be known")
    longest: int = Field(500, ge=1, le=1_000_000, description="words of a sentence, above which it is not learnt from")
    tokens: int = Field(4000, ge=1, description="words and tags of a batch, padding included, at most")

    # the network
    model: Literal["recurrent", "transformer"] = Field("recurrent", description="what reads the words")
    bidirectional: bool = Field(True, description="read from both ends")
    heads: int = Field(4, ge=1, le=1000, description="of a transformer's attention")
    embedding: int = Field(100, ge=1, le=100_000, description="size of the vector of a word")
    vectors: str = Field("", description="file of word vectors to start from, as word2vec and GloVe write them as text")
    lower: bool = Field(True, description="know words whatever their capitals and digits are")
    shapes: int = Field(
        8, ge=0, le=10_000, description="size of the vector of how a word is written: capitals, digits; 0 for none"
    )
    characters: Literal["none", "cnn", "lstm"] = Field("cnn", description="what reads the characters of each word")
    character_embedding: int = Field(30, ge=1, le=100_000, description="size of the vector of a character")
    spelling: int = Field(50, ge=1, le=100_000, description="size of the vector of a word from its characters")
    output: Literal["crf", "softmax"] = Field("crf", description="tell the tags of a sentence together, or each alone")
    scheme: Literal["iobes", "iob2"] = Field("iobes", description="tags that are learnt, whatever those of the data are")

    # its training
    word_dropout: float = Field(0.1, ge=0, lt=1, description="share of the words read as the unknown one, in training")

    @model_validator(mode="after")
    def _fits(self) -> "Tag":
        if self.bidirectional and self.model == "recurrent" and self.hidden % 2:
            raise UsageError(f"hidden={self.hidden}: wanted an even number, half for each direction; or bidirectional=false")
        if self.characters == "lstm" and self.spelling % 2:
            raise UsageError(f"spelling={self.spelling}: wanted an even number, half for each direction; or characters=cnn")
        if self.token and self.token == self.tag:
            raise UsageError(f"token={self.token} tag={self.tag}: the same column; wanted two that differ")
        return self


@final
class TagPrediction(Options):
    """How to find entities.

    Example:
        >>> TagPrediction.parse(["form=conll"]).form
        'conll'
    """

    form: Literal["auto", "lines", "conll", "jsonl"] = Field(
        "auto", description="of the file: a text on each line, CoNLL columns, JSON lines; auto takes the latter by their names"
    )
    words: Literal["signs", "blanks"] = Field(
        "signs", description="what parts the words of a text: blanks and signs, or blanks alone"
    )
    least: float = Field(
        0.0, ge=0, le=1, description="probability of its least certain word, below which an entity is left out"
    )
    weights: Literal["full", "bfloat16", "int8"] = Field(
        "full", description="recurrent matrices, as they are or in fewer bytes"
    )
