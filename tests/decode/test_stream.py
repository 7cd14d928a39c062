"""Greedy decoding, and what it shares with sampling."""

from itertools import islice
from typing import Any

import pytest
import torch

from recurra.decode import Sampling, greedy, sample, spoken
from recurra.decode.constraints import Never
from recurra.errors import ShapeError, UsageError
from tests.decode.cores import END, Trigram, language_model
from tests.tolerance import equal

PROMPT = torch.tensor([[1, 2, 3], [4, 4, 1], [2, 8, 8]])


def draws(model: Any, **options: Any) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.stack(list(sample(model, PROMPT, Sampling(), generator, **options)), 1)


def test_every_symbol_is_the_most_probable_of_reading_again() -> None:
    model = language_model(9)
    symbols = torch.stack(list(islice(greedy(model, PROMPT), 10)), 1)  # without an end
    whole = torch.cat([PROMPT, symbols], 1)
    for t in range(10):
        assert model(whole[:, : 3 + t])[0][:, -1].argmax(-1).equal(symbols[:, t])


def test_rows_end_and_stay_ended() -> None:
    model = language_model(9, seed=3)
    free = torch.stack(list(greedy(model, PROMPT, steps=30)), 1)
    end = int(free[0, 4])
    symbols = torch.stack(list(greedy(model, PROMPT, steps=30, end=end)), 1)
    lengths = spoken(symbols, end)
    assert len(set(lengths.tolist())) > 1
    for b, n in enumerate(lengths.tolist()):
        equal(symbols[b, : n + 1], free[b, : n + 1][: symbols.shape[1]])
        assert (symbols[b, n:] == end).all()
    if symbols.shape[1] < 30:
        assert (lengths < symbols.shape[1]).all()


def test_symbols_come_one_by_one() -> None:
    steps = list[int]()

    class Counted(Trigram):
        def step(self, x: torch.Tensor, state: Any, memory: Any = None) -> tuple[torch.Tensor, Any]:
            steps.append(len(x))
            return super().step(x, state, memory)

    coming = greedy(Counted(), torch.tensor([[1]]), steps=5)
    next(coming)
    assert len(steps) == 1
    next(coming)
    assert len(steps) == 2
    assert len(list(coming)) == 3


def test_a_memory_is_attended_to_from_the_prompt_on() -> None:
    core, memory = Trigram(), torch.tensor([[0.0, 0, 50, 0], [0, 50, 0, 0]], dtype=torch.float64)
    symbols = torch.stack(list(greedy(core, torch.tensor([[1, 2], [3, 1]]), steps=3, memory=memory)), 1)
    assert symbols.tolist() == [[2, 2, 2], [1, 1, 1]]


def test_sampling_ends_too() -> None:
    model = language_model(9)
    free = draws(model, steps=20)
    end = int(free[0, 3])
    symbols = draws(model, steps=20, end=end)
    n = int(spoken(symbols, end)[0])
    assert n <= 3
    equal(symbols[0, : n + 1], free[0, : n + 1])
    assert (symbols[0, n:] == end).all()


def test_sampling_goes_on_from_a_state() -> None:
    model = language_model(9)
    _, state = model.sequence(PROMPT[:, :2])
    generator = torch.Generator().manual_seed(0)
    drawn = sample(model, PROMPT[:, 2:], Sampling(), generator, steps=6, state=state)
    equal(torch.stack(list(drawn), 1), draws(model, steps=6))


def test_never_is_a_constraint() -> None:
    model = language_model(9)
    equal(draws(model, steps=20, never=(1, 5)), draws(model, steps=20, constraints=[Never((1, 5))]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps is 0; wanted at least 1"),
        ({"end": -1}, "end is -1; wanted one of the 9 symbols that the core predicts, from 0 on"),
        ({"constraints": [Never(tuple(range(9)))]}, "row 0: after 0 symbols the constraints allow no other"),
        ({"constraints": [Never((9,))]}, "symbol 9 is not predicted by the core; wanted 0 to 8"),
    ],
)
def test_bad_values(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        list(greedy(language_model(9), PROMPT, **options))
    assert str(caught.value) == message


def test_an_empty_prompt() -> None:
    with pytest.raises(ShapeError, match=r"prompt is \(3, 0\); wanted \(B, T > 0\)"):
        next(greedy(language_model(9), PROMPT[:, :0]))


def test_spoken() -> None:
    assert spoken(torch.tensor([[[1, END, 2], [END, END, END]], [[1, 2, 3], [3, 3, END]]]), END).tolist() == [[1, 0], [3, 2]]
