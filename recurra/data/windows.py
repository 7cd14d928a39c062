"""Windows of series: a stretch of history, and what came after it."""

from collections.abc import Sequence
from copy import copy
from typing import Any, NamedTuple, Self, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.data.series import Series
from recurra.errors import DataError

__all__ = ["Part", "Scale", "SeriesBatch", "Shuffled", "Windows", "parts", "scales"]


class Scale(NamedTuple):
    """A series' mean and standard deviation for each target, over what is learnt from."""

    centre: NDArray[np.float64]
    spread: NDArray[np.float64]


class Part(NamedTuple):
    """Steps `first` to `last` of a series: a forecast of this part lies in them, whole."""

    first: int
    last: int


class SeriesBatch(NamedTuple):
    """A batch: L steps of history and H that follow, of C targets, on the scale of the data.

    Where there is no history so far back, and where values are missing, `seen` is false, and x holds the nearest value.
    """

    x: Tensor  # (B, L, C)
    seen: Tensor  # (B, L, C)
    past: Tensor  # (B, L, P)
    known: Tensor  # (B, L + H, K)
    static: Tensor  # (B, S)
    centre: Tensor  # (B, 1, C), of the series
    spread: Tensor  # (B, 1, C)
    y: Tensor  # (B, H, C); the nearest value behind the end of the series
    true: Tensor  # (B, H, C): where y was observed

    def to(self, device: torch.device) -> "SeriesBatch":
        """The same on another device."""
        return SeriesBatch(*(each.to(device) for each in self))


def parts(series: Series, validation: float, test: float, horizon: int, gap: int) -> tuple[Part, Part, Part]:
    """What is learnt from, what is looked at during training, and what is measured at the end, in the order of time.

    Shares of the series, or numbers of steps where they are 1 and above; `gap` steps between the parts belong to none.

    >>> from recurra.data.series import Series
    >>> import numpy as np
    >>> empty = np.zeros((100, 0))
    >>> one = Series("a", np.arange(100), np.zeros((100, 1)), np.ones((100, 1), bool), empty, empty, np.zeros(0))
    >>> parts(one, 0.1, 20, 5, 1)
    (Part(first=0, last=68), Part(first=69, last=79), Part(first=80, last=100))
    """
    steps = len(series.values)
    held = [max(horizon, round(share * steps) if share < 1 else round(share)) for share in (validation, test)]
    last = steps - sum(held) - 2 * gap
    if last < horizon + 1:
        raise DataError(
            f"{series.name or 'the series'}: {steps} steps leave {max(last, 0)} to learn from beside validation={held[0]}, "
            f"test={held[1]} and gap={gap}; wanted more than horizon={horizon}: bring more, or lower horizon, validation, test"
        )
    middle = last + gap + held[0]
    return Part(0, last), Part(last + gap, middle), Part(middle + gap, steps)


def scales(series: Series, part: Part) -> Scale:
    """Mean and standard deviation of what was observed in a part; 1 where all values are the same."""
    values, there = series.values[part.first : part.last], series.observed[part.first : part.last]
    count = np.maximum(there.sum(0), 1)
    centre = np.where(there, values, 0.0).sum(0) / count
    spread = np.sqrt(np.where(there, (values - centre) ** 2, 0.0).sum(0) / count)
    return Scale(centre, np.where(spread > 1e-12 * np.maximum(1.0, np.abs(centre)), spread, 1.0))


