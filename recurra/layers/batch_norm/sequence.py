"""Batch normalisation over all steps of all rows, folded into the input map."""

from typing import Any, final

import torch
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra.engine import Stepper
from recurra.engine.engine import Job
from recurra.engine.precision import Kind
from recurra.errors import UsageError
from recurra.layers.batch_norm.moments import EPSILON, MOMENTUM, moments, tell
from recurra.layers.recurrent import Recurrent
from recurra.wirings import Weights

__all__ = ["SequenceBatchNorm"]


@final
class SequenceBatchNorm(nn.Module):
    r"""A recurrent layer whose input projections are normalised over all steps of all rows of a call.

    .. math::
        \mathrm{BN}(W x) + b = \gamma \odot \frac{W x - \mu}{\sqrt{\sigma^2 + 10^{-5}}} + b, \qquad
        \mu = W \bar x, \quad \sigma^2 = \mathrm{diag}(W \, \mathrm{Cov}(x) \, W^\top)

    Args:
        layer: the layer; its wiring has biases, which are the shift b.

    Shapes: as the layer's. Steps behind a row's end do not count. In training the moments are those of the call, and running
    ones (``mean`` and ``var``, a tenth of the way at each call, as in ``torch.nn.BatchNorm1d``) take their place in evaluation.
    The norm is folded into the input map, so the layer runs as it would without, and gradients go through the moments.

    Warns:
        UserWarning: once, where fewer than 16 values make a moment.

    Source: Laurent et al. 2016, arXiv:1510.01378.

    Example:
        >>> from recurra.cells import LSTM
        >>> from recurra.layers import Dense
        >>> layer = SequenceBatchNorm(Recurrent(LSTM(), Dense(3, 5)))
        >>> y, state = layer(torch.zeros(4, 7, 3), lengths=torch.tensor([7, 4, 7, 2]))
        >>> y.shape, layer.mean.shape
        (torch.Size([4, 7, 5]), torch.Size([20]))
    """

    mean: Tensor
    var: Tensor

    def __init__(self, layer: Recurrent) -> None:
        super().__init__()
        if not layer.wiring.bias:
            raise UsageError(f"batch norm: {layer.wiring} has no bias; wanted one, for the shift")
        size = len(layer.weights["input_weight"])
        self.layer, self._told = layer, False
        self.gain = nn.Parameter(torch.ones(size))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("var", torch.ones(size))

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Fill the gain and the running moments with their start values again."""
        self.gain.fill_(1.0)
        self.mean.zero_()
        self.var.fill_(1.0)

    def initial(self, batch: int, *extent: int) -> Any:
        """The state that the layer starts from."""
        return self.layer.initial(batch, *extent)

    def forward(
        self, x: Tensor, state: Any = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        """Run along x (B, T, I)."""
        job = self.layer.job(x, state, lengths, resets)
        return self.layer.run(self._weights(job, keep=True), job)

    sequence = forward

    def step(self, x: Tensor, state: Any, memory: Any = None) -> tuple[Tensor, Any]:
        """One step, x (B, I) -> y (B, H); in training its moments are those of the rows."""
        y, after = self(x[:, None], state)
        return y[:, 0], after

    def states(self, x: Tensor, state: Any = None, lengths: Tensor | None = None, resets: Tensor | None = None) -> Any:
        """The layer's state after every step."""
        job = self.layer.job(x, state, lengths, resets)
        return self.layer.run_states(self._weights(job, keep=False), job)

    def stepper(self, weights: Kind = "full") -> Stepper:
        """As the layer's own, with the running moments."""
        return Stepper(
            self.layer.cell, self.layer.wiring, lambda: self._folded(self.layer.weights, self.mean, self.var), weights
        )

    def _weights(self, job: Job, *, keep: bool) -> Weights:
        weights, (mean, var) = self.layer.dropped(), (self.mean, self.var)
        if self.training:
            valid = job.x.flatten(0, 1) if job.lengths is None else job.x[ragged.mask(job.lengths, job.x.shape[1])]
            count = valid.numel() // max(1, valid.shape[1])
            if count:
                mean, var = self._moments(valid, weights["input_weight"])
                self._told = tell(count, self._told)
            if count and keep:
                with torch.no_grad():
                    self.mean.lerp_(mean, MOMENTUM)
                    self.var.lerp_(var * (count / max(1, count - 1)), MOMENTUM)
        return self._folded(weights, mean, var)

    def _moments(self, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of each number of W x, for x (N, I, ...)."""
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(weight.dtype)
            if self.layer.wiring.extent_dims:
                return moments(self.layer.wiring.read(x, weight, None))
            centre = x.mean(0)
            x = x - centre
            return weight @ centre, ((weight @ (x.T @ x / len(x))) * weight).sum(1).clamp(min=0)

    def _folded(self, weights: Weights, mean: Tensor, var: Tensor) -> Weights:
        """The weights with the norm in the input map."""
        rate, w = self.gain * torch.rsqrt(var + EPSILON), weights["input_weight"]
        bias = weights["input_bias"] - rate * mean
        return dict(weights) | {"input_weight": rate.view(-1, *[1] * (w.dim() - 1)) * w, "input_bias": bias}
