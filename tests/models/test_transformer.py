"""Transformers: their blocks by torch's own layers, and what every core promises. Laws run over the causal one too."""

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recurra import state as states
from recurra.decode import Beam, beam_search, greedy, total
from recurra.errors import ShapeError, UsageError
from recurra.layers import CausalSelfAttention, Core, MultiHead
from recurra.models import CausalTransformer, Encoder, EncoderDecoder, LanguageModel, TransformerDecoder, TransformerEncoder
from recurra.models.transformer import sinusoids
from recurra.models.transformer.parts import Across, Around, Feed, Past
from tests.tolerance import close, equal

B, T, S, C, V = 3, 6, 5, 8, 11
LENGTHS, SOURCES = torch.tensor([6, 2, 4]), torch.tensor([5, 1, 3])
X = torch.randint(V, (B, T), generator=torch.Generator().manual_seed(0))
RESETS = torch.zeros(B, T, dtype=torch.bool)
RESETS[0, 2] = RESETS[2, 1] = RESETS[2, 5] = True


def scattered(module: nn.Module) -> None:
    """Every weight is random, also those that start constant."""
    torch.manual_seed(0)
    for weight in module.parameters():
        nn.init.normal_(weight, std=0.4)


def numbers(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def copied(attention: CausalSelfAttention | MultiHead, theirs: nn.MultiheadAttention) -> None:
    assert theirs.in_proj_weight is not None
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in (attention.query, attention.key, attention.value)]))
        theirs.in_proj_bias.copy_(torch.cat([part.bias for part in (attention.query, attention.key, attention.value)]))
    theirs.out_proj.load_state_dict(attention.output.state_dict())


class TestBlocksAreThoseOfTorch:
    HOW = {"dim_feedforward": 4 * C, "dropout": 0.0, "batch_first": True, "norm_first": True, "dtype": torch.float64}

    @pytest.mark.parametrize("causal", [False, True], ids=["around", "past"])
    def test_encoder_layer(self, causal: bool) -> None:
        look: Any = Past(CausalSelfAttention(C, heads=2), 0.0) if causal else Around(C, 2, 0.0)
        feed = Feed(C, 0.0)
        scattered(nn.ModuleList([look, feed]).double())
        theirs = nn.TransformerEncoderLayer(C, 2, activation=F.gelu, **self.HOW)  # type: ignore[arg-type]
        copied(look.attention, theirs.self_attn)
        for mine, their in (
            (look.norm, theirs.norm1),
            (feed.norm, theirs.norm2),
            (feed.wide, theirs.linear1),
            (feed.narrow, theirs.linear2),
        ):
            their.load_state_dict(mine.state_dict())
        x, inside = numbers(B, T, C), torch.arange(T) < LENGTHS[:, None]
        mask = torch.ones(T, T, dtype=torch.bool).triu(1) if causal else None
        y = look(x, None, LENGTHS, None)[0] if causal else look(x, LENGTHS)
        close(feed(y)[inside], theirs(x, mask, src_key_padding_mask=~inside)[inside])

    def test_decoder_layer(self) -> None:
        past, across, feed = Past(CausalSelfAttention(C, heads=2), 0.0), Across(C, 2, 0.0), Feed(C, 0.0)
        scattered(nn.ModuleList([past, across, feed]).double())
        theirs = nn.TransformerDecoderLayer(C, 2, activation=F.gelu, **self.HOW)  # type: ignore[arg-type]
        copied(past.attention, theirs.self_attn)
        copied(across.attention, theirs.multihead_attn)
        for mine, their in (
            (past.norm, theirs.norm1),
            (across.norm, theirs.norm2),
            (feed.norm, theirs.norm3),
            (feed.wide, theirs.linear1),
            (feed.narrow, theirs.linear2),
        ):
            their.load_state_dict(mine.state_dict())
        x, values = numbers(B, T, C), numbers(B, S, C)
        mask, outside = torch.ones(T, T, dtype=torch.bool).triu(1), torch.arange(S) >= SOURCES[:, None]
        y = feed(across(past(x, None, None, None)[0], across.attention.prepare(values, SOURCES), None))
        close(y, theirs(x, values, mask, memory_key_padding_mask=outside))


def test_sinusoids_are_those_of_the_paper() -> None:
    places = torch.tensor([0, 1, 7, 1000])
    found = sinusoids(places, 6)
    for j in range(3):
        angles = places / 10_000 ** (2 * j / 6)
        close(found[:, j], angles.sin())
        close(found[:, 3 + j], angles.cos())
    assert sinusoids(places, 5).equal(torch.cat([sinusoids(places, 5)[:, :3], sinusoids(places, 5)[:, 3:]], 1))
    assert sinusoids(places[:, None], 5).shape == (4, 1, 5)


