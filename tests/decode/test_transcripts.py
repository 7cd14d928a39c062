from collections.abc import Callable
from itertools import groupby, product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from recurra.decode import PrefixBeam, Scorer, SymbolScorer, WordScorer, said
from recurra.errors import NumericError, ShapeError, UsageError
from recurra.layers import GRU
from recurra.models import LanguageModel

V, T = 3, 5
WIDE = 1000  # more prefixes than there are


def frames(rows: int = 1, steps: int = T, size: int = V, seed: int = 1) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(rows, steps, size + 1, generator=random, dtype=torch.float64)).log_softmax(-1)


def collapsed(path: Any, blank: int = V) -> tuple[int, ...]:
    return tuple(int(symbol) for symbol, _ in groupby(path) if symbol != blank)


def model(symbols: int) -> LanguageModel:
    torch.manual_seed(0)
    made = LanguageModel(symbols, 4, GRU(4, 6), 6).double().eval()
    torch.nn.init.normal_(made.output.weight)
    return made


def exhaustive(x: Tensor, extra: Callable[[tuple[int, ...]], float] = lambda _: 0.0) -> dict[tuple[int, ...], float]:
    """The score of every transcript, by all ways to say it."""
    found: dict[tuple[int, ...], float] = {}
    size = x.shape[1] - 1
    for path in product(range(size + 1), repeat=len(x)):
        key = collapsed(path, size)
        found[key] = np.logaddexp(found.get(key, -np.inf), sum(float(x[t, k]) for t, k in enumerate(path)))
    return {key: value + extra(key) for key, value in found.items()}


def agrees(beam: PrefixBeam, x: Tensor, wanted: dict[tuple[int, ...], float]) -> None:
    found = beam.guesses(x, WIDE)
    assert {tuple(guess.symbols): guess.score for guess in found} == pytest.approx(wanted)
    assert [guess.score for guess in found] == sorted((guess.score for guess in found), reverse=True)


def test_greedy_collapses_the_best_path_in_any_chunks() -> None:
    x, lengths = frames(4, 9), torch.tensor([9, 5, 1, 0])
    whole, _ = said(x, lengths)
    assert whole == [list(collapsed(row[:length].argmax(-1))) for row, length in zip(x, lengths, strict=True)]
    for size in (1, 2, 4):
        last, found = None, [list[int]() for _ in x]
        for k in range(0, 9, size):
            new, last = said(x[:, k : k + size], (lengths - k).clamp(0, x[:, k : k + size].shape[1]), last)
            found = [before + more for before, more in zip(found, new, strict=True)]
        assert found == whole
    assert said(x[:, :0])[0] == [[]] * 4


def test_a_wide_beam_is_exact() -> None:
    for seed in range(3):
        x = frames(seed=seed)[0]
        agrees(PrefixBeam(WIDE), x, exhaustive(x))


def test_a_language_model_over_symbols() -> None:
    core, numbers = model(5), [3, 1, 2]

    def extra(key: tuple[int, ...]) -> float:
        x = torch.tensor([[4, *(numbers[k] for k in key)]])
        logits = core(x)[0].detach().log_softmax(-1)[0]
        told = [float(logits[n, symbol]) for n, symbol in enumerate([*x[0, 1:].tolist(), 0])]
        return 0.7 * sum(told) + 0.3 * len(key)

    x = frames()[0]
    agrees(PrefixBeam(WIDE, SymbolScorer(core, numbers, start=4, weight=0.7, bonus=0.3, end=0)), x, exhaustive(x, extra))


def test_a_language_model_over_words() -> None:
    core, words, texts = model(6), {"a": 1, "b": 2, "ab": 3, "ba": 4}, ["a", "b", " "]

    def extra(key: tuple[int, ...]) -> float:
        found = "".join(texts[k] for k in key).split()
        x = torch.tensor([[5, *(words.get(word, 0) for word in found)]])
        logits = core(x)[0].detach().log_softmax(-1)[0]
        return sum(1.5 * float(logits[n, number]) + 0.2 for n, number in enumerate(x[0, 1:].tolist()))

    x = frames()[0]
    agrees(PrefixBeam(WIDE, WordScorer(core, words, texts, start=5, weight=1.5, bonus=0.2)), x, exhaustive(x, extra))


def test_a_language_model_decides_where_frames_do_not() -> None:
    class Never:
        """Refuses symbol 1."""

        def start(self) -> None: ...
        def after(self, *_: Any) -> None: ...
        def gains(self, _: Any) -> Any:
            return np.array([[0.0, -np.inf, 0.0]])

        def ends(self, _: Any) -> Any:
            return np.zeros(1)

    scorer: Scorer = Never()
    sure = torch.tensor([[0.2, 0.7, 0.05, 0.05]]).log()
    assert PrefixBeam(8).guesses(sure)[0].symbols == [1]
    assert PrefixBeam(8, scorer).guesses(sure)[0].symbols == [0]


@pytest.mark.parametrize("scored", [False, True])
def test_chunks_lead_where_the_whole_does(scored: bool) -> None:
    x = (4 * frames(1, 20)[0]).log_softmax(-1)
    beam = PrefixBeam(4, SymbolScorer(model(4), [1, 2, 3], start=0, weight=0.5) if scored else None)
    for size in (1, 5):
        prefixes = beam.read(beam.begin(), x[:0])
        certain = prefixes.certain
        for k in range(0, 20, size):
            prefixes = beam.read(prefixes, x[k : k + size])
            assert prefixes.certain[: len(certain)] == certain
            certain = prefixes.certain
        assert certain
        assert beam.end(prefixes, 4) == beam.guesses(x, 4)


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match="width is 0"):
        PrefixBeam(0)
    with pytest.raises(ShapeError, match=r"wanted \(T, V \+ 1\)"):
        PrefixBeam().guesses(frames())
    with pytest.raises(ShapeError, match=r"wanted \(B, T, V \+ 1\)"):
        said(frames()[0])
    with pytest.raises(NumericError):
        PrefixBeam().guesses(frames()[0] * torch.nan)
    with pytest.raises(NumericError):
        PrefixBeam().guesses(frames()[0] - torch.inf)
