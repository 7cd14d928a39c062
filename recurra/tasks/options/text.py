"""Options of the task `text`."""

from typing import ClassVar, Literal, final

from pydantic import Field

from recurra.tasks.options.options import Options, TaskOptions

__all__ = ["Text", "TextGeneration", "TextPrediction"]


@final
class Text(TaskOptions):
    """A language model of text: characters, words, byte pairs or the pieces of a unigram model.

    Example:
        >>> Text(hidden=64, cell="gru").layers
        2
    """

    task: ClassVar[str] = "text"
    summary: ClassVar[str] = "a language model of text files: characters, words or byte pairs"
    afterwards: ClassVar[tuple[str, ...]] = ("generate RUN temperature=0.7", "evaluate RUN --json", "predict RUN FILE")
    not_searched: ClassVar[frozenset[str]] = frozenset({"held_out", "unit"})

    unit: Literal["character", "word", "subword", "unigram"] = Field("character", description="what a symbol is")
    vocabulary: int = Field(8000, ge=300, le=1_000_000, description="most words or subwords to know; characters are all known")
    encoding: str = Field("utf-8", description="of the text files")
    held_out: float = Field(0.1, gt=0, lt=1, description="share of the text that is not learnt from, but measured on")
    model: Literal["recurrent", "transformer"] = Field(
        "recurrent", description="recurrent layers, or for comparison a Transformer, each of whose blocks looks back one window"
    )
    heads: int = Field(4, ge=1, le=10_000, description="of attention, where the model is a Transformer")
    embedding: int = Field(64, ge=1, le=100_000, description="size of the vector of a symbol")
    tied: bool = Field(False, description="predict with the embedding matrix itself")
    smoothing: float = Field(0.0, ge=0, lt=1, description="label smoothing")
    embedding_dropout: float = Field(
        0.0, ge=0, lt=1, description="share of the symbols whose vectors are zero for an update, in training"
    )
    word_dropout: float = Field(0.0, ge=0, lt=1, description="share of the symbols read as the unknown one, in training")
    forcing: float = Field(
        1.0, ge=0, le=1, description="share of true symbols read in training, at its end; the others are the model's own"
    )
    forcing_decay: Literal["constant", "linear", "exponential", "inverse-sigmoid"] = Field(
        "linear", description="how that share falls from 1 over the updates; constant has it from the first"
    )
    carry: bool = Field(True, description="carry the state from window to window; false starts each at zero")


@final
class TextPrediction(Options):
    """There is nothing to choose: every line of a file is read on its own."""


@final
class TextGeneration(Options):
    """How to write text.

    Example:
        >>> TextGeneration.parse(["temperature=0.5"]).temperature
        0.5
    """

    prompt: str = Field("", description="the text to go on from; empty begins a line")
    length: int = Field(500, ge=1, le=1_000_000_000, description="symbols to write")
    temperature: float = Field(0.8, ge=0, description="below 1 is careful, above 1 daring; 0 takes the most probable")
    top_k: int = Field(0, ge=0, description="choose among the k most probable; 0 among all")
    top_p: float = Field(1.0, gt=0, le=1, description="choose among the fewest that have this probability together")
    min_p: float = Field(0.0, ge=0, le=1, description="choose among those with this share of the highest probability")
    typical: float = Field(1.0, gt=0, le=1, description="choose among those nearest to the mean surprise, of this probability")
    repetition: float = Field(1.0, ge=0.01, le=100, description="penalty of symbols already there; 1 is none")
    seed: int = Field(0, ge=0, le=4_294_967_295, description="of the choice")
    weights: Literal["full", "bfloat16", "int8"] = Field(
        "full", description="recurrent matrices, as they are or in fewer bytes"
    )