class TestCausalTransformer:
    def made(self, context: int | None = None, layers: int = 2) -> CausalTransformer:
        core = CausalTransformer(C, layers=layers, heads=2, context=context, input_size=3).double()
        scattered(core)
        return core

    @pytest.mark.parametrize("context", [None, 3])
    def test_steps_and_chunks_equal_the_whole(self, context: int | None) -> None:
        core, x = self.made(context), numbers(B, T, 3)
        whole, end = core(x, None, None, RESETS)
        first, middle = core(x[:, :2], None, None, RESETS[:, :2])
        second, last = core(x[:, 2:], middle, None, RESETS[:, 2:])
        close(torch.cat([first, second], 1), whole)
        close(last, end)
        state, (y, after) = core.initial(B), core(x)
        for t in range(T):
            now, state = core.step(x[:, t], state)
            close(now, y[:, t])
        close(state, after)

    @pytest.mark.parametrize("context", [None, 3])
    def test_ragged_rows(self, context: int | None) -> None:
        core, x, lengths = self.made(context), numbers(B, T, 3), torch.tensor([6, 0, 4])
        spoilt = torch.where(torch.arange(T)[:, None] < lengths[:, None, None], x, math.nan)
        y, state = core(spoilt, None, lengths)
        after, _ = core.step(x[:, 0], state)
        for row, n in enumerate(lengths.tolist()):
            alone, _ = core(torch.cat([x[row : row + 1, :n], x[row : row + 1, :1]], 1))
            close(y[row, :n], alone[0, :n])
            close(after[row], alone[0, n])
            assert not y[row, n:].any()
        y.sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in core.parameters())

    @pytest.mark.parametrize(("context", "layers"), [(None, 1), (1, 2), (3, 1), (3, 2), (4, 3)])
    def test_what_a_step_sees(self, context: int | None, layers: int) -> None:
        """Nothing of the future, and as many steps of the past as the blocks reach together."""
        core, steps, at = self.made(context, layers), 14, 10
        x = numbers(1, steps, 3).requires_grad_()
        core(x)[0][0, at].square().sum().backward()
        assert x.grad is not None
        reach = at if context is None else layers * (context - 1)
        assert x.grad[0].any(1).tolist() == [at - reach <= t <= at for t in range(steps)]

    def test_rows_can_be_reordered(self) -> None:
        core, x, rows = self.made(), numbers(B, T, 3), torch.tensor([2, 0, 2])
        _, state = core(x[:, :4])
        close(core.step(x[rows, 4], states.take(state, rows))[0], core.step(x[:, 4], state)[0][rows])

    def test_the_state_of_a_context_does_not_grow(self) -> None:
        core = self.made(3)
        state = core.initial(B)
        assert all(part.shape[1] == 2 for part in states.named(state).values())
        _, after = core(numbers(B, 50, 3))
        assert [part.shape for part in states.named(after).values()] == [part.shape for part in states.named(state).values()]
        assert self.made()(numbers(B, 50, 3))[1][0].keys.shape == (B, 50, C)

    def test_dropout_is_of_training_alone(self) -> None:
        core, x = CausalTransformer(C, layers=2, heads=2, dropout=0.5), torch.randn(B, T, C)
        assert not core(x)[0].equal(core(x)[0])
        equal(core.eval()(x), core(x))

    def test_bfloat16_by_autocast(self) -> None:
        core, x = CausalTransformer(C, layers=2, heads=2, context=3), torch.randn(B, T, C)
        whole, _ = core(x)
        with torch.autocast("cpu", torch.bfloat16):
            first, state = core(x[:, :4])
            y, state = core(x[:, 4:], state)
        assert {part.dtype for part in states.named(state).values()} == {torch.float32}
        assert torch.cat([first, y], 1).float().allclose(whole, atol=0.1)

    def test_a_language_model_is_made_of_it(self) -> None:
        model = LanguageModel(V, 3, self.made(3).float(), C, tied=True).eval()
        logits, state = model(X)
        close(model.step(X[:, 0], state)[0], model(torch.cat([X, X[:, :1]], 1))[0][:, -1])
        step, now = model.stepper(), model.initial(B)
        for t in range(T):
            y, now = step(X[:, t], now)
            close(y, logits.detach()[:, t])

    def test_bad_input(self) -> None:
        with pytest.raises(UsageError, match="layers is 0; wanted at least 1"):
            self.made(layers=0)
        with pytest.raises(UsageError, match="heads is 3; wanted a divisor of size=8"):
            CausalTransformer(8, layers=1, heads=3)
        with pytest.raises(UsageError, match="without a context grow with every step"):
            self.made().states(numbers(B, T, 3))
        with pytest.raises(ShapeError, match=r"x is \(3, 6, 4\); wanted \(B, T > 0, 3\)"):
            self.made()(numbers(B, T, 4))
        with pytest.raises(ShapeError, match="state is a tuple of 1; wanted a tuple of 2, one for each block"):
            self.made()(numbers(B, T, 3), self.made(layers=1).initial(B))


