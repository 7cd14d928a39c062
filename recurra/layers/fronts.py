"""What stands before recurrent layers: convolutions that read steps and give fewer frames, with a state so that they stream."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol, cast, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra.errors import ShapeError, UsageError
from recurra.layers.core import given
from recurra.layers.dropout import Dropout
from recurra.state import portable

__all__ = ["Chain", "Front", "StridedConvolution", "convolutions"]


class Front(Protocol):
    """Something that turns steps into frames, of which there may be fewer: x (B, T, I) -> y (B, T', O).

    Attributes:
        size: O.

    One that reads whole sequences only refuses a state.
    """

    size: int

    def initial(self, batch: int) -> Any:
        """The state that `batch` rows start from."""

    def frames(self, lengths: Tensor, state: Any = None) -> Tensor:
        """(B,): how many frames so many steps give, after what the state has seen."""

    def __call__(self, x: Tensor, state: Any = None, lengths: Tensor | None = None) -> tuple[Tensor, Any]:
        """Read steps, all of them or the next ones; the frames, zero behind each row's last, and the state after them."""


@final
class StridedConvolution(nn.Module):
    r"""Convolution along time that sees the past alone and gives a frame at every s-th step, the first at the first.

    .. math::
        y_j = d_j \odot \mathrm{relu}\Big(\mathrm{norm}\Big(b + \sum_{i=0}^{k-1} W_i \, x_{j s - (k - 1 - i)}\Big)\Big)

    Args:
        input_size: I.
        size: O.
        kernel: k, steps that a frame sees, its own step's among them.
        stride: s.
        norm: over each frame's O numbers (Ba et al. 2016, arXiv:1607.06450), or none.
        dropout: share of y set to zero in training.

    Shapes: x (B, T, I), y (B, T', O) with T' = ceil(T / s). Before the beginning there are zeros. The state is the last inputs,
    (B, k - 1, I), oldest first, and how many steps came since the last frame's, (B,) below s: chunks of any size give the
    frames of the whole, and so do rows that have seen different numbers of steps. Up to s - 1 steps at the end are part of no
    frame.

    Example:
        >>> layer = StridedConvolution(3, 5, kernel=4, stride=2)
        >>> y, state = layer(torch.zeros(2, 7, 3))
        >>> y.shape, layer(torch.zeros(2, 1, 3), state)[0].shape
        (torch.Size([2, 4, 5]), torch.Size([2, 0, 5]))
    """

    @portable
    class State(NamedTuple):
        """The last inputs, oldest first, and how many steps came since that of the last frame, its own counted."""

        past: Tensor
        since: Tensor

    def __init__(
        self,
        input_size: int,
        size: int,
        *,
        kernel: int,
        stride: int = 1,
        norm: Literal["layer", "none"] = "layer",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for name, value in (("input_size", input_size), ("size", size), ("kernel", kernel), ("stride", stride)):
            if value < 1:
                raise UsageError(f"{name} is {value}; wanted at least 1")
        self.size, self.kernel, self.stride = size, kernel, stride
        self.convolution = nn.Conv1d(input_size, size, kernel, stride)
        nn.init.kaiming_normal_(self.convolution.weight, nonlinearity="relu")
        nn.init.zeros_(self.convolution.bias)  # type: ignore[arg-type]
        self.norm = nn.LayerNorm(size) if norm == "layer" else nn.Identity()
        self.dropout = Dropout(dropout)

    def initial(self, batch: int) -> State:
        """Zeros, as nothing was seen."""
        weight = self.convolution.weight
        past = weight.new_zeros(batch, self.kernel - 1, weight.shape[1])
        return self.State(past, torch.zeros(batch, dtype=torch.long, device=weight.device))

    def frames(self, lengths: Tensor, state: State | None = None) -> Tensor:
        """(B,): how many frames so many steps give."""
        since = 0 if state is None else state.since.to(lengths.device)
        return _ceil(lengths + since, self.stride) - _ceil(since + torch.zeros_like(lengths), self.stride)

    def forward(self, x: Tensor, state: State | None = None, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """Read x (B, T, I)."""
        wanted = self.convolution.weight.shape[1]
        if x.dim() != 3 or x.shape[1] == 0 or x.shape[2] != wanted:
            raise ShapeError(f"x is {tuple(x.shape)}; wanted (B, T > 0, {wanted})")
        ragged.check(x, lengths, None)
        past, since = given(state, self.initial(len(x)))
        steps = torch.full((len(x),), x.shape[1], device=x.device) if lengths is None else lengths.to(x.device, torch.long)
        line = torch.cat([past.to(x.dtype), x if lengths is None else ragged.cut(x, lengths)], dim=1)
        after = self.State(_pieces(line, steps, self.kernel - 1), (since + steps) % self.stride)
        made = self.frames(steps, state)
        most = -(-x.shape[1] // self.stride) if state is None else int(made.max())
        if not most:
            return x.new_zeros(len(x), 0, self.size), after
        first = _later(line, -since % self.stride)  # each row from what its first frame sees
        seen = first[:, : (most - 1) * self.stride + self.kernel]
        y = self.dropout(F.relu(self.norm(self.convolution(seen.transpose(1, 2)).transpose(1, 2))))
        return y if lengths is None and state is None else ragged.cut(y, made), after


@final
class Chain(nn.Module):
    """Fronts one after the other: each reads the frames of the one before. Its state is the tuple of theirs.

    Example:
        >>> chain = Chain(StridedConvolution(3, 4, kernel=3, stride=2), StridedConvolution(4, 6, kernel=3, stride=2))
        >>> y, state = chain(torch.zeros(2, 9, 3), lengths=torch.tensor([9, 4]))
        >>> y.shape, chain.frames(torch.tensor([9, 4])), chain.size
        (torch.Size([2, 3, 6]), tensor([3, 1]), 6)
    """

    def __init__(self, *fronts: nn.Module) -> None:
        super().__init__()
        if not fronts:
            raise UsageError("Chain() has no fronts; wanted at least one")
        self.fronts = nn.ModuleList(fronts)
        self.size: int = self._all()[-1].size

    def initial(self, batch: int) -> tuple[Any, ...]:
        """The states that the fronts start from."""
        return tuple(front.initial(batch) for front in self._all())

    def frames(self, lengths: Tensor, state: Any = None) -> Tensor:
        """(B,): how many frames come out of the last one."""
        for front, before in zip(self._all(), self._before(state), strict=True):
            lengths = front.frames(lengths, before)
        return lengths

    def forward(self, x: Tensor, state: Any = None, lengths: Tensor | None = None) -> tuple[Tensor, tuple[Any, ...]]:
        """Read x (B, T, I)."""
        after = list[Any]()
        for front, before in zip(self._all(), self._before(state), strict=True):
            if x.shape[1] == 0:  # nothing new for this one
                x = x.new_zeros(len(x), 0, front.size)
                after.append(before)
                continue
            made = None if lengths is None else front.frames(lengths, before)
            x, end = front(x, before, lengths)
            lengths = made
            after.append(end)
        return x, tuple(after)

    def _before(self, state: Any) -> Sequence[Any]:
        if state is None:
            return [None] * len(self.fronts)
        if type(state) is not tuple or len(state) != len(self.fronts):
            raise ShapeError(f"state is {type(state).__name__}; wanted a tuple of {len(self.fronts)}, one for each front")
        return state

    def _all(self) -> list[Front]:
        return [cast("Front", front) for front in self.fronts]


def convolutions(input_size: int, sizes: Sequence[int], *, kernel: int, strides: Sequence[int], dropout: float = 0.0) -> Chain:
    """Strided convolutions on top of each other, one for each size and stride.

    Example:
        >>> convolutions(40, (64, 64), kernel=5, strides=(2, 2)).frames(torch.tensor([100]))
        tensor([25])
    """
    if len(sizes) != len(strides):
        raise UsageError(f"{len(sizes)} sizes and {len(strides)} strides; wanted as many")
    widths = [input_size, *sizes]
    return Chain(
        *(
            StridedConvolution(below, size, kernel=kernel, stride=stride, dropout=dropout)
            for below, size, stride in zip(widths, sizes, strides, strict=False)
        )
    )


def _ceil(steps: Tensor, stride: int) -> Tensor:
    return (steps + stride - 1) // stride


def _pieces(line: Tensor, starts: Tensor, size: int) -> Tensor:
    """(B, size, I): so much of each row from its start on."""
    places = starts[:, None] + torch.arange(size, device=line.device)
    return line[torch.arange(len(line), device=line.device)[:, None], places]


def _later(line: Tensor, starts: Tensor) -> Tensor:
    """Each row from its start on, with zeros behind."""
    if not bool(starts.any()):
        return line
    return _pieces(F.pad(line, (0, 0, 0, int(starts.max()))), starts, line.shape[1])
