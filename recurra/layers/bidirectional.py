"""Two readings of a sequence, one from each end."""

from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra.errors import UsageError
from recurra.state import portable

__all__ = ["Bidirectional", "Ends"]


@portable
class Ends(NamedTuple):
    """Where the two readings ended: the state of `forward` at each row's end, of `backward` at its beginning.

    No layer accepts it as a state, so that a bidirectional layer cannot be run in chunks by mistake.
    """

    forward: Any
    backward: Any


@final
class Bidirectional(nn.Module):
    r"""One layer reads forwards, another backwards, each row within its own length.

    .. math:: y_t = [\overrightarrow{y}_t ; \overleftarrow{y}_t]

    Args:
        forwards, backwards: cores that are modules: a recurrent layer, a stack.

    Shapes: x (B, T, I), y (B, T, 2 H). Source: Schuster & Paliwal 1997.

    It needs the whole sequence: it takes no state, cannot be stepped, and gives back :class:`Ends`.

    Example:
        >>> from recurra.cells import GRU
        >>> from recurra.layers import Dense, Recurrent
        >>> both = Bidirectional(Recurrent(GRU(), Dense(3, 5)), Recurrent(GRU(), Dense(3, 5)))
        >>> y, ends = both(torch.zeros(2, 7, 3), lengths=torch.tensor([7, 4]))
        >>> y.shape, ends.backward.h.shape
        (torch.Size([2, 7, 10]), torch.Size([2, 5]))
    """

    def __init__(self, forwards: nn.Module, backwards: nn.Module) -> None:
        super().__init__()
        self.forwards, self.backwards = forwards, backwards

    def forward(
        self, x: Tensor, state: None = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, Ends]:
        """Run both along x (B, T, I)."""
        if state is not None:
            raise UsageError(f"Bidirectional got a state, {type(state).__name__}; it reads whole sequences and takes none")
        ahead, end = self.forwards(x, None, lengths, resets)
        behind = None if resets is None else ragged.reverse_resets(resets, lengths)
        back, beginning = self.backwards(ragged.reverse(x, lengths), None, lengths, behind)
        return torch.cat([ahead, ragged.reverse(back, lengths)], dim=2), Ends(end, beginning)

    sequence = forward
