"""Cores whose every probability can be looked up, and all that they could say."""

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from recurra import state as states
from recurra.layers import LSTM
from recurra.models import LanguageModel

V, END = 4, 0


class Trigram:
    """Logits by the last two symbols and the number of steps, so that no two sequences are equally probable.

    A memory (B, V) is added to them, and the state adds up the probabilities so far.
    """

    class State(NamedTuple):
        last: Tensor  # (B, 2)
        seen: Tensor  # (B, V)

    def __init__(self, symbols: int = V, seed: int = 0, spread: float = 1.5) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.table = spread * torch.randn(symbols, symbols, symbols, generator=generator, dtype=torch.float64)

    def initial(self, batch: int, *extent: int) -> "Trigram.State":
        return self.State(torch.zeros(batch, 2, dtype=torch.long), self.table.new_zeros(batch, len(self.table)))

    def step(self, x: Tensor, state: Any, memory: Any = None) -> tuple[Tensor, Any]:
        last = torch.stack([state.last[:, 1], x], dim=1)
        logits = self.table[last[:, 0], last[:, 1]] * (1 + 0.1 * state.seen.sum(1, keepdim=True))
        logits = logits if memory is None else logits + memory
        return logits, self.State(last, state.seen + logits.softmax(-1))

    def sequence(
        self, x: Tensor, state: Any = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        state, every = self.initial(len(x)) if state is None else state, list[Tensor]()
        for symbol in x.unbind(1):
            logits, state = self.step(symbol, state)
            every.append(logits)
        return torch.stack(every, 1), state


def language_model(symbols: int = V, seed: int = 0) -> LanguageModel:
    """A random one in float64, sure enough of itself that orders do not hang on roundings."""
    torch.manual_seed(seed)
    model = LanguageModel(symbols, 4, LSTM(4, 8), 8).double().eval()
    torch.nn.init.normal_(model.output.weight, std=3)
    return model


def everything(symbols: int, steps: int, end: int | None) -> Iterator[tuple[int, ...]]:
    """All that can be said in so many steps: what ends, and what is cut off."""
    others = [symbol for symbol in range(symbols) if symbol != end]
    if end is not None:
        for length in range(steps):
            for words in itertools.product(others, repeat=length):
                yield (*words, end)
    yield from itertools.product(others, repeat=steps)


def log_probability(core: Any, prompt: Tensor, said: tuple[int, ...], memory: Tensor | None = None) -> float:
    """ln p of what is said after a prompt (T,), step by step."""
    state, total = core.initial(1), 0.0
    for symbol in prompt[:-1]:
        _, state = core.step(symbol[None], state, memory)
    last = prompt[-1:]
    for symbol in said:
        logits, state = core.step(last, state, memory)
        total += float(logits.log_softmax(-1)[0, symbol])
        last = torch.tensor([symbol])
    return total


def row(memory: Any, number: int) -> Any:
    return None if memory is None else states.take(memory, torch.tensor([number]))
