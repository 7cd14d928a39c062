"""What needs no network and yet foresees music: how often each key sounds, and how often it does after it did or did not."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["roll_baselines"]

Rolls = Sequence[NDArray[Any]]


def roll_baselines(learnt: Rolls) -> dict[str, Callable[[Rolls], NDArray[np.float64]]]:
    """By name, what gives the nats (N,) of every step of rolls (T, D) but the first of each, one piece after the other.

    ``each key by itself`` knows each key's frequency, ``each key after itself`` how often it sounds where it sounded a step
    before and where it did not. Both count one sound and one silence more than there were (Laplace).

    Example:
        >>> roll = np.repeat([[0, 1], [1, 0], [0, 1]], 10, axis=0)
        >>> {name: float(nats([roll]).mean().round(3)) for name, nats in roll_baselines([roll]).items()}
        {'each key by itself': 1.289, 'each key after itself': 0.523}
    """
    before, after = _pairs(learnt)
    often = (after.sum(0) + 1) / (len(after) + 2)
    held = ((before & after).sum(0) + 1) / (before.sum(0) + 2)
    begun = ((~before & after).sum(0) + 1) / ((~before).sum(0) + 2)

    def alone(rolls: Rolls) -> NDArray[np.float64]:
        return _nats(often, _pairs(rolls)[1])

    def following(rolls: Rolls) -> NDArray[np.float64]:
        last, now = _pairs(rolls)
        return _nats(np.where(last, held, begun), now)

    return {"each key by itself": alone, "each key after itself": following}


def _pairs(rolls: Rolls) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    before = np.concatenate([roll[:-1] for roll in rolls]).astype(np.bool_)
    return before, np.concatenate([roll[1:] for roll in rolls]).astype(np.bool_)


def _nats(probable: NDArray[np.float64], sounds: NDArray[np.bool_]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = -np.where(sounds, np.log(probable), np.log1p(-probable)).sum(1)
    return found