class TestTransformerEncoder:
    def made(self) -> TransformerEncoder:
        encoder = TransformerEncoder(C, layers=2, heads=2, input_size=3).double()
        scattered(encoder)
        return encoder

    def test_rows_are_read_alone(self) -> None:
        encoder, x = self.made(), numbers(B, S, 3)
        spoilt = torch.where(torch.arange(S)[:, None] < SOURCES[:, None, None], x, math.nan)
        y, ends = encoder(spoilt, lengths=SOURCES)
        assert ends == ()
        for row, n in enumerate(SOURCES.tolist()):
            close(y[row, :n], encoder(x[row : row + 1, :n])[0][0])
            assert not y[row, n:].any()
        y.sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())

    def test_every_position_sees_all_and_knows_its_place(self) -> None:
        encoder, x = self.made(), numbers(1, S, 3).requires_grad_()
        y, _ = encoder(x)
        y[0, 1].square().sum().backward()
        assert x.grad is not None
        assert x.grad[0].any(1).all()
        assert not encoder(x.flip(1))[0].flip(1).allclose(y)

    def test_bad_input(self) -> None:
        encoder, x = self.made(), numbers(B, S, 3)
        with pytest.raises(ShapeError, match="row 1 of the memory has length 0"):
            encoder(x, lengths=torch.tensor([5, 0, 1]))
        with pytest.raises(UsageError, match="TransformerEncoder got a state, tuple; it reads whole sequences"):
            encoder(x, ())
        with pytest.raises(UsageError, match="TransformerEncoder got resets"):
            encoder(x, None, None, RESETS)
        with pytest.raises(ShapeError, match=r"x is \(3, 5, 2\); wanted \(B, S > 0, 3\)"):
            encoder(x[..., :2])


