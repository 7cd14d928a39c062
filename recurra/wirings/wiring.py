"""What a wiring is: the base of all of them."""

from abc import ABC, abstractmethod
from collections import namedtuple
from collections.abc import Callable, Mapping
from functools import cache, partial
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Map, Maps, Parts, Width
from recurra.errors import UsageError
from recurra.wirings.starts import glorot, levels

__all__ = ["Start", "Weights", "Wiring", "as_map", "parts", "parts_class", "positive"]

Weights: TypeAlias = "Mapping[str, Tensor]"
"""The tensors of one layer by name; see :mod:`recurra.wirings`."""


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
        r"""Every weight of the layer: names, shapes and start values.

        Input maps start Glorot-uniform gate by gate, square recurrent maps orthogonal gate by gate (Saxe et al. 2014; but see
        `Diagonal`) or at the identity, others Glorot-uniform, biases at 0 or at what the cell says (1 for a forget gate),
        norms at 1 and 0. Of a cell with norms biases start up to :math:`1/\sqrt H` around that: a norm of units that are all
        equal, as they would be at a beginning of zeros, multiplies gradients by hundreds at every step.
        """
        units, table = self.units, dict[str, Start]()
        spread = units**-0.5 if cell.norms else 0.0
        table["input_weight"] = Start(self.kernel(len(cell.gates) * units, None), partial(glorot, parts=len(cell.gates)))
        if self.bias:
            values = [cell.bias.get(gate, 0.0) for gate in cell.gates]
            table["input_bias"] = Start((len(cell.gates) * units,), partial(levels, values=values, spread=spread))
        for name in cell.maps:
            map = as_map(cell.maps[name])
            self.matrix(map)
            outputs = len(map.parts) * self.width(map.gives)
            table[f"{name}_weight"] = Start(self.kernel(outputs, self.width(map.takes)), self.fill(map))
            if map.bias and self.bias:
                table[f"{name}_bias"] = Start((outputs,), partial(levels, values=[0.0], spread=spread))
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


def positive(wiring: Any, *names: str) -> None:
    """Refuse sizes below 1."""
    for name in names:
        size = getattr(wiring, name)
        if size is not None and size < 1:
            raise UsageError(f"{type(wiring).__name__}: {name} is {size}; wanted at least 1")
