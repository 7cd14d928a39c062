from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import recurra
from recurra.data import PairBatch, Symbols
from recurra.decode import Never, greedy
from recurra.errors import UsageError
from recurra.layers import convolutions
from recurra.losses import ctc
from recurra.models import AttentionTranscriber, Transcriber, TransformerDecoder
from recurra.tasks import recipes, searching
from recurra.tasks.attending import Attending, attending
from recurra.tasks.options import TranscriptPrediction
from tests.tolerance import close

LENGTHS = torch.tensor([9, 4, 0, 2])
TARGETS, COUNTS = torch.tensor([[1, 2, 3], [2, 2, 0], [1, 0, 0], [3, 3, 1]]), torch.tensor([3, 2, 1, 3])


def made(**how: Any) -> Attending:
    """Untrained; strides of two make 5, 2, 0 and 1 frames of the lengths above, so the second and the last text do not fit."""
    options = recurra.Read(decoder="attention", hidden=8, layers=1, dropout=0.0, bidirectional=False, engine="torch", **how)
    torch.manual_seed(0)
    symbols = Symbols.learn("character", "abc", 300)
    layers = recipes.stack(options, 6)
    model = attending(options, Transcriber(convolutions(2, (6,), kernel=3, strides=(2,)), layers, 8, len(symbols)))
    model.pace.fill_(0.5)
    with torch.no_grad():
        model.decoder.output.weight.mul_(8)
        model.decoder.output.bias[-1] = -1  # so that it does not end at once
    return Attending(options, model.double().eval(), symbols)


