"""Beam search against exhaustive search, against a plain loop, and against the model's own probabilities."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recurra.decode import (
    Automaton,
    Beam,
    Hypotheses,
    LengthPenalty,
    beam_search,
    coverage_penalty,
    greedy,
    mean,
    spoken,
    total,
    wu,
)
from recurra.errors import NumericError, ShapeError, UsageError
from recurra.state import take
from tests.decode.cores import END, Trigram, V, everything, language_model, log_probability, row
from tests.tolerance import close

PROMPT = torch.tensor([[1, 2], [3, 1], [2, 2]])
PENALTIES: dict[str, LengthPenalty] = {
    "total": total,
    "mean": mean,
    "wu": wu(0.8),
    "odd": lambda lengths: 1 + (lengths == 3).to(lengths),  # three symbols cost least: no order in it
}


def said(found: Hypotheses, b: int, n: int, end: int | None = END) -> tuple[int, ...]:
    """What was found, its end included."""
    symbols, length = found.symbols[b, n].tolist(), int(found.lengths[b, n])
    return tuple(symbols[:length] if end is None or length == len(symbols) else symbols[: length + 1])


def score_of(beam: Beam, log_p: float, length: int) -> float:
    return log_p / float(beam.length_penalty(torch.tensor([float(length)], dtype=torch.float64)))


def plain(core: Any, prompt: Tensor, beam: Beam, steps: int, end: int | None) -> list[tuple[float, tuple[int, ...]]]:
    """The search of one row by lists; without patience to the last step."""
    live: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    done: list[tuple[float, tuple[int, ...]]] = []
    for step in range(1, steps + 1):
        further = [(log_probability(core, prompt, (*words, v)), (*words, v)) for _, words in live for v in range(V)]
        best = sorted(further, reverse=True)[: beam.width]
        live = [(p, words) for p, words in best if words[-1] != end and step < steps]
        done += [(score_of(beam, p, step), words) for p, words in best if words[-1] == end or step == steps]
        if len(done) >= beam.patience * beam.width:
            break
    return sorted(done, reverse=True)[: beam.best]


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("end", [END, None])
def test_as_wide_as_the_space_it_is_exhaustive(penalty: str, end: int | None) -> None:
    core, beam, steps = Trigram(), Beam(width=300, best=9, length_penalty=PENALTIES[penalty]), 4
    found = beam_search(core, PROMPT, beam, steps=steps, end=end)
    for b, prompt in enumerate(PROMPT):
        every = [(words, log_probability(core, prompt, words)) for words in everything(V, steps, end)]
        wanted = sorted(((score_of(beam, p, len(words)), words, p) for words, p in every), reverse=True)[:9]
        assert [said(found, b, n, end) for n in range(9)] == [words for _, words, _ in wanted]
        close(found.scores[b], torch.tensor([score for score, _, _ in wanted], dtype=torch.float64))
        close(found.log_probabilities[b], torch.tensor([p for _, _, p in wanted], dtype=torch.float64))


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("width", [1, 2, 3, 6])
def test_it_is_the_plain_search_to_the_last_step(width: int, penalty: str) -> None:
    """So stopping early changes nothing."""
    for seed in range(3):
        core, beam = Trigram(seed=seed), Beam(width=width, best=max(1, width - 1), length_penalty=PENALTIES[penalty])
        found = beam_search(core, PROMPT, beam, steps=5, end=END)
        for b, prompt in enumerate(PROMPT):
            wanted = plain(core, prompt, beam, 5, END)
            assert [said(found, b, n) for n in range(len(wanted))] == [words for _, words in wanted]
            close(found.scores[b, : len(wanted)], torch.tensor([score for score, _ in wanted], dtype=torch.float64))
            assert (found.scores[b, len(wanted) :] == -math.inf).all()


def test_it_stops_when_nothing_better_can_come() -> None:
    core, steps = Trigram(), list[int]()

    class Counted(Trigram):
        def step(self, x: Tensor, state: Any, memory: Any = None) -> tuple[Tensor, Any]:
            steps.append(len(x))
            return core.step(x, state, memory)

    found = beam_search(Counted(), PROMPT, Beam(width=3, best=3, length_penalty=total), steps=1000, end=END)
    assert int(found.lengths.max()) < len(steps) < 50
    assert steps[-1] < max(steps)  # rows that are done are left out


def test_with_patience_it_stops_at_so_many_ends() -> None:
    for patience in (0.5, 1.0, 2.0):
        beam = Beam(width=2, best=2, length_penalty=mean, patience=patience)
        found = beam_search(Trigram(), PROMPT, beam, steps=7, end=END)
        for b, prompt in enumerate(PROMPT):
            wanted = plain(Trigram(), prompt, beam, 7, END)
            assert [said(found, b, n) for n in range(len(wanted))] == [words for _, words in wanted]


@pytest.mark.parametrize("penalty", PENALTIES)
def test_of_width_1_it_is_greedy(penalty: str) -> None:
    for model in (language_model(), language_model(seed=1), Trigram()):
        symbols = torch.stack(list(greedy(model, PROMPT, steps=8, end=END)), 1)
        found = beam_search(model, PROMPT, Beam(width=1, length_penalty=PENALTIES[penalty]), steps=8, end=END)
        assert found.symbols[:, 0].equal(symbols)
        assert found.lengths[:, 0].equal(spoken(symbols, END))


def test_scores_are_the_models_own_probabilities() -> None:
    model = language_model(9)
    found = beam_search(model, PROMPT, Beam(width=4, best=4, length_penalty=wu(0.6)), steps=7, end=END)
    for n in range(4):
        logits, _ = model.sequence(torch.cat([PROMPT, found.symbols[:, n]], 1))
        each = logits.log_softmax(-1)[:, 1:-1].gather(2, found.symbols[:, n, :, None])[..., 0]
        taken = (found.lengths[:, n] + 1).clamp(max=7)
        log_p = each.where(torch.arange(each.shape[1]) < taken[:, None], 0).sum(1)
        close(found.log_probabilities[:, n], log_p)
        close(found.scores[:, n], log_p / wu(0.6)(taken.double()))


def test_rows_do_not_meet_and_what_ended_stays_ended() -> None:
    model, beam = language_model(9), Beam(width=4, best=3)
    found = beam_search(model, PROMPT, beam, steps=9, end=END)
    assert found.scores.equal(found.scores.sort(dim=1, descending=True).values)
    behind = torch.arange(found.symbols.shape[2]) >= found.lengths[..., None]
    assert (found.symbols == END).equal(behind)
    for b in range(len(PROMPT)):
        alone = beam_search(model, PROMPT[b : b + 1], beam, steps=9, end=END)
        assert [said(alone, 0, n) for n in range(3)] == [said(found, b, n) for n in range(3)]
        close(alone.scores[0], found.scores[b])


@pytest.mark.parametrize(
    "beam", [Beam(width=1), Beam(width=4, best=3), Beam(width=4, best=4, groups=2, patience=1)], ids=["1", "4", "2x2"]
)
def test_rows_with_numbers_of_steps_of_their_own_are_as_alone(beam: Beam) -> None:
    rule = Automaton.of("(aa)*b?", ["", "a", "b", "c"], end=END)  # must know how many are left
    for rules in ((), (rule,)):
        limits = torch.tensor([2, 7, 4])
        found = beam_search(Trigram(), PROMPT, beam, steps=limits, end=END, constraints=rules)
        for b, limit in enumerate(limits.tolist()):
            alone = beam_search(Trigram(), PROMPT[b : b + 1], beam, steps=limit, end=END, constraints=rules)
            for n in range(int((alone.scores[0] > -math.inf).sum())):
                own = found.symbols[b, n, : found.lengths[b, n]]
                assert own.equal(alone.symbols[0, n, : alone.lengths[0, n]])
            close(found.scores[b], alone.scores[0])
            close(found.log_probabilities[b], alone.log_probabilities[0])
    with pytest.raises(ShapeError, match=r"steps is \(2,\); wanted \(3,\)"):
        beam_search(Trigram(), PROMPT, beam, steps=torch.tensor([2, 3]), end=END)


class TestMemory:
    MEMORY = torch.tensor([[0.0, 2, 0, 0], [0, 0, 3, 0], [0, 0, 0, 2.5]], dtype=torch.float64)

    @pytest.mark.parametrize("groups", [1, 2])
    def test_each_hypothesis_has_that_of_its_row(self, groups: int) -> None:
        core, beam = Trigram(), Beam(width=4, best=4, groups=groups, diversity=0.5)
        found = beam_search(core, PROMPT, beam, steps=5, end=END, memory=self.MEMORY)
        for b, prompt in enumerate(PROMPT):
            for n in range(4):
                p = log_probability(core, prompt, said(found, b, n), row(self.MEMORY, b))
                close(found.log_probabilities[b, n], torch.tensor(p, dtype=torch.float64))

    def test_a_state_to_begin_from(self) -> None:
        model = language_model(9)
        _, state = model.sequence(PROMPT[:, :1])
        from_it = beam_search(model, PROMPT[:, 1:], Beam(width=3), steps=5, end=END, state=state)
        close(from_it, beam_search(model, PROMPT, Beam(width=3), steps=5, end=END))

    def test_coverage_counts_when_a_hypothesis_ends(self) -> None:
        core, lengths = Trigram(), torch.tensor([4, 3, 4])

        def coverage(state: Trigram.State, memory: Any) -> Tensor:
            return coverage_penalty(state.seen, memory.long()[:, 0], beta=2.0)

        memory = lengths[:, None].expand(-1, V).to(torch.float64)  # the same for all symbols: it changes no probability
        beam = Beam(width=300, best=3, length_penalty=total, coverage=coverage)
        found = beam_search(core, PROMPT, beam, steps=4, end=END, memory=memory)
        for b, prompt in enumerate(PROMPT):
            scores = [
                log_probability(core, prompt, words) + self.penalty(core, prompt, words, int(lengths[b]))
                for words in everything(V, 4, END)
            ]
            close(found.scores[b], torch.tensor(sorted(scores, reverse=True)[:3], dtype=torch.float64))

    @staticmethod
    def penalty(core: Trigram, prompt: Tensor, words: tuple[int, ...], length: int) -> float:
        """All but the last symbol have been read when the last is said."""
        _, state = core.sequence(torch.cat([prompt, torch.tensor(words[:-1], dtype=torch.long)])[None])
        return sum(2.0 * math.log(min(1.0, float(seen))) for seen in state.seen[0, :length])


class TestGroups:
    def test_without_diversity_all_find_the_same(self) -> None:
        core = Trigram()
        found = beam_search(core, PROMPT, Beam(width=6, best=6, groups=3), steps=5, end=END)
        alone = beam_search(core, PROMPT, Beam(width=2, best=2), steps=5, end=END)
        for b in range(len(PROMPT)):
            assert sorted(said(found, b, n) for n in range(6)) == sorted(3 * [said(alone, b, n) for n in range(2)])

    def test_the_first_symbols_are_those_of_the_equation(self) -> None:
        """Groups of one: each takes the best symbol, less what the earlier groups took."""
        core, cost = Trigram(), 0.7
        found = beam_search(core, PROMPT, Beam(width=3, best=3, groups=3, diversity=cost, length_penalty=total), steps=1)
        for b, prompt in enumerate(PROMPT):
            log_p = [log_probability(core, prompt, (v,)) for v in range(V)]
            taken = list[int]()
            for _ in range(3):
                taken.append(max(range(V), key=lambda v: log_p[v] - cost * taken.count(v)))
            assert sorted(said(found, b, n, None)[0] for n in range(3)) == sorted(taken)
            close(found.scores[b], torch.tensor(sorted((log_p[v] for v in taken), reverse=True), dtype=torch.float64))

    def test_much_diversity_parts_them_all_the_way(self) -> None:
        found = beam_search(language_model(9), PROMPT, Beam(width=4, best=4, groups=4, diversity=1e3), steps=6)
        for b in range(len(PROMPT)):
            assert all(len(set(found.symbols[b, :, t].tolist())) == 4 for t in range(6))


class TestBadInput:
    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: Beam(width=0), "width is 0; wanted at least 1"),
            (lambda: Beam(width=3, best=4), "best is 4; wanted 1 to 3, the width"),
            (lambda: Beam(width=4, groups=3), "groups is 3; wanted a divisor of the width, 4"),
            (lambda: Beam(diversity=-1.0), "diversity is -1.0; wanted 0 or more"),
            (lambda: Beam(patience=0.0), "patience is 0.0; wanted above 0"),
            (lambda: wu(-0.5), "alpha is -0.5; wanted 0 to 100"),
            (lambda: beam_search(Trigram(), PROMPT, Beam(), steps=0), "steps is 0; wanted at least 1"),
            (
                lambda: beam_search(Trigram(), PROMPT, Beam(), steps=3, end=4),
                "end is 4; wanted one of the 4 symbols that the core predicts, from 0 on",
            ),
            (lambda: beam_search(Trigram(), PROMPT[:, :0], Beam(), steps=3), "prompt is (3, 0); wanted (B, T > 0)"),
            (
                lambda: beam_search(Trigram(), PROMPT, Beam(length_penalty=torch.zeros_like), steps=3),
                "length_penalty is 0.0 to 0.0; wanted finite numbers above 0",
            ),
            (lambda: coverage_penalty(torch.ones(1, 2), torch.tensor([2]), -1.0), "beta is -1.0; wanted 0 or more"),
        ],
    )
    def test_it_is_refused(self, make: Callable[[], object], message: str) -> None:
        with pytest.raises(UsageError) as caught:
            make()
        assert str(caught.value) == message

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_a_diverged_model(self, value: float) -> None:
        broken = language_model()
        nn.init.constant_(broken.output.bias, value)
        with pytest.raises(NumericError, match="training diverged"):
            beam_search(broken, PROMPT, Beam(), steps=2)


def test_half_precision_and_few_symbols() -> None:
    model = language_model(3).bfloat16()
    found = beam_search(model, PROMPT % 3, Beam(width=20, best=20), steps=2, end=END)
    assert found.scores.dtype == torch.float32
    assert found.scores.isfinite().sum(1).tolist() == [7, 7, 7]  # end, and two others before an end or two others
    assert take(found, torch.tensor([0])).symbols.shape == (1, 20, 2)
