"""Pen points one after the other, of any drawing, of a class, or of a text."""

from typing import Any, NamedTuple, cast, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recurra.errors import UsageError
from recurra.layers import Core
from recurra.layers.attention import Slid, SlidingWindow
from recurra.losses.pen_mixture import PenMixture
from recurra.state import portable

__all__ = ["SEEN", "Told", "Writer", "WriterState"]

SEEN = 5
"""Numbers of a point that the network reads: the move, and one for each thing that the pen may do behind it."""


class Told(NamedTuple):
    """What is to be written: symbols (B, U) of a text, or a class each (B, 1), and how many there are (B,)."""

    symbols: Tensor
    lengths: Tensor


@portable
class WriterState(NamedTuple):
    """States of the layers below and above the window, and where it is; of a writer without one the last two are empty."""

    lower: Any
    upper: Any
    slid: Slid | tuple[()]


@final
class Writer(nn.Module):
    r"""Predicts the next pen point from all before it.

    .. math:: h_t = \mathrm{stack}([\Delta_t, q_t, w_t]), \qquad p(\Delta_{t+1}, q_{t+1} \mid h_t)

    where :math:`w_t` is nothing, the vector of a class, or what a window over a text shows (`SlidingWindow`), moved by a layer
    of its own.

    Args:
        upper: a core that is a module, ``SEEN + width`` to `hidden_size`; `width` is the size of :math:`w_t`, and with a text
            that of the lower layer's outputs is added.
        hidden_size: H, the size of its outputs.
        components: Gaussians of the mixture.
        symbols: how many classes there are, or letters; 0 where nothing is told.
        embedding_size: E, the size of the vector of one.
        lower: with a text: a core that is a module, SEEN to `lower_size`, which moves the window.
        lower_size: the size of its outputs.
        windows: Gaussians of the window.

    Shapes: points (B, T, 3) -> h (B, T, H).
    """

    def __init__(
        self,
        upper: nn.Module,
        hidden_size: int,
        *,
        components: int = 20,
        symbols: int = 0,
        embedding_size: int = 0,
        lower: nn.Module | None = None,
        lower_size: int = 0,
        windows: int = 10,
    ) -> None:
        super().__init__()
        if lower is not None and not symbols:
            raise UsageError("a writer with a window has no symbols; wanted those of its texts")
        self.upper, self.lower = upper, lower
        self.embedding = nn.Embedding(symbols, embedding_size) if symbols else None
        self.window = None if lower is None else SlidingWindow(lower_size, windows)
        self.output = PenMixture(hidden_size, components)

    def initial(self, batch: int, *extent: int) -> WriterState:
        """The state that `batch` rows start from."""
        upper = cast("Core", self.upper).initial(batch)
        if self.lower is None or self.window is None:
            return WriterState((), upper, ())
        return WriterState(cast("Core", self.lower).initial(batch), upper, self.window.initial(batch))

    def forward(
        self, points: Tensor, told: Told | None, state: WriterState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, WriterState, Tensor | None]:
        """What is known behind each point, the state at the end, and the weights of the window (B, T, U) if there is one."""
        state = self.initial(len(points)) if state is None else state
        x = torch.cat([points[..., :2], F.one_hot(points[..., 2].long(), 3).to(points.dtype)], -1)
        weights, lower, slid = None, state.lower, state.slid
        if self.embedding is not None:
            if told is None:
                raise UsageError("the writer was told nothing; wanted the symbols of what is to be written")
            shown = self.embedding(told.symbols)
            if self.lower is None or self.window is None:
                x = torch.cat([x, shown[:, :1].expand(-1, x.shape[1], -1)], -1)
            else:
                y, lower = self.lower(x, state.lower, lengths)
                seen, weights, slid = self.window(y, shown, told.lengths, cast("Slid", state.slid))
                x = torch.cat([x, y, seen], -1)
        h, upper = self.upper(x, state.upper, lengths)
        return h, WriterState(lower, upper, slid), weights
