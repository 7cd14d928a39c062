"""What a network tells of the steps ahead: points, quantiles moved by what they missed before, and how likely a value was."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.data import SeriesBatch, Windows
from recurra.models.forecasters import Forecast as Spoken
from recurra.models.forecasters import Forecaster
from recurra.tasks.options import Forecast
from recurra.tasks.streaming import Told

__all__ = ["READ", "crps", "evenly", "levels_of", "measured_margins", "read_batches", "score", "tell"]

LOOK = 2048  # windows that a look reads, evenly spread over the validation part
READ = 256
"""Windows read side by side, in looking and measuring."""
SMOOTH = 8  # the band's margin at a step is that of neighbours up to an eighth of the horizon away
FEW = 40  # errors, below which a margin is that of all steps together


@torch.no_grad()
def tell(model: Forecaster, window: SeriesBatch, options: Forecast, margins: NDArray[np.float64] | None) -> Told:
    """A network's forecast, its quantiles moved by the margins that were measured."""
    return _told(model, model(window), options, margins)


@torch.no_grad()
def score(
    model: Forecaster, window: SeriesBatch, options: Forecast, margins: NDArray[np.float64]
) -> tuple[Told, NDArray[np.float64] | None]:
    """What `tell` says, and (B, C) the negative logarithm of the probability of the first step's value, or of its density.

    None of a loss that knows neither.
    """
    forecast = model(window)
    told = _told(model, forecast, options, margins)
    if options.loss not in ("gaussian", "student", "negative-binomial"):
        return told, None
    nats = model.likelihood.loss(forecast.raw[:, :1], window.y[:, :1], forecast.centre, forecast.spread)
    if options.loss != "negative-binomial":
        nats = nats + forecast.spread.log()  # of the value, not of the value relative to the spread
    return told, (nats + window.y[:, :1] if options.log else nats)[:, 0].double().cpu().numpy()


def _told(model: Forecaster, forecast: Spoken, options: Forecast, margins: NDArray[np.float64] | None) -> Told:
    point = model.likelihood.mean(*forecast)
    quantiles = _quantiles(model, forecast, options)
    if margins is not None:
        moved = torch.from_numpy(margins).to(quantiles)
        quantiles = (quantiles + moved * forecast.spread[..., None]).sort(-1).values
    told = Told(point.double().cpu().numpy(), quantiles.double().cpu().numpy())
    return Told(*(np.exp(part) for part in told)) if options.log else told


def _quantiles(model: Forecaster, forecast: Spoken, options: Forecast) -> Tensor:
    """(B, H, C, Q); all in one place where the loss is that of a point."""
    levels = levels_of(options)
    if options.loss in ("squared", "absolute"):
        return model.likelihood.mean(*forecast)[..., None].expand(*forecast.raw.shape[:3], len(levels))
    return model.likelihood.quantiles(forecast.raw, forecast.centre, forecast.spread, levels)


def crps(model: Forecaster, window: SeriesBatch, options: Forecast) -> tuple[Tensor, Tensor]:
    """The sum of twice the mean pinball loss over each series' deviation, one scale for all losses; and of how many values."""
    forecast, levels = model(window), torch.tensor(levels_of(options), device=window.x.device)
    missed = window.y[..., None] - _quantiles(model, forecast, options)
    pinball = 2 * torch.maximum(levels * missed, (levels - 1) * missed).mean(-1) / window.spread
    return (pinball * window.true).sum(), window.true.sum()


def measured_margins(model: Forecaster, windows: Windows, numbers: NDArray[np.int64], options: Forecast) -> NDArray[np.float64]:
    r"""(H, C, Q): how far each quantile must move to hold its share of the validation part, in units of spread.

    .. math:: \delta_\tau = Q_{1 - 2 \tau} \big( \max(\hat q_\tau - y, \, y - \hat q_{1 - \tau}) / s \big)

    The two ends of each band move apart by as much (conformal quantile regression, Romano et al. 2019, arXiv:1905.03222), over
    the windows and neighbouring steps; the median stays.
    """
    levels, errors, there = levels_of(options), [], []
    plain = options.model_copy(update={"log": False})  # errors are measured where the network works
    for window in read_batches(windows, next(model.parameters()).device, numbers):
        told = tell(model, window, plain, None)
        spread = model.relative(window)[1].cpu().numpy()
        errors.append((window.y.cpu().numpy()[..., None] - told.quantiles) / spread[..., None])
        there.append(window.true.cpu().numpy())
    error = np.where(np.concatenate(there)[..., None], np.concatenate(errors), np.nan)  # (windows, H, C, Q)
    _, horizon, targets, count = error.shape
    margins, reach = np.zeros((horizon, targets, count)), max(1, horizon // SMOOTH)
    apart = _apart(windows, numbers)  # with few of them the band must reach further
    for low, high in ((k, count - 1 - k) for k in range(count // 2)):
        outside = np.maximum(-error[..., low], error[..., high])
        for h in range(horizon):
            near = outside[:, max(0, h - reach) : h + reach + 1]
            for c in range(targets):
                enough = np.isfinite(near[:, :, c]).sum() >= FEW
                some = (near if enough else outside)[:, :, c]
                if np.isfinite(some).any():
                    share = min(1.0, (levels[high] - levels[low]) * (1 + 1 / apart))
                    margins[h, c, high] = np.nanquantile(some, share)
                    margins[h, c, low] = -margins[h, c, high]
    return margins


def _apart(windows: Windows, numbers: NDArray[np.int64]) -> float:
    """How many of these windows share no truth, as those of different series never do."""
    found = np.unique(windows.of, return_counts=True)[1]
    return min(len(numbers), float(np.maximum(1, found / windows.horizon).sum()))


def read_batches(
    windows: Windows, device: torch.device, numbers: NDArray[np.int64] | None = None, size: int = READ
) -> Iterator[SeriesBatch]:
    """Windows, all or those of these numbers, a batch after the other on a device."""
    numbers = np.arange(len(windows)) if numbers is None else numbers
    for k in range(0, len(numbers), size):
        yield windows.at(numbers[k : k + size]).to(device)


def evenly(windows: Windows) -> NDArray[np.int64]:
    """Some windows, evenly spread."""
    return np.unique(np.linspace(0, len(windows) - 1, min(LOOK, len(windows))).astype(np.int64))


def levels_of(options: Forecast) -> tuple[float, ...]:
    """The quantiles that are told, from one end of the band to the other."""
    low = (1 - options.band) / 2
    return tuple(round(low + share * options.band, 6) for share in (0, 0.25, 0.5, 0.75, 1))
