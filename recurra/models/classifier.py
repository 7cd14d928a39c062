"""A network that reads a sequence and says one thing of it: which of some labels, or a number."""

from collections.abc import Iterable
from typing import Any, NamedTuple, cast, final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra.errors import DataError, ShapeError, UsageError
from recurra.layers import Core, Front
from recurra.layers.pooling import AttentionPooling, Pooling
from recurra.state import portable

__all__ = ["Classifier", "Read", "Standardised"]

UNKNOWN = 0


@final
class Standardised(nn.Module):
    r"""Channels on one scale: less their mean, over their standard deviation, as they were where it learnt them.

    .. math:: y_{t,c} = (x_{t,c} - \mu_c) / \sigma_c

    Both are buffers. A value that is not a number becomes 0, the mean.

    Args:
        channels: C.

    Shapes: x and y (B, T, C).

    Example:
        >>> front = Standardised.of([np.array([[0.0, 5.0], [2.0, 5.0]])], 2)
        >>> front(torch.tensor([[[4.0, 6.0]]]))
        tensor([[[3., 1.]]])
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(channels))
        self.register_buffer("spread", torch.ones(channels))

    @classmethod
    def of(cls, series: Iterable[NDArray[Any]], channels: int) -> "Standardised":
        """The scale of these series (T, C); 1 where all values of a channel are the same, or none is a number."""
        sums = np.zeros((3, channels))
        for each in series:
            values = np.asarray(each, np.float64)
            there = np.isfinite(values)
            values = np.where(there, values, 0.0)
            sums += np.stack([there.sum(0), values.sum(0), np.square(values).sum(0)])
        count = np.maximum(sums[0], 1)
        centre = sums[1] / count
        spread = np.sqrt(np.maximum(sums[2] / count - np.square(centre), 0))
        made = cls(channels)
        made.centre.copy_(torch.from_numpy(centre))
        made.spread.copy_(torch.from_numpy(np.where(spread > 1e-6 * np.abs(centre), spread, 1.0)))
        return made

    def forward(self, x: Tensor) -> Tensor:
        """Series as the layers read them."""
        if x.shape[-1] != len(self.centre):
            raise ShapeError(f"x is {tuple(x.shape)}; wanted (B, T > 0, {len(self.centre)})")
        return torch.nan_to_num((x - self.centre) / self.spread, nan=0.0)

    def extra_repr(self) -> str:
        return str(len(self.centre))


@portable
class Read(NamedTuple):
    """What was read so far: the states of the front, if there is one, of the layers and of pooling."""

    front: Any
    layers: Any
    pooled: Any


@final
class Classifier(nn.Module):
    r"""Says one thing of a whole sequence.

    .. math:: z = W \, d \odot \mathrm{pooling}(\mathrm{layers}(\mathrm{front}(\mathrm{embedding}(x)))) + b \qquad
        p = \mathrm{softmax}(z / \tau)

    Args:
        embedding: what makes vectors of what is read: an embedding of symbols, or :class:`Standardised`.
        layers: any layers over sequences: a stack, of bidirectional ones too, or a Transformer's encoder.
        pooling: what makes one vector of those of all steps.
        outputs: K, labels, or 1 for a number.
        front: convolutions between embedding and layers, see :class:`~recurra.layers.Front`; None for none.
        dropout: share of the pooled vector set to zero in training.
        word_dropout: share of the symbols that are read as the unknown one, 0, in training.

    Shapes: x (B, T) of symbols or (B, T, C), `lengths` (B,) -> logits (B, K). The temperature :math:`\tau` is a buffer, 1 at
    first, that probabilities of labels are to be told with (Guo et al. 2017, arXiv:1706.04599); logits are without it.

    Where its layers are a core it reads in chunks, or step by step: what it says after the last is what it says of the whole.

    Source: with max pooling, Conneau et al. 2017, arXiv:1705.02364; with attention, Yang et al. 2016.

    Example:
        >>> from recurra.layers import GRU
        >>> from recurra.layers.pooling import MaxPooling
        >>> model = Classifier(nn.Embedding(30, 8), GRU(8, 6), MaxPooling(6), 4).eval()
        >>> logits, state = model(torch.tensor([[1, 2, 3], [4, 5, 0]]), lengths=torch.tensor([3, 2]))
        >>> logits.shape
        torch.Size([2, 4])
        >>> after, state = model.step(torch.tensor([1, 7]), state)  # one symbol more of each row
    """

    temperature: Tensor

    def __init__(
        self,
        embedding: nn.Module,
        layers: nn.Module,
        pooling: Pooling,
        outputs: int,
        *,
        front: nn.Module | None = None,
        dropout: float = 0.0,
        word_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding, self.front, self.layers, self.pooling = embedding, front, layers, pooling
        self.dropout, self.word_dropout = nn.Dropout(dropout), word_dropout
        self.head = nn.Linear(pooling.size, outputs)
        self.register_buffer("temperature", torch.ones(()))

    def initial(self, batch: int) -> Read:
        """The state before the first step; of layers that read whole sequences there is none."""
        if not hasattr(self.layers, "step"):
            raise UsageError(f"{type(self.layers).__name__} reads whole sequences; a classifier with it has no steps")
        like = self.head.weight.new_zeros(batch, self.pooling.size)
        front = () if self.front is None else cast("Front", self.front).initial(batch)
        return Read(front, cast("Core", self.layers).initial(batch), self.pooling.initial(like))

    def forward(self, x: Tensor, state: Read | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Read]:
        """Logits (B, K) of all that was read so far, and the state after it.

        Raises:
            DataError: a row without a step, where nothing came before.
        """
        return self.told(self.vectors(x), state, lengths)

    def step(self, x: Tensor, state: Read, memory: Any = None) -> tuple[Tensor, Read]:
        """One step more, x (B,) or (B, C)."""
        return self.forward(x[:, None], state)

    def vectors(self, x: Tensor) -> Tensor:
        """(B, T, I): what stands for each step of x."""
        if x.dim() < 2 or 0 in x.shape[:2]:
            raise ShapeError(f"x is {tuple(x.shape)}; wanted (B > 0, T > 0, ...)")
        if self.training and self.word_dropout and not x.is_floating_point():
            x = x.masked_fill(torch.rand(x.shape, device=x.device) < self.word_dropout, UNKNOWN)
        vectors: Tensor = self.embedding(x)
        return vectors

    def told(self, vectors: Tensor, state: Read | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Read]:
        """The same as ``forward``, of vectors (B, T, I)."""
        y, lengths, front, layers = self._read(vectors, state, lengths)
        pooled, seen = self.pooling(y, None if state is None else state.pooled, lengths)
        return self.head(self.dropout(pooled)), Read(front, layers, seen)

    def weights(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T'): what pooling by attention weighs each step with, or each frame of the front."""
        if not isinstance(self.pooling, AttentionPooling):
            raise UsageError(f"{type(self.pooling).__name__} weighs nothing; wanted AttentionPooling")
        y, lengths, _, _ = self._read(self.vectors(x), None, lengths)
        return self.pooling.weights(y, lengths)

    def _read(self, x: Tensor, state: Read | None, lengths: Tensor | None) -> tuple[Tensor, Tensor | None, Any, Any]:
        """The layers' outputs (B, T', H) with the lengths of their rows, and the states of front and layers."""
        ragged.check(x, lengths, None)
        if state is None and lengths is not None and int(lengths.min()) == 0:
            raise DataError(f"row {int(lengths.argmin())} has no steps; wanted at least one")
        before, front = state or Read(None, None, None), ()
        if self.front is not None:
            steps = torch.full(x.shape[:1], x.shape[1], device=x.device) if lengths is None else lengths.to(x.device)
            lengths = cast("Front", self.front).frames(steps, before.front)
            x, front = self.front(x, before.front, steps)
            if x.shape[1] == 0:  # nothing new for the layers
                x = F.pad(x, (0, 0, 0, 1))
        y, layers = self.layers(x, before.layers, lengths)
        return y, lengths, front, layers
