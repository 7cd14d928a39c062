"""Every kind of attention against a plain loop over its equation, and the laws that all kinds keep."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra import state as states
from recurra.errors import ShapeError, UsageError
from recurra.layers.attention import (
    MECHANISMS,
    Additive,
    Attention,
    Coverage,
    Dot,
    General,
    LocalPredictive,
    LocalWindow,
    Location,
    Monotonic,
    MultiHead,
    Score,
    SingleHead,
    Softmax,
    coverage_loss,
    mechanism,
    scores,
)
from tests.tolerance import close, equal

B, T, S, Q, M, K = 3, 6, 5, 4, 4, 8
LENGTHS = torch.tensor([5, 1, 3])
Array = NDArray[np.float64]

SCORES: dict[str, Callable[[], Score]] = {
    "additive": lambda: Additive(Q, M, K),
    "dot": lambda: Dot(Q),
    "scaled": lambda: Dot(Q, scaled=True),
    "general": lambda: General(Q, M),
}
KINDS: dict[str, Callable[[], Attention]] = {
    **{name: lambda make=make: SingleHead(make()) for name, make in SCORES.items()},  # type: ignore[misc]
    "multi-head": lambda: MultiHead(Q, M, 6, heads=3),
    "window": lambda: SingleHead(General(Q, M), LocalWindow(1)),
    "predictive": lambda: SingleHead(General(Q, M), LocalPredictive(Q, K, 2)),
    "coverage": lambda: SingleHead(Additive(Q, M, K), Coverage(K)),
    "coverage of dots": lambda: SingleHead(General(Q, M), Coverage(Q)),
    "location": lambda: SingleHead(Additive(Q, M, K), Location(K, 2)),
    "monotonic": lambda: SingleHead(Additive(Q, M, K), Monotonic(noise=0.0)),
    "monotonic, hard": lambda: SingleHead(Additive(Q, M, K), Monotonic()).eval(),
}
SUMS_TO_ONE = [name for name in KINDS if name not in ("predictive", "monotonic", "monotonic, hard")]


@pytest.fixture(params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def make(kind: str) -> Attention:
    torch.manual_seed(10)
    attention = KINDS[kind]().double()
    with torch.no_grad():
        for weight in attention.parameters():
            weight.copy_(torch.randn(weight.shape))
    if kind.startswith("monotonic"):
        nn.init.zeros_(attention.alignment.offset)  # type: ignore[union-attr, arg-type]
    return attention


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    queries = torch.randn(B, T, Q, generator=generator, dtype=torch.float64)
    return queries, torch.randn(B, S, M, generator=generator, dtype=torch.float64)


def array(x: Any) -> Array:
    values: Array = x.detach().numpy()
    return values


def energy(score: Score, q: Array, m: Array, extra: Array | float = 0.0) -> float:
    """One energy by its equation; `extra` is added to the key."""
    match score:
        case Additive():
            w, b, u, v = (array(p) for p in (score.query.weight, score.query.bias, score.key.weight, score.energy.weight))
            return float(v[0] @ np.tanh(w @ q + b + u @ m + extra))
        case Dot():
            return float(q @ m) * score.scale
        case General():
            return float(q @ (array(score.key.weight) @ m + extra))
    raise AssertionError(score)


def softmax(energies: dict[int, float]) -> Array:
    weights = np.zeros(S)
    for s, e in energies.items():
        weights[s] = math.exp(e) / sum(math.exp(other) for other in energies.values())
    return weights


def by_hand(attention: Attention, queries: Array, memory: Array, length: int) -> Array:
    """(T, S): the weights of one row, step by step, position by position."""
    assert isinstance(attention, SingleHead)
    score, how, rows = attention.score, attention.alignment, list[Array]()
    coverage, before = np.zeros(S), np.eye(S)[0]
    for t, q in enumerate(queries):
        energies = {s: energy(score, q, memory[s]) for s in range(length)}
        match how:
            case Softmax():
                a = softmax(energies)
            case LocalWindow():
                p = min(t, length - 1)
                a = softmax({s: e for s, e in energies.items() if p - how.reach <= s <= p + how.reach})
            case LocalPredictive():
                hidden, _, out, _ = how.place
                z = float((array(out.weight) @ np.tanh(array(hidden.weight) @ q))[0])
                place = (length - 1) / (1 + math.exp(-z))
                a = softmax({s: e for s, e in energies.items() if abs(s - place) <= how.reach})
                a = a * np.array([math.exp(-((s - place) ** 2) / (2 * (how.reach / 2) ** 2)) for s in range(S)])
            case Coverage():
                w = array(how.weight)
                a = softmax({s: energy(score, q, memory[s], w * coverage[s]) for s in range(length)})
                coverage = coverage + a
            case Location():
                f, padded = array(how.filters.weight)[:, 0], np.pad(before, how.reach)
                near = [padded[s : s + 2 * how.reach + 1] for s in range(length)]
                a = softmax({s: energy(score, q, memory[s], f @ near[s]) for s in range(length)})
            case Monotonic() if how.training:
                p_stop = [1 / (1 + math.exp(-energies[s])) if s < length else 0.0 for s in range(S)]
                a = np.zeros(S)
                for k in range(S):
                    for s in range(k, S):
                        a[s] += before[k] * p_stop[s] * math.prod(1 - p_stop[j] for j in range(k, s))
            case _:
                start = int(before.argmax()) if before.any() else S
                a = np.eye(S)[next((s for s in range(start, length) if energies[s] >= 0), S - 1)]
                if not any(energies[s] >= 0 for s in range(start, length)):
                    a = np.zeros(S)
        before = a
        rows.append(a)
    return np.stack(rows)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "multi-head"])
def test_weights_and_contexts_are_those_of_the_equation(kind: str) -> None:
    attention, (queries, values) = make(kind), data()
    contexts, weights, _ = attention(queries, attention.prepare(values, LENGTHS))
    for row, length in enumerate(LENGTHS.tolist()):
        wanted = by_hand(attention, array(queries[row]), array(values[row]), length)
        close(weights[row].detach(), torch.from_numpy(wanted))
        close(contexts[row].detach(), torch.from_numpy(wanted @ array(values[row])))


def test_hard_monotonic_attention_stops_moves_and_ends() -> None:
    """The comparison above is worth something only if all three happen in it."""
    attention, (queries, values) = make("monotonic, hard"), data()
    weights = attention(queries, attention.prepare(values, LENGTHS))[1]
    places = [[int(step.argmax()) if step.any() else S for step in row] for row in weights]
    assert any(len(set(row) - {S}) > 1 for row in places)
    assert any(S in row for row in places)
    assert all(row == sorted(row) for row in places)


class TestMultiHead:
    def test_it_is_that_of_torch(self) -> None:
        (queries, values), theirs = data(), nn.MultiheadAttention(Q, 2, batch_first=True, dtype=torch.float64)
        ours = MultiHead(Q, Q, Q, heads=2).double()
        with torch.no_grad():
            nn.init.normal_(theirs.in_proj_bias)
            nn.init.normal_(theirs.out_proj.bias)
            for k, part in enumerate((ours.query, ours.key, ours.value)):
                part.weight.copy_(theirs.in_proj_weight.chunk(3)[k])
                part.bias.copy_(theirs.in_proj_bias.chunk(3)[k])
            ours.output.load_state_dict(theirs.out_proj.state_dict())
        memory, padding = ours.prepare(values, LENGTHS), torch.arange(S) >= LENGTHS[:, None]
        wanted = theirs(queries, values, values, key_padding_mask=padding, average_attn_weights=False)
        contexts, weights, _ = ours(queries, memory)
        close(contexts, wanted[0])
        close(weights, wanted[1].mean(1))
        close(ours.heads_of(queries, memory), wanted[1])

    def test_contexts_alone_are_the_same(self) -> None:
        attention, (queries, values) = make("multi-head"), data()
        assert isinstance(attention, MultiHead)
        memory, lengths = attention.prepare(values, LENGTHS), torch.tensor([6, 0, 4])
        close(attention.contexts(queries, memory, lengths), attention(queries, memory, None, lengths)[0])
        assert not attention.contexts(queries, memory, lengths)[2, 4:].any()
        assert not attention.heads_of(queries, memory, lengths)[2, :, 4:].any()


def test_padding_has_no_weight_and_no_influence(kind: str) -> None:
    attention, (queries, values) = make(kind), data()
    padding = torch.arange(S) >= LENGTHS[:, None]
    contexts, weights, _ = attention(queries, attention.prepare(values, LENGTHS))
    assert not weights.masked_select(padding[:, None]).any()
    if kind in SUMS_TO_ONE:
        close(weights.sum(-1), torch.ones(B, T, dtype=torch.float64))
    assert ((weights >= 0) & (weights.sum(-1, keepdim=True) <= 1 + 1e-12)).all()
    ruined = values.masked_fill(padding[..., None], math.nan).requires_grad_()
    again = attention(queries, attention.prepare(ruined, LENGTHS))
    equal(again[0], contexts)
    again[0].sum().backward()
    assert ruined.grad is not None
    assert ruined.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in attention.parameters() if p.grad is not None)


def test_rows_do_not_meet(kind: str) -> None:
    attention, (queries, values) = make(kind), data()
    contexts, weights, _ = attention(queries, attention.prepare(values, LENGTHS))
    for row, length in enumerate(LENGTHS.tolist()):
        alone = attention(queries[row : row + 1], attention.prepare(values[row : row + 1, :length]))
        close(alone[0], contexts[row : row + 1])
        close(alone[1], weights[row : row + 1, :, :length])


def test_steps_and_chunks_equal_the_sequence(kind: str) -> None:
    attention, (queries, values) = make(kind), data()
    memory = attention.prepare(values, LENGTHS)
    contexts, weights, end = attention(queries, memory)
    state = attention.initial(memory)
    for t in range(T):
        context, at, state = attention.step(queries[:, t], memory, state)
        close(context, contexts[:, t])
        close(at, weights[:, t])
    close(state, end)
    first, _, middle = attention(queries[:, :4], memory)
    second, _, last = attention(queries[:, 4:], memory, middle)
    close(torch.cat([first, second], 1), contexts)
    close(last, end)


def test_ragged_queries(kind: str) -> None:
    """Behind a row's length all is zero, what stands there does not matter, and the state is that of the last step."""
    attention, (queries, values) = make(kind), data()
    memory, lengths = attention.prepare(values, LENGTHS), torch.tensor([4, 0, 6])
    ruined = queries.clone()
    ruined[0, 4:] = ruined[1] = math.nan
    contexts, weights, state = attention(ruined, memory, None, lengths)
    if contexts.requires_grad:
        contexts.sum().backward()
    assert all(p.grad.isfinite().all() for p in attention.parameters() if p.grad is not None)
    for row, length in enumerate(lengths.tolist()):
        assert not contexts[row, length:].any()
        assert not weights[row, length:].any()
        here = states.take(memory, torch.tensor([row]))
        alone = attention(queries[row : row + 1, :length], here)[2] if length else attention.initial(here)
        close(states.take(state, torch.tensor([row])), alone)


