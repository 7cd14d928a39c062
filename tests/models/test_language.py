import pytest
import torch

from recurra import state as states
from recurra.errors import UsageError
from recurra.layers import GRU, LSTM, Core, Stack
from recurra.models import LanguageModel
from tests.tolerance import close, equal

V, INPUT, H = 7, 4, 6
X = torch.randint(V, (3, 9), generator=torch.Generator().manual_seed(0))


def made(*, tied: bool = False, dropout: float = 0.0, embedding: int = INPUT) -> LanguageModel:
    torch.manual_seed(0)
    stack = Stack(*LSTM(embedding, H, layers=2).layers, output_dropout=dropout)
    return LanguageModel(V, embedding, stack, H, tied=tied).double()


@pytest.fixture(params=[False, True], ids=["free", "tied"])
def model(request: pytest.FixtureRequest) -> LanguageModel:
    return made(tied=request.param)


class TestACore:
    def test_it_is_one(self, model: LanguageModel) -> None:
        assert isinstance(model, Core)

    def test_steps_equal_the_whole(self, model: LanguageModel) -> None:
        whole, end = model(X)
        state = model.initial(3)
        for t in range(9):
            logits, state = model.step(X[:, t], state)
            close(logits, whole[:, t])
        close(state, end)

    def test_chunks_equal_the_whole(self, model: LanguageModel) -> None:
        whole, end = model(X)
        first, middle = model(X[:, :4])
        second, last = model.sequence(X[:, 4:], middle)
        close(torch.cat([first, second], 1), whole)
        close(last, end)

    def test_lengths_and_resets(self, model: LanguageModel) -> None:
        lengths = torch.tensor([9, 4, 0])
        logits, end = model(X, None, lengths)
        close(logits[1, :4], model(X)[0][1, :4])
        assert not logits[1, 4:].any()
        assert not logits[2].any()
        _, short = model(X[1:2, :4])
        close(states.take(end, torch.tensor([1])), short)
        close(states.take(end, torch.tensor([2])), model.initial(1))
        resets = torch.zeros(3, 9, dtype=torch.bool)
        resets[:, 5] = True
        close(model(X, None, None, resets)[0][:, 5:], model(X[:, 5:])[0])

    def test_the_future_is_not_seen(self, model: LanguageModel) -> None:
        other = X.clone()
        other[:, 5:] = (other[:, 5:] + 1) % V
        equal(model(X)[0][:, :5], model(other)[0][:, :5])
        assert not model(X)[0][:, 5].allclose(model(other)[0][:, 5])


class TestTied:
    def test_one_matrix_reads_and_predicts(self) -> None:
        tied = made(tied=True, embedding=H)
        assert tied.output.weight is tied.embedding.weight
        assert isinstance(tied.narrow, torch.nn.Identity)
        y, _ = tied.stack(tied.embedding(X))
        close(tied(X)[0], y @ tied.embedding.weight.T + tied.output.bias)

    def test_different_sizes_are_mapped(self) -> None:
        tied = made(tied=True)
        y, _ = tied.stack(tied.embedding(X))
        assert isinstance(tied.narrow, torch.nn.Linear)
        close(tied(X)[0], (y @ tied.narrow.weight.T + tied.narrow.bias) @ tied.embedding.weight.T + tied.output.bias)

    def test_it_is_counted_once(self) -> None:
        free, tied = made(embedding=H), made(tied=True, embedding=H)
        assert free.parameter_count - tied.parameter_count == V * H
        assert free.parameter_count == sum(weight.numel() for weight in free.state_dict().values())


def test_it_starts_without_an_opinion(model: LanguageModel) -> None:
    loss = torch.nn.functional.cross_entropy(model(X)[0].flatten(0, 1), X.flatten())
    assert loss.item() == pytest.approx(torch.tensor(float(V)).log().item(), abs=0.2)


