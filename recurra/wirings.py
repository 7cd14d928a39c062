"""Wirings: what the maps of a cell are made of, how large they are, and where their weights start.

A wiring is a frozen description. The weights themselves live in the layer (or in `drop_in`, or in a packed copy of an
engine) as one flat mapping of names to tensors:

================================  =====================================================================
``input_weight``, ``input_bias``  the input map, all gates stacked in the cell's order
``NAME_weight``, ``NAME_bias``    every map that the cell names, parts stacked; every norm
``NAME``                          every per-unit vector
================================  =====================================================================
"""

import math
from abc import ABC, abstractmethod
from collections import namedtuple
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeAlias, final

import torch
import torch.nn.functional as F
from torch import Tensor

from recurra.cells.cell import Cell, Map, Maps, Parts, Width
from recurra.errors import ShapeError, UsageError

__all__ = ["Conv2d", "Dense", "Diagonal", "Heads", "Start", "Weights", "Wiring"]

Weights: TypeAlias = "Mapping[str, Tensor]"
"""The tensors of one layer by the names above."""


class Start(NamedTuple):
    """The shape of a weight, and how it is filled at the start (in place)."""

    shape: tuple[int, ...]
    fill: Callable[[Tensor], Any]


class Wiring(ABC):
    """Base of all wirings: sizes, names and start values; what a map is made of is left to the subclass."""

    @property
    @abstractmethod
    def units(self) -> int:
        """The number of hidden units H, or of hidden channels."""

    @property
    @abstractmethod
    def extent_dims(self) -> int:
        """How many dimensions a unit has of its own: 0 for a number, 2 for an image."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """Dimension of the units in a (B, units, ...) tensor."""

    @property
    @abstractmethod
    def bias(self) -> bool:
        """Whether maps have a bias."""

    @abstractmethod
    def kernel(self, outputs: int, inputs: int | None) -> tuple[int, ...]:
        """Shape of the weight of a map from `inputs` (None: the layer's input) to `outputs` units."""

    @abstractmethod
    def fill(self, map: Map) -> Callable[[Tensor], Any]:
        """How the weight of a map inside the step is filled at the start."""

    def matrix(self, map: Map) -> str:
        """What a map's matrix is kept in training: free, orthogonal or antisymmetric."""
        if map.matrix != "free":
            raise UsageError(f"this cell keeps a matrix {map.matrix}, and {type(self).__name__} cannot; wanted Dense")
        return map.matrix

    @abstractmethod
    def read(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The input map of `x`, a batch of inputs."""

    @abstractmethod
    def apply(self, v: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """A map inside the step, of `v`, a batch of vectors of the step."""

    @abstractmethod
    def check(self, x: Tensor) -> None:
        """Refuse an input (B, T, ...) of the wrong shape."""

    @abstractmethod
    def extent(self, x: Tensor) -> tuple[int, ...]:
        """The sizes of x behind its channels: none for vectors, (Y, X) for images."""

    def width(self, width: Width) -> int:
        """The number of units of the given width."""
        if width == "projected":
            raise UsageError(f"this cell projects its state, and {type(self).__name__} cannot")
        return self.units

    def weights(self, cell: Cell) -> dict[str, Start]:
        """Every weight of the layer: names, shapes and start values.

        Input maps start Glorot-uniform gate by gate, square recurrent maps orthogonal gate by gate (Saxe et al. 2014; but see
        `Diagonal`) or at the identity, others Glorot-uniform, biases at 0 or at what the cell says (1 for a forget gate),
        norms at 1 and 0.
        """
        units, table = self.units, dict[str, Start]()
        table["input_weight"] = Start(self.kernel(len(cell.gates) * units, None), partial(_glorot, parts=len(cell.gates)))
        if self.bias:
            levels = [cell.bias.get(gate, 0.0) for gate in cell.gates]
            table["input_bias"] = Start((len(cell.gates) * units,), partial(_levels, values=levels))
        for name in cell.maps:
            map = as_map(cell.maps[name])
            self.matrix(map)
            outputs = len(map.parts) * self.width(map.gives)
            table[f"{name}_weight"] = Start(self.kernel(outputs, self.width(map.takes)), self.fill(map))
            if map.bias and self.bias:
                table[f"{name}_bias"] = Start((outputs,), torch.nn.init.zeros_)
        per_unit = (units, *[1] * self.extent_dims)
        for name, value in cell.vectors.items():
            table[name] = Start(per_unit, value if callable(value) else partial(torch.nn.init.constant_, val=value))
        for name in cell.norms:
            table[f"{name}_weight"] = Start(per_unit, torch.nn.init.ones_)
            table[f"{name}_bias"] = Start(per_unit, partial(torch.nn.init.constant_, val=cell.bias.get(name, 0.0)))
        for name in cell.vectors:
            if name.removesuffix("_weight").removesuffix("_bias") in ("input", *cell.maps, *cell.norms):
                raise UsageError(f"{cell} has a vector {name} beside a map or norm of that name; give it another name")
        if "input" in cell.maps or set(cell.maps) & set(cell.norms):
            raise UsageError(f"{cell} gives two of its maps and norms one name (the input map is called input)")
        return table

    def project(self, cell: Cell, weights: Weights, x: Tensor) -> list[Parts]:
        """The input map over all of time, x (B, T, ...) -> the gates' parts of every step."""
        rows = self.read(x.flatten(0, 1), weights["input_weight"], weights.get("input_bias"))
        steps = rows.view(*x.shape[:2], *rows.shape[1:]).unbind(1)
        return [parts(cell.gates, step, self.channels) for step in steps]

    def bind(self, cell: Cell, weights: Weights, noise: Mapping[str, Tensor]) -> Maps:
        """The `m` of one step: maps to call, vectors, norms, and the noise of this step."""
        table: dict[str, Any] = {}
        for name, declared in cell.maps.items():
            table[name] = partial(self._call, as_map(declared).parts, weights[f"{name}_weight"], weights.get(f"{name}_bias"))
        for name in cell.norms:
            table[name] = partial(self._norm, weights[f"{name}_weight"], weights[f"{name}_bias"])
        return SimpleNamespace(**table, **{name: weights[name] for name in cell.vectors}, **noise)

    def zeros(self, cell: Cell, like: Tensor, batch: int, *extent: int) -> Any:
        """The state that a sequence starts from: zeros of the cell's widths, of the dtype and device of `like`."""
        widths = [self.width(cell.widths.get(field, "hidden")) for field in cell.State._fields]
        return cell.State(*(like.new_zeros(batch, width, *extent) for width in widths))

    def _call(self, names: tuple[str, ...], weight: Tensor, bias: Tensor | None, v: Tensor) -> Parts:
        return parts(names, self.apply(v, weight, bias), self.channels)

    def _norm(self, weight: Tensor, bias: Tensor, v: Tensor) -> Tensor:
        centred = v - v.mean(self.channels, keepdim=True)
        return centred * torch.rsqrt(centred.square().mean(self.channels, keepdim=True) + 1e-5) * weight + bias


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
        _positive(self, "input_size", "hidden_size", "projected_size")

    def width(self, width: Width) -> int:
        if width == "hidden":
            return self.hidden_size
        if self.projected_size is None:
            raise UsageError("this cell projects its state; wanted Dense(input_size, hidden_size, projected_size=P)")
        return self.projected_size

    def kernel(self, outputs: int, inputs: int | None) -> tuple[int, ...]:
        return (outputs, inputs or self.input_size)

    def fill(self, map: Map) -> Callable[[Tensor], Any]:
        return _square_or_glorot(map)

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
        _positive(self, "input_size", "hidden_size", "heads")
        if self.hidden_size % self.heads:
            raise UsageError(f"Heads: hidden_size is {self.hidden_size}; wanted a multiple of heads, which is {self.heads}")

    def kernel(self, outputs: int, inputs: int | None) -> tuple[int, ...]:
        return (outputs, inputs // self.heads if inputs else self.input_size)

    def fill(self, map: Map) -> Callable[[Tensor], Any]:
        return partial(_identity if map.start == "identity" else _orthogonal, parts=len(map.parts) * self.heads)

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
        _positive(self, "input_size", "hidden_size")

    def kernel(self, outputs: int, inputs: int | None) -> tuple[int, ...]:
        return (outputs,) if inputs else (outputs, self.input_size)

    def fill(self, map: Map) -> Callable[[Tensor], Any]:
        return torch.nn.init.ones_ if map.start == "identity" else torch.nn.init.uniform_

    def apply(self, v: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        mapped = (weight.reshape(-1, self.hidden_size) * v[:, None]).flatten(1)
        return mapped if bias is None else mapped + bias


@final
@dataclass(frozen=True)
class Conv2d(Wiring):
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

    channels = 1
    extent_dims = 2
    bias = True

    @property
    def units(self) -> int:
        return self.hidden_channels

    def __post_init__(self) -> None:
        _positive(self, "in_channels", "hidden_channels", "kernel_size")
        if self.kernel_size % 2 == 0:
            raise UsageError(f"kernel_size is {self.kernel_size}; wanted an odd number, so that images keep their size")

    def kernel(self, outputs: int, inputs: int | None) -> tuple[int, ...]:
        return (outputs, inputs or self.in_channels, self.kernel_size, self.kernel_size)

    def fill(self, map: Map) -> Callable[[Tensor], Any]:
        return _square_or_glorot(map)

    def read(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return self.apply(x, weight, bias)

    def apply(self, v: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(v, weight, bias, padding=self.kernel_size // 2)

    def check(self, x: Tensor) -> None:
        if x.dim() != 5 or x.shape[1] == 0 or x.shape[2] != self.in_channels:
            raise ShapeError(f"x is {tuple(x.shape)}; wanted (B, T > 0, {self.in_channels}, Y, X)")

    def extent(self, x: Tensor) -> tuple[int, ...]:
        return tuple(x.shape[3:])


def as_map(declared: tuple[str, ...] | Map) -> Map:
    """What a cell wrote for a map, as a `Map`."""
    return declared if isinstance(declared, Map) else Map(declared)


def parts(names: tuple[str, ...], stacked: Tensor, dim: int) -> Parts:
    """Cut a stacked tensor into its named parts along `dim`."""
    return parts_class(names)(*stacked.chunk(len(names), dim))


@cache
def parts_class(names: tuple[str, ...]) -> Any:
    """The class of the parts with these names; it takes one value for each."""
    return namedtuple("Parts", names)  # noqa: PYI024 - the names are data


def _positive(wiring: Any, *names: str) -> None:
    for name in names:
        size = getattr(wiring, name)
        if size is not None and size < 1:
            raise UsageError(f"{type(wiring).__name__}: {name} is {size}; wanted at least 1")


def _square_or_glorot(map: Map) -> Callable[[Tensor], Any]:
    square = _identity if map.start == "identity" else _orthogonal
    return partial(square if map.takes == map.gives else _glorot, parts=len(map.parts))


def _glorot(weight: Tensor, parts: int) -> None:
    for part in weight.chunk(parts):
        torch.nn.init.xavier_uniform_(part)


def _orthogonal(weight: Tensor, parts: int) -> None:
    for part in weight.chunk(parts):
        if math.prod(part.shape):
            torch.nn.init.orthogonal_(part)


def _identity(weight: Tensor, parts: int) -> None:
    for part in weight.chunk(parts):
        torch.nn.init.eye_(part) if part.dim() == 2 else torch.nn.init.dirac_(part)


def _levels(bias: Tensor, values: list[float]) -> None:
    for part, value in zip(bias.chunk(len(values)), values, strict=True):
        torch.nn.init.constant_(part, value)
