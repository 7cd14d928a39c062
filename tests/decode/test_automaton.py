"""Regular expressions against Python's own, and what their automata let symbols say."""

import itertools
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.decode import Automaton
from recurra.decode.expressions import recogniser
from recurra.errors import ShapeError, UsageError

ALPHABET = "ab1 _-\n"

ATOMS = st.sampled_from(
    ["a", ".", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", r"\n", r"\-", "[^a]", "[a-c1]", r"[\w-]", "[]a]", r"[^\s_]"]
)
REPEATS = st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{,2}", "{0,3}"])
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join),
        st.tuples(inner, REPEATS).map(lambda pair: f"({pair[0]}){pair[1]}"),
        inner.map(lambda one: f"(?:{one})"),
    ),
    max_leaves=6,
)


def accepts(expression: str, text: str) -> bool:
    automaton, state = recogniser(expression, ALPHABET), 0
    for letter in text:
        state = int(automaton.table[state, automaton.column[letter]])
        if state < 0:
            return False
    return bool(automaton.accepting[state])


@given(EXPRESSIONS, st.lists(st.text(ALPHABET, max_size=6), min_size=1, max_size=20))
@settings(max_examples=150)
def test_an_expression_matches_what_it_matches_in_python(expression: str, texts: list[str]) -> None:
    for text in texts:
        assert accepts(expression, text) == (re.fullmatch(expression, text) is not None), (expression, text)


@pytest.mark.parametrize("expression", ["", "(a|)b", "a||b", "()", "(|a)*b", "(a*)*", r"\(\)\.", "[a-]", "]", "}"])
def test_odd_ones_too(expression: str) -> None:
    for length in range(4):
        for letters in itertools.product("ab().-]}", repeat=length):
            text = "".join(letters)
            automaton, state = recogniser(expression, "ab().-]}"), 0
            for letter in text:
                state = int(automaton.table[state, automaton.column[letter]]) if state >= 0 else -1
            came = state >= 0 and bool(automaton.accepting[state])
            assert came == (re.fullmatch(expression, text) is not None), (expression, text)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("a)", "place 2: an unmatched )"),
        ("(a", "place 2: a ( without its )"),
        ("[ab", "place 3: a [ without its ]"),
        ("*a", r"place 1: * is not possible here; write \* for the character"),
        ("^a", r"place 1: ^ is not possible here; write \^ for the character"),
        ("a*?", "place 3: a repetition of a repetition"),
        ("a{x}", r"place 2: a { that begins no repetition; write \{ for the character"),
        ("a{3,2}", "place 6: 3 to 2 times"),
        ("(?=a)", "place 3: of groups with ? only (?:...) is known"),
        (r"\ba", r"place 2: \b is not known"),
        (r"(a)\1", r"place 5: \1 is not known"),
        ("[b-a]", "place 4: from b to a, backwards"),
        (r"[\d-z]", "place 4: a range from a class"),
        ("\\", "place 1: \\ is not known"),
    ],
)
def test_what_it_does_not_know_it_says(expression: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        recogniser(expression, "ab")
    assert str(caught.value) == f"expression {expression!r}, {message}"


def test_expressions_that_are_too_large() -> None:
    with pytest.raises(UsageError, match="needs more than 10000 states; wanted a simpler one"):
        recogniser("(a|b)*a(a|b){20}", "ab")
    with pytest.raises(UsageError, match="repeats too much; wanted at most 100000 places in it"):
        recogniser("(a{1000}){1000}", "ab")
    with pytest.raises(UsageError, match="expression of 40000 characters: groups too deep in each other"):
        recogniser("(" * 20_000 + ")" * 20_000, "ab")


class TestSymbols:
    TEXTS = ["", "a", "b", "ab", "ba", "", "c"]

    def says(self, automaton: Automaton, symbols: tuple[int, ...]) -> bool:
        """Whether it allows these, one after the other."""
        state = automaton.initial(torch.zeros(1, 1))
        for symbol in symbols:
            if automaton.narrow(torch.zeros(1, 7), state, torch.inf)[0, symbol] < 0:
                return False
            state = automaton.after(torch.tensor([symbol]), state)
        return True

    @pytest.mark.parametrize("expression", ["(ab)*", "a+b?", "[^b]*b", "(ba|ab)+"])
    def test_they_say_what_matches(self, expression: str) -> None:
        automaton = Automaton.of(expression, self.TEXTS, end=0)
        for length in range(4):
            for symbols in itertools.product(range(1, 7), repeat=length):
                text = "".join(self.TEXTS[symbol] for symbol in symbols)
                wanted = 5 not in symbols and re.fullmatch(expression, text) is not None
                assert self.says(automaton, (*symbols, 0)) == wanted, symbols

    def test_no_way_leads_into_a_corner(self) -> None:
        """After `c` the expression wants a letter that no symbol has."""
        automaton = Automaton.of("cx|ab", self.TEXTS, end=0)
        assert not self.says(automaton, (6,))
        assert self.says(automaton, (1, 2, 0))

    def test_a_table_of_ones_own(self) -> None:
        """Symbols 1 and 2 in turn, the end after each 2; column 0, the end's, is not used."""
        automaton = Automaton(torch.tensor([[1, 1, -1], [1, -1, 0]]), torch.tensor([True, False]), end=0).to("cpu")
        state = automaton.initial(torch.zeros(2, 1))
        state = automaton.after(torch.tensor([1, 2]), state)
        assert automaton.narrow(torch.zeros(2, 3), state, torch.inf).isfinite().tolist() == [[False, False, True], [False] * 3]

    @pytest.mark.parametrize(
        ("expression", "message"),
        [
            (
                "x",
                "expression 'x' over these symbols: the automaton accepts nothing: no symbols lead from its first state to one",
            ),
            ("(", "expression '(', place 1: a ( without its )"),
        ],
    )
    def test_nothing_fits(self, expression: str, message: str) -> None:
        with pytest.raises(UsageError) as caught:
            Automaton.of(expression, self.TEXTS, end=0)
        assert str(caught.value).startswith(message)

    def test_bad_tables(self) -> None:
        table, accepting = torch.tensor([[0, 1]]), torch.tensor([True])
        with pytest.raises(ShapeError, match=r"table is \(1, 2\), accepting \(2,\); wanted \(S > 0, V\) and \(S,\)"):
            Automaton(table, torch.tensor([True, True]), 0)
        with pytest.raises(UsageError, match="end is 2; wanted one of the 2 symbols, from 0 on"):
            Automaton(table, accepting, 2)
        with pytest.raises(UsageError, match="table leads to states 0 to 1; wanted -1 to 0"):
            Automaton(table, accepting, 0)
        with pytest.raises(UsageError, match="table has 2 states for 20000000 symbols; wanted at most 33554432 entries"):
            Automaton(torch.zeros(1, 1, dtype=torch.long).expand(2, 20_000_000), torch.tensor([True, True]), 0)
