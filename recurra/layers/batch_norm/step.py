"""Batch normalisation with statistics of their own for every step of time, also inside the recurrence."""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra import state as states
from recurra.cells import Parts
from recurra.engine import Fold
from recurra.engine.precision import Kind
from recurra.errors import UsageError
from recurra.layers.batch_norm.moments import EPSILON, MOMENTUM, moments, spread, tell
from recurra.layers.core import given
from recurra.layers.recurrent import Recurrent
from recurra.layers.snapshot import Snapshot
from recurra.state import portable
from recurra.wirings import Weights
from recurra.wirings.wiring import as_map, parts

__all__ = ["Counted", "StepBatchNorm"]


@portable
class Counted(NamedTuple):
    """The state of the layer inside, and how many steps each row has made (B,), counted up to a limit."""

    inner: Any
    steps: Tensor


@final
class StepBatchNorm(nn.Module):
    r"""A recurrent layer that is normalised with statistics of its own for every step of time.

    .. math::
        \mathrm{BN}_t(v) = \gamma \odot \frac{v - \mu_t}{\sqrt{\sigma_t^2 + 10^{-5}}}, \qquad
        W x_t \mapsto \mathrm{BN}_t(W x_t), \quad U h_{t-1} \mapsto \mathrm{BN}_t(U h_{t-1}) \text{ if inside}

    Args:
        layer: the layer, run by the fold; :func:`~recurra.layers.batch_normed` makes it.
        limit: how many steps have statistics of their own; the last one's are for all later steps.
        inside: normalise what the cell's maps give too, and turn every norm of the cell into a batch norm. Gains then start at
            0.1, else at 1.

    Shapes: as the layer's; the state is :class:`Counted`, the layer's own and the count of steps, so that chunks count on. In
    training the moments of a step are those of all rows that are alive. They are kept (``NAME_mean`` and ``NAME_var``, a tenth
    of the way at each call) for the count at which each row stands, and used in evaluation, where a count that no training
    reached takes those of the last that one did. It runs in Python, step by step, as a step needs all rows.

    Warns:
        UserWarning: once, where fewer than 16 values make a moment.

    Source: Cooijmans et al. 2016, arXiv:1603.09025.

    Example:
        >>> from recurra.cells import GRU
        >>> from recurra.layers import Dense, batch_normed
        >>> layer = batch_normed(GRU(), Dense(3, 5), "step", limit=4)
        >>> y, state = layer(torch.zeros(16, 7, 3))
        >>> y.shape, state.steps[0], layer.input_mean.shape
        (torch.Size([16, 7, 5]), tensor(4.), torch.Size([4, 15]))
    """

    input_gain: Tensor
    reached: Tensor

    def __init__(self, layer: Recurrent, *, limit: int = 100, inside: bool = False) -> None:
        super().__init__()
        if limit < 1:
            raise UsageError(f"limit is {limit}; wanted at least 1")
        if not isinstance(layer.engine, Fold) or layer.memory != "normal":
            raise UsageError("batch norm of steps runs in Python; wanted Recurrent(cell, wiring, engine=Fold())")
        self.layer, self.limit, self.inside, self._told = layer, limit, inside, False
        self._norms = layer.cell.norms if inside else ()
        self._maps = ("input", *(layer.cell.maps if inside else ()))
        for name in self._maps:
            self.register_parameter(f"{name}_gain", nn.Parameter(torch.empty(len(layer.weights[f"{name}_weight"]))))
        for name in (*self._maps, *self._norms):
            size = len(layer.weights[f"{name}_weight"])
            self.register_buffer(f"{name}_mean", torch.empty(limit, size))
            self.register_buffer(f"{name}_var", torch.empty(limit, size))
        self.register_buffer("reached", torch.zeros((), dtype=torch.long))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Fill gains and running moments with their start values again."""
        gains = [getattr(self, f"{name}_gain") for name in self._maps]
        for gain in (*gains, *(getattr(self.layer, f"{name}_weight") for name in self._norms)):
            gain.fill_(0.1 if self.inside else 1.0)
        for name in (*self._maps, *self._norms):
            getattr(self, f"{name}_mean").zero_()
            getattr(self, f"{name}_var").fill_(1.0)
        self.reached.zero_()

    def initial(self, batch: int, *extent: int) -> Counted:
        """The state that `batch` rows start from: zeros."""
        return Counted(self.layer.initial(batch, *extent), self.input_gain.new_zeros(batch))

    def forward(
        self, x: Tensor, state: Counted | None = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, Counted]:
        """Run along x (B, T, I)."""
        heard: list[_Heard] = []
        outputs, after = zip(*self._steps(x, state, lengths, resets, heard), strict=True)
        self._keep([each for each in heard if len(each.counts)])
        return torch.stack(outputs, dim=1), after[-1]

    sequence = forward

    def step(self, x: Tensor, state: Counted, memory: Any = None) -> tuple[Tensor, Counted]:
        """One step, x (B, I) -> y (B, H)."""
        y, after = self(x[:, None], state)
        return y[:, 0], after

    def states(
        self, x: Tensor, state: Counted | None = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> Counted:
        """The state after every step."""
        every = [after for _, after in self._steps(x, state, lengths, resets, [])]
        stacked: Counted = states.map(lambda *fields: torch.stack(fields, dim=1), every[0], *every[1:])
        return stacked

    def stepper(self, weights: Kind = "full") -> Snapshot:
        """This layer one step at a time, from a snapshot of its weights in this form."""
        return Snapshot(self, weights)

    def extra_repr(self) -> str:
        return f"limit={self.limit}, inside={self.inside}"

    def _steps(
        self, x: Tensor, state: Any, lengths: Tensor | None, resets: Tensor | None, heard: "list[_Heard]"
    ) -> Iterator[tuple[Tensor, Counted]]:
        """Yield (y, state) after every step; in training, what is heard of the batch goes into `heard`."""
        layer, wiring = self.layer, self.layer.wiring
        wiring.check(x)
        state = given(state, self.initial(len(x), *wiring.extent(x)))
        job, weights = layer.job(x, state.inner, lengths, resets), layer.dropped()
        x = job.x if job.lengths is None else ragged.cut(job.x, job.lengths)
        known = self.limit if self.training else min(self.limit, max(1, int(self.reached)))
        products = wiring.read(x.flatten(0, 1), weights["input_weight"], None)
        for t, product in enumerate(products.view(*x.shape[:2], *products.shape[1:]).unbind(1)):
            alive = torch.ones_like(state.steps, dtype=torch.bool) if job.lengths is None else t < job.lengths
            before = state
            if job.resets is not None:
                before = states.where(job.resets[:, t], states.map(torch.zeros_like, state), state)
            counts = before.steps.long().clamp(0, known - 1)
            batch = _Batch(self, weights, counts, alive, {})
            gates = batch.parts("input", layer.cell.gates, product)
            owned = wiring.bind(layer.cell, weights, {name: mask[:, t] for name, mask in job.noise.items()})
            y, inner = layer.cell.step(gates, before.inner, SimpleNamespace(**{**vars(owned), **batch.owned()}))
            after = Counted(inner, (before.steps + 1).clamp(max=self.limit))
            y, state = states.where(alive, (y, after), (torch.zeros_like(y), state))
            if self.training:
                heard.append(_Heard(counts[alive], math.prod(wiring.extent(x)), batch.heard))
            yield y, state

    @torch.no_grad()
    def _keep(self, heard: "Sequence[_Heard]") -> None:
        """Take what a call heard into the running moments: for each count, the mean over the rows that stood there."""
        if not heard:
            return
        rows = torch.stack([torch.bincount(each.counts, minlength=self.limit) for each in heard], dim=1)
        sizes = [len(each.counts) * each.extent for each in heard]
        self._told = tell(min(sizes), self._told)
        stood = rows.sum(1) > 0
        share = rows[stood].to(self.input_gain.dtype)
        share /= share.sum(1, keepdim=True)
        for name in heard[0].moments:
            means, variances = (torch.stack(parts) for parts in zip(*(each.moments[name] for each in heard), strict=True))
            unbiased = [size / max(1, size - 1) for size in sizes]
            variances = variances * variances.new_tensor(unbiased)[:, None]
            for kind, found in (("mean", means), ("var", variances)):
                running = getattr(self, f"{name}_{kind}")
                running[stood] = running[stood].lerp(share @ found, MOMENTUM)
        self.reached.clamp_(min=int(stood.nonzero().max()) + 1)


class _Heard(NamedTuple):
    """The counts of the rows that were alive at a step, the values of each row, and mean and variance by name."""

    counts: Tensor
    extent: int
    moments: Mapping[str, tuple[Tensor, Tensor]]


class _Batch(NamedTuple):
    """One step of a batch: the count of each row, who is alive, and what was heard of them."""

    norm: StepBatchNorm
    weights: Weights
    counts: Tensor
    alive: Tensor
    heard: dict[str, tuple[Tensor, Tensor]]

    def owned(self) -> dict[str, Any]:
        """The maps and norms that take the place of the wiring's."""
        if not self.norm.inside:
            return {}
        cell = self.norm.layer.cell
        maps = {name: partial(self._map, name, as_map(declared).parts) for name, declared in cell.maps.items()}
        return maps | {name: partial(self._norm, name) for name in cell.norms}

    def parts(self, name: str, names: tuple[str, ...], product: Tensor) -> Parts:
        """The parts of a product, normalised, with its bias."""
        normed = self._normed(name, product) * spread(getattr(self.norm, f"{name}_gain"), product)
        bias = self.weights.get(f"{name}_bias")
        return parts(names, normed if bias is None else normed + spread(bias, product), self.norm.layer.wiring.channels)

    def _map(self, name: str, names: tuple[str, ...], v: Tensor) -> Parts:
        return self.parts(name, names, self.norm.layer.wiring.apply(v, self.weights[f"{name}_weight"], None))

    def _norm(self, name: str, v: Tensor) -> Tensor:
        return self._normed(name, v) * self.weights[f"{name}_weight"] + self.weights[f"{name}_bias"]

    def _normed(self, name: str, v: Tensor) -> Tensor:
        if self.norm.training:
            mean, var = moments(v, self.alive)
            self.heard[name] = (mean.detach(), var.detach())
        else:
            mean, var = (getattr(self.norm, f"{name}_{kind}")[self.counts] for kind in ("mean", "var"))
        return (v - spread(mean, v)) * torch.rsqrt(spread(var, v) + EPSILON)
