"""The share of true symbols falls as it should, every symbol has a coin of its own, and what is read is what is learnt from."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recurra import state as states
from recurra.cells import GRU
from recurra.decode import greedy
from recurra.engine import Fold
from recurra.errors import ShapeError, UsageError
from recurra.layers import LSTM, Dense, Recurrent, Stack, batch_normed
from recurra.losses import NextSymbol, activation_penalty, slowness_penalty
from recurra.models import LanguageModel
from recurra.train import (
    DECAYS,
    ConstantShare,
    Decay,
    ExponentialDecay,
    Forced,
    InverseSigmoidDecay,
    LinearDecay,
    Loss,
    Penalised,
    decay,
    forced,
    mixed,
)
from tests.decode.cores import Trigram, V, language_model
from tests.tolerance import close, equal

STEPS, LAST = st.integers(1, 200), st.sampled_from([0.0, 0.25, 0.7, 1.0])


def shares(one: Decay, steps: int) -> list[float]:
    return [one.share(k) for k in range(steps)]


class TestDecays:
    @given(STEPS, st.floats(0, 1), st.sampled_from(sorted(set(DECAYS) - {"constant"})))
    def test_all_fall_from_1_to_the_last(self, steps: int, last: float, kind: str) -> None:
        one = decay(kind, last, steps)
        found = shares(one, steps)
        assert found[0] == 1
        assert all(last <= after <= before <= 1 for before, after in pairwise(found))
        if steps > 1:
            left = 0.0 if kind == "linear" else 0.01
            assert found[-1] == pytest.approx(last + (1 - last) * left)
            assert one.share(10 * steps) == found[-1]

    @given(STEPS, LAST)
    def test_linear(self, steps: int, last: float) -> None:
        fall = (1 - last) / max(1, steps - 1)
        assert shares(LinearDecay(steps, last), steps) == pytest.approx([max(last, 1 - fall * k) for k in range(steps)])
        assert LinearDecay(steps, last).share(steps) == last

    @given(STEPS)
    def test_exponential(self, steps: int) -> None:
        k = 0.01 ** (1 / max(1, steps - 1))
        assert shares(ExponentialDecay(steps), steps) == pytest.approx([k**i for i in range(steps)])

    @given(STEPS, LAST)
    def test_inverse_sigmoid(self, steps: int, last: float) -> None:
        one = InverseSigmoidDecay(steps, last)
        paper = [one.k / (one.k + math.exp(i / one.k)) for i in range(steps)]
        assert shares(one, steps) == pytest.approx([last + (1 - last) * p / paper[0] for p in paper])

    def test_inverse_sigmoid_falls_fastest_in_between(self) -> None:
        one = InverseSigmoidDecay(1001)
        falls = [before - after for before, after in pairwise(shares(one, 1001))]
        assert abs(falls.index(max(falls)) - one.k * math.log(one.k)) <= 1  # where the exponential is k

    def test_constant(self) -> None:
        assert shares(decay("constant", 0.75, 10), 20) == [0.75] * 20

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: decay("sigmoid", 0.5, 10), "decay 'sigmoid': no such decay; did you mean inverse-sigmoid?"),
            (lambda: LinearDecay(0), "steps is 0; wanted at least 1"),
            (lambda: ExponentialDecay(5, -0.1), "last is -0.1; wanted 0 to 1"),
            (lambda: InverseSigmoidDecay(5, math.nan), "last is nan; wanted 0 to 1"),
            (lambda: ConstantShare(1.5), "last is 1.5; wanted 0 to 1"),
            (lambda: Forced([1], ConstantShare(), accumulate=0), "accumulate is 0; wanted 1 batch or more"),
        ],
    )
    def test_what_cannot_be(self, make: Any, message: str) -> None:
        with pytest.raises(UsageError) as caught:
            make()
        assert str(caught.value) == message

    def test_batches_of_an_update_have_one_share(self) -> None:
        found = [Forced("abcdef", LinearDecay(3, 0.5), accumulate=2)[k] for k in (5, 0, 1, 2, 3, 4)]
        assert found == [("f", 0.5), ("a", 1.0), ("b", 1.0), ("c", 0.75), ("d", 0.75), ("e", 0.5)]


class Spy:
    """A core that always predicts symbol 1, and writes down what it was fed."""

    def __init__(self, logits: Sequence[float] = (-9.0, 9.0)) -> None:
        self.logits, self.fed, self.read = torch.tensor(logits), list[Tensor](), list[Tensor]()

    def initial(self, batch: int, *extent: int) -> Tensor:
        return torch.zeros(batch)

    def step(self, x: Tensor, state: Any, memory: Any = None) -> tuple[Tensor, Any]:
        self.fed.append(x)
        return self.logits.expand(len(x), -1), state + 1

    def sequence(
        self, x: Tensor, state: Any = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        self.read.append(x)
        return self.logits.expand(*x.shape, -1), self.initial(len(x)) + x.shape[1]


CALLS, SHARE = 2000, 0.7


@pytest.fixture(scope="module")
def own() -> Tensor:
    """(calls, rows, steps): 1 where the core was fed its own symbol, 1, not the true one, 0."""
    torch.manual_seed(0)
    true = torch.zeros(3, 6, dtype=torch.long)
    return torch.stack([mixed(Spy(), true, SHARE, draw="argmax") for _ in range(CALLS)]).double()


class TestCoins:
    def test_each_place_is_binomial(self, own: Tensor) -> None:
        assert not own[:, :, 0].any()
        n, q = CALLS, 1 - SHARE
        z = (own[:, :, 1:].sum(0) - n * q) / math.sqrt(n * q * (1 - q))
        assert z.abs().max() < 4
        assert 4 < z.square().sum() < 38  # of 15 places, at 1 in 1000 on either side

    def test_places_are_independent(self, own: Tensor) -> None:
        correlations = own[:, :, 1:].flatten(1).T.corrcoef()
        correlations.fill_diagonal_(0)
        assert correlations.abs().max() < 4.5 / math.sqrt(CALLS)

    def test_so_their_number_in_a_call_is_binomial_too(self, own: Tensor) -> None:
        variance = own.sum((1, 2)).var() / (15 * SHARE * (1 - SHARE))
        assert abs(variance - 1) < 4 * math.sqrt(2 / CALLS)  # one coin for the batch: 15; for a step: 3

    def test_they_hang_on_the_generator_alone(self) -> None:
        true = torch.zeros(4, 9, dtype=torch.long)
        found = []
        for logits in ((-9.0, 9.0), (-9.0, 9.0, 9.0), (-9.0, 0.0, 9.0, 1.0)):
            torch.manual_seed(3)
            found.append(mixed(Spy(logits), true, 0.5) > 0)
        equal(found[0], found[1])
        equal(found[0], found[2])
        torch.manual_seed(3)
        coins = torch.rand(4, 9) >= 0.5
        coins[:, 0] = False
        equal(found[0], coins)

    def test_the_core_is_fed_what_is_learnt_from(self) -> None:
        spy, true = Spy((0.0, 0.0, 0.0)), torch.randint(3, (5, 7))
        logits, state = forced(spy, true, 0.5)
        equal(torch.stack(spy.fed, 1), spy.read[0][:, :-1])
        assert (logits.shape, state.tolist()) == ((5, 7, 3), [7.0] * 5)
        assert not spy.read[0].equal(true)

    def test_own_symbols_are_drawn_by_their_probabilities(self) -> None:
        torch.manual_seed(0)
        p, n = torch.tensor([0.0, 0.1, 0.3, 0.6]), 20_000
        fed = mixed(Spy(p.log().tolist()), torch.zeros(n, 2, dtype=torch.long), 0.0)
        z = (fed[:, 1].bincount(minlength=4) - n * p) / (n * p * (1 - p)).sqrt()
        assert fed[:, 1].all()  # what is impossible never comes
        assert z[1:].abs().max() < 4


class TestForced:
    def test_share_1_is_the_sequence_itself_and_draws_nothing(self) -> None:
        model, x = language_model(), torch.randint(V, (3, 6))
        before, state = torch.get_rng_state(), states.map(torch.ones_like, model.initial(3))
        lengths, resets = torch.tensor([6, 2, 0]), torch.rand(3, 6) < 0.3
        torch.set_rng_state(before)
        equal(forced(model, x, 1.0, state=state, lengths=lengths, resets=resets), model.sequence(x, state, lengths, resets))
        assert torch.get_rng_state().equal(before)

    @pytest.mark.parametrize("core", [language_model(), Trigram()], ids=["lstm", "trigram"])
    def test_share_0_runs_free(self, core: Any) -> None:
        x, memory = torch.randint(V, (4, 8)), torch.randn(4, V, dtype=torch.float64)
        start = states.map(lambda field: torch.ones_like(field), core.initial(4))
        memories = [None, memory] if isinstance(core, Trigram) else [None]
        for attended in memories:
            said = list(greedy(core, x[:, :1], steps=7, state=start, memory=attended))
            fed = mixed(core, x, 0.0, state=start, memory=attended, draw="argmax")
            equal(fed, torch.stack([x[:, 0], *said], dim=1))

    def test_the_memory_goes_to_both(self) -> None:
        heard: list[Any] = []

        class Attending(Spy):
            def step(self, x: Tensor, state: Any, memory: Any = None) -> tuple[Tensor, Any]:
                heard.append(memory)
                return super().step(x, state)

            def sequence(
                self, x: Tensor, state: Any = None, lengths: Any = None, resets: Any = None, memory: Any = None
            ) -> tuple[Tensor, Any]:
                heard.append(memory)
                return super().sequence(x, state)

        memory = torch.zeros(2, 3)
        forced(Attending(), torch.zeros(2, 3, dtype=torch.long), 0.5, memory=memory)
        assert len(heard) == 3
        assert all(each is memory for each in heard)

    def test_lengths_and_resets(self) -> None:
        model, x = language_model(9), torch.randint(9, (3, 8))
        lengths, resets = torch.tensor([8, 5, 0]), torch.zeros(3, 8, dtype=torch.bool)
        resets[0, [0, 3, 6]] = resets[1, 2] = True
        start = states.map(torch.ones_like, model.initial(3))
        fed = mixed(model, x, 0.0, state=start, lengths=lengths, resets=resets, draw="argmax")
        for row, begin, end in ((0, 0, 3), (0, 3, 6), (0, 6, 8), (1, 0, 2), (1, 2, 5)):
            state = None if resets[row, begin] else states.take(start, torch.tensor([row]))
            said = list(greedy(model, x[row : row + 1, begin : begin + 1], steps=end - begin - 1, state=state))
            equal(fed[row, begin:end], torch.cat([x[row, begin : begin + 1], *said]))
        equal(fed[1, 5:], x[1, 5:])
        equal(fed[2], x[2])
        logits, state = forced(model, x, 0.0, state=start, lengths=lengths, resets=resets, draw="argmax")
        equal((logits, state), model(fed, start, lengths, resets))
        last = torch.tensor([2])
        equal(states.take(state, last), states.take(start, last))

    @pytest.mark.parametrize("draw", ["sample", "argmax"])
    def test_gradients_are_those_of_a_loop_over_what_was_fed(self, draw: Any) -> None:
        model, x, y = language_model(), torch.randint(V, (3, 6)), torch.randint(V, (3, 6))
        start = states.map(lambda field: torch.ones_like(field).requires_grad_(), model.initial(3))
        wanted = [*model.parameters(), *states.named(start).values()]
        torch.manual_seed(1)
        logits, _ = forced(model, x, 0.4, state=start, draw=draw)
        found = torch.autograd.grad(NextSymbol()(logits, y), wanted)
        torch.manual_seed(1)
        constants, state, every = mixed(model, x, 0.4, state=start, draw=draw), start, []
        assert not constants.equal(x)
        for symbol in constants.unbind(1):
            one, state = model.step(symbol, state)
            every.append(one)
        close(tuple(found), tuple(torch.autograd.grad(NextSymbol()(torch.stack(every, 1), y), wanted)))

    def test_gradients_under_autocast(self) -> None:
        stack = Stack(Recurrent(GRU(), Dense(4, 8), engine=Fold()))  # which every processor runs in bfloat16
        model, x = LanguageModel(V, 4, stack, 8), torch.randint(V, (3, 6))
        found = []
        for read in (lambda: forced(model, x, 0.5)[0], lambda: model(mixed(model, x, 0.5).clone())[0]):
            torch.manual_seed(1)
            with torch.autocast("cpu", torch.bfloat16):
                loss = NextSymbol()(read(), x)
            found.append(torch.autograd.grad(loss, list(model.parameters())))
        equal(*found)
        assert all(bool(grad.any()) for grad in found[0])

    def test_masks_are_those_of_one_call_and_own_symbols_have_none(self) -> None:
        torch.manual_seed(0)
        stack = Stack(Recurrent(GRU(), Dense(8, 8), weight_drop=0.5), output_dropout=0.5, variational=True)
        model, x = LanguageModel(V, 8, stack, 8, embedding_dropout=0.3, word_dropout=0.3), torch.randint(V, (4, 9))
        torch.manual_seed(1)
        logits, _ = forced(model, x, 0.3)
        torch.manual_seed(1)
        fed = mixed(model, x, 0.3)
        equal(logits, model(fed)[0])
        assert model.training
        assert stack.training
        stack.output_dropout.eval()
        torch.manual_seed(1)
        equal(mixed(model, x, 0.3), fed)
        assert [module.training for module in (model, stack, stack.output_dropout)] == [True, True, False]
        torch.manual_seed(1)
        equal(mixed(model.eval(), x, 0.3), fed)
        assert not any(module.training for module in model.modules())

    def test_running_statistics_hear_nothing(self) -> None:
        model = LanguageModel(V, 8, Stack(batch_normed(GRU(), Dense(8, 8), "inside")), 8)
        before = {name: buffer.clone() for name, buffer in model.named_buffers()}
        mixed(model, torch.randint(V, (16, 4)), 0.0)
        assert before
        assert all(buffer.equal(before[name]) for name, buffer in model.named_buffers())

    def test_penalties_are_of_the_sweep(self) -> None:
        model, x = LanguageModel(V, 8, LSTM(8, 8), 8).eval(), torch.randint(V, (3, 6))
        update = Penalised(model, lambda _, carry: Loss(0 * forced(model, x, 0.5)[0].mean(), 1), activation=2.0, slowness=3.0)
        torch.manual_seed(1)
        found = update(x, ()).mean
        torch.manual_seed(1)
        y, _ = model.stack(model.embedding(mixed(model, x, 0.5)))
        close(found, 2 * activation_penalty(y) + 3 * slowness_penalty(y))

    @pytest.mark.parametrize("draw", ["sample", "argmax"])
    def test_logits_that_are_no_numbers_are_the_trainings_to_see(self, draw: Any) -> None:
        spy = Spy((math.nan, math.nan, math.nan))
        assert mixed(spy, torch.zeros(2, 4, dtype=torch.long), 0.0, draw=draw).max() < 3

    @pytest.mark.parametrize(
        ("given", "error", "message"),
        [
            ({"share": 1.5}, UsageError, "share is 1.5; wanted 0 to 1"),
            ({"share": -0.1}, UsageError, "share is -0.1; wanted 0 to 1"),
            ({"share": math.nan}, UsageError, "share is nan; wanted 0 to 1"),
            ({"draw": "sampled"}, UsageError, "draw is 'sampled'; did you mean sample?"),
            (
                {"symbols": torch.zeros(2, 3)},
                ShapeError,
                "symbols is (2, 3) of torch.float32; wanted (B, T > 0) of whole numbers",
            ),
            (
                {"symbols": torch.zeros(2, 0, dtype=torch.long)},
                ShapeError,
                "symbols is (2, 0) of torch.int64; wanted (B, T > 0)",
            ),
            ({"lengths": torch.tensor([3, 4])}, ShapeError, "lengths run from 3 to 4; wanted 0 to 3"),
            ({"resets": torch.zeros(2, 3)}, ShapeError, "resets is (2, 3) of torch.float32; wanted (2, 3) of torch.bool"),
        ],
        ids=str,
    )
    def test_what_cannot_be(self, given: dict[str, Any], error: type[Exception], message: str) -> None:
        usual: dict[str, Any] = {"symbols": torch.zeros(2, 3, dtype=torch.long), "share": 0.5}
        with pytest.raises(error) as caught:
            forced(Spy(), **usual | given)
        assert str(caught.value).startswith(message)
