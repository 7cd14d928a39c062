"""One step at a time, from a packed snapshot of the weights."""

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, final

import torch
from torch import Tensor

from recurra import state as states
from recurra.cells import Cell
from recurra.engine.buffers import LINE, Buffers, Call, Size, aligned, frame
from recurra.engine.compile import refusal
from recurra.engine.pool import threads
from recurra.engine.precision import Kind, Precision, rounded
from recurra.errors import NumericError, ShapeError, UsageError
from recurra.wirings import Dense, Diagonal, Heads, Weights, Wiring

__all__ = ["Stepper"]

KINDS = ("full", "bfloat16", "int8")
ALONE = 1_000_000  # weights below which one thread steps alone
NOTHING: Mapping[str, Tensor] = {}


@final
class Stepper:
    """A layer one step at a time: weights are packed once, and nothing is allocated but what goes out.

    ``layer.stepper()`` makes one. It holds a snapshot of the weights: where they change, :meth:`refresh` takes a new one. It does
    not differentiate. Several threads may use one stepper; they wait for each other.

    Args:
        cell: the equation.
        wiring: its sizes.
        weights: gives the layer's weights as they are now.
        kind: how matrices are held: ``"full"``, as they are; ``"bfloat16"`` or ``"int8"`` (whole numbers with a rate for each unit)
            in a half and a quarter of the memory, which a step at a time reads as much faster; float32 only.

    Shapes: x (B, I), y (B, H), every field of the state (B, H).

    Example:
        >>> from recurra.cells import LSTM
        >>> from recurra.layers import Dense, Recurrent
        >>> layer = Recurrent(LSTM(), Dense(3, 5))
        >>> stepper = layer.stepper()
        >>> y, state = stepper(torch.zeros(1, 3), stepper.initial(1))
        >>> y.shape, state.c.shape
        (torch.Size([1, 5]), torch.Size([1, 5]))
    """

    def __init__(self, cell: Cell, wiring: Wiring, weights: Callable[[], Weights], kind: Kind = "full") -> None:
        if kind not in KINDS:
            raise UsageError(f"weights is {kind!r}; wanted one of {', '.join(KINDS)}")
        self.cell, self.wiring, self.kind = cell, wiring, kind
        self._live, self._lock = weights, Lock()
        self.refresh()

    def refresh(self) -> None:
        """Take the layer's weights as they are now."""
        with self._lock, torch.no_grad():
            live = self._live()
            self._like = live["input_weight"].detach().new_empty(0)
            if self.kind != "full" and self._like.dtype != torch.float32:
                raise UsageError(f"weights are {self._like.dtype}; wanted torch.float32, to hold them as {self.kind}")
            numbers, rates = dict[str, Tensor](), dict[str, Tensor]()
            for name, weight in live.items():
                kind = self.kind if weight.dim() == 2 else "full"
                if kind != "full" and not bool(weight.isfinite().all()):
                    raise NumericError(f"{name} has numbers that are not finite; wanted finite ones, to hold them as {kind}")
                numbers[name], rate = rounded(weight.detach(), kind)
                if rate is not None:
                    rates[name] = rate
            self._plain = None if self._packs(numbers, rates) else _plain(numbers, rates)

    def initial(self, batch: int, *extent: int) -> Any:
        """The state that `batch` rows start from: zeros."""
        return self.wiring.zeros(self.cell, self._like, batch, *extent)

    def __call__(self, x: Tensor, state: Any, noise: Mapping[str, Tensor] = NOTHING) -> tuple[Tensor, Any]:
        """One step: x (B, I), the state before and any noise (B, H) -> y (B, H), and the state after."""
        if type(state) is not self.cell.State:
            wanted = f"{self.cell.State.__qualname__}, as initial({len(x)}) gives it"
            raise ShapeError(f"state is {type(state).__name__}; wanted {wanted}")
        with self._lock:
            if self._plain is not None or len(x) == 0:
                return self._plainly(x, state, noise)
            if len(x) != self._batch:
                self._fit(len(x))
            arguments = self._arguments
            whole = [self._whole("x", x, self._input)]  # kept until the step is done
            arguments[self._x] = whole[0].data_ptr()
            for name, slot in self._noise:
                whole.append(self._whole(name, noise[name], self._hidden))
                arguments[slot] = whole[-1].data_ptr()
            after = []
            for (name, source, target, shape), field in zip(self._fields, state, strict=True):
                whole.append(self._whole(name, field, shape))
                arguments[source] = whole[-1].data_ptr()
                after.append(torch.empty(shape, dtype=self._dtype))
                arguments[target] = after[-1].data_ptr()
            y = torch.empty(self._output, dtype=self._dtype) if self._y is None else after[self._y]
            arguments[self._out] = y.data_ptr()
            self._made.run(0, arguments, self._team)
        return y, self.cell.State(*after)

    def _whole(self, name: str, tensor: Tensor, shape: tuple[int, int]) -> Tensor:
        """Refuse what the compiled code cannot read; numbers of a row lie side by side."""
        if tensor.shape != shape or tensor.dtype is not self._dtype or tensor.device.type != "cpu":
            came = f"{tuple(tensor.shape)} of {tensor.dtype} on {tensor.device}"
            raise ShapeError(f"{name} is {came}; wanted {shape} of {self._dtype} on cpu")
        return tensor if tensor.is_contiguous() else tensor.contiguous()

    def _packs(self, weights: Weights, rates: Weights) -> bool:
        """Pack the weights, where the cell is compiled."""
        like, wiring = self._like, self.wiring
        if not isinstance(wiring, Dense | Heads | Diagonal) or refusal(self.cell, isinstance(wiring, Diagonal)):
            return False
        if like.device.type != "cpu" or like.dtype not in (torch.float32, torch.float64):
            return False
        self._team_wanted = threads() if sum(each.numel() for each in weights.values()) > ALONE else 1
        call = Call(self.cell, wiring, tuple(weights), precision=Precision(self.kind))
        state = self.wiring.zeros(self.cell, like, 1)
        buffers = Buffers(call, like.new_zeros(1, 1, wiring.input_size), state, weights, keep=False)
        for name, rate in rates.items():
            buffers.give(f"rate.{name.removesuffix('_weight')}", rate)
        self._packed = buffers.pack()
        self._wiring, self._dtype, self._batch = wiring, like.dtype, -1
        return True

    def _fit(self, batch: int) -> None:
        """Lay out memory for a batch of this size."""
        size = Size(batch, 1, 1, batch, ragged=False, keep=False, team=self._team_wanted)
        laid = frame(self.cell, self._wiring, self._like.element_size(), size, Precision(self.kind))
        self._made, plan, slots, widths = laid.made, laid.made.plan, laid.made.layout.slots, laid.widths
        zeros = self._like.new_zeros(max(each.w for each in widths.values()))
        self._memory = [self._like.new_empty(laid.ahead // self._like.element_size() + LINE), zeros]
        self._arguments = laid.bare()
        first = aligned(self._memory[0])
        for name, number in {
            "ahead": first,
            "packed": aligned(self._packed),
            "starts": first + self._arguments[slots["own_starts"]],
            "order": first + self._arguments[slots["own_order"]],
            "zeros": zeros.data_ptr(),
            "ready": 1,
        }.items():
            self._arguments[slots[name]] = number
        self._team = self._arguments[slots["team"]]
        self._x, self._out = slots["x"], slots["y"]
        self._input, self._hidden = (batch, widths["input"].f), (batch, widths["hidden"].f)
        self._output = (batch, widths[plan.width].f)
        self._noise = [(name, slots[f"noise.{name}"]) for name in plan.noise]
        self._y = None if plan.y is None else plan.fields.index(plan.y)
        self._fields = [
            (field, slots[f"from.{field}"], slots[f"to.{field}"], (batch, widths[plan.widths[f"s.{field}"]].f))
            for field in plan.fields
        ]
        self._batch = batch

    @torch.no_grad()
    def _plainly(self, x: Tensor, state: Any, noise: Mapping[str, Tensor]) -> tuple[Tensor, Any]:
        """By the equation itself, for cells and devices that have no compiled code."""
        weights = self._live() if self._plain is None else self._plain
        [gates] = self.wiring.project(self.cell, weights, x[:, None])
        y, after = self.cell.step(gates, state, self.wiring.bind(self.cell, weights, noise))
        return y, states.map(Tensor.detach, after)


def _plain(numbers: Weights, rates: Weights) -> dict[str, Tensor]:
    """A snapshot of weights, rounded as they would be held."""
    return {name: each * rates[name][:, None] if name in rates else each.clone() for name, each in numbers.items()}
