"""Attention that only moves forward."""

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recurra.errors import UsageError
from recurra.layers.attention.alignments import Alignment, latest
from recurra.layers.attention.memory import Memory
from recurra.layers.attention.scores import Score

__all__ = ["Monotonic"]


@final
class Monotonic(Alignment):
    r"""Monotonic attention: from where the last step stopped, go on position by position, and stop with probability p.

    .. math::
        p_{ts} = \sigma(e_{ts} + r + \epsilon) \qquad
        a_{ts} = p_{ts} \sum_{k \le s} a_{t-1,k} \prod_{l=k}^{s-1} (1 - p_{tl})

    In training, :math:`\epsilon` is Gaussian noise and the weights are expected ones. In evaluation it stops at the first
    position with :math:`p \ge 1/2`: one weight is 1. What goes past the end of a row without stopping attends to nothing from
    then on, so weights may add up to less than 1. The state is the weights (B, S) of the step before.
    Source: Raffel et al. 2017, arXiv:1704.00784.

    Args:
        offset: the start value of r; below zero it begins by moving on often, the more so the longer the memory.
        noise: standard deviation of :math:`\epsilon`, which drives p to 0 or 1.
    """

    def __init__(self, *, offset: float = -1.0, noise: float = 1.0) -> None:
        super().__init__()
        if not 0 <= noise < torch.inf:
            raise UsageError(f"noise is {noise}; wanted 0 or more")
        self.offset, self.noise = nn.Parameter(torch.tensor(offset)), noise

    def initial(self, memory: Memory) -> Tensor:
        return F.pad(memory.values.new_ones(len(memory.values), 1), (0, memory.values.shape[1] - 1))

    def forward(self, score: Score, queries: Tensor, memory: Memory, state: Tensor) -> Tensor:
        energies = score(queries, memory.keys) + self.offset
        if self.training:
            stop = torch.sigmoid(energies + self.noise * torch.randn_like(energies))
        else:
            stop = (energies >= 0).to(energies)
        stop = stop.where(memory.inside, 0)
        return _one_step(stop[:, 0], state)[:, None] if stop.shape[1] == 1 else _all_steps(stop, state)

    def after(self, state: Tensor, weights: Tensor, lengths: Tensor | None) -> Tensor:
        return latest(state, weights, lengths)

    def extra_repr(self) -> str:
        return f"noise={self.noise}"


def _one_step(stop: Tensor, before: Tensor) -> Tensor:
    """(B, S): by the products of going on from each position to each later one, (B, S, S)."""
    positions = stop.shape[1]
    go_on = F.pad(1 - stop[:, :-1], (1, 0)).expand(positions, -1, -1).transpose(0, 1)
    later = torch.ones(positions, positions, dtype=torch.bool, device=stop.device).triu(1)
    reach = go_on.where(later, 1).cumprod(-1).where(later.mT.logical_not(), 0)
    return stop * (before[:, None] @ reach)[:, 0]


def _all_steps(stop: Tensor, before: Tensor) -> Tensor:
    """(B, T, S): step t at position s needs (t - 1, s) and (t, s - 1) only, so each anti-diagonal is done at once."""
    steps, positions = stop.shape[1:]
    ahead = _skew(stop).unbind(2)
    arriving = F.pad(before, (0, steps - 1)).unbind(1)
    here, done = torch.zeros_like(ahead[0]), []
    weights = torch.zeros_like(here)
    for d, p in enumerate(ahead):
        left = (1 - ahead[d - 1]) * here if d else here
        here = left + torch.cat([arriving[d][:, None], weights[:, :-1]], dim=1)
        weights = p * here
        done.append(weights)
    flat = F.pad(torch.stack(done, dim=2).flatten(1), (0, steps))  # the inverse of _skew
    return flat.view(len(stop), steps, steps + positions)[..., :positions]


def _skew(x: Tensor) -> Tensor:
    """(B, T, S) -> (B, T, T + S - 1): row t moved t places to the right."""
    batch, steps, positions = x.shape
    flat = F.pad(x, (0, steps)).flatten(1)[:, : steps * (steps + positions - 1)]
    return flat.view(batch, steps, steps + positions - 1)
