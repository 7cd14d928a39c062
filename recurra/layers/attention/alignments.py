"""Alignments of attention: from scores to weights, with what each remembers of the steps before."""

from abc import ABC, abstractmethod
from typing import Any, final

import torch
from torch import Tensor, nn

from recurra.errors import UsageError
from recurra.layers.attention.memory import Memory
from recurra.layers.attention.scores import Score

__all__ = ["Alignment", "Coverage", "LocalPredictive", "LocalWindow", "Softmax", "coverage_loss", "latest", "masked_softmax"]


class Alignment(nn.Module, ABC):
    """Turns scores into the weights (B, T, S) of attention. What it remembers of its past is a state value."""

    @abstractmethod
    def initial(self, memory: Memory) -> Any:
        """The state that attention to this memory starts from."""

    @abstractmethod
    def forward(self, score: Score, queries: Tensor, memory: Memory, state: Any) -> Tensor:
        """Weights of all T steps, queries (B, T, Q) -> (B, T, S); exactly zero behind a row's length."""

    @abstractmethod
    def after(self, state: Any, weights: Tensor, lengths: Tensor | None) -> Any:
        """The state after each row's last step; `weights` are zero behind the `lengths` (B,) of the queries."""


@final
class Softmax(Alignment):
    r"""Global attention: all positions of a row compete.

    .. math:: a_{ts} = e^{e_{ts}} / \sum_{s'} e^{e_{ts'}}
    """

    def initial(self, memory: Memory) -> tuple[()]:
        return ()

    def forward(self, score: Score, queries: Tensor, memory: Memory, state: Any) -> Tensor:
        return masked_softmax(score(queries, memory.keys), memory.inside)

    def after(self, state: Any, weights: Tensor, lengths: Tensor | None) -> tuple[()]:
        return ()


@final
class LocalWindow(Alignment):
    r"""Local attention that moves one position a step (local-m): the softmax of a window around the position of the step.

    .. math:: a_{ts} \propto e^{e_{ts}} \text{ where } |s - \min(t, S_b - 1)| \le D, \text{ else } 0

    Steps and positions count from 0; a row longer than its memory stays at the memory's end. The state is the number of the
    next step (B,). Source: Luong et al. 2015, section 3.2, arXiv:1508.04025.

    Args:
        reach: D, the positions on each side.
    """

    def __init__(self, reach: int) -> None:
        super().__init__()
        if reach < 0:
            raise UsageError(f"reach is {reach}; wanted 0 or more positions on each side")
        self.reach = reach

    def initial(self, memory: Memory) -> Tensor:
        return torch.zeros_like(memory.lengths)

    def forward(self, score: Score, queries: Tensor, memory: Memory, state: Tensor) -> Tensor:
        steps = torch.arange(queries.shape[1], device=state.device)
        centre = torch.minimum(state[:, None] + steps, memory.lengths[:, None] - 1)
        away = torch.arange(memory.values.shape[1], device=state.device) - centre[..., None]
        return masked_softmax(score(queries, memory.keys), memory.inside & (away.abs() <= self.reach))

    def after(self, state: Tensor, weights: Tensor, lengths: Tensor | None) -> Tensor:
        return state + (weights.shape[1] if lengths is None else lengths.to(state))

    def extra_repr(self) -> str:
        return f"reach={self.reach}"


