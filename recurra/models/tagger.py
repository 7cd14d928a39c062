"""A network that gives each word of a sentence a tag."""

from typing import NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra.errors import ShapeError, UsageError
from recurra.layers import Dropout
from recurra.losses import CRF
from recurra.models.spelling import Spelling

__all__ = ["Tagger", "WordBatch"]

UNKNOWN = 0


class WordBatch(NamedTuple):
    """Sentences of words, each different word once.

    Shapes: `words` (W,) their numbers, 0 where unknown; `shapes` (W,) how they are written; `characters` (W, L) and their
    counts `spelled` (W,); `places` (B, T) which of the W stands where; `lengths` (B,) of the sentences.
    """

    words: Tensor
    shapes: Tensor
    characters: Tensor
    spelled: Tensor
    places: Tensor
    lengths: Tensor

    def to(self, device: torch.device | str) -> "WordBatch":
        """The same on another device."""
        return WordBatch(*(part.to(device) for part in self))


@final
class Tagger(nn.Module):
    r"""Reads words, by their vectors, their capitals and their characters, and tells the tag of each.

    .. math::
        x_t = [E[w_t]; \, S[s_t]; \, \mathrm{spelling}(c_t)] \qquad e_t = W \, \mathrm{layers}(x)_t + b

    With a CRF the tags of a sentence are told together, :math:`p(y \mid x)` as there; without, each alone,
    :math:`p(y_t \mid x) = \mathrm{softmax}(e_t)`.

    Args:
        words: V x E, the vectors of the words; row 0 is the unknown word's.
        shapes: of how words are written, or None.
        spelling: of their characters, :class:`Spelling`, or None.
        layers: any layers over sequences, from the sizes of these together to `size`.
        size: H.
        tags: K.
        crf: over K labels, or None.
        dropout: share of the layers' outputs set to zero in training.
        word_dropout: share of the words that are read as the unknown one in training; their characters stay.

    Shapes: a batch of B sentences of at most T words -> scores e (B, T, K).

    Every different word of a batch is read once, however often it stands there.

    Source: Lample et al. 2016, arXiv:1603.01360; Ma & Hovy 2016, arXiv:1603.01354; capitals, Collobert et al. 2011,
    arXiv:1103.0398.

    Example:
        >>> from recurra.layers import LSTM, Bidirectional
        >>> model = Tagger(nn.Embedding(10, 8), None, None, Bidirectional(LSTM(8, 4), LSTM(8, 4)), 8, 3, CRF(3))
        >>> nothing = torch.zeros(4, 0, dtype=torch.long), torch.zeros(4, dtype=torch.long)
        >>> places, lengths = torch.tensor([[0, 1, 2], [3, 1, 0]]), torch.tensor([3, 2])
        >>> batch = WordBatch(torch.arange(1, 5), torch.zeros(4, dtype=torch.long), *nothing, places, lengths)
        >>> scores = model(batch)
        >>> nats = model.nats(scores, torch.tensor([[0, 1, 2], [2, 0, 0]]), lengths)
        >>> scores.shape, nats.shape, model.tags(scores, lengths).shape
        (torch.Size([2, 3, 3]), torch.Size([2]), torch.Size([2, 3]))
    """

    def __init__(
        self,
        words: nn.Embedding,
        shapes: nn.Embedding | None,
        spelling: Spelling | None,
        layers: nn.Module,
        size: int,
        tags: int,
        crf: CRF | None = None,
        *,
        dropout: float = 0.0,
        word_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= word_dropout < 1:
            raise UsageError(f"word_dropout is {word_dropout}; wanted 0 to below 1")
        if crf is not None and crf.labels != tags:
            raise ShapeError(f"the CRF is over {crf.labels} labels; wanted {tags}, the tags")
        self.words, self.shapes, self.spelling, self.layers, self.crf = words, shapes, spelling, layers, crf
        self.dropout, self.word_dropout = Dropout(dropout), word_dropout
        self.output = nn.Linear(size, tags)

    def forward(self, batch: WordBatch) -> Tensor:
        """Scores (B, T, K) of the tags."""
        ragged.check(batch.places, batch.lengths, None)
        known = self.words(batch.words)[batch.places]
        if self.training and self.word_dropout:
            left_out = torch.rand(batch.places.shape, device=known.device) < self.word_dropout
            known = torch.where(left_out[..., None], self.words.weight[UNKNOWN], known)
        written = [] if self.shapes is None else [self.shapes(batch.shapes)]
        if self.spelling is not None:
            written.append(self.spelling(batch.characters, batch.spelled))
        x = torch.cat([known, *(part[batch.places] for part in written)], 2)
        y, _ = self.layers(x, None, batch.lengths)
        scores: Tensor = self.output(self.dropout(y))
        return scores.to(torch.promote_types(scores.dtype, torch.float32))  # sums over sequences want the digits

    def nats(self, scores: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """(B,) the negative logarithm of the probability of each sentence's tags (B, T)."""
        if self.crf is not None:
            nats: Tensor = self.crf(scores, tags, lengths)
            return nats
        each = F.cross_entropy(scores.transpose(1, 2), tags, reduction="none")
        return torch.where(ragged.mask(lengths, tags.shape[1]), each, 0).sum(1)

    def tags(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """(B, T) the most probable tags, those of a CRF together; 0 behind each row's length."""
        if self.crf is not None:
            return self.crf.decode(scores, lengths).labels
        return torch.where(ragged.mask(lengths, scores.shape[1]), scores.argmax(2), 0)

    def probabilities(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, K) how probable each tag is at each word, whatever the others are; zero behind each row's length."""
        if self.crf is not None:
            return self.crf.marginals(scores, lengths)
        return ragged.cut(scores.softmax(2), lengths)
