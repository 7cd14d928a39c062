"""The quasi-recurrent network: convolutions make the gates, and a recurrence without a product pools them."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, final

import torch
from torch import Tensor, nn

from recurra.cells import Cell, Maps, Mask, Parts, written
from recurra.engine import Engine
from recurra.engine.precision import Kind
from recurra.errors import UsageError
from recurra.layers.causal import DelayLine
from recurra.layers.core import given
from recurra.layers.recurrent import Recurrent
from recurra.layers.snapshot import Snapshot
from recurra.state import portable
from recurra.wirings import Dense

__all__ = ["QRNN", "Pooling"]


@final
class Pooling(Cell):
    r"""The fo-pooling of QRNN, a recurrence without a product.

    .. math::
        z = \tanh x_z \quad f = \sigma(x_f) \quad o = \sigma(x_o) \quad c' = f \odot c + (1 - f) \odot z \quad h = o \odot c'

    Shapes: every gate, ``c`` and y (B, H). With `zoneout`, that share of the units keep their state in a training step: f
    becomes :math:`1 - k \odot (1 - f)`, k a mask of zeros and ones, and in evaluation its mean.
    Source: Bradbury et al. 2017, arXiv:1611.01576.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> y, state = Recurrent(Pooling(), Dense(3, 5))(torch.zeros(2, 7, 3))
        >>> y.shape, state.c.shape
        (torch.Size([2, 7, 5]), torch.Size([2, 5]))
    """

    zoneout: float = 0.0

    gates = ("new", "forget", "output")
    bias = {"forget": 1.0}
    retention = {"forget": 1}

    class State(NamedTuple):
        """The cell state."""

        c: Tensor

    def __post_init__(self) -> None:
        if not 0 <= self.zoneout < 1:
            raise UsageError(f"zoneout is {self.zoneout}; wanted 0 to below 1")

    @property
    def noise(self) -> tuple[str, ...]:
        return ("write",) if self.zoneout else ()

    @property
    def masks(self) -> Mapping[str, Mask]:
        return {"write": Mask(self.zoneout, scaled=False)} if self.zoneout else {}

    def step(self, x: Parts, s: State, m: Maps) -> tuple[Tensor, State]:
        """One step of the equations above."""
        z, o = written(torch.tanh(x.new), m), torch.sigmoid(x.output)
        f = torch.sigmoid(x.forget)
        f = 1 - m.write * (1 - f) if self.zoneout else f
        c = f * s.c + (1 - f) * z
        return o * c, self.State(c)


@final
class QRNN(nn.Module):
    r"""Quasi-recurrent network: a causal convolution of k inputs makes the gates of :class:`Pooling`.

    .. math:: (x_z, x_f, x_o)_t = b + \sum_{j=0}^{k-1} W_j \, x_{t - (k - 1 - j)}

    Args:
        input_size: I, the size of each input vector.
        hidden_size: H, the number of units.
        kernel: k, how many inputs a step sees, its own among them.
        zoneout: share of the units that keep their state in a training step.
        engine, memory: as of :class:`~recurra.layers.Recurrent`.

    Shapes: x (B, T, I), y (B, T, H); the state is the last inputs ``past`` (B, k - 1, I) and ``c`` (B, H). The convolution is
    the input map of a `Recurrent` wired by ``Dense(k I, H)``, so it all runs compiled; ``pooling.input_weight`` is (3 H, k I),
    the newest input last. The forget bias starts at 1.

    Source: Bradbury et al. 2017, arXiv:1611.01576.

    Example:
        >>> layer = QRNN(3, 5, kernel=2)
        >>> y, state = layer(torch.zeros(2, 7, 3), lengths=torch.tensor([7, 4]))
        >>> y.shape, state.past.shape, state.c.shape
        (torch.Size([2, 7, 5]), torch.Size([2, 1, 3]), torch.Size([2, 5]))
    """

    @portable
    class State(NamedTuple):
        """The last inputs, the oldest first, and the cell state."""

        past: Tensor
        c: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        kernel: int = 2,
        zoneout: float = 0.0,
        engine: Engine | None = None,
        memory: Literal["normal", "low"] = "normal",
    ) -> None:
        super().__init__()
        self.line = DelayLine(input_size, kernel)
        self.pooling = Recurrent(Pooling(zoneout), Dense(kernel * input_size, hidden_size), engine=engine, memory=memory)

    def initial(self, batch: int, *extent: int) -> State:
        """The state that `batch` rows start from: zeros."""
        [c] = self.pooling.initial(batch)
        return self.State(self.line.zeros(c, batch), c)

    def forward(
        self, x: Tensor, state: State | None = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Run along x (B, T, I)."""
        past, c = given(state, self.initial(len(x)))
        seen, past = self.line(x, past, lengths, resets)
        y, [c] = self.pooling(seen, Pooling.State(c), lengths, resets)
        return y, self.State(past, c)

    sequence = forward

    def step(self, x: Tensor, state: State, memory: None = None) -> tuple[Tensor, State]:
        """One step, x (B, I) -> y (B, H)."""
        past, c = given(state, self.initial(len(x)))
        seen, past = self.line(x[:, None], past)
        y, [c] = self.pooling.step(seen[:, 0], Pooling.State(c))
        return y, self.State(past, c)

    def states(
        self, x: Tensor, state: State | None = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> State:
        """The state after every step: (B, T, k - 1, I) and (B, T, H)."""
        past, c = given(state, self.initial(len(x)))
        seen, _ = self.line(x, past, lengths, resets)
        [every] = self.pooling.states(seen, Pooling.State(c), lengths, resets)
        return self.State(self.line.states(x, past, lengths, resets), every)

    def stepper(self, weights: Kind = "full") -> Snapshot:
        """This layer one step at a time, from a snapshot of its weights in this form."""
        return Snapshot(self, weights)

    def extra_repr(self) -> str:
        return f"kernel={self.line.taps}"
