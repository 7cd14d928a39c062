"""Decoding what a finite automaton accepts: a regular expression, or a table of one's own."""

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.decode.constraints import Constraint, Left
from recurra.decode.expressions import recogniser
from recurra.errors import ShapeError, UsageError

__all__ = ["Automaton"]

LARGEST = 1 << 25  # entries of a table
NEVER = 1 << 30


@final
class Automaton(Constraint):
    r"""What is said before the `end` is accepted by a deterministic finite automaton over the symbols.

    Args:
        table: (S, V), the state after each symbol, -1 where it is not allowed; it starts in state 0. Column `end` is not used.
        accepting: (S,), true for the states in which `end` may be said.
        end: the symbol that ends a row.

    Only symbols are allowed that leave a way to the end, in as many steps as are left: with `steps` given, what is decoded is
    accepted, unless other constraints stand against it. Its state is the number of the automaton's, (B,).

    Example:
        >>> texts = ["", "a", "b", "ab"]  # of symbols 0 to 3; 0 is the end
        >>> automaton = Automaton.of("a(bab)*", texts, end=0)
        >>> state = automaton.initial(torch.zeros(1, 1))
        >>> automaton.narrow(torch.zeros(1, 4), state, torch.inf)
        tensor([[-inf, 0., -inf, 0.]])
        >>> automaton.narrow(torch.zeros(1, 4), state, 2)
        tensor([[-inf, 0., -inf, -inf]])
    """

    def __init__(self, table: Tensor, accepting: Tensor, end: int) -> None:
        if table.dim() != 2 or accepting.shape != table.shape[:1] or not len(table):
            raise ShapeError(f"table is {tuple(table.shape)}, accepting {tuple(accepting.shape)}; wanted (S > 0, V) and (S,)")
        if table.numel() > LARGEST:
            raise UsageError(f"table has {len(table)} states for {table.shape[1]} symbols; wanted at most {LARGEST} entries")
        if not 0 <= end < table.shape[1]:
            raise UsageError(f"end is {end}; wanted one of the {table.shape[1]} symbols, from 0 on")
        if int(table.max()) >= len(table) or int(table.min()) < -1:
            raise UsageError(f"table leads to states {int(table.min())} to {int(table.max())}; wanted -1 to {len(table) - 1}")
        after = np.where(table.numpy() < 0, len(table), table.numpy()).astype(np.int32)
        after[:, end] = len(table)
        after = np.vstack([after, np.full_like(after[:1], len(table))])  # the state that nothing leads out of
        needed = _needed(after, accepting.numpy())
        if needed[0] >= NEVER:
            raise UsageError("the automaton accepts nothing: no symbols lead from its first state to one that accepts")
        cost = np.minimum(needed[after] + 1, NEVER).astype(np.int32)
        cost[:, end] = np.where(np.append(accepting.numpy(), False), 1, NEVER)
        self.next, self.cost = torch.from_numpy(after), torch.from_numpy(cost)

    @classmethod
    def of(cls, expression: str, texts: Sequence[str], end: int) -> "Automaton":
        r"""The automaton of all sequences of symbols whose texts, one after the other, a regular expression matches as a whole.

        `texts` are those of symbols 0 to V - 1; one without a text is not allowed. The expression may have what
        :func:`recurra.decode.expressions.recogniser` knows: characters, ``.``, sets, groups, ``|``, ``*``, ``+``, ``?``,
        ``{m,n}`` and the classes ``\\d``, ``\\s`` and ``\\w``.
        """
        table, column, accepting = recogniser(expression, "".join(texts))
        if len(table) * len(texts) > LARGEST:
            raise UsageError(
                f"expression {expression!r} has {len(table)} states for {len(texts)} symbols; wanted at most {LARGEST} entries"
            )
        table = np.vstack([table, np.full_like(table[:1], -1)])  # -1 leads to -1
        after = np.full((len(table) - 1, len(texts)), -1)
        for symbol, text in enumerate(texts):
            if text and symbol != end:
                states = np.arange(len(table) - 1)
                for letter in text:
                    states = table[states, column[letter]]
                after[:, symbol] = states
        try:
            return cls(torch.from_numpy(after), torch.from_numpy(accepting), end)
        except UsageError as error:
            raise UsageError(f"expression {expression!r} over these symbols: {error}") from None

    def to(self, device: torch.device | str) -> "Automaton":
        """The same, on the device that the logits are on."""
        other = object.__new__(Automaton)
        other.next, other.cost = self.next.to(device), self.cost.to(device)
        return other

    def initial(self, prompt: Tensor) -> Tensor:
        return torch.zeros(len(prompt), dtype=torch.long, device=prompt.device)

    def narrow(self, logits: Tensor, state: Tensor, left: Left) -> Tensor:
        if logits.shape[1] != self.cost.shape[1]:
            raise ShapeError(f"logits is {tuple(logits.shape)}; wanted (B, {self.cost.shape[1]}), the automaton's symbols")
        most = left.clamp(max=NEVER - 1) if isinstance(left, Tensor) else min(left, NEVER - 1)
        return logits.masked_fill(self.cost.index_select(0, state) > most, -torch.inf)

    def after(self, symbol: Tensor, state: Tensor) -> Tensor:
        return self.next[state, symbol].long()


def _needed(after: NDArray[np.int32], accepting: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many symbols each state needs at least, the end included."""
    rows = [np.unique(row) for row in after]
    origin = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    target = np.concatenate(rows)
    needed = np.where(np.append(accepting, False), 1, NEVER)
    while True:
        better = needed.copy()
        np.minimum.at(better, origin, np.minimum(needed[target] + 1, NEVER))
        if (better == needed).all():
            return needed
        needed = better
