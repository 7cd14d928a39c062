"""Samples at another rate: a windowed sinc, phase by phase, of a whole sound or of one piece after the other."""

from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import NamedTuple, final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from recurra.errors import UsageError

__all__ = ["Resampler", "resample"]

Samples = NDArray[np.float32]

ZEROS = 32  # crossings of zero on each side of the sinc
BETA = 8.96  # of the Kaiser window: what is to be suppressed is so by 90 dB
EDGE = 0.91  # where the pass band's edge is at half its height, as a share of the lower Nyquist frequency: beyond 1 all is gone
RATES = (1_000, 768_000)
BLOCK = 16_384  # samples made at a time


class State(NamedTuple):
    """The last samples that later ones still need; how many were read and made before."""

    past: Samples
    read: int
    made: int


@final
@dataclass(frozen=True)
class Resampler:
    r"""From one rate of sampling to another, in pieces as they come; together they are the whole, bit for bit.

    .. math:: y_m = \sum_k h\!\left(m \tfrac{r}{r'} - k\right) x_k, \quad
        h(t) = 2 f \operatorname{sinc}(2 f t) \, w_\text{Kaiser}(t), \quad f = 0.91 \cdot \tfrac12 \min(1, r' / r)

    Before the beginning and behind the end there are zeros. What is less than 0.82 of the lower Nyquist frequency passes as it
    is, what is above it is weaker by 90 dB. Source: Smith 1984, digital audio resampling; Kaiser & Schafer 1980.

    Args:
        rate: r, samples a second as they come.
        wanted: r', samples a second as they are made.

    Raises:
        UsageError: a rate below 1,000 or above 768,000.

    Example:
        >>> resampler = Resampler(8000, 16000)
        >>> first, state = resampler(np.ones(100, np.float32), resampler.initial())
        >>> len(first), len(resampler.last(state))
        (136, 64)
    """

    rate: int
    wanted: int

    def __post_init__(self) -> None:
        for rate in (self.rate, self.wanted):
            if not RATES[0] <= rate <= RATES[1]:
                raise UsageError(f"{rate:,} samples a second; wanted {RATES[0]:,} to {RATES[1]:,}")

    @property
    def reach(self) -> int:
        """How many samples on each side one is made of."""
        return _reach(*self._ratio)

    @property
    def _ratio(self) -> tuple[int, int]:
        """(M, L): L samples are made of M."""
        common = gcd(self.rate, self.wanted)
        return self.rate // common, self.wanted // common

    def initial(self) -> State:
        """The state before the first piece."""
        return State(np.zeros(self.reach, np.float32), 0, 0)

    def __call__(self, piece: Samples, state: State) -> tuple[Samples, State]:
        """A piece (N,) of any length, and the state before it -> what can be made now (N',), and the state after."""
        if self.rate == self.wanted:
            return piece, state
        step, phases = self._ratio
        read = state.read + len(piece)
        line = np.concatenate([state.past, piece.astype(np.float32, copy=False)])
        ready = max(state.made, -(-(read - self.reach) * phases // step))  # those whose last sample has come
        first = state.read - len(state.past)  # where the line begins
        made = self._made(line, first, state.made, ready)
        keep = ready * step // phases - self.reach + 1 - first
        return made, State(line[keep:], read, ready)

    def last(self, state: State) -> Samples:
        """What is made behind the last piece."""
        if self.rate == self.wanted:
            return np.zeros(0, np.float32)
        step, phases = self._ratio
        line = np.concatenate([state.past, np.zeros(self.reach + 1, np.float32)])
        return self._made(line, state.read - len(state.past), state.made, -(-state.read * phases // step))

    def _made(self, line: Samples, first: int, start: int, end: int) -> Samples:
        """Samples `start` to `end`, of a line whose first sample is number `first` of all."""
        step, phases = self._ratio
        table, reach = _table(step, phases), self.reach
        parts: list[Samples] = [np.zeros(0, np.float32)]
        for begin in range(start, end, BLOCK):
            places = np.arange(begin, min(begin + BLOCK, end)) * step
            windows = sliding_window_view(line, 2 * reach)[places // phases - reach + 1 - first]
            made: Samples = np.einsum("nk,nk->n", windows, table[places % phases])
            parts.append(made)
        return np.concatenate(parts)


def resample(samples: Samples, rate: int, wanted: int) -> Samples:
    """A whole sound (N,) at another rate, (N r' / r,) rounded up; see :class:`Resampler`.

    Example:
        >>> resample(np.zeros(441, np.float32), 44100, 16000).shape
        (160,)
    """
    resampler = Resampler(rate, wanted)
    made, state = resampler(samples, resampler.initial())
    return np.concatenate([made, resampler.last(state)]) if rate != wanted else samples


def _reach(step: int, phases: int) -> int:
    return -(-ZEROS * max(step, phases) // phases)


@lru_cache(maxsize=16)
def _table(step: int, phases: int) -> Samples:
    """(L, 2 reach) the weights of the samples around each phase."""
    reach, wide = _reach(step, phases), max(1.0, step / phases)
    away = np.arange(1 - reach, reach + 1) - np.arange(phases)[:, None] / phases
    inside = np.clip(1 - (away / (ZEROS * wide)) ** 2, 0, None)
    window = np.i0(BETA * np.sqrt(inside)) / np.i0(BETA) * (inside > 0)
    weights = np.sinc(away * EDGE / wide) * window
    table: Samples = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return table
