"""One step at a time, from a packed snapshot of the weights."""

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, cast, final

import torch
from torch import Tensor

from recurra import state as states
from recurra.cells import Cell
from recurra.engine.buffers import LINE, Buffers, Call, Size, Vectors, aligned, frame
from recurra.engine.compile import refusal
from recurra.engine.pool import threads
from recurra.engine.precision import Kind, Precision, held, spread
from recurra.errors import ShapeError, UsageError
from recurra.wirings import Diagonal, Weights, Wiring

__all__ = ["Stepper"]

ALONE = 1_000_000  # weights below which one thread steps alone
NOTHING: Mapping[str, Tensor] = {}


@final
class Stepper:
    """A layer one step at a time: weights are packed once, and nothing is allocated but what goes out.

    ``layer.stepper()`` makes one. It holds a snapshot of the weights: where they change, :meth:`refresh` takes a new one.
    It does not differentiate. Several threads may use one stepper; they wait for each other. Where the cell is not
    compiled, the equation itself runs, on any device.

    Args:
        cell: the equation.
        wiring: its sizes.
        weights: gives the layer's weights as they are now.
        kind: how matrices are held: ``"full"``, as they are; ``"bfloat16"`` or ``"int8"`` (whole numbers with a rate for
            each unit) in a half and a quarter of the memory, which a step at a time reads as much faster; float32 only.

    Shapes: x (B, I), y (B, H), every field of the state (B, H); `Conv2d` adds (Y, X) behind.

    Raises:
        UsageError: for an unknown kind, a kind in fewer bytes where weights are not float32, or noise that is missing.
        NumericError: for a kind in fewer bytes, where weights are not finite. A refresh that fails leaves the snapshot.
        ShapeError: for x, state or noise of another shape, dtype or device.

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
        self.cell, self.wiring, self.kind = cell, wiring, kind
        self._live, self._lock = weights, Lock()
        self.refresh()

    def refresh(self) -> None:
        """Take the layer's weights as they are now."""
        with self._lock, torch.no_grad():
            live = {name: weight.detach() for name, weight in self._live().items()}
            like = live["input_weight"].new_empty(0)
            numbers, rates = held(self.cell, live, self.kind)
            packed = self._pack(like, numbers, rates) if self._compiles(like) else None
            self._plain = spread(numbers, rates) if packed is None else {}
            self._team_wanted = threads() if sum(each.numel() for each in live.values()) > ALONE else 1
            self._like, self._packed, self._batch = like, packed, -1
            self._dtype, self._device = like.dtype, like.device

    def initial(self, batch: int, *extent: int) -> Any:
        """The state that `batch` rows start from: zeros."""
        return self.wiring.zeros(self.cell, self._like, batch, *extent)

    def __call__(self, x: Tensor, state: Any, noise: Mapping[str, Tensor] = NOTHING) -> tuple[Tensor, Any]:
        """One step: x (B, I), the state before and any noise (B, H) -> y (B, H), and the state after.

        Masks that the cell declares are their mean where they are not given.
        """
        if type(state) is not self.cell.State:
            wanted = f"{self.cell.State.__qualname__}, as initial({len(x)}) gives it"
            raise ShapeError(f"state is {type(state).__name__}; wanted {wanted}")
        if noise or self.cell.noise:
            noise = self._whole_noise(noise, x)
        with self._lock:
            if self._packed is None or len(x) == 0:
                return self._plainly(x, state, noise)
            if len(x) != self._batch:
                self._fit(len(x), self._packed)
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
                after.append(self._like.new_empty(shape))
                arguments[target] = after[-1].data_ptr()
            y = self._like.new_empty(self._output) if self._y is None else after[self._y]
            arguments[self._out] = y.data_ptr()
            self._made.run(0, arguments, self._team if self._team == 1 else min(self._team, threads()))  # a fork leaves one
        return y, self.cell.State(*after)

    def _whole_noise(self, given: Mapping[str, Tensor], x: Tensor) -> Mapping[str, Tensor]:
        """The noise of a step, masks that are not given among it."""
        shape = (len(x), self.wiring.units, *self.wiring.extent(x[:, None]))
        means = {name: mask for name, mask in self.cell.masks.items() if name not in given}
        if set(given) | set(means) != set(self.cell.noise):
            wanted = sorted(set(self.cell.noise) - set(self.cell.masks))
            raise UsageError(f"{self.cell} got noise {sorted(given)}; wanted {wanted}")
        return dict(given) | {name: means[name].draw(x, shape, training=False).expand(shape) for name in means}

    def _whole(self, name: str, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Refuse what the compiled code cannot read; numbers of a row lie side by side."""
        if tensor.shape != shape or tensor.dtype is not self._dtype or tensor.device != self._device:
            came = f"{tuple(tensor.shape)} of {tensor.dtype} on {tensor.device}"
            raise ShapeError(f"{name} is {came}; wanted {tuple(shape)} of {self._dtype} on {self._device}")
        return tensor if tensor.is_contiguous() and not tensor.is_neg() else tensor.resolve_neg().contiguous()

    def _compiles(self, like: Tensor) -> bool:
        fits = like.device.type == "cpu" and like.dtype in (torch.float32, torch.float64) and isinstance(self.wiring, Vectors)
        return fits and not refusal(self.cell, isinstance(self.wiring, Diagonal))

    def _pack(self, like: Tensor, numbers: Weights, rates: Weights) -> Tensor:
        """The block of memory that holds the packed weights."""
        wiring = cast("Vectors", self.wiring)
        call = Call(self.cell, wiring, tuple(numbers), precision=Precision(self.kind))
        state = wiring.zeros(self.cell, like, 1)
        buffers = Buffers(call, like.new_zeros(1, 1, wiring.input_size), state, numbers, keep=False)
        for name, rate in rates.items():
            buffers.give(f"rate.{name.removesuffix('_weight')}", rate)
        return buffers.pack()

    def _fit(self, batch: int, packed: Tensor) -> None:
        """Lay out memory for a batch of this size."""
        size = Size(batch, 1, 1, batch, ragged=False, keep=False, team=self._team_wanted)
        laid = frame(self.cell, cast("Vectors", self.wiring), self._like.element_size(), size, Precision(self.kind))
        self._made, plan, slots, widths = laid.made, laid.made.plan, laid.made.layout.slots, laid.widths
        zeros = self._like.new_zeros(max(each.w for each in widths.values()))
        self._memory = [self._like.new_empty(laid.ahead // self._like.element_size() + LINE), zeros]
        self._arguments = laid.bare()
        first = aligned(self._memory[0])
        for name, number in {
            "ahead": first,
            "packed": aligned(packed),
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
        """By the equation itself, for cells and devices that have no compiled code, and for no rows."""
        sequence = x[:, None]
        self.wiring.check(sequence)
        extent = self.wiring.extent(sequence)
        start = self.initial(len(x), *extent)
        self._whole("x", x, x.shape)
        for name, field, zeros in zip(start._fields, state, start, strict=True):
            self._whole(name, field, zeros.shape)
        for name, mask in noise.items():
            self._whole(name, mask, (len(x), self.wiring.units, *extent))
        if len(x) == 0:
            return self._like.new_zeros(0, self.wiring.width(self.cell.output), *extent), start
        [gates] = self.wiring.project(self.cell, self._plain, sequence)
        y, after = self.cell.step(gates, state, self.wiring.bind(self.cell, self._plain, noise))
        return y.detach(), states.map(Tensor.detach, after)
