"""Layers on top of each other."""

from collections.abc import Sequence
from typing import Any, Literal, cast, final

from torch import Tensor, nn

from recurra.engine import Stepper
from recurra.engine.precision import Kind
from recurra.errors import ShapeError, UsageError
from recurra.layers.core import Core
from recurra.layers.dropout import Dropout
from recurra.lengths import cut

__all__ = ["Stack", "StackStepper"]


@final
class Stack(nn.Module):
    r"""Recurrent layers on top of each other; each reads the outputs of the one below.

    .. math:: y^{(l)} = \mathrm{layer}_l(d_l \odot y^{(l-1)}) \; [\, + \; y^{(l-1)} \text{ with residual} \,]

    Args:
        layers: cores, the lowest first; a `Bidirectional` too, but then the stack cannot be stepped.
        dropout: share of each layer's outputs set to zero in training, the last layer's excepted.
        input_dropout: the same of x.
        output_dropout: the same of the last layer's outputs.
        variational: each of the three draws one mask for all of a row's steps in a call, instead of one for every step (Gal &
            Ghahramani 2016, arXiv:1512.05287); see :class:`~recurra.layers.Dropout`.
        residual: add what a layer reads, before dropout, to its output, wherever the two are of the same size.

    Shapes: x (B, T, I), y (B, T, H of the last layer); the state is the tuple of the layers' states.

    Example:
        >>> import torch
        >>> from recurra.cells import GRU, LSTM
        >>> from recurra.layers import Dense, Recurrent
        >>> stack = Stack(Recurrent(LSTM(), Dense(3, 5)), Recurrent(GRU(), Dense(5, 4)), dropout=0.2)
        >>> y, (lower, upper) = stack(torch.zeros(2, 7, 3))
        >>> y.shape, lower.c.shape
        (torch.Size([2, 7, 4]), torch.Size([2, 5]))
    """

    def __init__(
        self,
        *layers: nn.Module,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        output_dropout: float = 0.0,
        variational: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__()
        if not layers:
            raise UsageError("Stack() has no layers; wanted at least one")
        self.layers, self.residual = nn.ModuleList(layers), residual
        over: Literal["steps", "sequence"] = "sequence" if variational else "steps"
        self.dropout, self.input_dropout = Dropout(dropout, over=over), Dropout(input_dropout, over=over)
        self.output_dropout = Dropout(output_dropout, over=over)

    def initial(self, batch: int, *extent: int) -> tuple[Any, ...]:
        """The states that the layers start from."""
        return tuple(layer.initial(batch, *extent) for layer in self._cores())

    def forward(
        self, x: Tensor, state: Any = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, tuple[Any, ...]]:
        """Run all layers along x."""
        after = []
        for k, (layer, before) in enumerate(zip(self.layers, self._before(state), strict=True)):
            y, end = layer(self._dropped(k, x), before, lengths, resets)
            x = _joined(y, x, self.residual)
            after.append(end)
        if self.residual and lengths is not None:
            x = cut(x, lengths)  # the inputs that were added reach behind a row's end
        return self.output_dropout(x), tuple(after)

    sequence = forward

    def step(self, x: Tensor, state: Any, memory: Any = None) -> tuple[Tensor, tuple[Any, ...]]:
        """One step of all layers; a stack is stepped as it is trained or evaluated, dropout included."""
        after = []
        for k, (layer, before) in enumerate(zip(self._cores(), self._before(state), strict=True)):
            y, end = layer.step(self._dropped(k, x[:, None])[:, 0], before, memory)
            x = _joined(y, x, self.residual)
            after.append(end)
        return self.output_dropout(x[:, None])[:, 0], tuple(after)

    def stepper(self, weights: Kind = "full") -> "StackStepper":
        """This stack one step at a time, from packed snapshots of its weights; `weights` as those of a layer's stepper."""
        for layer in self._cores():
            if not hasattr(layer, "stepper"):
                raise UsageError(f"{type(layer).__name__} has no stepper; a stack with one has none either, but it has steps")
        return StackStepper([cast("Any", layer).stepper(weights) for layer in self.layers], residual=self.residual)

    def states(
        self, x: Tensor, state: Any = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Any, ...]:
        """Every layer's state after every step, each field (B, T, H)."""
        every = []
        for k, (layer, before) in enumerate(zip(self._cores(), self._before(state), strict=True)):
            below = self._dropped(k, x)
            every.append(cast("Any", layer).states(below, before, lengths, resets))
            x = _joined(layer.sequence(below, before, lengths, resets)[0], x, self.residual)
        return tuple(every)

    def extra_repr(self) -> str:
        return f"residual={self.residual}"

    def _dropped(self, k: int, x: Tensor) -> Tensor:
        """What layer k reads."""
        dropout = self.dropout if k else self.input_dropout
        return cast("Tensor", dropout(x))

    def _before(self, state: Any) -> Sequence[Any]:
        return [None] * len(self.layers) if state is None else _parts(state, len(self.layers))

    def _cores(self) -> list[Core]:
        for layer in self.layers:
            if not hasattr(layer, "step"):
                raise UsageError(f"{type(layer).__name__} reads whole sequences; a stack with one has no steps")
        return [cast("Core", layer) for layer in self.layers]


@final
class StackStepper:
    """A stack one step at a time, as it is evaluated: without dropout, from snapshots of the layers' weights.

    ``stack.stepper()`` makes one. Shapes: x (B, I), y (B, H of the last layer); the state is the tuple of the layers' states.

    Example:
        >>> import torch
        >>> from recurra.layers import GRU
        >>> stepper = GRU(3, 5, layers=2).stepper(weights="int8")
        >>> y, state = stepper(torch.zeros(1, 3), stepper.initial(1))
        >>> y.shape, len(state)
        (torch.Size([1, 5]), 2)
    """

    def __init__(self, layers: Sequence["Stepper | StackStepper"], *, residual: bool) -> None:
        self.layers, self.residual = tuple(layers), residual

    def refresh(self) -> None:
        """Take the layers' weights as they are now."""
        for layer in self.layers:
            layer.refresh()

    def initial(self, batch: int, *extent: int) -> tuple[Any, ...]:
        """The states that `batch` rows start from: zeros."""
        return tuple(layer.initial(batch, *extent) for layer in self.layers)

    def __call__(self, x: Tensor, state: Any) -> tuple[Tensor, tuple[Any, ...]]:
        """One step: x (B, I) and the state before -> y (B, H), and the state after."""
        after = []
        for layer, before in zip(self.layers, _parts(state, len(self.layers)), strict=True):
            y, end = layer(x, before)
            x = _joined(y, x, self.residual)
            after.append(end)
        return x, tuple(after)


def _parts(state: Any, count: int) -> tuple[Any, ...]:
    """A stack's state, checked."""
    if type(state) is not tuple or len(state) != count:  # Ends and other NamedTuples are no stack's state
        came = f"a tuple of {len(state)}" if type(state) is tuple else type(state).__name__
        raise ShapeError(f"state is {came}; wanted a tuple of {count}, one for each layer")
    return state


def _joined(y: Tensor, below: Tensor, residual: bool) -> Tensor:
    return y + below if residual and y.shape == below.shape else y
