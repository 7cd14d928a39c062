"""Options of the task `write`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, final

from pydantic import Field

from recurra.tasks.options.options import GROUPS, Options, TaskOptions

__all__ = ["Write", "WriteGeneration", "WritePrediction"]


@final
class Write(TaskOptions):
    """A model of a hand: where the pen goes next, whatever it draws, for a class, or for a text.

    Example:
        >>> Write(told="class", components=10).windows
        10
    """

    task: ClassVar[str] = "write"
    summary: ClassVar[str] = "handwriting and sketches, stroke by stroke: freely, of a class, or of a text"
    afterwards: ClassVar[tuple[str, ...]] = ("generate RUN count=8 --out drawn.svg", "evaluate RUN FILE", "report RUN")
    not_searched: ClassVar[frozenset[str]] = frozenset({"held_out", "told", "longest"})
    headings: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {"Network": ("told", "components", "windows", "embedding"), **GROUPS}
    )

    # what is common to all tasks, with other defaults
    dropout: float = Field(0.1, ge=0, lt=1, description="share of activations set to zero, in training")
    batch: int = Field(32, ge=1, description="drawings learnt from at a time, at most")
    epochs: float = Field(20, gt=0, le=1_000_000, description="passes over the learning part")
    lr: float = Field(0.003, gt=0, le=1000, description="highest learning rate")
    clip: float = Field(10.0, ge=0, le=1_000_000, description="largest norm of the gradient; 0 for none")

    text: str = Field("", description="column or key of what drawings say; empty finds it")
    encoding: str = Field("utf-8", description="of the files")
    held_out: float = Field(
        0.1, gt=0, lt=1, description="share of the drawings that is not learnt from, where the data bring no such part"
    )
    longest: int = Field(400, ge=2, le=100_000, description="points that a drawing may have; longer ones are left out")
    tokens: int = Field(10_000, ge=1, description="points of a batch, padding included, at most")
    upwards: bool = Field(False, description="y of the data grows upwards; it turns what is drawn, not what is learnt")

    told: Literal["auto", "nothing", "class", "text"] = Field(
        "auto", description="what the pen is told; auto takes texts, a class where few come again and again, or nothing"
    )
    components: int = Field(20, ge=1, le=10_000, description="Gaussians of the mixture")
    windows: int = Field(10, ge=1, le=10_000, description="Gaussians of the window that slides over a text")
    embedding: int = Field(32, ge=1, le=100_000, description="size of the vector of a letter, or of a class")
    distortion: float = Field(
        0.1, ge=0, le=1, description="share by which drawings are stretched at most in training, each way"
    )


@final
class WritePrediction(Options):
    """There is nothing to choose: every drawing is read on its own."""


@final
class WriteGeneration(Options):
    """How to write.

    Example:
        >>> WriteGeneration.parse(["text=2026", "bias=1"]).count
        1
    """

    text: str = Field("", description="what is written, or the class of what is drawn; empty takes any that was learnt from")
    count: int = Field(1, ge=1, le=10_000, description="drawings")
    points: int = Field(600, ge=1, le=100_000, description="of a drawing, at most")
    bias: float = Field(0.5, ge=0, le=100, description="of a tidy hand; 0 writes as untidily as what was learnt from")
    prime: str = Field("", description="a file whose first drawing is the hand to go on with")
    animated: bool = Field(False, description="SVG that draws itself")
    seed: int = Field(0, ge=0, le=4_294_967_295, description="of the choice")
