"""What everything above the cells relies on."""

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from recurra import state as states
from recurra.errors import ShapeError

__all__ = ["Core", "describe", "given", "steps"]


@runtime_checkable
class Core(Protocol):
    """Something that runs along time with its state as a value: a layer, a stack, a decoder.

    ``forward`` of a core that is a module is its ``sequence``.
    """

    def initial(self, batch: int, *extent: int) -> Any:
        """The state that `batch` rows start from; `extent` gives (Y, X) where inputs are images."""

    def step(self, x: Tensor, state: Any, memory: Any = None) -> tuple[Tensor, Any]:
        """One step: x (B, I) -> y (B, O), and the next state. `memory` is what a decoder attends to."""

    def sequence(
        self, x: Tensor, state: Any = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        """Many steps: x (B, T, I) -> y (B, T, O), and the state after each row's last step."""


def steps(
    core: Core, x: Tensor, state: Any, lengths: Tensor | None, resets: Tensor | None, memory: Any = None
) -> Iterator[tuple[Tensor, Any]]:
    """Yield (y, state) after every step of a core whose states start at zero: what its `sequence` means."""
    for t, now in enumerate(x.unbind(1)):
        before = state if resets is None else states.where(resets[:, t], states.map(torch.zeros_like, state), state)
        y, after = core.step(now, before, memory)
        if lengths is not None:
            y, after = states.where(t < lengths, (y, after), (torch.zeros_like(y), state))
        state = after
        yield y, state


def given(state: Any, start: Any) -> Any:
    """The state that a core was given, refused where it is not of the form of `start`; without one, `start`."""
    if state is None:
        return start
    if not _alike(state, start):
        raise ShapeError(f"state is {describe(state)}; wanted {describe(start)}")
    return state


def _alike(state: Any, start: Any) -> bool:
    if isinstance(state, Tensor) or isinstance(start, Tensor) or type(state) is not type(start):
        return isinstance(state, Tensor) and isinstance(start, Tensor) and state.shape == start.shape
    return len(state) == len(start) and all(map(_alike, state, start))


def describe(state: Any) -> str:
    """A state as messages tell it: names and shapes."""
    if isinstance(state, Tensor):
        return str(tuple(state.shape))
    fields = getattr(state, "_fields", None)
    if fields is None:
        return type(state).__name__
    return f"{type(state).__qualname__}({', '.join(f'{n} {describe(p)}' for n, p in zip(fields, state, strict=True))})"
