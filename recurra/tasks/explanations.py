"""Which steps of a sequence made a run of the task `classify` say what it says."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.data import Symbols
from recurra.errors import UsageError
from recurra.layers import AttentionPooling
from recurra.tasks import labelling
from recurra.tasks.labelling import Opened
from recurra.tasks.options import Classify
from recurra.tasks.runs import Run

__all__ = ["Attributed", "Explained", "explain", "integrated_gradients"]

FEWEST, MOST = 32, 512  # points of a path
CLOSE = 0.01  # share of the change that may be left unexplained
POINTS = 64  # that are read side by side


class Attributed(NamedTuple):
    """What each number of an input has done: shares (T, I) of the change of a value, that change, and what they miss of it."""

    shares: NDArray[np.float64]
    change: float
    missed: float


class Explained(NamedTuple):
    """One sequence, what is told of it, and how much each step had to do with that.

    Attributes:
        pieces: of a text, as it is written; none of a series.
        series: (T, C), of series; (T, 0) of a text.
        channels: the names of the C channels.
        label: what is told, a number as its digits.
        probability: of the label; NaN of a number.
        attributions: (T,) what each step adds to the log odds of the label, or to the number.
        change: the log odds, or the number, less those of a sequence of nothing.
        missed: how much of the change the attributions leave out.
        weights: (T,) of pooling by attention; None where pooling is another.
    """

    pieces: tuple[str, ...]
    series: NDArray[np.float64]
    channels: tuple[str, ...]
    label: str
    probability: float
    attributions: NDArray[np.float64]
    change: float
    missed: float
    weights: NDArray[np.float64] | None


def integrated_gradients(value: Callable[[Tensor], Tensor], x: Tensor) -> Attributed:
    r"""Shares of each number of x in how a value differs from that of zeros.

    .. math:: a_i = x_i \int_0^1 \frac{\partial f(\alpha x)}{\partial x_i} \, d\alpha \qquad \sum_i a_i = f(x) - f(0)

    The integral is a sum over midpoints, twice as many each time until 1 % of the change at most is missed, or there are 512.
    Source: Sundararajan et al. 2017, arXiv:1703.01365.

    Args:
        value: f, from N inputs (N, T, I) to N numbers.
        x: (T, I).

    Example:
        >>> found = integrated_gradients(lambda x: (x**2).sum((1, 2)), torch.tensor([[1.0], [2.0]]))
        >>> found.shares.round(3).tolist(), round(found.change, 3)
        ([[1.0], [4.0]], 5.0)
    """
    with torch.no_grad():
        ends = value(torch.stack([torch.zeros_like(x), x])).double().tolist()
    change, count = ends[1] - ends[0], FEWEST
    while True:
        shares = _integral(value, x, count)
        missed = change - float(shares.sum())
        if abs(missed) <= CLOSE * abs(change) or count >= MOST:
            return Attributed(shares, change, missed)
        count *= 2


def _integral(value: Callable[[Tensor], Tensor], x: Tensor, count: int) -> NDArray[np.float64]:
    total = torch.zeros_like(x, dtype=torch.float64)
    for alphas in torch.split((torch.arange(count, device=x.device) + 0.5) / count, POINTS):
        points = (alphas[:, None, None] * x).requires_grad_()
        with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):  # whose backward pass wants training mode
            [slopes] = torch.autograd.grad(value(points).sum(), points)
        total += slopes.double().sum(0)
    shares: NDArray[np.float64] = (total / count * x).cpu().numpy()
    return shares


def explain(run: Run, inputs: Sequence[Any]) -> list[Explained]:
    """What is told of some texts, or series (T, C), and which steps made it so; those without a step are passed over.

    Raises:
        UsageError: a run of another task.

    Example:
        >>> import recurra
        >>> [found] = explain(recurra.load("runs/reviews"), ["a fine film"])       # doctest: +SKIP
        >>> print(found.label, *zip(found.pieces, found.attributions))             # doctest: +SKIP
    """
    if not isinstance(run.options, Classify):
        raise UsageError(f"{run.folder}: a run of the task {run.options.task}; wanted one of the task classify")
    whole = labelling.opened(run)
    return [_explained(whole, each) for each in inputs if whole.encoded([each]).lengths[0]]


def _explained(whole: Opened, given: Any) -> Explained:
    options, model, symbols, known = whole
    device = next(model.parameters()).device
    read = whole.encoded([given])
    x = torch.from_numpy(read.row(0)).to(device)[None]
    told = labelling.told(whole, labelling.outputs(model, read))[0]
    best, weights = int(told.argmax()), None
    with torch.no_grad():
        vectors = model.vectors(x)[0]
        if isinstance(model.pooling, AttentionPooling):
            frames = model.weights(x)[0].double().cpu().numpy()
            weights = np.repeat(frames / options.stride, options.stride)[: x.shape[1]]

    def value(points: Tensor) -> Tensor:
        said, _ = model.told(points)
        if not known.labels:
            return said[:, 0] * known.spread
        said = said / model.temperature
        others = torch.cat([said[:, :best], said[:, best + 1 :]], dim=1)
        return said[:, best] - others.logsumexp(1)

    found = integrated_gradients(value, vectors)
    return Explained(
        () if symbols is None else _pieces(symbols, given, read.row(0)),
        np.zeros((x.shape[1], 0)) if symbols is not None else np.asarray(given, np.float64)[: x.shape[1]],
        known.channels,
        known.labels[best] if known.labels else f"{told[0]:.4g}",
        float(told[best]) if known.labels else float("nan"),
        found.shares.sum(1),
        found.change,
        found.missed,
        weights,
    )


def _pieces(symbols: Symbols, text: str, ids: NDArray[np.int64]) -> tuple[str, ...]:
    """The symbols of a text as they are written there, unknown ones too."""
    written = list(text) if symbols.unit == "character" else re.findall(r"\S+|\n", text)
    if symbols.unit in ("character", "word") and len(written) >= len(ids):
        return tuple(written[: len(ids)])
    return tuple(symbols.decode([number]) for number in ids.tolist())
