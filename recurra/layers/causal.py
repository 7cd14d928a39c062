"""Causal convolution along time: its state is the buffer of the last inputs."""

from dataclasses import dataclass
from typing import NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra.engine.precision import Kind
from recurra.errors import ShapeError, UsageError
from recurra.layers.core import given
from recurra.layers.snapshot import Snapshot
from recurra.state import portable
from recurra.wirings.starts import glorot

__all__ = ["CausalConvolution", "DelayLine"]


@final
@dataclass(frozen=True)
class DelayLine:
    r"""A tapped delay line: each step sees its own input and those of some steps before, zeros before the beginning.

    .. math:: y_t = [x_{t - (k - 1) d}; \dots; x_{t - d}; x_t]

    Args:
        input_size: I, the size of each input vector.
        taps: k, how many inputs a step sees.
        dilation: d, how many steps lie between two of them.

    Shapes: x (B, T, I), y (B, T, k I); the state is the inputs that later steps still see, (B, (k - 1) d, I), oldest first.
    """

    input_size: int
    taps: int
    dilation: int = 1

    def __post_init__(self) -> None:
        for name in ("input_size", "taps", "dilation"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; wanted at least 1")

    @property
    def reach(self) -> int:
        """How many steps before its own a step sees."""
        return (self.taps - 1) * self.dilation

    def zeros(self, like: Tensor, batch: int) -> Tensor:
        """The state that a sequence starts from, of the dtype and device of `like`."""
        return like.new_zeros(batch, self.reach, self.input_size)

    def __call__(
        self, x: Tensor, past: Tensor, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """What every step sees, and the state after each row's last step."""
        line, piece = self._line(x, past, lengths, resets)
        steps = x.shape[1]
        seen = [line[:, k : k + steps] for k in range(0, self.reach + 1, self.dilation)]
        if piece is not None:
            same = [piece[:, k : k + steps] == piece[:, self.reach :] for k in range(0, self.reach + 1, self.dilation)]
            seen = [torch.where(mask[..., None], part, 0.0) for mask, part in zip(same, seen, strict=True)]
        ends = torch.full_like(x[:, 0, 0], steps, dtype=torch.long) if lengths is None else lengths.to(x.device).long()
        return torch.cat(seen, dim=2), self._after(line, piece, ends[:, None])[:, 0]

    def states(self, x: Tensor, past: Tensor, lengths: Tensor | None = None, resets: Tensor | None = None) -> Tensor:
        """The state after every step, (B, T, (k - 1) d, I)."""
        line, piece = self._line(x, past, lengths, resets)
        ends = torch.arange(1, x.shape[1] + 1, device=x.device).expand(x.shape[:2])
        return self._after(line, piece, ends if lengths is None else torch.minimum(ends, lengths.to(x.device)[:, None]))

    def _line(self, x: Tensor, past: Tensor, lengths: Tensor | None, resets: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The state and x in one line, and which piece between resets each place belongs to."""
        if x.dim() != 3 or x.shape[1] == 0 or x.shape[2] != self.input_size:
            raise ShapeError(f"x is {tuple(x.shape)}; wanted (B, T > 0, {self.input_size})")
        ragged.check(x, lengths, resets)
        line = torch.cat([past, x if lengths is None else ragged.cut(x, lengths)], dim=1)
        return line, None if resets is None else F.pad(resets.to(x.device).cumsum(1), (self.reach, 0))

    def _after(self, line: Tensor, piece: Tensor | None, ends: Tensor) -> Tensor:
        """The state after `ends` (B, N) steps: the places before, of which those of earlier pieces are zero."""
        places = ends[..., None] + torch.arange(self.reach, device=line.device)
        rows = torch.arange(len(line), device=line.device)[:, None, None]
        past = line[rows, places]
        if piece is None or not self.reach:
            return past
        last = piece.gather(1, ends + self.reach - 1)
        return torch.where((piece[rows, places] == last[..., None])[..., None], past, 0.0)


@final
class CausalConvolution(nn.Module):
    r"""Convolution along time that sees the past alone.

    .. math:: y_t = b + \sum_{j=0}^{k-1} W_j \, x_{t - (k - 1 - j) d}

    Args:
        input_size: I, the size of each input vector.
        output_size: O, the size of each output vector.
        kernel: k, how many inputs an output sees, its own step's among them.
        dilation: d, how many steps lie between two of them (Oord et al. 2016, arXiv:1609.03499).

    Shapes: x (B, T, I), y (B, T, O); the state is the inputs that later steps still see, (B, (k - 1) d, I), oldest first.
    Before the beginning, and before a reset, there are zeros. ``weight`` is (O, k I), the newest input last; its start is
    Glorot-uniform. There is no stride: every step has an output.

    Example:
        >>> layer = CausalConvolution(3, 5, kernel=4)
        >>> y, state = layer(torch.zeros(2, 7, 3))
        >>> y.shape, state.past.shape
        (torch.Size([2, 7, 5]), torch.Size([2, 3, 3]))
    """

    @portable
    class State(NamedTuple):
        """The last inputs, the oldest first."""

        past: Tensor

    def __init__(self, input_size: int, output_size: int, kernel: int, *, dilation: int = 1) -> None:
        super().__init__()
        if output_size < 1:
            raise UsageError(f"output_size is {output_size}; wanted at least 1")
        self.line = DelayLine(input_size, kernel, dilation)
        self.weight = nn.Parameter(torch.empty(output_size, kernel * input_size))
        self.bias = nn.Parameter(torch.empty(output_size))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Fill the weights with their start values again."""
        glorot(self.weight, 1)
        nn.init.zeros_(self.bias)

    def initial(self, batch: int, *extent: int) -> State:
        """The state that `batch` rows start from: zeros."""
        return self.State(self.line.zeros(self.weight, batch))

    def forward(
        self, x: Tensor, state: State | None = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Run along x (B, T, I)."""
        [past] = given(state, self.initial(len(x)))
        seen, past = self.line(x, past, lengths, resets)
        y = F.linear(seen, self.weight, self.bias)
        return y if lengths is None else ragged.cut(y, lengths), self.State(past)

    sequence = forward

    def step(self, x: Tensor, state: State, memory: None = None) -> tuple[Tensor, State]:
        """One step, x (B, I) -> y (B, O)."""
        y, after = self(x[:, None], state)
        return y[:, 0], after

    def states(
        self, x: Tensor, state: State | None = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> State:
        """The state after every step, (B, T, (k - 1) d, I)."""
        [past] = given(state, self.initial(len(x)))
        return self.State(self.line.states(x, past, lengths, resets))

    def stepper(self, weights: Kind = "full") -> Snapshot:
        """This layer one step at a time, from a snapshot of its weights in this form."""
        return Snapshot(self, weights)

    def extra_repr(self) -> str:
        return f"{self.line.input_size}, {len(self.bias)}, kernel={self.line.taps}, dilation={self.line.dilation}"
