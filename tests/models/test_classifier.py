from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from recurra.errors import DataError, ShapeError, UsageError
from recurra.layers import (
    GRU,
    LSTM,
    AttentionPooling,
    Bidirectional,
    LastPooling,
    MaxPooling,
    MeanPooling,
    Pooling,
    convolutions,
)
from recurra.models import Classifier, Standardised, TransformerEncoder
from tests.tolerance import close

LENGTHS = torch.tensor([9, 1, 6])


def classifier(pooling: Pooling, body: nn.Module | None = None, **how: Any) -> Classifier:
    return Classifier(nn.Embedding(20, 4), body or LSTM(4, 6, layers=2), pooling, 3, **how).eval()


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("front", [False, True])
@pytest.mark.parametrize("kind", [LastPooling, MeanPooling, MaxPooling, AttentionPooling])
def test_steps_and_chunks_say_what_the_whole_says(kind: type[Any], front: bool) -> None:
    how = {"front": convolutions(4, (5,), kernel=3, strides=(2,))} if front else {}
    model = classifier(kind(6), LSTM(5 if front else 4, 6), **how)
    x = torch.randint(20, (3, 9))
    whole, _ = model(x, lengths=LENGTHS)
    for row, length, said in zip(x, LENGTHS.tolist(), whole, strict=True):
        close(model(row[None, :length])[0][0], said)
        state = model.initial(1)
        for symbol in row[:length]:
            stepped, state = model.step(symbol[None], state)
        close(stepped[0], said)
    _, state = model(x[:, :5], lengths=LENGTHS.clamp(max=5))
    close(model(x[:, 5:], state, (LENGTHS - 5).clamp(min=0))[0], whole)


@pytest.mark.parametrize(
    "body",
    [Bidirectional(GRU(4, 3), GRU(4, 3)), TransformerEncoder(6, layers=1, heads=2, input_size=4)],
    ids=["gru", "blocks"],
)
@pytest.mark.parametrize("pooling", [LastPooling(6, backwards=3), MaxPooling(6), AttentionPooling(6)], ids=str)
def test_padding_changes_nothing(body: nn.Module, pooling: Pooling) -> None:
    model, x = classifier(pooling, body), torch.randint(20, (3, 9))
    whole, _ = model(x, lengths=LENGTHS)
    for row, length, said in zip(x, LENGTHS.tolist(), whole, strict=True):
        close(model(row[None, :length])[0][0], said)
    with pytest.raises(UsageError, match="reads whole sequences; a classifier with it has no steps"):
        model.initial(1)


def test_what_was_read_backwards_is_pooled_where_it_ends() -> None:
    body = Bidirectional(GRU(4, 3), GRU(4, 3))
    model, x = classifier(LastPooling(6, backwards=3), body), torch.randint(20, (3, 9))
    _, ends = body(model.embedding(x), None, LENGTHS)
    close(model(x, lengths=LENGTHS)[0], model.head(torch.cat([ends.forward[0].h, ends.backward[0].h], 1)))


def test_rows_without_steps_are_refused_by_name() -> None:
    model = classifier(MaxPooling(6))
    with pytest.raises(DataError, match="row 1 has no steps; wanted at least one"):
        model(torch.zeros(2, 3, dtype=torch.long), lengths=torch.tensor([3, 0]))
    with pytest.raises(ShapeError, match=r"x is \(2, 0\)"):
        model(torch.zeros(2, 0, dtype=torch.long))


def test_weights_of_attention_are_those_that_pooling_uses() -> None:
    model, x = classifier(AttentionPooling(6)), torch.randint(20, (3, 9))
    weights = model.weights(x, LENGTHS)
    values, _ = model.layers(model.embedding(x), None, LENGTHS)
    close(model(x, lengths=LENGTHS)[0], model.head((weights[..., None] * values).sum(1)))
    with pytest.raises(UsageError, match="MaxPooling weighs nothing"):
        classifier(MaxPooling(6)).weights(x)


def test_words_are_dropped_in_training_only() -> None:
    model, x = classifier(MeanPooling(6), word_dropout=0.5), torch.ones(40, 50, dtype=torch.long)
    assert torch.equal(model.vectors(x), model.embedding(x))
    share = (model.train().vectors(x) == model.embedding(torch.zeros((), dtype=torch.long))).all(2).float().mean()
    assert share == pytest.approx(0.5, abs=0.05)


class TestStandardised:
    def test_the_scale_is_that_of_all_steps(self) -> None:
        series = [np.random.default_rng(k).normal(7, 3, (5 + k, 2)).astype(np.float32) for k in range(4)]
        made = Standardised.of(series, 2)
        joined = made(torch.from_numpy(np.concatenate(series))[None])[0]
        np.testing.assert_allclose(joined.mean(0), 0, atol=1e-5)
        np.testing.assert_allclose(joined.std(0, correction=0), 1, rtol=1e-5)

    def test_flat_channels_and_gaps(self) -> None:
        made = Standardised.of([np.array([[5.0, 1.0], [5.0, np.nan], [5.0, 3.0]])], 2)
        found = made(torch.tensor([[[6.0, torch.nan]]]))
        assert found.tolist() == [[[1.0, 0.0]]]
        assert made.centre.tolist() == [5.0, 2.0]

    def test_another_number_of_channels(self) -> None:
        with pytest.raises(ShapeError, match=r"wanted \(B, T > 0, 2\)"):
            Standardised(2)(torch.zeros(1, 3, 4))


def test_it_learns_which_series_rises() -> None:
    x = torch.randn(64, 12, 1) * 0.2 + torch.linspace(-1, 1, 12)[:, None] * torch.tensor([1.0, -1.0]).repeat(32)[:, None, None]
    y = torch.tensor([0, 1]).repeat(32)
    model = Classifier(Standardised(1), GRU(1, 8), LastPooling(8), 2)
    adam = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(30):
        adam.zero_grad()
        torch.autograd.backward(nn.functional.cross_entropy(model(x)[0], y))
        adam.step()
    assert (model(x)[0].argmax(1) == y).float().mean() > 0.95
