"""Whatever decodes, constraints hold; and a search as wide as the space finds the best of what they allow."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from recurra.decode import (
    Automaton,
    Beam,
    Constraint,
    Length,
    Never,
    NoRepeat,
    Only,
    Prefix,
    Sampling,
    beam_search,
    greedy,
    sample,
    spoken,
    total,
)
from recurra.errors import ShapeError, UsageError
from tests.decode.cores import END, Trigram, V, everything, log_probability
from tests.tolerance import close

PROMPT = torch.tensor([[1, 2], [3, 1], [2, 2]])
TEXTS = ["", "a", "b", "ab"]
STEPS = 4
Words = tuple[int, ...]


class Case(NamedTuple):
    """A constraint, and whether it allows what the row b said, the end included."""

    make: Callable[[], Constraint]
    allows: Callable[[Words, int], bool]


def text(words: Words) -> str:
    return "".join(TEXTS[word] for word in words)


def no_pair_twice(words: Words, b: int) -> bool:
    pairs = list(zip([*PROMPT[b].tolist(), *words], [*PROMPT[b, 1:].tolist(), *words], strict=False))
    return len(pairs) == len(set(pairs))


FORCED = torch.tensor([[3, 2], [1, 0], [0, 0]])
CASES = {
    "never": Case(lambda: Never((2,)), lambda words, b: 2 not in words),
    "only": Case(lambda: Only((END, 1, 3)), lambda words, b: 2 not in words),
    "prefix": Case(
        lambda: Prefix(FORCED, torch.tensor([2, 1, 0])), lambda words, b: words[: 2 - b] == tuple(FORCED[b, : 2 - b].tolist())
    ),
    "length": Case(lambda: Length(END, 2, 3), lambda words, b: words[-1] == END and 2 <= len(words) - 1 <= 3),
    "at least": Case(lambda: Length(END, 2), lambda words, b: END not in words[:2]),
    "no repeated symbol": Case(
        lambda: NoRepeat(1), lambda words, b: len({*words, *PROMPT[b].tolist()}) == len(words) + len(set(PROMPT[b].tolist()))
    ),
    "no repeated pair": Case(lambda: NoRepeat(2), no_pair_twice),
    "expression": Case(
        lambda: Automaton.of("a(ba)*b?|[^a]+", TEXTS, END),
        lambda words, b: words[-1] == END and re.fullmatch("a(ba)*b?|[^a]+", text(words)) is not None,
    ),
}


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def until_end(row: Tensor) -> Words:
    return tuple(row[: int(spoken(row, END)) + 1].tolist())


def test_a_wide_search_finds_the_best_of_what_is_allowed(case: Case) -> None:
    core = Trigram()
    found = beam_search(
        core, PROMPT, Beam(width=900, best=6, length_penalty=total), steps=STEPS, end=END, constraints=[case.make()]
    )
    for b, prompt in enumerate(PROMPT):
        allowed = [words for words in everything(V, STEPS, END) if case.allows(words, b)]
        wanted = sorted((log_probability(core, prompt, words) for words in allowed), reverse=True)[:6]
        close(found.scores[b, : len(wanted)], torch.tensor(wanted, dtype=torch.float64))
        assert not found.scores[b, len(wanted) :].isfinite().any()
        assert all(case.allows(until_end(found.symbols[b, n]), b) for n in range(len(wanted)))


def test_it_holds_whatever_decodes(case: Case) -> None:
    """Rows that may not go on say the end: all cases allow one."""
    for seed in range(5):
        core, generator = Trigram(seed=seed), torch.Generator().manual_seed(seed)
        options: dict[str, Any] = {"steps": STEPS, "end": END, "constraints": [case.make()]}
        said = [
            *beam_search(core, PROMPT, Beam(width=3, best=2), **options).symbols.unbind(1),
            beam_search(core, PROMPT, Beam(width=4, best=4, groups=2, diversity=1.0), **options).symbols[:, 0],
            torch.stack(list(greedy(core, PROMPT, **options)), 1),
            torch.stack(list(sample(core, PROMPT, Sampling(temperature=3.0), generator, **options)), 1),
        ]
        assert all(case.allows(until_end(row), b) for symbols in said for b, row in enumerate(symbols))


def test_greedy_is_a_beam_of_1(case: Case) -> None:
    for seed in range(5):
        options: dict[str, Any] = {"steps": STEPS, "end": END, "constraints": [case.make()]}
        symbols = torch.stack(list(greedy(Trigram(seed=seed), PROMPT, **options)), 1)
        assert beam_search(Trigram(seed=seed), PROMPT, Beam(width=1), **options).symbols[:, 0].equal(symbols)


def test_several_at_once() -> None:
    constraints = [NoRepeat(2), Automaton.of("(a|b)*", TEXTS, END), Length(END, minimum=3)]
    found = beam_search(Trigram(), PROMPT, Beam(width=6, best=3), steps=STEPS, end=END, constraints=constraints)
    for b in range(len(PROMPT)):
        for n in range(3):
            words = until_end(found.symbols[b, n])
            assert words[-1] == END
            assert len(words) > 3
            assert no_pair_twice(words, b)


def test_an_automaton_comes_to_its_end_in_time() -> None:
    """Seven letters in steps of one or two, and the end: five symbols are just enough."""
    automaton = Automaton.of("(ab){3}b", TEXTS, END)
    for steps in (5, 6, 8, 20):
        symbols = torch.stack(list(greedy(Trigram(), PROMPT, steps=steps, end=END, constraints=[automaton])), 1)
        assert all(text(until_end(row)) == "abababb" for row in symbols)


class TestImpossible:
    @pytest.mark.parametrize(
        ("constraints", "message"),
        [
            ([Only((1,)), Never((1,))], "row 0: after 0 symbols the constraints allow no other"),
            (
                [Prefix(torch.tensor([[1, 1], [1, 2], [1, 1]])), Never((2,))],
                "row 1: after 1 symbols the constraints allow no other",
            ),
            ([Automaton.of("ababab", TEXTS, END)], "row 0: after 0 symbols the constraints allow no other"),
        ],
    )
    def test_it_is_one_line(self, constraints: list[Constraint], message: str) -> None:
        with pytest.raises(UsageError) as caught:
            list(greedy(Trigram(), PROMPT, steps=3, end=END, constraints=constraints))
        assert str(caught.value) == message
        with pytest.raises(UsageError) as caught:
            beam_search(Trigram(), PROMPT, Beam(), steps=3, end=END, constraints=constraints)
        assert str(caught.value) == f"{message[:5]}: nothing of at most 3 symbols fits the constraints"

    def test_a_hypothesis_without_a_way_on_gives_its_place_to_others(self) -> None:
        """After 1 nothing may follow, not even the end; the search takes what begins with others."""
        table = torch.tensor([[-1, 1, 2, -1], [-1, -1, -1, -1], [-1, -1, -1, -1]])
        core = Trigram()
        core.table[..., 1] += 5  # greedy decoding would take it
        constraints = [Never((END,)), Length(END, minimum=1), Automaton(table, torch.tensor([False, True, True]), END)]
        found = beam_search(core, PROMPT, Beam(width=2), steps=2, end=END, constraints=constraints[1:])
        assert found.symbols[:, 0, 0].tolist() == [1, 1, 1]
        with pytest.raises(UsageError, match="row 0: nothing of at most 2 symbols"):
            beam_search(core, PROMPT, Beam(width=2), steps=2, end=END, constraints=constraints)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Length(END, 3, 2), "length is 3 to 2; wanted 0 <= minimum <= maximum"),
        (lambda: NoRepeat(0), "size is 0; wanted at least 1 symbol that is not repeated"),
        (lambda: Prefix(torch.zeros(3, dtype=torch.long)), "prefix is (3,); wanted (B, P)"),
        (
            lambda: next(greedy(Trigram(), PROMPT, constraints=[Prefix(torch.ones(2, 1, dtype=torch.long))])),
            "prefix has 2 rows; wanted 3, those of the prompt",
        ),
        (
            lambda: next(greedy(Trigram(), PROMPT, constraints=[Prefix(torch.full((3, 1), 7))])),
            "prefix has symbols 7 to 7; wanted 0 to 3",
        ),
    ],
)
def test_bad_values(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        make()
    assert str(caught.value) == message


def test_an_automaton_of_other_symbols() -> None:
    automaton = Automaton.of("a*", [*TEXTS, "c"], END)
    with pytest.raises(ShapeError, match=r"logits is \(3, 4\); wanted \(B, 5\), the automaton's symbols"):
        next(greedy(Trigram(), PROMPT, constraints=[automaton]))
