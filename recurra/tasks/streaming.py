"""A forecast one observation at a time: the state goes in and comes out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from recurra.data import SeriesBatch
from recurra.data.calendar import Step, features
from recurra.errors import DataError, UsageError
from recurra.tasks.backtest import Covariates
from recurra.tasks.plan import Plan

__all__ = ["Ahead", "Stream", "StreamState", "Told"]


class Told(NamedTuple):
    """What is forecast, on the scale of the data: points (B, H, C), and quantiles (B, H, C, Q) of the run's levels."""

    point: NDArray[np.float64]
    quantiles: NDArray[np.float64]


class StreamState(NamedTuple):
    """The last L observations of one series, in a batch of one; `at` is the stamp of the last, in microseconds or rows."""

    x: Tensor  # (1, L, C)
    seen: Tensor  # (1, L, C)
    at: Tensor  # (1,)


class Ahead(NamedTuple):
    """The next H steps: stamps (H,), points, and the ends of the band (H, C)."""

    times: NDArray[Any]
    forecast: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]


@final
class Stream:
    """A run of the task `forecast`, fed one observation after the other; ``run.stream()`` makes one.

    The state is a value: keep it, copy it, go on from it twice. The calendar of the window is counted back from its last stamp:
    of business days, holidays are days like others.

    Example:
        >>> import recurra
        >>> run = recurra.load("runs/sales")  # doctest: +SKIP
        >>> stream = run.stream()             # doctest: +SKIP
        >>> state = stream.initial("2024-05-31", history)  # doctest: +SKIP
        >>> ahead, state = stream([17.0], state)           # doctest: +SKIP
    """

    def __init__(
        self,
        tell: Callable[[SeriesBatch], Told],
        plan: Plan,
        step: Step,
        scale: Mapping[str, Sequence[float]],
        calendar: Covariates | None,
        *,
        log: bool = False,
    ) -> None:
        self.plan, self.step = plan, step
        self._tell, self._calendar, self._log = tell, calendar, log
        self._centre, self._spread = (torch.tensor(scale[name])[None, None] for name in ("centre", "spread"))

    def initial(self, at: Any, history: ArrayLike) -> StreamState:
        """The state after a history (T, C), or (T,) of one target, whose last row has the stamp `at`; NaN is what is missing.

        Of the history the last L rows count; where it is shorter, the network sees its first value before it.
        """
        rows = np.asarray(history, np.float64)
        rows = rows[:, None] if rows.ndim == 1 else rows
        targets = self._centre.shape[2]
        if rows.ndim != 2 or not len(rows) or rows.shape[1] != targets:
            raise UsageError(f"history is {rows.shape}; wanted (T, {targets}), one row at least")
        if np.isnan(rows[0]).any():
            raise DataError("history begins with a missing value; wanted one to begin with")
        rows = rows[-self.plan.window :]
        short = self.plan.window - len(rows)
        there = np.pad(~np.isnan(rows), ((short, 0), (0, 0)))
        state = StreamState(torch.zeros(1, 0, targets), torch.zeros(1, 0, targets, dtype=torch.bool), self._stamp(at))
        for row in np.pad(rows, ((short, 0), (0, 0)), "edge"):
            state = self._fed(state, row)
        return state._replace(seen=torch.from_numpy(there)[None], at=self._stamp(at))

    def __call__(self, observation: ArrayLike, state: StreamState) -> tuple[Ahead, StreamState]:
        """One observation (C,), NaN where there is none, and the state before it -> the next H steps, and the state after."""
        row = np.atleast_1d(np.asarray(observation, np.float64))
        if row.shape != self._centre.shape[2:]:
            raise UsageError(f"observation is {row.shape}; wanted ({self._centre.shape[2]},), one number for each target")
        if np.isinf(row).any() or (self._log and (row <= 0).any()):
            raise DataError(f"observation is {row.tolist()}; wanted finite numbers{' above 0' if self._log else ''}, or NaN")
        following = self.step.ahead(self._time(state), 1)[0]
        fed = self._fed(state, row)._replace(at=self._stamp(following))
        after = fed._replace(x=fed.x[:, -self.plan.window :], seen=fed.seen[:, -self.plan.window :])
        return self.ahead(after), after

    def ahead(self, state: StreamState) -> Ahead:
        """The next H steps after a state."""
        last, horizon, targets = self._time(state), self.plan.horizon, self._centre.shape[2]
        window = np.arange(1 - self.plan.window, horizon + 1)
        known: NDArray[np.floating] = np.zeros((len(window), 0))
        if self._calendar is not None:
            known = self._calendar(features(self.step.at(last, window), self.step))
        told = self._tell(
            SeriesBatch(
                x=state.x,
                seen=state.seen,
                past=torch.zeros(1, self.plan.window, 0),
                known=torch.from_numpy(known.astype(np.float32))[None],
                static=torch.zeros(1, 0),
                centre=self._centre,
                spread=self._spread,
                y=torch.zeros(1, horizon, targets),
                true=torch.zeros(1, horizon, targets, dtype=torch.bool),
            )
        )
        return Ahead(self.step.ahead(last, horizon), told.point[0], told.quantiles[0, ..., 0], told.quantiles[0, ..., -1])

    def _fed(self, state: StreamState, row: NDArray[np.float64]) -> StreamState:
        """The state with a row more; what is missing is the last value again."""
        value = torch.from_numpy(np.log(row) if self._log else row).float()[None, None]
        seen = ~value.isnan()
        value = torch.where(seen, value, state.x[:, -1:]) if state.x.shape[1] else value
        return state._replace(x=torch.cat([state.x, value], dim=1), seen=torch.cat([state.seen, seen], dim=1))

    def _stamp(self, at: Any) -> Tensor:
        number = int(at) if self.step.unit == "row" else int(np.datetime64(at, "us").astype(np.int64))
        return torch.tensor([number])

    def _time(self, state: StreamState) -> Any:
        number = int(state.at)
        return number if self.step.unit == "row" else np.datetime64(number, "us")
