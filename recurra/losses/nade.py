"""A distribution over patterns of zeros and ones, one after the other: NADE, conditioned on what a network says."""

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recurra.errors import ShapeError, UsageError

__all__ = ["NADE"]


@final
class NADE(nn.Module):
    r"""The neural autoregressive distribution estimator (Larochelle & Murray 2011), its biases told by a context.

    .. math::
        p(x_i = 1 \mid x_{<i}, h) = \sigma\big( b_i(h) + V_i \cdot \sigma( c(h) + \sum_{j<i} x_j W_j ) \big)

    with :math:`b` and :math:`c` linear in the context :math:`h`, as in RNN-NADE (Boulanger-Lewandowski et al. 2012,
    arXiv:1206.6392). Unlike independent units it knows which ones occur together: the keys of a chord.

    Args:
        units: D, how long a pattern is.
        context_size: H, the size of what it is conditioned on.
        hidden_size: Z, units of its hidden layer.

    Shapes: context (..., H), patterns (..., D) of 0 and 1 -> nats (...).

    The hidden layer changes only behind a one. So it is computed once for each one of a pattern, and not for each unit: of
    patterns with few ones that is a small part of the work, and the result is the same.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> nade = NADE(3, 4, 8)
        >>> every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)
        >>> (-nade(torch.ones(8, 4), every)).exp().sum()  # all patterns together
        tensor(1.0000, grad_fn=<SumBackward0>)
    """

    def __init__(self, units: int, context_size: int, hidden_size: int) -> None:
        super().__init__()
        for name, size in (("units", units), ("context_size", context_size), ("hidden_size", hidden_size)):
            if size < 1:
                raise UsageError(f"{name} is {size}; wanted 1 or more")
        self.units = units
        self.biases = nn.Linear(context_size, units + hidden_size)
        self.encode = nn.Parameter(torch.randn(units, hidden_size) * hidden_size**-0.5)
        self.decode = nn.Parameter(torch.randn(units, hidden_size) * hidden_size**-0.5)

    def forward(self, context: Tensor, x: Tensor) -> Tensor:
        """Nats of each pattern."""
        if x.shape[-1] != self.units or x.shape[:-1] != context.shape[:-1]:
            wanted = f"(..., {self.units}), with the leading sizes of the context {tuple(context.shape)}"
            raise ShapeError(f"x is {tuple(x.shape)}; wanted {wanted}")
        flat = x.reshape(-1, self.units)
        logits = self.logits(context.reshape(len(flat), -1), flat)
        nats = F.binary_cross_entropy_with_logits(logits, flat.to(logits.dtype), reduction="none").sum(-1)
        return nats.view(x.shape[:-1])

    def logits(self, context: Tensor, x: Tensor) -> Tensor:
        """(N, H), (N, D) -> (N, D) the logit of each unit, given those before it."""
        visible, hidden = self._biases(context)
        ones = x != 0
        before = ones.cumsum(-1)
        most = int(before[:, -1].max()) if len(x) else 0
        number = (before - 1).masked_fill(~ones, most)  # which one of the pattern a unit is; all others are put aside
        places = torch.full((len(x), most + 1), self.units, device=x.device)
        places.scatter_(1, number, torch.arange(self.units, device=x.device).expand_as(number))
        places[:, most] = self.units
        weights = torch.cat([self.encode, self.encode.new_zeros(1, self.encode.shape[1])])
        added = weights[places[:, :most]].cumsum(1)
        activations = torch.cat([hidden[:, None], hidden[:, None] + added], 1).sigmoid()  # (N, ones + 1, Z)
        every = activations @ self.decode.T
        return visible + every.gather(1, (before - ones.long())[:, None])[:, 0]

    @torch.no_grad()
    def sample(self, context: Tensor, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        """(N, H) -> (N, D) patterns drawn; a temperature of 0 takes the more probable value of each unit in turn."""
        visible, hidden = self._biases(context)
        x = visible.new_zeros(len(context), self.units)
        chance = torch.rand(x.shape, generator=generator, device=x.device)
        threshold = torch.full_like(chance, 0.0) if temperature == 0 else temperature * torch.logit(chance)
        done, units = torch.zeros(len(x), 1, dtype=torch.long, device=x.device), torch.arange(self.units, device=x.device)
        while True:  # up to the next one of each row, for nothing changes before it
            logits = visible + hidden.sigmoid() @ self.decode.T
            ones = (logits > threshold) & (units >= done)
            found, first = ones.max(1)
            if not bool(found.any()):
                return x
            x[found, first[found]] = 1
            hidden = hidden + self.encode[first] * found[:, None]
            done = torch.where(found, first + 1, self.units)[:, None]

    def _biases(self, context: Tensor) -> tuple[Tensor, Tensor]:
        visible, hidden = self.biases(context).split([self.units, self.encode.shape[1]], -1)
        return visible, hidden
