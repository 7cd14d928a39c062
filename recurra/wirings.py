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

__all__ = ["Conv2d", "Dense", "Start", "Weights", "Wiring"]

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

    @abstractmethod
    def kernel(self, outputs: int, inputs: int | None) -> tuple[int, ...]:
        """Shape of the weight of a map from `inputs` (None: the layer's input) to `outputs` units."""

    @abstractmethod
    def apply(self, v: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """One map of vectors `v`, a batch of them."""

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

        Input maps start Glorot-uniform gate by gate, square recurrent maps orthogonal gate by gate (Saxe et al. 2014) and
        others Glorot-uniform, biases at 0 or at what the cell says (1 for a forget gate), norms at 1 and 0.
        """
        units, table = self.units, dict[str, Start]()
        table["input_weight"] = Start(self.kernel(len(cell.gates) * units, None), partial(_glorot, parts=len(cell.gates)))
        table["input_bias"] = Start(
            (len(cell.gates) * units,), partial(_levels, values=[cell.bias.get(gate, 0.0) for gate in cell.gates])
        )
        for name in cell.maps:
            map = as_map(cell.maps[name])
            outputs = len(map.parts) * self.width(map.gives)
            fill = _orthogonal if map.takes == map.gives else _glorot
            table[f"{name}_weight"] = Start(self.kernel(outputs, self.width(map.takes)), partial(fill, parts=len(map.parts)))
            if map.bias:
                table[f"{name}_bias"] = Start((outputs,), torch.nn.init.zeros_)
        per_unit = (units, *[1] * self.extent_dims)
        for name, value in cell.vectors.items():
            table[name] = Start(per_unit, partial(torch.nn.init.constant_, val=value))
        for name in cell.norms:
            table[f"{name}_weight"] = Start(per_unit, torch.nn.init.ones_)
            table[f"{name}_bias"] = Start(per_unit, torch.nn.init.zeros_)
        for name in cell.vectors:
            if name.removesuffix("_weight").removesuffix("_bias") in ("input", *cell.maps, *cell.norms):
                raise UsageError(f"{cell} has a vector {name} beside a map or norm of that name; give it another name")
        if "input" in cell.maps or set(cell.maps) & set(cell.norms):
            raise UsageError(f"{cell} gives two of its maps and norms one name (the input map is called input)")
        return table

    def project(self, cell: Cell, weights: Weights, x: Tensor) -> list[Parts]:
        """The input map over all of time, x (B, T, ...) -> the gates' parts of every step."""
        rows = self.apply(x.flatten(0, 1), weights["input_weight"], weights.get("input_bias"))
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
        fields = cell.State._fields
        widths = [self.width(cell.widths.get(field, "hidden")) for field in fields]
        return cell.State(*(like.new_zeros(batch, width, *extent) for width in widths))

    def _call(self, names: tuple[str, ...], weight: Tensor, bias: Tensor | None, v: Tensor) -> Parts:
        return parts(names, self.apply(v, weight, bias), self.channels)

    def _norm(self, weight: Tensor, bias: Tensor, v: Tensor) -> Tensor:
        centred = v - v.mean(self.channels, keepdim=True)
        return centred * torch.rsqrt(centred.square().mean(self.channels, keepdim=True) + 1e-5) * weight + bias


@final
@dataclass(frozen=True)
class Dense(Wiring):
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

    channels = -1
    extent_dims = 0

    @property
    def units(self) -> int:
        return self.hidden_size

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

    def weights(self, cell: Cell) -> dict[str, Start]:
        table = super().weights(cell)
        biases = set() if self.bias else {f"{name}_bias" for name in ("input", *cell.maps)}
        return {name: start for name, start in table.items() if name not in biases}

    def apply(self, v: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.linear(v, weight, bias)

    def check(self, x: Tensor) -> None:
        if x.dim() != 3 or x.shape[1] == 0 or x.shape[2] != self.input_size:
            raise ShapeError(f"x is {tuple(x.shape)}; wanted (B, T > 0, {self.input_size})")

    def extent(self, x: Tensor) -> tuple[int, ...]:
        return ()


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

    @property
    def units(self) -> int:
        return self.hidden_channels

    def __post_init__(self) -> None:
        _positive(self, "in_channels", "hidden_channels", "kernel_size")
        if self.kernel_size % 2 == 0:
            raise UsageError(f"kernel_size is {self.kernel_size}; wanted an odd number, so that images keep their size")

    def kernel(self, outputs: int, inputs: int | None) -> tuple[int, ...]:
        return (outputs, inputs or self.in_channels, self.kernel_size, self.kernel_size)

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


def _glorot(weight: Tensor, parts: int) -> None:
    for part in weight.chunk(parts):
        torch.nn.init.xavier_uniform_(part)


def _orthogonal(weight: Tensor, parts: int) -> None:
    for part in weight.chunk(parts):
        if math.prod(part.shape):
            torch.nn.init.orthogonal_(part)


def _levels(bias: Tensor, values: list[float]) -> None:
    for part, value in zip(bias.chunk(len(values)), values, strict=True):
        torch.nn.init.constant_(part, value)