def test_nats(model: LanguageModel) -> None:
    y = X.roll(-1, 1)
    nats, end = model.nats(X, y, None)
    p = model(X)[0].softmax(-1).gather(-1, y[..., None])[..., 0]
    close(nats, -p.log().detach())
    assert not nats.requires_grad
    close(end, states.detach(model(X)[1]))


def test_dropout_is_for_training_only() -> None:
    model = made(dropout=0.5)
    assert not model(X)[0].equal(model(X)[0])
    model.eval()
    equal(model(X)[0], model(X)[0])
    equal(model(X)[0], made()(X)[0])


def test_any_stack_goes() -> None:
    model = LanguageModel(V, INPUT, GRU(INPUT, H, residual=True), H)
    assert model(X)[0].shape == (3, 9, V)


class TestStepper:
    @pytest.mark.parametrize("tied", [False, True])
    def test_it_steps_as_the_model_is_evaluated(self, tied: bool) -> None:
        model = made(tied=tied, dropout=0.5)  # in training
        step, state = model.stepper(), model.initial(3)
        whole, end = model.eval()(X)
        for t in range(9):
            logits, state = step(X[:, t], state)
            close(logits, whole[:, t].detach())
            assert not logits.requires_grad
        close(state, states.detach(end))

    def test_weights_in_fewer_bytes_are_those_of_the_stack(self) -> None:
        model = made().float().eval()
        assert isinstance(model.stack, Stack)
        step, stack = model.stepper("int8"), model.stack.stepper("int8")
        logits, state = step(X[:, 0], model.initial(3))
        y, after = stack(model.embedding(X[:, 0]).detach(), model.initial(3))
        equal((logits, state), (model.output(y).detach(), after))


class TestLeftOut:
    def test_a_symbol_s_vector_is_left_out_wherever_it_stands(self) -> None:
        model = made(embedding=40)
        model.embedding_dropout = 0.5
        seen = list[torch.Tensor]()
        model.stack.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
        model(X)
        share = seen[0] / model.embedding(X)
        for symbol in X.unique():  # type: ignore[no-untyped-call]
            assert share[symbol == X].round(decimals=6).unique().tolist() in ([0.0], [2.0])
        assert (share == 0).any()
        assert (share != 0).any()

    def test_tied_outputs_have_all_of_them(self) -> None:
        model = made(tied=True)
        model.embedding_dropout = 0.5
        torch.manual_seed(1)
        logits, _ = model(X)
        torch.manual_seed(1)
        kept = torch.nn.functional.dropout(torch.ones(V, 1).double(), 0.5)
        y, _ = model.stack((model.embedding.weight * kept)[X])
        close(logits, model.output(model.narrow(y)))

    def test_words_are_read_as_the_unknown_one(self) -> None:
        model = made()
        model.word_dropout = 0.3
        rows = torch.randint(1, V, (50, 40))
        seen = list[torch.Tensor]()
        model.embedding.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
        model(rows)
        [read] = seen
        lost = read != rows
        assert not read[lost].any()
        assert abs(lost.float().mean() - 0.3) < 0.03

    def test_both_are_for_training_only(self) -> None:
        plain, model = made().eval(), made()
        model.embedding_dropout = model.word_dropout = 0.5
        assert not torch.equal(model(X)[0], plain(X)[0])
        assert not torch.equal(model.step(X[:, 0], model.initial(3))[0], plain.step(X[:, 0], plain.initial(3))[0])
        equal(model.eval()(X), plain(X))
        plain.train()
        before = torch.get_rng_state()
        plain(X)
        assert torch.get_rng_state().equal(before)

    @pytest.mark.parametrize("name", ["embedding_dropout", "word_dropout"])
    def test_shares_there_are(self, name: str) -> None:
        with pytest.raises(UsageError, match=rf"^{name} is 1; wanted 0 to below 1$"):
            LanguageModel(V, INPUT, GRU(INPUT, H), H, **{name: 1})  # type: ignore[arg-type]
