"""A Transformer that reads whole sequences."""

from typing import final

import torch
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra.errors import ShapeError, UsageError
from recurra.layers import Dropout
from recurra.models.transformer.parts import Around, Feed, checked_layers, sinusoids

__all__ = ["TransformerEncoder"]


@final
class TransformerEncoder(nn.Module):
    r"""Blocks of self-attention, in both directions, and a feed-forward network.

    .. math::
        y^{(0)}_s = \mathrm{norm}(x_s) + p_s \qquad
        z^{(l)} = y^{(l-1)} + \mathrm{attention}_l(\mathrm{norm}(y^{(l-1)})) \qquad
        y^{(l)} = z^{(l)} + \mathrm{feed}_l(\mathrm{norm}(z^{(l)}))

    and the output is :math:`\mathrm{norm}(y^{(L)})`. p are :func:`sinusoids`, so rows may be of any length, also of one that
    was not trained on; what is read is normalised first, so that they stand beside vectors of their size.

    Args:
        size: C, of its outputs and inside.
        layers: L, the number of blocks.
        heads: of attention; they divide C.
        dropout: share set to zero in training of what goes in, of what each part adds, and inside the feed-forward network.
        input_size: I, by default C; another one goes through a linear map.

    Shapes: x (B, S, I), y (B, S, C), zero behind the `lengths` (B,), each at least 1. As :class:`~recurra.layers.Bidirectional`
    it needs the whole sequence and takes no state; the second thing that it gives back, the state at the ends, is empty.

    Source: Vaswani et al. 2017, arXiv:1706.03762; the norm first, Xiong et al. 2020, arXiv:2002.04745.

    Example:
        >>> encoder = TransformerEncoder(8, layers=2, heads=2)
        >>> y, ends = encoder(torch.zeros(3, 7, 8), lengths=torch.tensor([7, 4, 1]))
        >>> y.shape, ends
        (torch.Size([3, 7, 8]), ())
    """

    def __init__(self, size: int, *, layers: int, heads: int, dropout: float = 0.0, input_size: int | None = None) -> None:
        super().__init__()
        self.input_size, self.size = input_size or size, size
        self.widen = nn.Identity() if self.input_size == size else nn.Linear(self.input_size, size)
        self.read, self.dropout = nn.LayerNorm(size), Dropout(dropout)
        every = range(checked_layers(layers))
        self.around = nn.ModuleList(Around(size, heads, dropout) for _ in every)
        self.feed = nn.ModuleList(Feed(size, dropout) for _ in every)
        self.norm = nn.LayerNorm(size)

    def forward(
        self, x: Tensor, state: None = None, lengths: Tensor | None = None, resets: None = None
    ) -> tuple[Tensor, tuple[()]]:
        """Read whole sequences x (B, S, I)."""
        if state is not None or resets is not None:
            came = "resets" if state is None else f"a state, {type(state).__name__}"
            raise UsageError(f"TransformerEncoder got {came}; it reads whole sequences and takes none")
        if x.dim() != 3 or x.shape[1] == 0 or x.shape[2] != self.input_size:
            raise ShapeError(f"x is {tuple(x.shape)}; wanted (B, S > 0, {self.input_size})")
        ragged.check(x, lengths, None)
        y = self.read(self.widen(x if lengths is None else ragged.cut(x, lengths)))
        places = torch.arange(x.shape[1], device=x.device)
        y = self.dropout(y + sinusoids(places, self.size).to(y))
        for around, feed in zip(self.around, self.feed, strict=True):
            y = feed(around(y, lengths))
        y = self.norm(y)
        return y if lengths is None else ragged.cut(y, lengths), ()

    sequence = forward
