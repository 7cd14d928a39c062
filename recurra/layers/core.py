"""What everything above the cells relies on."""

from typing import Any, Protocol, runtime_checkable

from torch import Tensor

__all__ = ["Core"]


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
