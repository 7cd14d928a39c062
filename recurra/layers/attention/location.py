"""Attention that knows where it looked last."""

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recurra.errors import UsageError
from recurra.layers.attention.alignments import Alignment, latest, masked_softmax
from recurra.layers.attention.memory import Memory
from recurra.layers.attention.scores import Score

__all__ = ["Location"]


@final
class Location(Alignment):
    r"""Location-aware attention: the weights of the step before, convolved along the positions, are an input of the score.

    .. math:: f_t = F * a_{t-1} \qquad a_t = \mathrm{softmax}(\mathrm{score}(q_t, k_s + f_{ts}))

    with the keys k of the score: in an :class:`Additive` one, :math:`v^\top \tanh(W q_t + U m_s + f_{ts} + b)`. So it can go
    on from where it is, past what sounds or looks alike. Before the first step it looks at the first position. Each step needs
    the one before, so a sequence is a loop. The state is the weights (B, S) of the step before.
    Source: Chorowski et al. 2015, arXiv:1506.07503.

    Args:
        key_size: K of the score.
        reach: D, the positions on each side that a filter sees.
    """

    def __init__(self, key_size: int, reach: int = 15) -> None:
        super().__init__()
        if reach < 1:
            raise UsageError(f"reach is {reach}; wanted at least 1 position on each side")
        self.reach = reach
        self.filters = nn.Conv1d(1, key_size, 2 * reach + 1, padding=reach, bias=False)

    def initial(self, memory: Memory) -> Tensor:
        return F.pad(memory.values.new_ones(len(memory.values), 1), (0, memory.values.shape[1] - 1))

    def forward(self, score: Score, queries: Tensor, memory: Memory, state: Tensor) -> Tensor:
        steps = []
        for query in torch.split(queries, 1, dim=1):
            seen = self.filters(state[:, None]).transpose(1, 2)
            weights = masked_softmax(score(query, memory.keys + seen), memory.inside)
            state = weights[:, 0]
            steps.append(weights)
        return torch.cat(steps, dim=1)

    def after(self, state: Tensor, weights: Tensor, lengths: Tensor | None) -> Tensor:
        return latest(state, weights, lengths)
