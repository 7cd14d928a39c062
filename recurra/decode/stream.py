"""Symbols one after the other: what greedy decoding and sampling share."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import torch
from torch import Tensor

from recurra.decode.constraints import Constraint, Together
from recurra.errors import NumericError, ShapeError, UsageError
from recurra.layers import Core

__all__ = ["Step", "begin", "check", "diverged", "greedy", "spoken", "stepping", "stream"]

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""Symbols (B,) and the state -> logits (B, V) and the next state."""


@torch.no_grad()
def greedy(
    core: Core,
    prompt: Tensor,
    *,
    steps: int | None = None,
    end: int | None = None,
    state: Any = None,
    memory: Any = None,
    constraints: Sequence[Constraint] = (),
) -> Iterator[Tensor]:
    """Yield symbols (B,) as they come, each the most probable after the `prompt` (B, T > 0) and all before.

    It stops when every row has said `end`, or after `steps` symbols; without both, never. A row that has ended goes on saying
    `end`: :func:`spoken` tells how long rows are. The prompt is read from `state`, the initial one by default; the core attends
    to `memory`. Logits that are no numbers are a NumericError, constraints that leave nothing to say a UsageError.

    Example:
        >>> from recurra.layers import LSTM
        >>> from recurra.models import LanguageModel
        >>> model = LanguageModel(10, 8, LSTM(8, 16), 16).eval()
        >>> symbols = torch.stack(list(greedy(model, torch.tensor([[1, 2], [3, 4]]), steps=5)), dim=1)
        >>> symbols.shape
        torch.Size([2, 5])
    """
    start = begin(core, prompt, state, memory)
    yield from stream(stepping(core, memory), start, prompt, _most_probable, constraints, steps=steps, end=end)


def stream(
    step: Step,
    start: tuple[Tensor, Any],
    prompt: Tensor,
    choose: Callable[[Tensor, Tensor], Tensor],
    constraints: Sequence[Constraint],
    *,
    steps: int | None,
    end: int | None,
) -> Iterator[Tensor]:
    """Yield symbols (B,) that `choose` takes from logits (B, V), given which symbols (B, V) were there before.

    `start` is what :func:`begin` gives.
    """
    logits, state = start
    check(logits, steps, end)
    constraint = Together(constraints)
    held = constraint.initial(prompt)
    seen = torch.zeros_like(logits, dtype=torch.bool).scatter(1, prompt, value=True)
    ended = torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
    for place in count(1):
        if not bool((logits < torch.inf).all()):
            raise diverged()
        if constraints:
            narrowed = constraint.narrow(logits, held, torch.inf if steps is None else steps - place + 1)
            logits = narrowed if end is None else torch.where(ended[:, None], logits, narrowed)
            stuck = logits.amax(1) == -torch.inf
            if bool(stuck.any()):
                raise UsageError(f"row {int(stuck.int().argmax())}: after {place - 1} symbols the constraints allow no other")
        symbol = choose(logits, seen)
        if end is not None:
            symbol = symbol.where(~ended, end)
            ended |= symbol == end
        yield symbol
        if place == steps or (end is not None and bool(ended.all())):
            return
        seen.scatter_(1, symbol[:, None], value=True)
        held = constraint.after(symbol, held)
        logits, state = step(symbol, state)


def begin(core: Core, prompt: Tensor, state: Any, memory: Any) -> tuple[Tensor, Any]:
    """Read the prompt (B, T > 0): logits (B, V) of the symbol after it, and the state."""
    if prompt.dim() != 2 or prompt.shape[1] == 0:
        raise ShapeError(f"prompt is {tuple(prompt.shape)}; wanted (B, T > 0)")
    if memory is None:
        every, state = core.sequence(prompt, state)
        return every[:, -1], state
    state = core.initial(len(prompt)) if state is None else state
    for x in prompt.unbind(1):
        logits, state = core.step(x, state, memory)
    return logits, state


def spoken(symbols: Tensor, end: int) -> Tensor:
    """(..., T) -> (...): how many symbols stand before the first `end`.

    >>> spoken(torch.tensor([[5, 6, 0, 0], [5, 6, 7, 8]]), end=0)
    tensor([2, 4])
    """
    return (symbols == end).cumsum(-1).eq(0).sum(-1)


def check(logits: Tensor, steps: int | None, end: int | None) -> None:
    """Refuse what decoding cannot use."""
    if steps is not None and steps < 1:
        raise UsageError(f"steps is {steps}; wanted at least 1")
    if end is not None and not 0 <= end < logits.shape[1]:
        raise UsageError(f"end is {end}; wanted one of the {logits.shape[1]} symbols that the core predicts, from 0 on")


def diverged() -> NumericError:
    """What is said of logits that are no numbers."""
    return NumericError("the model's predictions are not finite: its training diverged; train anew with a lower lr")


def stepping(core: Core, memory: Any) -> Step:
    """The core's own steps, attending to a memory."""
    return lambda x, state: core.step(x, state, memory)


def _most_probable(logits: Tensor, _: Tensor) -> Tensor:
    return logits.argmax(-1)
