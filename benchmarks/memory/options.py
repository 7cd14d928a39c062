"""Options of a memory task: those that all tasks share, with defaults for small networks, and a few of its own."""

from collections.abc import Iterable
from typing import Any, ClassVar, Self, final

from pydantic import Field

from recurra.errors import UsageError
from recurra.tasks.options import TaskOptions

__all__ = ["MemoryOptions"]

IDLE = {"window": "sequences are never cut", "epochs": "take steps", "seeds": "take seed"}


@final
class MemoryOptions(TaskOptions):
    """How to train on a memory task."""

    task: ClassVar[str] = "memory"
    summary: ClassVar[str] = "what a recurrence can keep, and for how long"
    afterwards: ClassVar[tuple[str, ...]] = ()

    hidden: int = Field(128, ge=1, le=100_000, description="units of each layer")
    layers: int = Field(1, ge=1, le=1000, description="recurrent layers on top of each other")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of activations set to zero between layers, in training")
    batch: int = Field(64, ge=1, description="sequences in an update")
    steps: int = Field(5000, ge=1, description="updates")
    lr: float = Field(0.002, gt=0, le=1000, description="highest learning rate")
    weight_decay: float = Field(0.0, ge=0, le=1000, description="pull of matrices towards zero")

    length: int = Field(0, ge=0, le=100_000, description="of the task (delay, steps, pairs, longest word learnt); 0 is its own")
    curriculum: int = Field(0, ge=0, description="updates over which lengths grow from a twentieth to the whole; 0 for none")
    blocks: bool = Field(False, description="each layer between a norm and a gated linear unit, added to what it reads")
    convolution: int = Field(0, ge=0, le=64, description="blocks: steps that the recurrence reads at once; 0 for one")
    prefixes: bool = Field(True, description="languages: a row asks for the class of each of its beginnings, not of one")
    queries: int = Field(1, ge=1, le=26, description="recall: keys that a row asks for in learning, one after the other")
    shift: int = Field(0, ge=0, le=8, description="digits in learning are moved by up to so many pixels each way")
    minutes: float = Field(0.0, ge=0, description="of updates, after which a run ends at its next look; 0 for no bound")
    travel: bool = Field(False, description="also measure how far the gradient travels back, before training and after")
    folder: str = Field("", description="keeps checkpoints here, and goes on from the newest")

    @classmethod
    def parse(cls, pairs: Iterable[str]) -> Self:
        options = super().parse(pairs)
        for name, why in IDLE.items():
            if name in options.model_fields_set:
                raise UsageError(f"{name}={getattr(options, name)}: memory tasks have no use for it; {why}")
        return options

    def changed(self) -> dict[str, Any]:
        """What differs from the defaults."""
        return {name: value for name, value in self.model_dump().items() if value != type(self).model_fields[name].default}
