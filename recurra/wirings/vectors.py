"""Wirings of vectors: a unit is a number."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor

from recurra.cells.cell import Map, Width
from recurra.errors import ShapeError, UsageError
from recurra.wirings.starts import identity, orthogonal, square_or_glorot
from recurra.wirings.wiring import Wiring, positive

__all__ = ["Dense", "Diagonal", "Heads"]


class _Vectors(Wiring):
    """What the wirings of vectors share: a unit is a number, and the input map is a full matrix."""

    input_size: int
    hidden_size: int
    channels = -1
    extent_dims = 0

    @property
    def units(self) -> int:
        return self.hidden_size

    def read(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.linear(x, weight, bias)

    def check(self, x: Tensor) -> None:
        if x.dim() != 3 or x.shape[1] == 0 or x.shape[2] != self.input_size:
            raise ShapeError(f"x is {tuple(x.shape)}; wanted (B, T > 0, {self.input_size})")

    def extent(self, x: Tensor) -> tuple[int, ...]:
        return ()


@final
@dataclass(frozen=True)
class Dense(_Vectors):
    r"""Full matrices, :math:`v \mapsto W v + b`.

    Args:
        input_size: I, the size of each input vector.
        hidden_size: H, the number of units.
        projected_size: P, for cells that project their state.
        bias: whether maps have a bias; norms always do.

    Shapes: x (B, T, I), state (B, H), y (B, T, H).
    """

    input_size: int
    hidden_size: int
    projected_size: int | None = None
    bias: bool = True

    def __post_init__(self) -> None:
        positive(self, "input_size", "hidden_size", "projected_size")

    def width(self, width: Width) -> int:
        if width == "hidden":
            return self.hidden_size
        if self.projected_size is None:
            raise UsageError("this cell projects its state; wanted Dense(input_size, hidden_size, projected_size=P)")
        return self.projected_size

    def kernel(self, outputs: int, inputs: int | None) -> tuple[int, ...]:
        return (outputs, inputs or self.input_size)

    def fill(self, map: Map) -> Callable[[Tensor], Any]:
        return square_or_glorot(map)

    def matrix(self, map: Map) -> str:
        if map.matrix != "free" and (len(map.parts) > 1 or map.takes != map.gives):
            raise UsageError(f"a map kept {map.matrix} has parts {', '.join(map.parts)}; wanted one square part")
        return map.matrix

    def apply(self, v: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.linear(v, weight, bias)


@final
@dataclass(frozen=True)
class Heads(_Vectors):
    r"""Block-diagonal matrices: the units stand in heads of equal size, and read the units of their own head only.

    .. math:: (v_1, \dots, v_n) \mapsto (W_1 v_1, \dots, W_n v_n) + b

    The input map is a full matrix. One head is `Dense`; H heads are `Diagonal`.

    Args:
        input_size: I, the size of each input vector.
        hidden_size: H, the number of units; a multiple of `heads`.
        heads: n, the number of blocks; head j has the units from j H / n on.
        bias: whether maps have a bias; norms always do.

    Shapes: x (B, T, I), state (B, H), y (B, T, H). The weight of a map with G parts is (G H, H / n), parts stacked: row u of a
    part holds what unit u reads with. Every block starts orthogonal. Source: heads of sLSTM, Beck et al. 2024,
    arXiv:2405.04517.

    Example:
        >>> from recurra.cells import LSTM
        >>> from recurra.layers import Recurrent
        >>> layer = Recurrent(LSTM(), Heads(3, 8, heads=4))
        >>> layer.recur_weight.shape, layer(torch.zeros(2, 7, 3))[0].shape
        (torch.Size([32, 2]), torch.Size([2, 7, 8]))
    """

    input_size: int
    hidden_size: int
    heads: int
    bias: bool = True

    def __post_init__(self) -> None:
        positive(self, "input_size", "hidden_size", "heads")
        if self.hidden_size % self.heads:
            raise UsageError(f"Heads: hidden_size is {self.hidden_size}; wanted a multiple of heads, which is {self.heads}")

    def kernel(self, outputs: int, inputs: int | None) -> tuple[int, ...]:
        return (outputs, inputs // self.heads if inputs else self.input_size)

    def fill(self, map: Map) -> Callable[[Tensor], Any]:
        return partial(identity if map.start == "identity" else orthogonal, parts=len(map.parts) * self.heads)

    def apply(self, v: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        size = self.hidden_size // self.heads
        blocks = weight.reshape(-1, self.heads, size, size)  # part, head, unit, unit that it reads
        mapped = torch.einsum("phur,bhr->bphu", blocks, v.reshape(len(v), self.heads, size)).flatten(1)
        return mapped if bias is None else mapped + bias


@final
@dataclass(frozen=True)
class Diagonal(_Vectors):
    r"""One weight for each unit, :math:`v \mapsto w \odot v + b`: a unit reads itself only.

    The input map is a full matrix; units meet in the next layer. With this wiring Elman is IndRNN, and LSTM is IndyLSTM.

    Args:
        input_size: I, the size of each input vector.
        hidden_size: H, the number of units.
        bias: whether maps have a bias; norms always do.

    Shapes: x (B, T, I), state (B, H), y (B, T, H). The weight of a map with G parts is (G H,), parts stacked.
    Weights start uniform in [0, 1), as in the code of IndRNN's authors: some units then forget at once and others hardly at
    all. With relu, T steps multiply a state by up to :math:`w^T`; the authors keep :math:`|w| \le 2^{1/T}` in training.
    Source: Li et al. 2018, arXiv:1803.04831; for LSTM, Gonnet & Deselaers 2019, arXiv:1903.08023.

    Example:
        >>> from recurra.cells import Elman
        >>> from recurra.layers import Recurrent
        >>> layer = Recurrent(Elman("relu"), Diagonal(3, 5))
        >>> layer.recur_weight.shape, layer(torch.zeros(2, 7, 3))[0].shape
        (torch.Size([5]), torch.Size([2, 7, 5]))
    """

    input_size: int
    hidden_size: int
    bias: bool = True

    def __post_init__(self) -> None:
        positive(self, "input_size", "hidden_size")

    def kernel(self, outputs: int, inputs: int | None) -> tuple[int, ...]:
        return (outputs,) if inputs else (outputs, self.input_size)

    def fill(self, map: Map) -> Callable[[Tensor], Any]:
        return torch.nn.init.ones_ if map.start == "identity" else torch.nn.init.uniform_

    def apply(self, v: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        mapped = (weight.reshape(-1, self.hidden_size) * v[:, None]).flatten(1)
        return mapped if bias is None else mapped + bias
