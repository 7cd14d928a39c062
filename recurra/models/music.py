"""Which keys sound next: recurrent layers over rolls, with keys told one by one or each by itself."""

from collections.abc import Callable
from typing import Any, Literal, cast, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recurra.engine.precision import Kind
from recurra.layers import Core
from recurra.losses import NADE

__all__ = ["RollModel"]


@final
class RollModel(nn.Module):
    r"""Predicts the next pattern of zeros and ones from all before it.

    .. math:: h_t = \mathrm{stack}(x_1, \dots, x_t), \qquad p(x_{t+1} \mid h_t)

    Args:
        keys: D, the size of a pattern.
        stack: a core that is a module, D to `hidden_size`.
        hidden_size: H, the size of the stack's outputs.
        output: ``"independent"``, each key a logistic unit by itself, or ``"nade"``, each given those below it.
        nade_hidden: hidden units of NADE.

    Shapes: x (B, T, D) -> h (B, T, H). It is a core: its state is the stack's.

    Example:
        >>> from recurra.layers import LSTM
        >>> model = RollModel(88, LSTM(88, 32), 32, output="nade", nade_hidden=16)
        >>> x = torch.zeros(2, 5, 88)
        >>> h, state = model(x)
        >>> model.nats(h, x).shape, model.draw(h[:, -1]).shape
        (torch.Size([2, 5]), torch.Size([2, 88]))
    """

    def __init__(
        self,
        keys: int,
        stack: nn.Module,
        hidden_size: int,
        *,
        output: Literal["independent", "nade"] = "nade",
        nade_hidden: int = 128,
    ) -> None:
        super().__init__()
        self.stack = stack
        self.output: nn.Module = NADE(keys, hidden_size, nade_hidden) if output == "nade" else nn.Linear(hidden_size, keys)

    def initial(self, batch: int, *extent: int) -> Any:
        """The state that `batch` rows start from."""
        return cast("Core", self.stack).initial(batch, *extent)

    def forward(
        self, x: Tensor, state: Any = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        """What is known after each step, x (B, T, D) -> h (B, T, H)."""
        y, state = self.stack(x, state, lengths, resets)
        return y, state

    sequence = forward

    def step(self, x: Tensor, state: Any, memory: Any = None) -> tuple[Tensor, Any]:
        """What is known after a step, x (B, D) -> h (B, H)."""
        return cast("Core", self.stack).step(x, state, memory)

    def stepper(self, weights: Kind = "full") -> Callable[[Tensor, Any], tuple[Tensor, Any]]:
        """`step` without dropout or a gradient, from a snapshot of the weights in this form."""
        made: Callable[[Tensor, Any], tuple[Tensor, Any]] = cast("Any", self.stack).stepper(weights)
        return made

    def nats(self, h: Tensor, y: Tensor) -> Tensor:
        """(..., H) and the patterns (..., D) that follow -> (...) the negative log-probability of each."""
        if isinstance(self.output, NADE):
            found: Tensor = self.output(h, y)
            return found
        logits: Tensor = self.output(h)
        return F.binary_cross_entropy_with_logits(logits, y, reduction="none").sum(-1)

    def probabilities(self, h: Tensor, y: Tensor) -> Tensor:
        """(N, H), (N, D) -> (N, D) the probability that each key sounds; with NADE given those of `y` below it."""
        logits = self.output.logits(h, y) if isinstance(self.output, NADE) else self.output(h)
        return cast("Tensor", logits.sigmoid())

    @torch.no_grad()
    def draw(self, h: Tensor, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        """(N, H) -> (N, D) the patterns that follow, drawn; at a temperature of 0 the more probable value of each key."""
        if isinstance(self.output, NADE):
            return self.output.sample(h, generator, temperature)
        logits: Tensor = self.output(h)
        if temperature == 0:
            return (logits > 0).to(h.dtype)
        return torch.bernoulli((logits / temperature).sigmoid(), generator=generator)