def batch(places: list[int]) -> PairBatch:
    source = torch.randn(4, 9, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return PairBatch(source[places], LENGTHS[places], TARGETS[places], COUNTS[places])


@torch.no_grad()
def told(model: AttentionTranscriber, x: Tensor, text: list[int]) -> float:
    """Nats of one text and its end, symbol by symbol."""
    memory, state, _ = model.read(x[None])
    nats, before = 0.0, model.boundary
    for symbol in (*text, model.boundary):
        logits, state = model.decoder.step(torch.tensor([before]), state, memory)
        nats, before = nats - float(logits[0].log_softmax(0)[symbol]), symbol
    return nats


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_the_loss_is_that_of_both_where_a_text_fits_its_frames(share: float) -> None:
    whole, some = made(ctc_weight=share), batch([0, 1, 3])
    found = whole.loss(some)
    for row, (fits, text) in enumerate([(True, [1, 2, 3]), (False, [2, 2]), (False, [3, 3, 1])]):
        x = some.source[row, : some.source_lengths[row]]
        wanted = torch.tensor(told(whole.model, x, text), dtype=torch.float64)
        if fits:
            frames = whole.model.reader(x[None])
            own = ctc(frames.log_probabilities, frames.lengths, torch.tensor([text]), torch.tensor([len(text)]))
            wanted = (1 - share) * wanted + share * own[0]
        close(found[row], wanted)


def test_a_look_counts_what_is_known_and_has_a_frame() -> None:
    whole, some = made(ctc_weight=0.4), batch([0, 1, 2, 3])
    with torch.no_grad():
        texts, nats, count = whole.look(some, torch.tensor([True, False, True, True]))
    assert count == 8  # with an end each
    rows = [some.source[0], some.source[3, :2]]
    wanted = sum(told(whole.model, x, text) for x, text in zip(rows, ([1, 2, 3], [3, 3, 1]), strict=True))
    assert nats == pytest.approx(wanted)
    assert texts[2] == []
    assert whole.look(batch([2]), torch.tensor([True])) == ([[]], 0.0, 0)


@pytest.mark.parametrize("how", [{}, {"attention": "additive", "feeding": False}, {"attention": "monotonic"}], ids=str)
def test_a_beam_of_one_is_greedy_and_ends_in_time(how: dict[str, Any]) -> None:
    whole = made(**how)
    some = whole.writer(TranscriptPrediction(beam=1))(batch([0, 1, 2, 3]))
    assert some[2] == [([], 0.0, 0.0)]
    lengths = []
    for row in (0, 1, 3):
        x = batch([row])
        memory, state, frames = whole.model.read(x.source[:, : LENGTHS[row]])
        most = 10 + 2 * int(frames.lengths[0])  # four times the pace of half a symbol a frame
        end, rules = whole.model.boundary, [Never((0,))]
        begin = torch.tensor([[end]])
        said = greedy(whole.model.decoder, begin, steps=most, end=end, state=state, memory=memory, constraints=rules)
        text = [int(symbol) for symbol in said if int(symbol) != end]
        [guess] = whole.writer(TranscriptPrediction(beam=1))(x)[0]
        assert guess.symbols == text
        assert len(text) <= most
        if len(text) < most:
            assert guess.log_probability == pytest.approx(-told(whole.model, x.source[0, : LENGTHS[row]], text))
        lengths.append(len(text))
    assert max(lengths) > 0


def test_a_beam_gives_several_texts_and_finds_better_ones() -> None:
    whole, some = made(), batch([0, 1])
    wide, narrow = (whole.writer(TranscriptPrediction(beam=beam, best=min(beam, 3)))(some) for beam in (12, 1))
    for best, [greedily] in zip(wide, narrow, strict=True):
        assert len({tuple(guess.symbols) for guess in best}) == 3
        assert best[0].score >= best[1].score >= best[2].score
        assert best[0].score >= greedily.score
        assert all(0 not in guess.symbols for guess in best)


def test_a_transformer_writes_with_one() -> None:
    options = recurra.Read(decoder="attention", model="transformer", hidden=8, heads=2, layers=2)
    model = attending(options, Transcriber(convolutions(2, (8,), kernel=3, strides=(2,)), recipes.stack(options, 8), 8, 4))
    assert isinstance(model.decoder, TransformerDecoder)
    with pytest.raises(UsageError, match="attention=general: model=transformer has no recurrent layers"):
        recipes.network(recurra.Read(decoder="attention", model="transformer", attention="general"))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"attention": "general"}, "attention=general: decoder=ctc attends to nothing; wanted decoder=attention with it"),
        ({"ctc_weight": 0.1}, "ctc_weight=0.1: decoder=ctc attends to nothing; wanted decoder=attention with it"),
        ({"decoder": "attention", "language": "runs/text"}, "decoder=attention asks no language model; wanted decoder=ctc"),
        ({"decoder": "attention", "output": "label"}, "a label is not written symbol by symbol; wanted output=text"),
    ],
)
def test_options_that_cannot_be(how: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        recurra.Read(**how)
    assert message in str(caught.value)
    with pytest.raises(UsageError, match="train a run with decoder=ctc"):
        searching.hypotheses(TranscriptPrediction(language="runs/text"))


@torch.no_grad()
def test_a_text_is_as_long_alone_as_in_company() -> None:
    whole = made()
    whole.model.decoder.output.bias[-1] = -100  # it never ends
    for how in (TranscriptPrediction(beam=1), TranscriptPrediction(beam=4, best=2)):
        write = whole.writer(how)
        together, alone = write(batch([0, 1, 3])), [write(batch([row]))[0] for row in (0, 1, 3)]
        assert [[guess.symbols for guess in each] for each in together] == [[guess.symbols for guess in each] for each in alone]
        assert [len(best.symbols) for best, *_ in together] == [20, 14, 12]  # ten, and two for each of 5, 2 and 1 frames
        for one, other in zip(together, alone, strict=True):
            assert [guess.score for guess in one] == pytest.approx([guess.score for guess in other])


@torch.no_grad()
def test_a_look_at_what_diverged_is_no_error() -> None:
    whole = made()
    whole.model.decoder.output.weight.fill_(torch.nan)
    texts, nats, count = whole.look(batch([0, 1]), torch.tensor([True, True]))
    assert (texts, count) == ([[], []], 7)
    assert np.isnan(nats)


@torch.no_grad()
def test_what_is_looked_at_for_each_symbol_that_is_written_and_the_end() -> None:
    whole, some = made(), batch([0, 1, 2, 3])
    found = whole.where(some)
    write = whole.writer(TranscriptPrediction(beam=1))
    written = [write(batch([row]))[0][0].symbols for row in range(4)]
    assert [numbers for numbers, _ in found] == written
    for (numbers, weights), frames in zip(found, (5, 2, 0, 1), strict=True):
        assert weights.shape == ((len(numbers) + 1, frames) if frames else (0, 0))
        np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
