"""A network that tells, frame by frame, which symbol is heard or seen, or none."""

from typing import Any, NamedTuple, cast, final

import torch.nn.functional as F
from torch import Tensor, nn

from recurra.errors import UsageError
from recurra.layers import Core, Front

__all__ = ["Transcriber", "Transcript"]


class Transcript(NamedTuple):
    """What a network makes of some rows.

    Shapes: `log_probabilities` (B, T', V + 1), the blank last; `lengths` (B,), how many of the T' frames are each row's.
    """

    log_probabilities: Tensor
    lengths: Tensor


@final
class Transcriber(nn.Module):
    r"""Tells the symbols of a sequence by frames, each of which says one of them or the blank.

    .. math:: p_t = \mathrm{softmax}(W \, \mathrm{layers}(\mathrm{front}(x))_t + b)

    Args:
        front: :class:`~recurra.layers.Front`, of x (B, T, C) to vectors (B, T', I): convolutions, features of sound, a network
            of images.
        layers: any layers over sequences, I to H: a stack, of bidirectional ones too, or a Transformer's encoder.
        hidden: H.
        symbols: V, of the vocabulary; the blank is number V.

    Shapes: x (B, T, C) and `lengths` (B,) -> :class:`Transcript`. Rows of no frames are allowed.

    Where front and layers have states the network reads in chunks, of any size: :meth:`chunk`. :func:`recurra.losses.ctc` is
    its loss, :mod:`recurra.decode` has what finds the symbols.

    Source: Graves et al. 2006; with convolutions, Amodei et al. 2015, arXiv:1512.02595.

    Example:
        >>> import torch
        >>> from recurra.layers import GRU, convolutions
        >>> model = Transcriber(convolutions(3, (8,), kernel=3, strides=(2,)), GRU(8, 6), 6, 11).eval()
        >>> found = model(torch.zeros(2, 9, 3), torch.tensor([9, 4]))
        >>> found.log_probabilities.shape, found.lengths
        (torch.Size([2, 5, 12]), tensor([5, 2]))
        >>> first, state = model.chunk(torch.zeros(2, 4, 3), model.initial(2))
        >>> first.shape
        torch.Size([2, 2, 12])
    """

    def __init__(self, front: nn.Module, layers: nn.Module, hidden: int, symbols: int) -> None:
        super().__init__()
        if symbols < 1:
            raise UsageError(f"symbols is {symbols}; wanted at least 1")
        self.front, self.layers, self.output = front, layers, nn.Linear(hidden, symbols + 1)

    @property
    def blank(self) -> int:
        """V, the number of the blank."""
        return self.output.out_features - 1

    def frames(self, lengths: Tensor) -> Tensor:
        """(B,): how many frames so many steps give."""
        return cast("Front", self.front).frames(lengths)

    def read(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What the layers make of whole sequences: vectors (B, T', H), and (B,) how many of the T' are each row's."""
        steps = x.new_full((len(x),), x.shape[1]).long() if lengths is None else lengths
        y, _ = self.front(x, None, lengths)
        frames = self.frames(steps)
        values, _ = self.layers(y, None, frames.to(y.device))
        return values, frames

    def told(self, values: Tensor) -> Tensor:
        """Log-probabilities (..., V + 1) of what each of these vectors says."""
        return F.log_softmax(self.output(values), -1)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Transcript:
        """Read whole sequences."""
        values, frames = self.read(x, lengths)
        return Transcript(self.told(values), frames)

    @property
    def streams(self) -> bool:
        """Whether it can read in chunks."""
        try:
            self.initial(1)
        except UsageError:
            return False
        return True

    def initial(self, batch: int) -> tuple[Any, Any]:
        """The states that `batch` rows start from.

        Raises:
            UsageError: a front or layers that read whole sequences only.
        """
        if not hasattr(self.layers, "initial"):
            raise UsageError(
                f"{type(self.layers).__name__} reads whole sequences; wanted layers of one direction to read in chunks"
            )
        return cast("Front", self.front).initial(batch), cast("Core", self.layers).initial(batch)

    def chunk(self, x: Tensor, state: tuple[Any, Any]) -> tuple[Tensor, tuple[Any, Any]]:
        """The next steps (B, T, C) of rows that have seen equally many -> log-probabilities (B, T', V + 1), T' may be 0."""
        heard, before = state
        y, heard = self.front(x, heard)
        if not y.shape[1]:
            return y.new_zeros(len(y), 0, self.output.out_features), (heard, before)
        values, after = self.layers(y, before)
        return self.told(values), (heard, after)