@final
class Windows:
    """Every window of some series whose H steps lie in their part, in the order of series and time.

    Args:
        series: with the calendar among what is known ahead, if it is wanted.
        where: a part of each series.
        scale: of each series.
        window: L, steps of history; they may begin before the part.
        horizon: H, steps that follow.
        stride: steps between the beginnings of two windows of a series.

    A window at the beginning of a series has less history only where its part has no room for whole ones; before the series
    x holds its first value. `windows.at(numbers)` makes a batch. Nothing that comes after a window's own history is in its
    `x`, `seen` and `past`.
    """

    def __init__(
        self,
        series: Sequence[Series],
        where: Sequence[Part],
        scale: Sequence[Scale],
        window: int,
        horizon: int,
        *,
        stride: int = 1,
    ) -> None:
        self.window, self.horizon = window, horizon
        lengths = np.array([len(each.values) for each in series])
        ahead = np.array([len(each.known) for each in series])
        self._first, self._known_first = _starts(lengths), _starts(ahead)
        self._last, self._known_last = self._first + lengths - 1, self._known_first + ahead - 1
        self._values = _joined([each.values for each in series])
        self._observed = torch.from_numpy(np.concatenate([each.observed for each in series]))
        self._past, self._known = _joined([each.past for each in series]), _joined([each.known for each in series])
        self._static = _joined([each.static[None] for each in series])
        self._centre, self._spread = (_joined([getattr(each, name)[None] for each in scale]) for name in Scale._fields)
        self._place(where, stride)

    def within(self, where: Sequence[Part], *, stride: int = 1) -> Self:
        """The windows of another part of each of the same series, which stand in memory once."""
        other = copy(self)
        other._place(where, stride)
        return other

    def _place(self, where: Sequence[Part], stride: int) -> None:
        firsts = (max(1, part.first, min(self.window, part.last - self.horizon)) for part in where)
        origins = [np.arange(first, part.last - self.horizon + 1, stride) for first, part in zip(firsts, where, strict=True)]
        self.of = np.repeat(np.arange(len(origins)), [len(each) for each in origins])
        self.origins = np.concatenate(origins) if origins else np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.origins)

    def at(self, numbers: NDArray[np.int64]) -> SeriesBatch:
        """The windows of these numbers, as a batch."""
        of, origins = self.of[numbers], self.origins[numbers]
        back, on = np.arange(-self.window, 0), np.arange(self.horizon)
        first, last = self._first[of, None], self._last[of, None]
        history = first + origins[:, None] + back
        rows, late = torch.from_numpy(np.maximum(history, first)), first + origins[:, None] + on
        future, there = torch.from_numpy(np.minimum(late, last)), torch.from_numpy(late <= last)
        both = self._known_first[of, None] + origins[:, None] + np.concatenate([back, on])
        known = torch.from_numpy(np.clip(both, self._known_first[of, None], self._known_last[of, None]))
        row = torch.from_numpy(of)
        return SeriesBatch(
            x=self._values[rows],
            seen=self._observed[rows] & torch.from_numpy(history >= first)[..., None],
            past=self._past[rows],
            known=self._known[known],
            static=self._static[row],
            centre=self._centre[row][:, None],
            spread=self._spread[row][:, None],
            y=self._values[future],
            true=self._observed[future] & there[..., None],
        )


@final
class Shuffled:
    """Batches of windows, as many in each: nearly every window once in each pass, in an order of its own.

    The batch of a step is a function of (seed, step) alone; what does not fill a batch is left out of its pass.
    """

    def __init__(self, windows: Windows, batch: int, seed: int) -> None:
        self.windows, self.batch, self.seed = windows, min(batch, len(windows)), seed
        self.per_epoch = max(1, len(windows) // self.batch)
        self._epoch, self._order = -1, np.zeros(0, np.int64)

    def __getitem__(self, step: int) -> SeriesBatch:
        epoch, number = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, np.random.default_rng([self.seed, epoch]).permutation(len(self.windows))
        return self.windows.at(self._order[number * self.batch : (number + 1) * self.batch])


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)


def _joined(arrays: Sequence[NDArray[Any]]) -> Tensor:
    """Float32 rows one behind the other."""
    whole = np.zeros((sum(len(each) for each in arrays), *arrays[0].shape[1:]), np.float32)
    return torch.from_numpy(np.concatenate(arrays, out=whole, casting="same_kind"))
