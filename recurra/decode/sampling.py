"""Drawing symbols from a core, one at a time."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from recurra.decode.constraints import Constraint, Never
from recurra.decode.stream import Step, begin, stepping, stream
from recurra.errors import UsageError
from recurra.layers import Core

__all__ = ["Sampling", "sample"]


@dataclass(frozen=True)
class Sampling:
    r"""How to choose the next symbol from its logits. The filters apply in the order below.

    Args:
        repetition: make symbols already there less likely: their logits are divided by this where above 0, else multiplied
            (Keskar et al. 2019); 1 changes nothing.
        temperature: logits are divided by it; 0 always takes the most probable symbol.
        top_k: keep the k most probable; 0 keeps all.
        top_p: keep the fewest that together have this probability (Holtzman et al. 2020); 1 keeps all.
        min_p: keep those with at least this share of the highest probability (Nguyen et al. 2024); 0 keeps all.
        typical: keep the fewest that together have this probability, those first whose surprise is nearest to the expected one
            (Meister et al. 2023, arXiv:2202.00666); 1 keeps all.

    Example:
        >>> Sampling(top_k=2).probabilities(torch.tensor([[0.0, 2.0, 1.0]]))
        tensor([[0.0000, 0.7311, 0.2689]])
    """

    repetition: float = 1.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical: float = 1.0

    def __post_init__(self) -> None:
        fine = {
            "repetition": 0.01 <= self.repetition <= 100,
            "temperature": 0 <= self.temperature < math.inf,
            "top_k": self.top_k >= 0,
            "top_p": 0 < self.top_p <= 1,
            "min_p": 0 <= self.min_p <= 1,
            "typical": 0 < self.typical <= 1,
        }
        wanted = {
            "repetition": "0.01 to 100",
            "temperature": "0 or more",
            "top_k": "0 or more",
            "top_p": "above 0, up to 1",
            "min_p": "0 to 1",
            "typical": "above 0, up to 1",
        }
        for field in fields(self):
            if not fine[field.name]:
                raise UsageError(f"{field.name} is {getattr(self, field.name)}; wanted {wanted[field.name]}")

    def probabilities(self, logits: Tensor, seen: Tensor | None = None) -> Tensor:
        """(B, V) logits -> (B, V) probabilities; `seen` (B, V) is true for symbols already there."""
        if seen is not None and self.repetition != 1:
            penalised = torch.where(logits > 0, logits / self.repetition, logits * self.repetition)
            logits = torch.where(seen, penalised, logits)
        if self.temperature == 0:
            return torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits.dtype)
        bounds = torch.finfo(logits.dtype)
        divisor = min(max(self.temperature, bounds.tiny), bounds.max)
        logits = (logits - logits.amax(-1, keepdim=True)) / divisor
        if 0 < self.top_k < logits.shape[-1]:
            least = logits.topk(self.top_k).values[..., -1:]
            logits = logits.masked_fill(logits < least, -torch.inf)
        if self.top_p < 1:
            ordered, places = logits.softmax(-1).sort(descending=True)
            before = ordered.cumsum(-1) - ordered  # the symbol that crosses the border stays
            logits = logits.masked_fill((before >= self.top_p).gather(-1, places.argsort(-1)), -torch.inf)
        if self.min_p > 0:
            p = logits.softmax(-1)
            logits = logits.masked_fill(p < self.min_p * p.amax(-1, keepdim=True), -torch.inf)
        if self.typical < 1:
            surprise = -logits.log_softmax(-1)
            p = (-surprise).exp()
            expected = (p * surprise.where(p > 0, 0)).sum(-1, keepdim=True)
            places = (surprise - expected).abs().argsort(-1)
            ordered = p.gather(-1, places)
            before = ordered.cumsum(-1) - ordered
            logits = logits.masked_fill((before >= self.typical).gather(-1, places.argsort(-1)), -torch.inf)
        return logits.softmax(-1)


@torch.no_grad()
def sample(
    core: Core,
    prompt: Tensor,
    sampling: Sampling,
    generator: torch.Generator,
    never: tuple[int, ...] = (),
    step: Step | None = None,
    *,
    steps: int | None = None,
    end: int | None = None,
    state: Any = None,
    memory: Any = None,
    constraints: Sequence[Constraint] = (),
) -> Iterator[Tensor]:
    """Yield symbols (B,), each drawn after the `prompt` (B, T > 0) and all drawn before; without end, unless told where.

    The state is carried from symbol to symbol, so each costs the same. `never` names symbols that are not drawn. `step` stands
    in for the core's own: its stepper, for example. The others are those of :func:`greedy`: a row that has said `end` goes on
    saying it. Logits that are no numbers are a NumericError.
    """

    def draw(logits: Tensor, seen: Tensor) -> Tensor:
        return torch.multinomial(sampling.probabilities(logits, seen), 1, generator=generator)[:, 0]

    start = begin(core, prompt, state, memory)
    every = (Never(never), *constraints) if never else constraints
    yield from stream(step or stepping(core, memory), start, prompt, draw, every, steps=steps, end=end)