class TestTransformerDecoder:
    def made(self, *, tied: bool = False) -> TransformerDecoder:
        decoder = TransformerDecoder(nn.Embedding(V, 4), C, layers=2, heads=2, memory_size=5, tied=tied).double()
        scattered(decoder)
        return decoder

    @pytest.mark.parametrize("tied", [False, True], ids=["free", "tied"])
    def test_steps_and_chunks_equal_the_whole(self, tied: bool) -> None:
        decoder = self.made(tied=tied)
        assert isinstance(decoder, Core)
        memory = decoder.prepare(numbers(B, S, 5), SOURCES)
        whole, end = decoder(X, memory=memory)
        state = decoder.initial(B)
        for t in range(T):
            logits, state = decoder.step(X[:, t], state, memory)
            close(logits, whole[:, t])
        close(state, end)
        first, middle = decoder(X[:, :4], resets=RESETS[:, :4], memory=memory)
        second, last = decoder.sequence(X[:, 4:], middle, resets=RESETS[:, 4:], memory=memory)
        close((torch.cat([first, second], 1), last), decoder(X, resets=RESETS, memory=memory))

    def test_resets_begin_anew(self) -> None:
        decoder = self.made()
        memory = decoder.prepare(numbers(B, S, 5), SOURCES)
        logits, state = decoder(X, resets=RESETS, memory=memory)
        for row, borders in enumerate(([0, 2, T], [0, T], [0, 1, 5, T])):
            only = states.take(memory, torch.tensor([row]))
            for a, b in pairwise(borders):
                close(logits[row, a:b], decoder(X[row : row + 1, a:b], memory=only)[0][0])
        assert state.place.tolist() == [4, 6, 1]

    def test_ragged_rows(self) -> None:
        decoder, lengths, values = self.made(), torch.tensor([4, 0, 2]), numbers(B, S, 5)
        spoilt = torch.where(torch.arange(S)[:, None] < SOURCES[:, None, None], values, math.nan)
        memory, x = decoder.prepare(spoilt, SOURCES), X.where(torch.arange(T) < lengths[:, None], -1)  # no symbol at all
        logits, state = decoder(x, lengths=lengths, memory=memory)
        after, _ = decoder.step(X[:, 0], state, memory)
        for row, n in enumerate(lengths.tolist()):
            alone = decoder.prepare(values[row : row + 1, : SOURCES[row]])
            whole, _ = decoder(torch.cat([X[row : row + 1, :n], X[row : row + 1, :1]], 1), memory=alone)
            close(logits[row, :n], whole[0, :n])
            close(after[row], whole[0, n])
            assert not logits[row, n:].any()
        torch.autograd.backward(after.sum())
        assert all(p.grad is not None and p.grad.isfinite().all() for p in decoder.parameters())

    def test_the_future_is_not_seen(self) -> None:
        decoder = self.made()
        memory = decoder.prepare(numbers(B, S, 5))
        other = torch.cat([X[:, :3], (X[:, 3:] + 1) % V], 1)
        equal(decoder(other, memory=memory)[0][:, :3], decoder(X, memory=memory)[0][:, :3])

    def test_weights(self) -> None:
        decoder, lengths = self.made(), torch.tensor([6, 3, 1])
        memory = decoder.prepare(numbers(B, S, 5), SOURCES)
        weights = decoder.weights(X, None, memory, lengths)
        assert weights.shape == (B, T, S)
        for row, (n, size) in enumerate(zip(lengths.tolist(), SOURCES.tolist(), strict=True)):
            close(weights[row, :n].sum(1), torch.ones(n, dtype=torch.float64))
            assert not weights[row, :n, size:].any()
            assert not weights[row, n:].any()
        _, state = decoder(X[:, :2], memory=memory)
        close(decoder.weights(X[:, 2:], state, memory), decoder.weights(X, None, memory)[:, 2:])

    def test_decoding(self) -> None:
        decoder = self.made()
        memory, prompt = decoder.prepare(numbers(B, S, 5), SOURCES), X[:, :1]
        said = torch.stack(list(greedy(decoder, prompt, steps=4, memory=memory)), 1)
        beam = beam_search(decoder, prompt, Beam(width=1, length_penalty=total), steps=4, memory=memory)
        equal(beam.symbols[:, 0], said)
        wide = beam_search(decoder, prompt, Beam(width=3, length_penalty=total), steps=4, memory=memory)  # reorders states
        spoken = decoder(torch.cat([prompt, wide.symbols[:, 0]], 1)[:, :-1], memory=memory)[0].log_softmax(2)
        close(spoken.gather(2, wide.symbols[:, 0, :, None]).sum((1, 2)), wide.scores[:, 0].to(spoken))

    def test_bad_input(self) -> None:
        decoder = self.made()
        memory = decoder.prepare(numbers(B, S, 5))
        with pytest.raises(UsageError, match="memory is NoneType; wanted what prepare"):
            decoder(X)
        with pytest.raises(UsageError, match="memory is tuple; wanted what prepare"):
            decoder(X, memory=memory[:1])
        with pytest.raises(ShapeError, match=r"memory is \(3, 5, 4\); wanted \(B, S > 0, 5\)"):
            decoder.prepare(numbers(B, S, 4))
        with pytest.raises(ShapeError, match=r"x is \(3, 0\); wanted \(B, T > 0\) of symbols"):
            decoder(X[:, :0], memory=memory)
        with pytest.raises(UsageError, match="heads is 3; wanted a divisor of size=8"):
            TransformerDecoder(nn.Embedding(V, 4), C, layers=1, heads=3)


def test_it_learns_to_say_symbols_backwards() -> None:
    torch.manual_seed(0)
    end, steps, size, rows = 5, 4, 32, 32
    embedding = nn.Embedding(end + 1, size)
    encoder = Encoder(embedding, TransformerEncoder(size, layers=1, heads=4))
    decoder: Any = TransformerDecoder(embedding, size, layers=1, heads=4)
    model = EncoderDecoder(encoder, decoder)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.005)
    for _ in range(150):
        source, boundary = torch.randint(end, (rows, steps)), torch.full((rows, 1), end)
        logits = model(source, None, torch.cat([boundary, source.flip(1)], 1))
        optimiser.zero_grad()
        torch.autograd.backward(F.cross_entropy(logits.mT, torch.cat([source.flip(1), boundary], 1)))
        optimiser.step()
    source = torch.randint(end, (50, steps))
    memory, state = model.eval().read(source)
    found = torch.stack(list(greedy(decoder, torch.full((50, 1), end), steps=steps, state=state, memory=memory)), 1)
    assert (found == source.flip(1)).all(1).float().mean() > 0.9
