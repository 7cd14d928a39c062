"""Symbols of a text hidden from whoever is to tell them."""

from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from recurra.data.streams import Streams

__all__ = ["Masked", "Masks", "masked"]

HIDDEN, OTHER = 0.8, 0.1  # of the symbols to tell: the mask in their place, or any other symbol; the rest stay


class Masked(NamedTuple):
    """What is read, what stood there, and which symbols are to be told, each (B, T)."""

    x: Tensor
    y: Tensor
    chosen: Tensor


def masked(
    y: Tensor, symbols: int, share: float, random: np.random.Generator, *, hidden: float = HIDDEN, other: float = OTHER
) -> Masked:
    """Choose symbols of each row that are to be told, and hide most of them.

    Args:
        y: (B, T) symbol numbers.
        symbols: V, of the vocabulary; the mask has the number behind its last, V.
        share: of each row that is chosen, at least 1 symbol.
        random: what chooses.
        hidden: share of the chosen symbols in whose place the mask is read, and
        other: any symbol of the vocabulary but the unknown one; the rest stay as they are.

    Source: Devlin et al. 2019, arXiv:1810.04805.

    Example:
        >>> hidden = masked(torch.ones(1, 8, dtype=torch.long), 5, 0.25, np.random.default_rng(0), hidden=1, other=0)
        >>> hidden.x, int(hidden.chosen.sum())
        (tensor([[1, 1, 5, 5, 1, 1, 1, 1]]), 2)
    """
    rows, steps = y.shape
    places = random.random((rows, steps)).argsort(1)[:, : max(1, round(share * steps))]
    chosen = torch.zeros_like(y, dtype=torch.bool).scatter_(1, torch.from_numpy(places), value=True)
    fate, drawn = torch.from_numpy(random.random((rows, steps))), torch.from_numpy(random.integers(1, symbols, (rows, steps)))
    x = torch.where(chosen & (fate < hidden + other), drawn, y).masked_fill(chosen & (fate < hidden), symbols)
    return Masked(x, y, chosen)


@final
class Masks:
    """Windows of a sequence, other symbols of which are hidden each time; batch k is a function of (seed, k) alone.

    Example:
        >>> masks = Masks(Streams(np.arange(100) % 9 + 1, batch=2, window=10, seed=0), 10, 0.2)
        >>> masks[3].x.shape, int(masks[3].chosen.sum())
        (torch.Size([2, 10]), 4)
    """

    def __init__(self, streams: Streams, symbols: int, share: float) -> None:
        self.streams, self.symbols, self.share = streams, symbols, share

    def __getitem__(self, step: int) -> Masked:
        random = np.random.default_rng([self.streams.seed, step, 1])
        return masked(self.streams[step].x, self.symbols, self.share, random)