@final
class LocalPredictive(Alignment):
    r"""Local attention to a predicted place (local-p), favoured by a Gaussian of :math:`\sigma = D / 2` around it.

    .. math::
        p_t = (S_b - 1) \, \sigma(v^\top \tanh(W q_t)) \qquad
        a_{ts} = \mathrm{softmax}_{|s - p_t| \le D}(e_{ts}) \, \exp\Big(-\frac{2 (s - p_t)^2}{D^2}\Big)

    Positions count from 0. The weights add up to less than 1. Source: Luong et al. 2015, section 3.2, arXiv:1508.04025.

    Args:
        query_size: Q.
        hidden_size: width of the network that predicts the place.
        reach: D, the positions on each side.
    """

    def __init__(self, query_size: int, hidden_size: int, reach: int) -> None:
        super().__init__()
        if reach < 1:
            raise UsageError(f"reach is {reach}; wanted at least 1 position on each side")
        self.reach = reach
        self.place = nn.Sequential(
            nn.Linear(query_size, hidden_size, bias=False), nn.Tanh(), nn.Linear(hidden_size, 1, bias=False), nn.Sigmoid()
        )

    def initial(self, memory: Memory) -> tuple[()]:
        return ()

    def forward(self, score: Score, queries: Tensor, memory: Memory, state: Any) -> Tensor:
        centre = (memory.lengths[:, None, None] - 1) * self.place(queries)
        away = torch.arange(memory.values.shape[1], device=queries.device) - centre
        weights = masked_softmax(score(queries, memory.keys), memory.inside & (away.abs() <= self.reach))
        return weights * torch.exp(-2 * (away / self.reach) ** 2)

    def after(self, state: Any, weights: Tensor, lengths: Tensor | None) -> tuple[()]:
        return ()

    def extra_repr(self) -> str:
        return f"reach={self.reach}"


@final
class Coverage(Alignment):
    r"""Global attention that sees where it has looked: the weights so far, added up, are an input of the score.

    .. math:: c_{ts} = \sum_{t' < t} a_{t's} \qquad a_t = \mathrm{softmax}(\mathrm{score}(q_t, k_s + w c_{ts}))

    with the keys k of the score: in an :class:`Additive` one, :math:`v^\top \tanh(W q_t + U m_s + w c_{ts} + b)`. `w` starts at
    zero. Each step needs the one before, so a sequence is a loop. The state is the coverage (B, S), that also the penalty of a
    beam search is made of. Source: See et al. 2017, arXiv:1704.04368; Tu et al. 2016, arXiv:1601.04811.

    Args:
        key_size: K of the score.
    """

    def __init__(self, key_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(key_size))

    def initial(self, memory: Memory) -> Tensor:
        return memory.values.new_zeros(memory.values.shape[:2])

    def forward(self, score: Score, queries: Tensor, memory: Memory, state: Tensor) -> Tensor:
        steps = []
        for query in torch.split(queries, 1, dim=1):
            weights = masked_softmax(score(query, memory.keys + state[..., None] * self.weight), memory.inside)
            state = state + weights[:, 0]
            steps.append(weights)
        return torch.cat(steps, dim=1)

    def after(self, state: Tensor, weights: Tensor, lengths: Tensor | None) -> Tensor:
        return state + weights.sum(1)


def coverage_loss(weights: Tensor, lengths: Tensor | None = None) -> Tensor:
    r"""The mean over all steps of what each looks at again; a term to add to the loss that is learnt from.

    .. math:: \frac{1}{\sum_b T_b} \sum_{t, s} \min(a_{ts}, c_{ts})

    Shapes: weights (B, T, S), zero behind the `lengths` (B,) of the queries. Source: See et al. 2017, arXiv:1704.04368.

    Example:
        >>> coverage_loss(torch.tensor([[[1.0, 0.0], [0.5, 0.5]]]))
        tensor(0.2500)
    """
    before = torch.cat([torch.zeros_like(weights[:, :1]), weights[:, :-1].cumsum(1)], dim=1)
    steps = weights.shape[0] * weights.shape[1] if lengths is None else lengths.sum().clamp(min=1)
    return torch.minimum(weights, before).sum() / steps


def masked_softmax(energies: Tensor, mask: Tensor) -> Tensor:
    """The softmax over the last dimension where `mask` is true, exactly zero elsewhere; each row has a true place."""
    return energies.masked_fill(~mask, -torch.inf).softmax(-1)


def latest(state: Tensor, weights: Tensor, lengths: Tensor | None) -> Tensor:
    """(B, S): the weights (B, T, S) of each row's last step, what they were before where it has none."""
    if lengths is None:
        return weights[:, -1]
    last = weights[torch.arange(len(weights), device=weights.device), (lengths.to(weights.device) - 1).clamp(min=0)]
    return torch.where((lengths > 0).to(weights.device)[:, None], last, state)
