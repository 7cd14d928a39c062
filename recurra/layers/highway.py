"""Highways: a layer beside a way that carries its input on unchanged."""

from typing import Any, cast, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra.engine.precision import Kind
from recurra.errors import ShapeError
from recurra.layers.core import Core
from recurra.layers.snapshot import Snapshot
from recurra.wirings.starts import glorot

__all__ = ["Highway"]


@final
class Highway(nn.Module):
    r"""A layer whose output and input are mixed by a gate, unit by unit: stacks of many learn as easily as of few.

    .. math:: t = \sigma(W x + b), \qquad y = t \odot \mathrm{layer}(x) + (1 - t) \odot x

    Args:
        layer: a core from `size` to `size`.
        size: of its input and output.

    Shapes: x and y (B, T, size); the state is the layer's. b starts at -1, so that a new layer carries most of its input on; W
    starts Glorot-uniform. Source: Srivastava et al. 2015, arXiv:1505.00387.

    Example:
        >>> from recurra.cells import GRU
        >>> from recurra.layers import Dense, Recurrent, Stack
        >>> deep = Stack(*(Highway(Recurrent(GRU(), Dense(5, 5)), 5) for _ in range(4)))
        >>> y, state = deep(torch.zeros(2, 7, 5))
        >>> y.shape, state[0].h.shape
        (torch.Size([2, 7, 5]), torch.Size([2, 5]))
    """

    def __init__(self, layer: nn.Module, size: int) -> None:
        super().__init__()
        self.layer = layer
        self.weight = nn.Parameter(torch.empty(size, size))
        self.bias = nn.Parameter(torch.empty(size))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Fill the gate's weights with their start values again."""
        glorot(self.weight, 1)
        nn.init.constant_(self.bias, -1.0)

    def initial(self, batch: int, *extent: int) -> Any:
        """The state that the layer starts from."""
        return self._core.initial(batch, *extent)

    def forward(
        self, x: Tensor, state: Any = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        """Run along x (B, T, size)."""
        y, state = self.layer(x, state, lengths, resets)
        return self._mixed(x if lengths is None else ragged.cut(x, lengths), y), state

    sequence = forward

    def step(self, x: Tensor, state: Any, memory: Any = None) -> tuple[Tensor, Any]:
        """One step, x (B, size) -> y (B, size)."""
        y, state = self._core.step(x, state, memory)
        return self._mixed(x, y), state

    def states(self, x: Tensor, state: Any = None, lengths: Tensor | None = None, resets: Tensor | None = None) -> Any:
        """The layer's state after every step."""
        return cast("Any", self.layer).states(x, state, lengths, resets)

    def stepper(self, weights: Kind = "full") -> Snapshot:
        """This core one step at a time, from a snapshot of its weights in this form."""
        return Snapshot(self, weights)

    @property
    def _core(self) -> Core:
        return cast("Core", self.layer)

    def _mixed(self, x: Tensor, y: Tensor) -> Tensor:
        if x.shape != y.shape:
            raise ShapeError(f"Highway: the layer gives {tuple(y.shape)} for x {tuple(x.shape)}; wanted the same shape")
        return x + torch.sigmoid(F.linear(x, self.weight, self.bias)) * (y - x)
