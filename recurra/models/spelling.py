"""Vectors of words from their characters."""

from typing import Literal, final

import torch
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra.cells import LSTM
from recurra.errors import UsageError
from recurra.layers import Bidirectional, Recurrent
from recurra.wirings import Dense

__all__ = ["Spelling"]

WIDTH = 3  # characters that a filter sees


@final
class Spelling(nn.Module):
    r"""Reads words character by character.

    .. math::
        \mathrm{cnn}(c) = \max_i \, \big( b + \sum_{j=-1}^{1} W_j \, C[c_{i+j}] \big) \qquad
        \mathrm{lstm}(c) = [\overrightarrow{h}_L; \overleftarrow{h}_1]

    zeros standing before the first character and behind the last.

    Args:
        characters: V, 0 being the unknown one.
        embedding: size of the vector of a character.
        size: of the vector of a word; for ``lstm`` even, half for each direction.
        kind: ``"cnn"`` (Ma & Hovy 2016, arXiv:1603.01354) or ``"lstm"`` (Lample et al. 2016, arXiv:1603.01360).
        dropout: share of the characters' vectors set to zero in training.

    Shapes: characters (W, L), `lengths` (W,) -> (W, size); zero for a word of no character.

    Example:
        >>> Spelling(30, 8, 10, "cnn")(torch.ones(4, 6, dtype=torch.long), torch.tensor([6, 1, 3, 2])).shape
        torch.Size([4, 10])
    """

    def __init__(self, characters: int, embedding: int, size: int, kind: Literal["cnn", "lstm"], dropout: float = 0.0) -> None:
        super().__init__()
        self.kind: Literal["cnn", "lstm"] = kind
        self.embedding, self.dropout = nn.Embedding(characters, embedding), nn.Dropout(dropout)
        bound = (3 / embedding) ** 0.5
        nn.init.uniform_(self.embedding.weight, -bound, bound)
        if kind == "cnn":
            self.read: nn.Module = nn.Linear(WIDTH * embedding, size)
        elif size % 2:
            raise UsageError(f"size is {size}; wanted an even number, half for each direction")
        else:
            self.read = Bidirectional(*(Recurrent(LSTM(), Dense(embedding, size // 2)) for _ in range(2)))

    def forward(self, characters: Tensor, lengths: Tensor) -> Tensor:
        """The vectors of W words."""
        x = ragged.cut(self.dropout(self.embedding(characters)), lengths)
        if self.kind == "lstm":
            _, ends = self.read(x, None, lengths)
            return torch.cat([ends.forward.h, ends.backward.h], 1)
        edge = torch.zeros_like(x[:, :1])
        around = torch.cat([torch.cat([edge, x[:, :-1]], 1), x, torch.cat([x[:, 1:], edge], 1)], 2)
        inside = ragged.mask(lengths, x.shape[1])[..., None]
        seen = self.read(around)
        most = seen.masked_fill(~inside, torch.finfo(seen.dtype).min).amax(1)
        return torch.where(lengths[:, None] > 0, most, 0)
