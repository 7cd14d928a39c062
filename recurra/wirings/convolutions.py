"""Wirings of lines, images and volumes: a unit is a channel, and maps are convolutions."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import torch.nn.functional as F
from torch import Tensor

from recurra.cells.cell import Map
from recurra.errors import ShapeError, UsageError
from recurra.wirings.starts import square_or_glorot
from recurra.wirings.wiring import Wiring, positive

__all__ = ["Conv1d", "Conv2d", "Conv3d"]


class _Convolution(Wiring):
    """What convolutional wirings share: the convolution itself, and the names of its dimensions, are left to the subclass."""

    in_channels: int
    hidden_channels: int
    kernel_size: int
    channels = 1
    bias = True

    @property
    @abstractmethod
    def axes(self) -> tuple[str, ...]:
        """Names of the dimensions behind the channels."""

    @abstractmethod
    def apply(self, v: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor: ...

    @property
    def units(self) -> int:
        return self.hidden_channels

    @property
    def extent_dims(self) -> int:
        return len(self.axes)

    def __post_init__(self) -> None:
        positive(self, "in_channels", "hidden_channels", "kernel_size")
        if self.kernel_size % 2 == 0:
            raise UsageError(f"kernel_size is {self.kernel_size}; wanted an odd number, so that images keep their size")

    def kernel(self, outputs: int, inputs: int | None) -> tuple[int, ...]:
        return (outputs, inputs or self.in_channels, *[self.kernel_size] * self.extent_dims)

    def fill(self, map: Map) -> Callable[[Tensor], Any]:
        return square_or_glorot(map)

    def read(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return self.apply(x, weight, bias)

    def check(self, x: Tensor) -> None:
        if x.dim() != 3 + self.extent_dims or x.shape[1] == 0 or x.shape[2] != self.in_channels:
            raise ShapeError(f"x is {tuple(x.shape)}; wanted (B, T > 0, {self.in_channels}, {', '.join(self.axes)})")

    def extent(self, x: Tensor) -> tuple[int, ...]:
        return tuple(x.shape[3:])


@final
@dataclass(frozen=True)
class Conv1d(_Convolution):
    r"""Convolutions over lines, :math:`v \mapsto W * v + b`, same size out as in; any cell's convolutional twin.

    Args:
        in_channels: I, channels of each input line.
        hidden_channels: H, channels of the state.
        kernel_size: odd length of the kernel.

    Shapes: x (B, T, I, X), state (B, H, X), y (B, T, H, X).

    Example:
        >>> import torch
        >>> from recurra.cells import GRU
        >>> from recurra.layers import Recurrent
        >>> Recurrent(GRU(), Conv1d(3, 5))(torch.zeros(2, 7, 3, 16))[0].shape
        torch.Size([2, 7, 5, 16])
    """

    in_channels: int
    hidden_channels: int
    kernel_size: int = 3

    axes = ("X",)

    def apply(self, v: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv1d(v, weight, bias, padding=self.kernel_size // 2)


@final
@dataclass(frozen=True)
class Conv2d(_Convolution):
    r"""Convolutions over images, :math:`v \mapsto W * v + b`, same size out as in.

    With this wiring LSTM is ConvLSTM (Shi et al. 2015, arXiv:1506.04214), GRU is ConvGRU, and any cell its convolutional twin.

    Args:
        in_channels: I, channels of each input image.
        hidden_channels: H, channels of the state.
        kernel_size: odd side of the square kernel.

    Shapes: x (B, T, I, Y, X), state (B, H, Y, X), y (B, T, H, Y, X).
    """

    in_channels: int
    hidden_channels: int
    kernel_size: int = 3

    axes = ("Y", "X")

    def apply(self, v: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(v, weight, bias, padding=self.kernel_size // 2)


@final
@dataclass(frozen=True)
class Conv3d(_Convolution):
    r"""Convolutions over volumes, :math:`v \mapsto W * v + b`, same size out as in; any cell's convolutional twin.

    Args:
        in_channels: I, channels of each input volume.
        hidden_channels: H, channels of the state.
        kernel_size: odd side of the cubic kernel.

    Shapes: x (B, T, I, Z, Y, X), state (B, H, Z, Y, X), y (B, T, H, Z, Y, X).
    """

    in_channels: int
    hidden_channels: int
    kernel_size: int = 3

    axes = ("Z", "Y", "X")

    def apply(self, v: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv3d(v, weight, bias, padding=self.kernel_size // 2)
