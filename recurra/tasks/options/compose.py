"""Options of the task `compose`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, Self, final

from pydantic import Field, model_validator

from recurra.errors import UsageError
from recurra.tasks.options.options import GROUPS, Options, TaskOptions

__all__ = ["Compose", "ComposeGeneration", "ComposePrediction"]


@final
class Compose(TaskOptions):
    """A model of music: which keys sound at the next step, or which event comes next.

    Example:
        >>> Compose(output="events", stretch=0.1).transpose
        5
    """

    task: ClassVar[str] = "compose"
    summary: ClassVar[str] = "a model of music that goes on with a piece or begins one: MIDI, ABC, piano rolls"
    afterwards: ClassVar[tuple[str, ...]] = ("generate RUN steps=128 --out tune", "evaluate RUN FILE", "report RUN")
    not_searched: ClassVar[frozenset[str]] = frozenset({"held_out", "output", "grid"})
    headings: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {
            "Network": ("model", "heads", "output", "nade_hidden", "embedding"),
            "Other keys and tempos": ("transpose", "stretch"),
            **GROUPS,
        }
    )

    # what is common to all tasks, with other defaults
    layers: int = Field(1, ge=1, le=1000, description="recurrent layers, or blocks of a Transformer, on top of each other")
    dropout: float = Field(0.3, ge=0, lt=1, description="share of activations set to zero, in training")
    epochs: float = Field(40, gt=0, le=1_000_000, description="passes over the learning part")
    lr: float = Field(0.008, gt=0, le=1000, description="highest learning rate")
    clip: float = Field(5.0, ge=0, le=1_000_000, description="largest norm of the gradient; 0 for none")

    grid: int = Field(4, ge=1, le=48, description="steps of a quarter note, onto which MIDI and ABC are put; not of events")
    held_out: float = Field(
        0.2, gt=0, lt=1, description="share of the pieces that is not learnt from, where the data bring no such part"
    )
    model: Literal["recurrent", "transformer"] = Field(
        "recurrent", description="recurrent layers, or for comparison a Transformer, each of whose blocks looks back one window"
    )
    heads: int = Field(4, ge=1, le=10_000, description="of attention, where the model is a Transformer")
    output: Literal["nade", "independent", "events"] = Field(
        "nade", description="keys of a step one given the other, or each by itself; or events: on, off, time, velocity"
    )
    nade_hidden: int = Field(128, ge=1, le=100_000, description="hidden units of NADE")
    embedding: int = Field(128, ge=1, le=100_000, description="size of the vector of an event")
    transpose: int = Field(5, ge=0, le=40, description="semitones by which pieces are moved at most in training, down or up")
    stretch: float = Field(
        0.0, ge=0, le=1, description="share by which pieces are played slower or faster at most in training; of events"
    )

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.stretch and self.output != "events":
            raise UsageError(f"stretch={self.stretch}: steps of rolls are no time; wanted stretch=0, or output=events")
        return self


@final
class ComposePrediction(Options):
    """There is nothing to choose: every piece is read on its own."""


@final
class ComposeGeneration(Options):
    """How to write music.

    Example:
        >>> ComposeGeneration.parse(["temperature=0.8"]).steps
        128
    """

    steps: int = Field(128, ge=1, le=1_000_000, description="steps to write, or events")
    opening: str = Field("", description="a file whose first piece is gone on from; empty begins a piece")
    opening_seconds: float = Field(4.0, gt=0, le=86_400, description="of the opening that are kept")
    temperature: float = Field(0.9, ge=0, description="below 1 is careful, above 1 daring; 0 takes the most probable")
    top_p: float = Field(1.0, gt=0, le=1, description="choose among the fewest events that have this probability together")
    speed: float = Field(1.0, gt=0, le=100, description="of playing; 1 as the music that was learnt from")
    seed: int = Field(0, ge=0, le=4_294_967_295, description="of the choice")
    weights: Literal["full", "bfloat16", "int8"] = Field(
        "full", description="recurrent matrices, as they are or in fewer bytes"
    )
