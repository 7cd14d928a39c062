import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recurra import state as states
from recurra.cells import GRU, LRU, LSTM, Elman
from recurra.decode import Beam, beam_search, greedy, total
from recurra.errors import DataError, ShapeError, UsageError
from recurra.layers import Bidirectional, Core, Dense, Recurrent, Stack
from recurra.layers.attention import MECHANISMS, mechanism
from recurra.models import Bridge, Decoder, Encoder, EncoderDecoder
from tests.tolerance import close, equal

V, INPUT, H, M = 7, 4, 6, 6
END = V - 1
SOURCE = torch.randint(END, (3, 5), generator=torch.Generator().manual_seed(0))
LENGTHS = torch.tensor([5, 2, 3])
TARGET = torch.cat([torch.full((3, 1), END), torch.randint(END, (3, 4), generator=torch.Generator().manual_seed(1))], 1)
KINDS = [*MECHANISMS, "none", "feeding", "copying", "copying, feeding", "tied"]


def made(kind: str = "additive", cell: type = GRU) -> EncoderDecoder:
    torch.manual_seed(0)
    feeding, copying = "feeding" in kind, "copying" in kind
    attention = None if kind == "none" else mechanism(kind if kind in MECHANISMS else "additive", H, M, 8)
    read, said = nn.Embedding(V, INPUT), nn.Embedding(V, INPUT)
    both = Bidirectional(Recurrent(GRU(), Dense(INPUT, M // 2)), Recurrent(GRU(), Dense(INPUT, M // 2)))
    layers = Stack(Recurrent(cell(), Dense(INPUT + H * feeding, H)), Recurrent(LSTM(), Dense(H, H)))
    decoder = Decoder(said, layers, H, attention, feeding=feeding, copying=copying, tied=kind == "tied")
    encoder = Encoder(read, Stack(both))
    ends = encoder(SOURCE, LENGTHS)[1]
    return EncoderDecoder(encoder, decoder, Bridge(ends, decoder.initial(1).layers)).double().eval()


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    def test_steps_equal_the_whole(self, kind: str) -> None:
        model = made(kind)
        assert isinstance(model.decoder, Core)
        memory, state = model.read(SOURCE, LENGTHS)
        whole = model(SOURCE, LENGTHS, TARGET)
        end = model.decoder(TARGET, state, memory=memory)[1]
        for t, x in enumerate(TARGET.unbind(1)):
            logits, state = model.decoder.step(x, state, memory)
            close(logits, whole[:, t])
        close(state, end)

    def test_chunks_equal_the_whole(self, kind: str) -> None:
        model = made(kind)
        memory, state = model.read(SOURCE, LENGTHS)
        first, middle = model.decoder(TARGET[:, :2], state, memory=memory)
        second, _ = model.decoder(TARGET[:, 2:], middle, memory=memory)
        close(torch.cat([first, second], 1), model(SOURCE, LENGTHS, TARGET))

    def test_padding_is_not_seen(self, kind: str) -> None:
        model = made(kind)
        alone = model(SOURCE[1:2, :2], LENGTHS[1:2], TARGET[1:2])
        close(model(SOURCE, LENGTHS, TARGET)[1:2], alone)

    def test_nothing_is_said_behind_the_end(self, kind: str) -> None:
        model, lengths = made(kind), torch.tensor([5, 1, 3])
        whole, ragged = model(SOURCE, LENGTHS, TARGET), model(SOURCE, LENGTHS, TARGET, lengths)
        for k, length in enumerate(lengths.tolist()):
            close(ragged[k, :length], whole[k, :length])
            assert not ragged[k, length:].any()

    def test_rows_are_taken_from_memory_and_state(self, kind: str) -> None:
        model = made(kind)
        rows = torch.tensor([2, 0, 2])
        memory, state = states.take(tuple(model.read(SOURCE, LENGTHS)), rows)
        logits = model.decoder(TARGET[rows], state, memory=memory)[0]
        close(logits, model(SOURCE, LENGTHS, TARGET)[rows])

    def test_a_beam_of_one_is_greedy(self, kind: str) -> None:
        model = made(kind)
        memory, state = model.read(SOURCE, LENGTHS)
        said = torch.stack(list(greedy(model.decoder, TARGET[:, :1], steps=4, state=state, memory=memory)), 1)
        beam = Beam(width=1, length_penalty=total)
        found = beam_search(model.decoder, TARGET[:, :1], beam, steps=4, state=state, memory=memory)
        equal(found.symbols[:, 0], said)

    def test_every_weight_is_learnt(self, kind: str) -> None:
        model = made(kind).train()  # a monotonic attention that is evaluated decides, and has no gradient
        torch.autograd.backward(model(SOURCE, LENGTHS, TARGET).square().sum())
        still = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
        assert still == []


@pytest.mark.parametrize("kind", ["additive", "feeding", "copying"])
def test_weights_are_those_that_contexts_are_made_of(kind: str) -> None:
    model = made(kind)
    memory, state = model.read(SOURCE, LENGTHS)
    weights = model.decoder.weights(TARGET, state, memory, torch.tensor([5, 5, 2]))
    close(weights[:2].sum(2), torch.ones(2, 5).double())
    assert not weights[1, :, 2:].any()
    assert not weights[2, 2:].any()


class TestCopying:
    def test_probabilities_are_those_of_the_equation(self) -> None:
        model = made("copying")
        decoder = model.decoder
        assert isinstance(decoder, Decoder)
        memory, state = model.read(SOURCE, LENGTHS)
        p = decoder(TARGET, state, memory=memory)[0].exp()
        close(p.sum(2), torch.ones(3, 5).double())
        h = decoder.layers(decoder.embedding(TARGET), state.layers)[0]
        a = decoder.weights(TARGET, state, memory)
        c = a @ memory.memory.values
        own = decoder.output(torch.tanh(decoder.combine(torch.cat([h, c], 2)))).softmax(2)
        g = torch.sigmoid(decoder.share(torch.cat([h, c, decoder.embedding(TARGET)], 2)))
        close(p, g * own + (1 - g) * a @ F.one_hot(SOURCE, V).double())

    def test_it_needs_attention(self) -> None:
        with pytest.raises(UsageError, match="copying needs attention"):
            Decoder(nn.Embedding(V, INPUT), Recurrent(GRU(), Dense(INPUT, H)), H, copying=True)


class TestBridge:
    def test_equation(self) -> None:
        torch.manual_seed(0)
        ends = (GRU.State(torch.randn(2, 3)), LSTM.State(torch.randn(2, 4), torch.randn(2, 4)))
        start = (LSTM.State(torch.zeros(2, 5), torch.zeros(2, 5)),) * 3
        bridge = Bridge(ends, start)
        states_after = bridge(ends, start)
        for k, read in enumerate([ends[0].h, torch.cat([*ends[1]], 1), torch.cat([*ends[1]], 1)]):
            for name, field in zip(("h", "c"), states_after[k], strict=True):
                weight, bias = bridge.maps[f"{k}-{name}"].parameters()
                close(field, torch.tanh(read @ weight.T + bias))

    @pytest.mark.parametrize("cell", [Elman, LSTM, LRU])
    def test_any_cell(self, cell: type) -> None:
        model = made(cell=cell)
        assert model.read(SOURCE, LENGTHS).state.layers[0][0].any()


class TestErrors:
    def test_an_empty_source_names_its_row(self) -> None:
        with pytest.raises(DataError, match="row 1 of the source is empty"):
            made()(SOURCE, torch.tensor([5, 0, 3]), TARGET)

    def test_no_source_at_all(self) -> None:
        with pytest.raises(ShapeError, match="source is"):
            made()(SOURCE[:, :0], None, TARGET)

    def test_a_memory_of_something_else(self) -> None:
        model = made()
        with pytest.raises(ShapeError, match="memory is Tensor"):
            model.decoder.step(TARGET[:, 0], model.read(SOURCE, LENGTHS).state, torch.zeros(3))

    def test_weights_of_no_attention(self) -> None:
        model = made("none")
        memory, state = model.read(SOURCE, LENGTHS)
        with pytest.raises(UsageError, match="no attention"):
            model.decoder.weights(TARGET, state, memory)


def test_it_learns_to_reverse() -> None:
    torch.manual_seed(0)
    model = made("general").float().train()
    adam = torch.optim.Adam(model.parameters(), lr=0.03)
    words = torch.cartesian_prod(*[torch.arange(END)] * 3)
    learnt, held = words[(order := torch.randperm(len(words)))[:180]], words[order[180:]]

    def loss(x: Tensor) -> Tensor:
        begun = F.pad(x.flip(1), (1, 0), value=END)
        return F.cross_entropy(model(x, None, begun[:, :3]).flatten(0, 1), begun[:, 1:].flatten())

    for _ in range(150):
        adam.zero_grad()
        torch.autograd.backward(loss(learnt[torch.randint(180, (32,))]))
        adam.step()
    assert float(loss(held).detach()) < 0.2
