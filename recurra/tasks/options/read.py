"""Options of the task `read`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, final

from pydantic import Field, model_validator

from recurra.errors import UsageError
from recurra.tasks.options.transcript import TranscriptOptions

__all__ = ["Read"]


@final
class Read(TranscriptOptions):
    """Print and handwriting, as images or as pen points, to text, or to one label each.

    Example:
        >>> Read(output="label", distortion=0.3).front
        'auto'
    """

    task: ClassVar[str] = "read"
    summary: ClassVar[str] = "text, or labels, of images and pen strokes: print, handwriting, digits"
    afterwards: ClassVar[tuple[str, ...]] = ("predict RUN IMAGES", "evaluate RUN DATA", "report RUN")
    not_searched: ClassVar[frozenset[str]] = TranscriptOptions.not_searched | {"image", "text", "test"}
    headings: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {
            "Writing": ("image", "text", "test", "encoding", "held_out", "height", "widest", "distortion"),
            "Network": (*TranscriptOptions.headings["Network"], "front", "channels", "blocks", "stride"),
            "Language model": TranscriptOptions.headings["Language model"],
            **{name: some for name, some in TranscriptOptions.headings.items() if name not in ("Network", "Language model")},
        }
    )

    # what is common to all tasks, with other defaults
    hidden: int = Field(128, ge=2, le=100_000, description="units of each layer, both directions together")
    layers: int = Field(1, ge=1, le=1000, description="recurrent layers, or blocks of a Transformer, on top of each other")
    batch: int = Field(8, ge=1, description="pieces learnt from at a time, at most")
    epochs: float = Field(15, gt=0, le=1_000_000, description="passes over the learning part")
    lr: float = Field(0.004, gt=0, le=1000, description="highest learning rate")

    # the writing
    image: str = Field("path", description="column, or key, of the paths in a table of images and texts")
    text: str = Field("", description="the same of the texts; empty finds it")
    test: str = Field(
        "", description="letters in the names of what is measured on, as page-007; empty asks data, or takes a share"
    )
    height: int = Field(24, ge=4, le=1000, description="pixels that an image is made high")
    widest: int = Field(4000, ge=4, le=100_000, description="pixels that it is wide then, at most")
    distortion: float = Field(
        0.5, ge=0, le=5, description="how much what is learnt from is slanted, turned, stretched and noisy; 0 not at all"
    )

    # the network
    front: Literal["auto", "resnet", "convolution", "none"] = Field(
        "auto",
        description="what stands before the layers: auto takes resnet for images, convolution for points; none is a map",
    )
    channels: int = Field(16, ge=2, le=10_000, description="of its last stage")
    blocks: int = Field(1, ge=1, le=100, description="residual blocks of each of its three stages")
    stride: int = Field(
        0, ge=0, le=8, description="columns or points of a frame: 1, 2, 4 or 8; 0 takes 4 of images, 1 of points"
    )

    @model_validator(mode="after")
    def _strides(self) -> "Read":
        if self.stride not in (0, 1, 2, 4, 8):
            raise UsageError(f"stride={self.stride}: wanted 1, 2, 4 or 8, or 0 for what fits")
        return self
