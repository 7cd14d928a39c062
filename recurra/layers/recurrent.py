"""The recurrent layer: any cell, wired any way, along time."""

from collections.abc import Mapping
from typing import Any, Literal, cast, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from recurra import lengths as ragged
from recurra import state as states
from recurra.cells import Cell
from recurra.engine import Engine, Fold, Stepper, choose
from recurra.engine.choice import run
from recurra.engine.engine import Job
from recurra.engine.precision import Kind
from recurra.engine.slices import run_in_slices
from recurra.errors import ShapeError, UsageError
from recurra.layers.core import describe, given
from recurra.wirings import Weights, Wiring
from recurra.wirings.wiring import as_map

__all__ = ["Recurrent"]


@final
class Recurrent(nn.Module):
    r"""A cell along time.

    .. math:: (y_t, s_t) = \mathrm{step}(W x_t + b, s_{t-1}, m) \qquad t = 1 \dots T

    Args:
        cell: the equation.
        wiring: what its maps are made of: ``Dense(I, H)``, ``Conv2d(I, H, kernel)``.
        engine: how it runs; by default the fastest that has the cell. ``repr(layer)`` says which.
        memory: ``"low"`` keeps only the states between slices of about :math:`\sqrt T` steps for the way back, and runs each
            slice again: less than half of the memory for at most half as much time again, with the same values.
        weight_drop: share of the numbers of the matrices inside the step set to zero in training, the others scaled to make up
            for it; one mask for all rows and steps of a call (Merity et al. 2018, arXiv:1708.02182).

    Shapes: x (B, T, I), y (B, T, H), every field of the state (B, H); `Conv2d` adds (Y, X) behind.

    Parameters are named by what the cell declares: ``input_weight``, ``recur_weight``; see :mod:`recurra.wirings` for names
    and start values. A matrix that the cell keeps orthogonal or antisymmetric is a parametrisation: its parameter is
    ``parametrizations.recur_weight.original``, or ``.original0``, and ``layer.recur_weight`` the matrix.

    Masks that the cell declares are drawn in every call in training, from torch's generator, and are their mean in evaluation.

    Example:
        >>> from recurra.cells import GRU
        >>> from recurra.layers import Conv2d, Dense
        >>> layer = Recurrent(GRU(), Dense(3, 5))
        >>> y, state = layer(torch.zeros(2, 7, 3), lengths=torch.tensor([7, 4]))
        >>> first, middle = layer(torch.zeros(2, 4, 3))     # in chunks: the state goes out and in again
        >>> second, end = layer(torch.zeros(2, 3, 3), middle)
        >>> Recurrent(GRU(), Conv2d(1, 6))(torch.zeros(2, 5, 1, 8, 8))[0].shape
        torch.Size([2, 5, 6, 8, 8])
    """

    def __init__(
        self,
        cell: Cell,
        wiring: Wiring,
        *,
        engine: Engine | None = None,
        memory: Literal["normal", "low"] = "normal",
        weight_drop: float = 0.0,
    ) -> None:
        super().__init__()
        _check(cell)
        if memory not in ("normal", "low"):
            raise UsageError(f"memory is {memory!r}; wanted 'normal' or 'low'")
        if not 0 <= weight_drop < 1:
            raise UsageError(f"weight_drop is {weight_drop}; wanted 0 to below 1")
        self.cell, self.wiring, self.memory, self.weight_drop = cell, wiring, memory, weight_drop
        self._drops = weight_drop > 0  # torch.compile makes numbers dynamic, and compiles twice where one decides
        self.engine = engine or choose(cell, wiring)
        if not self.engine.takes(cell, wiring):
            raise UsageError(f"engine {self.engine.name} does not run {cell} wired by {type(wiring).__name__}")
        self._starts = wiring.weights(cell)
        for name, start in self._starts.items():
            if hasattr(self, name):
                raise UsageError(f"{cell} names a weight {name}, which a layer has already; give it another name")
            self.register_parameter(name, nn.Parameter(torch.empty(start.shape)))
        self.reset_parameters()
        for name in cell.maps:
            match wiring.matrix(as_map(cell.maps[name])):
                case "orthogonal":
                    parametrizations.orthogonal(self, f"{name}_weight", orthogonal_map="matrix_exp")
                case "antisymmetric":
                    parametrize.register_parametrization(self, f"{name}_weight", Antisymmetric())

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Fill the weights with their start values again."""
        for name, start in self._starts.items():
            filled = torch.empty_like(getattr(self, name))
            start.fill(filled)
            self.place(name, filled)

    @torch.no_grad()
    def place(self, name: str, weight: Tensor) -> None:
        """Give a weight these numbers; a parametrised one comes as near to them as it can."""
        if parametrize.is_parametrized(self, name):
            setattr(self, name, weight)
        else:
            self.get_parameter(name).copy_(weight)

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """The weights by name, as wirings and engines take them."""
        return {name: getattr(self, name) for name in self._starts}  # by attribute, so that parametrisations are seen

    def initial(self, batch: int, *extent: int) -> Any:
        """The state that `batch` rows start from: zeros."""
        return self.wiring.zeros(self.cell, cast("Tensor", self.input_weight), batch, *extent)

    def forward(
        self,
        x: Tensor,
        state: Any = None,
        lengths: Tensor | None = None,
        resets: Tensor | None = None,
        noise: Mapping[str, Tensor] | None = None,
    ) -> tuple[Tensor, Any]:
        """Run along x (B, T, I) from `state`; see the class for shapes and :mod:`recurra.lengths` for ragged rows.

        `noise` gives each input that the cell declares as such, of a shape that broadcasts to (B, T, H); of masks it may.
        """
        return self.run(self.dropped(), self.job(x, state, lengths, resets, noise))

    sequence = forward

    def step(self, x: Tensor, state: Any, memory: Any = None, noise: Mapping[str, Tensor] | None = None) -> tuple[Tensor, Any]:
        """One step, x (B, I) and any noise (B, H) -> y (B, H), and the next state; masks are drawn anew in each."""
        self.wiring.check(x[:, None])
        masks = self._noise(noise, x, len(x), self.wiring.units, *self.wiring.extent(x[:, None]))
        if not isinstance(state, self.cell.State):
            raise ShapeError(
                f"state is {describe(state)}; wanted {self.cell.State.__qualname__}, as initial({len(x)}) gives it"
            )
        weights = self.dropped()
        [gates] = self.wiring.project(self.cell, weights, x[:, None])
        return self.cell.step(gates, state, self.wiring.bind(self.cell, weights, masks))

    def stepper(self, weights: Kind = "full") -> Stepper:
        """This layer one step at a time, from a packed snapshot of its weights: for streams, where every microsecond counts.

        `weights` holds them in fewer bytes, ``"bfloat16"`` or ``"int8"``; see :class:`~recurra.engine.Stepper`.
        """
        return Stepper(self.cell, self.wiring, lambda: self.weights, weights)

    def states(self, x: Tensor, state: Any = None, lengths: Tensor | None = None, resets: Tensor | None = None) -> Any:
        """The state after every step: each field (B, T, H). For looking inside; it always runs in Python."""
        return self.run_states(self.dropped(), self.job(x, state, lengths, resets))

    def extra_repr(self) -> str:
        low = ", memory=low" if self.memory == "low" else ""
        drop = f", weight_drop={self.weight_drop}" if self.weight_drop else ""
        return f"{self.cell}, {self.wiring}, engine={self.engine.name}{low}{drop}"

    def job(
        self,
        x: Tensor,
        state: Any = None,
        lengths: Tensor | None = None,
        resets: Tensor | None = None,
        noise: Mapping[str, Tensor] | None = None,
    ) -> Job:
        """What is to be run for the arguments of a call: checked, the masks drawn."""
        self.wiring.check(x)
        ragged.check(x, lengths, resets)
        extent = self.wiring.extent(x)
        masks = self._noise(noise, x, *x.shape[:2], self.wiring.units, *extent)
        state = given(state, self.initial(x.shape[0], *extent))
        lengths, resets = (None if part is None else part.to(x.device) for part in (lengths, resets))
        return Job(x, state, lengths, resets, masks)

    def run(self, weights: Weights, job: Job) -> tuple[Tensor, Any]:
        """Run a job with these weights."""
        way = run_in_slices if self.memory == "low" else run
        return way(self.engine, self.cell, self.wiring, weights, job)

    def run_states(self, weights: Weights, job: Job) -> Any:
        """The state after every step of a job with these weights."""
        every = [state for _, state in Fold().steps(self.cell, self.wiring, weights, job)]
        return states.map(lambda *fields: torch.stack(fields, dim=1), every[0], *every[1:])

    def dropped(self) -> Weights:
        """The weights, those of maps inside the step under this call's mask."""
        weights = self.weights
        if not (self._drops and self.training):
            return weights
        return dict(weights) | {
            name: F.dropout(weights[name], self.weight_drop) for name in (f"{name}_weight" for name in self.cell.maps)
        }

    def _noise(self, given: Mapping[str, Tensor] | None, x: Tensor, *shape: int) -> Mapping[str, Tensor]:
        """The noise of a call, given or drawn, broadcast to `shape`."""
        if not self.cell.noise and not given:
            return {}
        given = given or {}
        masks = {name: mask for name, mask in self.cell.masks.items() if name not in given}
        if given.keys() | masks.keys() != set(self.cell.noise):
            raise UsageError(f"{self.cell} got noise {sorted(given)}; wanted {sorted(set(self.cell.noise) - set(masks))}")
        for name, tensor in given.items():
            same = zip(tensor.shape[::-1], shape[::-1], strict=False)
            if tensor.dim() > len(shape) or any(a not in (1, b) for a, b in same):
                raise ShapeError(f"noise {name} is {tuple(tensor.shape)}; wanted {shape}, or what broadcasts to it")
        once = (shape[0], 1, *shape[2:]) if len(shape) == 3 + self.wiring.extent_dims else shape
        drawn = {
            name: mask.draw(x, shape if mask.over == "steps" else once, training=self.training) for name, mask in masks.items()
        }
        return {name: {**given, **drawn}[name].expand(shape) for name in self.cell.noise}


class Antisymmetric(nn.Module):
    r"""The parametrisation :math:`W = A - A^\top`, A the part of a free matrix above its diagonal."""

    def forward(self, free: Tensor) -> Tensor:
        """The antisymmetric matrix."""
        above = free.triu(1)
        return above - above.T

    def right_inverse(self, matrix: Tensor) -> Tensor:
        """What `forward` takes to this matrix, or near it."""
        return (matrix - matrix.T) / 2


def _check(cell: Cell) -> None:
    if not hasattr(cell, "State"):
        raise UsageError(f"{cell} has no State; wanted a NamedTuple of tensors in the class")
    try:
        hash(cell)
    except TypeError:
        raise UsageError(f"{cell} cannot be hashed; wanted fields that are values, such as tuples for lists") from None
