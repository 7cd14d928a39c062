"""What decoding may say: constraints narrow the logits of each step, and remember what was said as a state value."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, final

import torch
from torch import Tensor

from recurra.errors import ShapeError, UsageError
from recurra.lengths import check

__all__ = ["Constraint", "Length", "Never", "NoRepeat", "Only", "Prefix", "Together"]


Left = float | Tensor


class Constraint(Protocol):
    """Rules symbols out by a logit of minus infinity. Its state is batch first: beams reorder it like any other."""

    def initial(self, prompt: Tensor) -> Any:
        """The state after a prompt (B, T)."""

    def narrow(self, logits: Tensor, state: Any, left: Left) -> Tensor:
        """(B, V) -> (B, V): logits of the next symbol, minus infinity where it is not allowed.

        `left` symbols may still come, the next one and the end included; infinity where there is no limit, and (B, 1) where
        each row has its own.
        """

    def after(self, symbol: Tensor, state: Any) -> Any:
        """The state after one more symbol (B,), which may be one that was ruled out: then nothing asks for this row again."""


@final
@dataclass(frozen=True)
class Never(Constraint):
    """These symbols are not said.

    Example:
        >>> Never((0, 2)).narrow(torch.zeros(1, 4), (), 1)
        tensor([[-inf, 0., -inf, 0.]])
    """

    symbols: tuple[int, ...]

    def initial(self, prompt: Tensor) -> tuple[()]:
        return ()

    def narrow(self, logits: Tensor, state: Any, left: Left) -> Tensor:
        return logits.index_fill(1, _known(self.symbols, logits), -torch.inf)

    def after(self, symbol: Tensor, state: Any) -> tuple[()]:
        return ()


@final
@dataclass(frozen=True)
class Only(Constraint):
    """Only these symbols are said; the end too must be among them, if it is to come.

    Example:
        >>> Only((0, 2)).narrow(torch.zeros(1, 4), (), 1)
        tensor([[0., -inf, 0., -inf]])
    """

    symbols: tuple[int, ...]

    def initial(self, prompt: Tensor) -> tuple[()]:
        return ()

    def narrow(self, logits: Tensor, state: Any, left: Left) -> Tensor:
        kept = _known(self.symbols, logits)
        return torch.full_like(logits, -torch.inf).index_copy(1, kept, logits.index_select(1, kept))

    def after(self, symbol: Tensor, state: Any) -> tuple[()]:
        return ()


@final
@dataclass(frozen=True)
class Length(Constraint):
    """At least `minimum` symbols before the `end`, and at most `maximum`; None is no limit.

    Example:
        >>> length = Length(end=0, minimum=1, maximum=1)
        >>> before = length.initial(torch.ones(1, 3, dtype=torch.long))
        >>> length.narrow(torch.zeros(1, 3), before, 9)
        tensor([[-inf, 0., 0.]])
        >>> length.narrow(torch.zeros(1, 3), length.after(torch.ones(1, dtype=torch.long), before), 8)
        tensor([[0., -inf, -inf]])
    """

    end: int
    minimum: int = 0
    maximum: int | None = None

    def __post_init__(self) -> None:
        if self.minimum < 0 or (self.maximum is not None and self.maximum < self.minimum):
            raise UsageError(f"length is {self.minimum} to {self.maximum}; wanted 0 <= minimum <= maximum")

    def initial(self, prompt: Tensor) -> Tensor:
        return prompt.new_zeros(len(prompt))

    def narrow(self, logits: Tensor, state: Tensor, left: Left) -> Tensor:
        end = _known((self.end,), logits)
        logits = torch.where(state[:, None] < self.minimum, logits.index_fill(1, end, -torch.inf), logits)
        if self.maximum is None:
            return logits
        return torch.where(state[:, None] >= self.maximum, _alone(logits, end.expand(len(logits))), logits)

    def after(self, symbol: Tensor, state: Tensor) -> Tensor:
        return state + 1


class _Forced(NamedTuple):
    symbols: Tensor
    lengths: Tensor
    place: Tensor


@final
class Prefix(Constraint):
    """Every row begins with symbols of its own. Unlike a prompt they are decoded: they are given out, and count in scores.

    Args:
        symbols: (B, P).
        lengths: (B,), how many of them each row has, 0 allowed; all P by default.

    Example:
        >>> prefix = Prefix(torch.tensor([[2, 1], [0, 0]]), torch.tensor([2, 0]))
        >>> prefix.narrow(torch.zeros(2, 3), prefix.initial(torch.zeros(2, 1)), 9)
        tensor([[-inf, -inf, 0.],
                [0., 0., 0.]])
    """

    def __init__(self, symbols: Tensor, lengths: Tensor | None = None) -> None:
        if symbols.dim() != 2:
            raise ShapeError(f"prefix is {tuple(symbols.shape)}; wanted (B, P)")
        check(symbols, lengths, None)
        self.symbols = symbols
        self.lengths = torch.full((len(symbols),), symbols.shape[1]) if lengths is None else lengths

    def initial(self, prompt: Tensor) -> _Forced:
        if len(prompt) != len(self.symbols):
            raise ShapeError(f"prefix has {len(self.symbols)} rows; wanted {len(prompt)}, those of the prompt")
        symbols, lengths = self.symbols.to(prompt.device), self.lengths.to(prompt.device)
        return _Forced(symbols, lengths, torch.zeros_like(lengths))

    def narrow(self, logits: Tensor, state: _Forced, left: Left) -> Tensor:
        forced = state.place < state.lengths
        if not forced.any():
            return logits
        here = state.place.clamp(max=state.symbols.shape[1] - 1)
        symbol = state.symbols.gather(1, here[:, None].long())[:, 0].where(forced, 0)
        low, high = int(symbol.min()), int(symbol.max())
        if not 0 <= low <= high < logits.shape[1]:
            raise UsageError(f"prefix has symbols {low} to {high}; wanted 0 to {logits.shape[1] - 1}")
        return torch.where(forced[:, None], _alone(logits, symbol), logits)

    def after(self, symbol: Tensor, state: _Forced) -> _Forced:
        return state._replace(place=state.place + 1)


@final
@dataclass(frozen=True)
class NoRepeat(Constraint):
    """No `size` symbols in a row come twice (Paulus et al. 2017, arXiv:1705.04304); what the prompt says counts.

    Example:
        >>> constraint = NoRepeat(2)
        >>> constraint.narrow(torch.zeros(1, 4), constraint.initial(torch.tensor([[1, 2, 3, 1]])), 9)
        tensor([[0., 0., -inf, 0.]])
    """

    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise UsageError(f"size is {self.size}; wanted at least 1 symbol that is not repeated")

    def initial(self, prompt: Tensor) -> Tensor:
        return prompt

    def narrow(self, logits: Tensor, state: Tensor, left: Left) -> Tensor:
        if state.shape[1] < self.size:
            return logits
        runs = state.unfold(1, self.size, 1)  # (B, places, size)
        same = (runs[..., :-1] == state[:, None, state.shape[1] - self.size + 1 :]).all(-1)
        row, place = same.nonzero(as_tuple=True)
        return logits.index_put((row, runs[row, place, -1]), logits.new_tensor(-torch.inf))

    def after(self, symbol: Tensor, state: Tensor) -> Tensor:
        return torch.cat([state, symbol[:, None]], dim=1)


@final
@dataclass(frozen=True)
class Together(Constraint):
    """All of several constraints at once."""

    parts: Sequence[Constraint]

    def initial(self, prompt: Tensor) -> tuple[Any, ...]:
        return tuple(part.initial(prompt) for part in self.parts)

    def narrow(self, logits: Tensor, state: tuple[Any, ...], left: Left) -> Tensor:
        for part, own in zip(self.parts, state, strict=True):
            logits = part.narrow(logits, own, left)
        return logits

    def after(self, symbol: Tensor, state: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(part.after(symbol, own) for part, own in zip(self.parts, state, strict=True))


def _known(symbols: tuple[int, ...], logits: Tensor) -> Tensor:
    """The symbols as an index; refuse those that have no logit."""
    return _index(tuple(symbols), logits.shape[1], logits.device)


@lru_cache(maxsize=64)  # decoding asks at each step
def _index(symbols: tuple[int, ...], count: int, device: torch.device) -> Tensor:
    strange = [symbol for symbol in symbols if not 0 <= symbol < count]
    if strange:
        raise UsageError(f"symbol {strange[0]} is not predicted by the core; wanted 0 to {count - 1}")
    return torch.tensor(symbols, dtype=torch.long, device=device)


def _alone(logits: Tensor, symbol: Tensor) -> Tensor:
    """Each row's logits with all ruled out but one symbol (B,)."""
    symbol = symbol[:, None].long()
    return torch.full_like(logits, -torch.inf).scatter(1, symbol, logits.gather(1, symbol))