def test_a_beam_takes_rows_of_memory_and_state(kind: str) -> None:
    attention, (queries, values) = make(kind), data()
    memory, rows = attention.prepare(values, LENGTHS), torch.tensor([2, 2, 0])
    _, _, state = attention(queries[:, :2], memory)
    wanted = attention.step(queries[:, 2], memory, state)
    came = attention.step(queries[rows, 2], states.take(memory, rows), states.take(state, rows))
    close(came[0], wanted[0][rows])
    close(came[2], states.take(wanted[2], rows))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "hard" not in kind])
def test_gradients(kind: str) -> None:
    attention, (queries, values) = make(kind), data()
    queries, values = queries[:2, :3].requires_grad_(), values[:2, :3].requires_grad_()
    names, weights = zip(*attention.named_parameters(), strict=True) if list(attention.parameters()) else ((), ())

    def run(queries: Tensor, values: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
        given = dict(zip(names, weights, strict=True))
        memory = torch.func.functional_call(Prepared(attention), {f"inner.{n}": w for n, w in given.items()}, (queries, values))
        return memory[0], memory[1]

    assert torch.autograd.gradcheck(run, (queries, values, *(w.detach().requires_grad_() for w in weights)))


class Prepared(nn.Module):
    def __init__(self, inner: Attention) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, queries: Tensor, values: Tensor) -> Any:
        return self.inner(queries, self.inner.prepare(values, torch.tensor([3, 1])))


