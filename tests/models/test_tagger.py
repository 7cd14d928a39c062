import pytest
import torch
from torch import nn

from recurra.errors import ShapeError, UsageError
from recurra.layers import GRU, Bidirectional
from recurra.losses import CRF
from recurra.models import Spelling, Tagger, TransformerEncoder, WordBatch

# three sentences, of the words 2 1 2 3, 1, and 3 2
BATCH = WordBatch(
    words=torch.tensor([1, 2, 0]),
    shapes=torch.tensor([0, 1, 1]),
    characters=torch.tensor([[1, 2, 0], [3, 0, 0], [4, 4, 4]]),
    spelled=torch.tensor([2, 1, 3]),
    places=torch.tensor([[1, 0, 1, 2], [0, 0, 0, 0], [2, 1, 0, 0]]),
    lengths=torch.tensor([4, 1, 2]),
)
TAGS = torch.tensor([[0, 1, 2, 0], [1, 0, 0, 0], [2, 2, 0, 0]])


def made(crf: bool, layers: nn.Module | None = None, word_dropout: float = 0.0) -> Tagger:
    torch.manual_seed(0)
    layers = layers or Bidirectional(GRU(4 + 2 + 6, 3), GRU(4 + 2 + 6, 3))
    parts = nn.Embedding(5, 4), nn.Embedding(3, 2), Spelling(6, 3, 6, "cnn")
    return Tagger(*parts, layers, 6, 3, CRF(3) if crf else None, word_dropout=word_dropout)


def alone(row: int) -> WordBatch:
    """One sentence, each of its words apart."""
    places = BATCH.places[row, : int(BATCH.lengths[row])]
    words, shapes, characters, spelled = (part[places] for part in BATCH[:4])
    return WordBatch(words, shapes, characters, spelled, torch.arange(len(places))[None], BATCH.lengths[row : row + 1])


@pytest.mark.parametrize("kind", ["crf", "softmax", "transformer"])
def test_sentences_side_by_side_are_as_alone(kind: str) -> None:
    model = made(
        kind == "crf", TransformerEncoder(6, layers=1, heads=1, input_size=12) if kind == "transformer" else None
    ).eval()
    scores = model(BATCH)
    nats, tags = model.nats(scores, TAGS, BATCH.lengths), model.tags(scores, BATCH.lengths)
    sure = model.probabilities(scores, BATCH.lengths)
    for row, length in enumerate(BATCH.lengths.tolist()):
        own = alone(row)
        one = model(own)
        torch.testing.assert_close(one[0], scores[row, :length])
        torch.testing.assert_close(model.nats(one, TAGS[row : row + 1, :length], own.lengths)[0], nats[row])
        assert torch.equal(model.tags(one, own.lengths)[0], tags[row, :length])
        torch.testing.assert_close(model.probabilities(one, own.lengths)[0], sure[row, :length])
        torch.testing.assert_close(sure[row, :length].sum(1), torch.ones(length))
        assert not tags[row, length:].any()
        assert not sure[row, length:].any()


def test_each_alone_is_the_cross_entropy() -> None:
    model = made(crf=False)
    scores = model(BATCH)
    expected = [-scores[row].log_softmax(1)[range(n), TAGS[row, :n]].sum() for row, n in enumerate(BATCH.lengths.tolist())]
    torch.testing.assert_close(model.nats(scores, TAGS, BATCH.lengths), torch.stack(expected))


def test_words_are_left_out_in_training_only() -> None:
    model = made(crf=False, word_dropout=0.9)
    whole = model.eval()(BATCH)
    assert torch.equal(model(BATCH), whole)
    unknown = model(BATCH._replace(words=torch.zeros(3, dtype=torch.long)))
    model.train()
    drawn = torch.cat([model(BATCH)[1, 0][None] for _ in range(60)])  # a sentence of one word: as it is, or unknown
    left_out = (drawn - unknown[1, 0]).abs().amax(1) < 1e-6
    assert 40 < int(left_out.sum()) < 60
    torch.testing.assert_close(drawn[~left_out], whole[1, 0].expand(int((~left_out).sum()), -1))


def test_what_cannot_be() -> None:
    with pytest.raises(ShapeError, match="the CRF is over 4 labels; wanted 3, the tags"):
        Tagger(nn.Embedding(2, 3), None, None, GRU(3, 6), 6, 3, CRF(4))
    with pytest.raises(UsageError, match="word_dropout is 1"):
        made(crf=False, word_dropout=1)
    with pytest.raises(ShapeError, match="lengths"):
        made(crf=False)(BATCH._replace(lengths=torch.tensor([5, 1, 2])))
