"""The places of ``torch.nn.RNN``, ``LSTM`` and ``GRU``: change one import, and any engine runs them.

Arguments, calls, results, parameter names and start values are those of ``torch.nn`` (TorchScript excepted), so that weights
load both ways and a seed gives the same weights. New code reads better with :mod:`recurra.layers`.

>>> lstm = LSTM(3, 5, num_layers=2, bidirectional=True)
>>> lstm.load_state_dict(torch.nn.LSTM(3, 5, num_layers=2, bidirectional=True).state_dict())
<All keys matched successfully>
"""

import math
import warnings
from abc import ABC, abstractmethod
from numbers import Real
from operator import itemgetter
from typing import Any, Literal, TypeAlias, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from recurra import cells
from recurra import lengths as ragged
from recurra import state as states
from recurra.cells import Cell
from recurra.engine.choice import choose, run
from recurra.engine.engine import Job
from recurra.errors import ShapeError, UsageError
from recurra.wirings import Dense

__all__ = ["GRU", "LSTM", "RNN"]

Device: TypeAlias = torch.device | str | int | None

NAMES = {
    "input_weight": "weight_ih",
    "recur_weight": "weight_hh",
    "input_bias": "bias_ih",
    "recur_bias": "bias_hh",
    "project_weight": "weight_hr",
}
"""Our names of the weights and torch's, in torch's order: a seed fills them in turn."""

QUIET = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
"""What ``repr`` leaves out, as torch's does."""