class TestAdditive:
    def test_parts_are_the_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def run() -> tuple[Tensor, list[Tensor]]:
            attention, (queries, values) = make("additive"), data()
            contexts = attention(queries, attention.prepare(values, LENGTHS))[0]
            return contexts, list(torch.autograd.grad(contexts.sum(), list(attention.parameters())))

        whole, gradients = run()
        monkeypatch.setattr(scores, "LARGEST", 2 * B * S * K + 1)  # two steps at a time
        parts, again = run()
        close(parts, whole)
        close(tuple(again), tuple(gradients))

    def test_a_long_batch_holds_little(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What autograd keeps is less than all (T, S, K) sums."""
        attention, kept = SingleHead(Additive(2, 2, 4)), [0]

        def keep(x: Tensor) -> Tensor:
            kept[0] += x.numel()
            return x

        monkeypatch.setattr(scores, "LARGEST", 1000)
        memory = attention.prepare(torch.randn(1, 50, 2))
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
            attention(torch.randn(1, 50, 2), memory)
        assert 0 < kept[0] < 50 * 50 * 4


class TestMonotonic:
    def test_noise_comes_in_training_only(self) -> None:
        attention, (queries, values) = SingleHead(Additive(Q, M, K), Monotonic()).double(), data()
        memory = attention.prepare(values, LENGTHS)
        one, other = (attention(queries, memory)[1] for _ in range(2))
        assert not one.equal(other)
        attention.eval()
        weights = attention(queries, memory)[1]
        equal(attention(queries, memory)[1], weights)
        assert torch.isin(weights.detach(), torch.tensor([0.0, 1.0], dtype=torch.float64)).all()

    def test_expectations_are_finite_at_the_ends(self) -> None:
        """Stops that are certain, or as good as impossible, give no division by zero."""
        score = Dot(1)
        attention = SingleHead(score, Monotonic(offset=0.0, noise=0.0))
        memory = attention.prepare(torch.tensor([[[1.0], [-1.0], [1.0]]]))
        queries = torch.tensor([[[200.0], [-200.0], [200.0]]], requires_grad=True)
        contexts, weights, _ = attention(queries, memory)
        contexts.sum().backward()
        close(weights.detach(), torch.tensor([[[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]]))
        assert queries.grad is not None
        assert queries.grad.isfinite().all()


class TestCoverageLoss:
    def test_it_is_that_of_the_equation(self) -> None:
        attention, (queries, values) = make("coverage"), data()
        lengths = torch.tensor([6, 0, 2])
        weights = attention(queries, attention.prepare(values, LENGTHS), None, lengths)[1]
        a, total = array(weights), 0.0
        for b, n in enumerate(lengths.tolist()):
            for t in range(n):
                total += sum(min(a[b, t, s], a[b, :t, s].sum()) for s in range(S))
        close(coverage_loss(weights, lengths).detach(), torch.tensor(total / 8, dtype=torch.float64))
        close(coverage_loss(weights[2:, :2]), coverage_loss(weights[2:], lengths[2:]))


class TestBadInput:
    def test_a_row_with_nothing_to_attend_to(self, kind: str) -> None:
        with pytest.raises(ShapeError, match="row 1 of the memory has length 0; wanted at least 1"):
            make(kind).prepare(data()[1], torch.tensor([5, 0, 3]))

    def test_shapes(self) -> None:
        attention, (queries, values) = make("general"), data()
        memory = attention.prepare(values)
        with pytest.raises(ShapeError, match=r"memory is \(3, 5, 3\); wanted \(B, S > 0, 4\)"):
            attention.prepare(values[..., :3])
        with pytest.raises(ShapeError, match="lengths run from 3 to 6; wanted 0 to 5"):
            attention.prepare(values, torch.tensor([3, 6, 3]))
        with pytest.raises(ShapeError, match=r"queries is \(2, 6, 4\); wanted \(3, T > 0, 4\)"):
            attention(queries[:2], memory)
        with pytest.raises(ShapeError, match=r"queries is \(3, 0, 4\); wanted \(3, T > 0, 4\)"):
            attention(queries[:, :0], memory)
        with pytest.raises(ShapeError, match=r"query is \(3, 6, 4\); wanted \(3, 4\)"):
            attention.step(queries, memory, ())

    @pytest.mark.parametrize(
        ("build", "message"),
        [
            (lambda: MultiHead(4, 4, 6, heads=4), "heads is 4; wanted a divisor of hidden_size=6"),
            (lambda: LocalWindow(-1), "reach is -1; wanted 0 or more positions on each side"),
            (lambda: LocalPredictive(4, 4, 0), "reach is 0; wanted at least 1 position on each side"),
            (lambda: Location(4, 0), "reach is 0; wanted at least 1 position on each side"),
            (lambda: Monotonic(noise=-1.0), "noise is -1.0; wanted 0 or more"),
            (lambda: mechanism("dott", 4, 4, 4), "attention=dott: did you mean dot?"),
            (
                lambda: mechanism("dot", 4, 5, 4),
                "attention=dot: queries have size 4, the memory 5; wanted the same size: take general",
            ),
        ],
    )
    def test_arguments(self, build: Callable[[], object], message: str) -> None:
        with pytest.raises(UsageError) as caught:
            build()
        assert str(caught.value) == message


@pytest.mark.parametrize("name", MECHANISMS)
def test_every_name_makes_attention(name: str) -> None:
    attention = mechanism(name, 6, 6, 8).eval()
    contexts, weights, _ = attention(torch.zeros(2, 3, 6), attention.prepare(torch.zeros(2, 5, 6)))
    assert contexts.shape == (2, 3, 6)
    assert weights.shape == (2, 3, 5)