class _DropIn(nn.Module, ABC):
    """What the three classes share: all but the cell. The arguments are those of `LSTM`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        for name, size in {"input_size": input_size, "hidden_size": hidden_size, "num_layers": num_layers}.items():
            _want(isinstance(size, int) and size > 0, name, size, "a whole number of at least 1")
        for name, switch in {"bias": bias, "batch_first": batch_first}.items():
            _want(isinstance(switch, bool), name, switch, "True or False")
        number = isinstance(dropout, Real) and not isinstance(dropout, bool)
        _want(number and 0 <= dropout <= 1, "dropout", dropout, "a number from 0 to 1")
        _want(0 <= proj_size < hidden_size, "proj_size", proj_size, f"0 for none, or less than hidden_size, {hidden_size}")
        if dropout and num_layers == 1:
            warnings.warn(f"dropout={dropout} acts between layers, and num_layers is 1", stacklevel=2)
        self.input_size, self.hidden_size, self.proj_size, self.num_layers = input_size, hidden_size, proj_size, num_layers
        self.bias, self.batch_first, self.dropout, self.bidirectional = bias, batch_first, float(dropout), bidirectional
        self._cell, self._directions = self._equation(), 2 if bidirectional else 1
        sizes = [input_size] + [(proj_size or hidden_size) * self._directions] * (num_layers - 1)
        self._wirings = [Dense(size, hidden_size, proj_size or None, bias) for size in sizes]
        self._names: list[dict[str, str]] = []  # of each layer and direction: ours, and torch's
        for layer, wiring in enumerate(self._wirings):
            starts = wiring.weights(self._cell)
            for suffix in ("", "_reverse")[: self._directions]:
                self._names.append({ours: f"{name}_l{layer}{suffix}" for ours, name in NAMES.items() if ours in starts})
                for ours, name in self._names[-1].items():
                    setattr(self, name, nn.Parameter(torch.empty(starts[ours].shape, device=device, dtype=dtype)))
        self.reset_parameters()

    @abstractmethod
    def _equation(self) -> Cell:
        """The cell of every layer."""

    def reset_parameters(self) -> None:
        """Fill every weight anew, uniformly from -1 / sqrt(H) to 1 / sqrt(H)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            nn.init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Do nothing: engines take the weights as they lie. Here because code written for torch calls it."""

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The weights of each layer and direction."""
        return [[getattr(self, name) for name in names.values()] for names in self._names]

    def forward(self, input: Tensor | PackedSequence, hx: Tensor | tuple[Tensor, Tensor] | None = None) -> tuple[Any, Any]:
        """Run along `input` from `hx`, zeros by default; see the class for shapes."""
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        self._check(input, "(T > 0, I)", "(B, T > 0, I)" if self.batch_first else "(T > 0, B, I)")
        if input.dim() == 2:
            y, after = self._run(input[None], states.map(lambda part: part[:, None], self._start(hx, input)))
            return y[0], self._result(states.map(lambda part: part[:, 0], after))
        x = input if self.batch_first else input.transpose(0, 1)
        y, after = self._run(x, self._start(hx, x, len(x)))
        return y if self.batch_first else y.transpose(0, 1), self._result(after)

    def extra_repr(self) -> str:
        told = [f"{name}={getattr(self, name)}" for name, value in QUIET.items() if getattr(self, name) != value]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *told])

    def _packed(self, packed: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        self._check(packed.data, "(steps of all rows > 0, I)")
        # Padded in the packed order, longest row first, whatever order the rows came in: so the result packs just alike.
        x, lengths = pad_packed_sequence(PackedSequence(packed.data, packed.batch_sizes), batch_first=True)
        start = _reorder(self._start(hx, x, len(x)), packed.sorted_indices)
        y, after = self._run(x, start, lengths.to(x.device))
        data = pack_padded_sequence(y, lengths, batch_first=True).data
        return packed._replace(data=data), self._result(_reorder(after, packed.unsorted_indices))

    def _run(self, x: Tensor, start: Any, lengths: Tensor | None = None) -> tuple[Tensor, Any]:
        """Every layer in every direction: x (B, T, I), `start` and the state after (L D, B, ...)."""
        ends: list[Any] = []
        for layer, wiring in enumerate(self._wirings):
            if layer and self.dropout and self.training:  # time first in memory: torch, by the same seed, drops the same
                x = F.dropout(x.transpose(0, 1).contiguous(), self.dropout).transpose(0, 1)
            outputs = []
            for backward in range(self._directions):
                weights = {ours: getattr(self, name) for ours, name in self._names[len(ends)].items()}
                before = states.map(itemgetter(len(ends)), start)
                job = Job(ragged.reverse(x, lengths) if backward else x, before, lengths)
                y, end = run(choose(self._cell, wiring), self._cell, wiring, weights, job)
                outputs.append(ragged.reverse(y, lengths) if backward else y)
                ends.append(end)
            x = torch.cat(outputs, dim=2) if self.bidirectional else outputs[0]
        return x, states.map(lambda *parts: torch.stack(parts), *ends)

    def _start(self, hx: Any, x: Tensor, *rows: int) -> Any:
        """The state that `hx` gives, each field (L D, *rows, H or P)."""
        cell, wiring = self._cell, self._wirings[0]
        widths = [wiring.width(cell.widths.get(field, "hidden")) for field in cell.State._fields]
        wanted = [(len(self._names), *rows, width) for width in widths]
        if hx is None:
            return cell.State(*(x.new_zeros(shape) for shape in wanted))
        parts = hx if len(wanted) > 1 and isinstance(hx, tuple | list) else [hx]
        came = [tuple(part.shape) if isinstance(part, Tensor) else type(part).__name__ for part in parts]
        if came != wanted:
            raise ShapeError(f"hx is {', '.join(map(str, came))}; wanted {', '.join(map(str, wanted))}")
        for part in parts:
            _check_type("hx", part, x.dtype)
        return cell.State(*parts)

    def _result(self, after: Any) -> Any:
        return tuple(after) if len(after) > 1 else after[0]

    def _check(self, input: Any, *wanted: str) -> None:
        """Refuse an input of none of the `wanted` shapes, the one of 2 dimensions first, or not of the weights' type."""
        if not isinstance(input, Tensor):
            raise UsageError(f"input is of type {type(input).__name__}; wanted a tensor or a PackedSequence")
        time = 1 if self.batch_first and input.dim() == 3 else 0
        if input.dim() not in range(2, 2 + len(wanted)) or input.shape[time] == 0 or input.shape[-1] != self.input_size:
            raise ShapeError(f"input is {tuple(input.shape)}; wanted {' or '.join(wanted)} with I = {self.input_size}")
        _check_type("input", input, self.all_weights[0][0].dtype)


@final
class RNN(_DropIn):
    r"""In place of ``torch.nn.RNN``: layers of :class:`recurra.cells.Elman`.

    .. math:: h' = \tanh(W_{ih} x + b_{ih} + W_{hh} h + b_{hh}) \quad\text{or relu}

    Args:
        input_size: I, the size of each input vector.
        hidden_size: H, the number of units of each layer and direction.
        num_layers: L, layers on top of each other.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        bias: whether the maps have biases.
        batch_first: take and give (B, T, ...) instead of (T, B, ...); states keep their shape.
        dropout: share of each layer's outputs set to zero in training, the last layer's excepted.
        bidirectional: whether every layer reads backwards, too: D is then 2, else 1.
        device: where the weights lie.
        dtype: type of the weights.

    Shapes: input (T, B, I), output (T, B, D H), ``hx`` and the state after (L D, B, H); without B, too. Of a PackedSequence
    the output is one.

    Example:
        >>> y, h = RNN(3, 5, num_layers=2, nonlinearity="relu")(torch.zeros(7, 2, 3))
        >>> y.shape, h.shape
        (torch.Size([7, 2, 5]), torch.Size([2, 2, 5]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        _want(nonlinearity in ("tanh", "relu"), "nonlinearity", nonlinearity, "'tanh' or 'relu'")
        self.nonlinearity = nonlinearity  # first, as the rest asks for the cell
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype)

    def _equation(self) -> Cell:
        return cells.Elman(self.nonlinearity)


@final
class LSTM(_DropIn):
    r"""In place of ``torch.nn.LSTM``: layers of :class:`recurra.cells.LSTM`, or of its projected form.

    .. math::
        i, f, o = \sigma(W_{ih} x + b_{ih} + W_{hh} h + b_{hh}) \quad g = \tanh(\dots) \quad
        c' = f \odot c + i \odot g \quad h' = W_{hr} (o \odot \tanh c')

    Args: as :class:`RNN`, but for ``nonlinearity``, and ``proj_size``: P, the size of each projected output, 0 for none.

    Shapes: input (T, B, I), output (T, B, D H), ``hx`` and the state after a pair (h, c), each (L D, B, H); without B, too.
    With ``proj_size`` the output and h have P in the place of H. Of a PackedSequence the output is one.

    Example:
        >>> y, (h, c) = LSTM(3, 5, bidirectional=True, proj_size=2)(torch.zeros(7, 2, 3))
        >>> y.shape, h.shape, c.shape
        (torch.Size([7, 2, 4]), torch.Size([2, 2, 2]), torch.Size([2, 2, 5]))
    """

    def _equation(self) -> Cell:
        return cells.ProjectedLSTM() if self.proj_size else cells.LSTM()


@final
class GRU(_DropIn):
    r"""In place of ``torch.nn.GRU``: layers of :class:`recurra.cells.GRU`.

    .. math::
        r, z = \sigma(W_{ih} x + b_{ih} + W_{hh} h + b_{hh}) \quad
        n = \tanh(W_{in} x + b_{in} + r \odot (W_{hn} h + b_{hn})) \quad h' = n + z \odot (h - n)

    Args: as :class:`RNN`, but for ``nonlinearity``.

    Shapes: as :class:`RNN`.

    Example:
        >>> y, h = GRU(3, 5, batch_first=True)(torch.zeros(2, 7, 3))
        >>> y.shape, h.shape
        (torch.Size([2, 7, 5]), torch.Size([1, 2, 5]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype)

    def _equation(self) -> Cell:
        return cells.GRU()


def _reorder(state: Any, order: Tensor | None) -> Any:
    """The rows of (L D, B, ...) in the given order."""
    return state if order is None else states.map(lambda part: part.index_select(1, order), state)


def _want(fits: bool, name: str, value: Any, wanted: str) -> None:
    if not fits:
        raise UsageError(f"{name} is {value!r}; wanted {wanted}")


def _check_type(name: str, value: Tensor, wanted: torch.dtype) -> None:
    if value.dtype != wanted and not torch.is_autocast_enabled(value.device.type):
        raise UsageError(f"{name} is of {value.dtype}; wanted {wanted}")
