"""What needs no history and yet foresees pen points: Gaussians of the moves, and how often the pen is lifted."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["pen_baselines"]

Rows = Sequence[NDArray[np.float32]]
Nats = Callable[[Rows], NDArray[np.float64]]
LIFTED, END, PENS = 1, 2, 3


def pen_baselines(learnt: Rows) -> dict[str, Nats]:
    """By name, what gives the nats of every point of rows (T, 3): dx, dy, and what the pen does, of which the last is the end.

    ``one Gaussian`` knows the mean and covariance of all moves, and how often the pen is lifted; ``one Gaussian by the pen``
    knows both of the points behind a lifted pen, and of all others.

    Example:
        >>> row = np.array([[1, 0, 0], [0, 1, 1], [5, 5, 1], [0, 0, 2]], np.float32)
        >>> {name: nats([row]).shape for name, nats in pen_baselines([row] * 9).items()}
        {'one Gaussian': (4,), 'one Gaussian by the pen': (4,)}
    """
    return {
        "one Gaussian": _fitted(learnt, lambda row: np.zeros(len(row), np.int64)),
        "one Gaussian by the pen": _fitted(learnt, _behind),
    }


def _fitted(learnt: Rows, kind: Callable[[NDArray[np.float32]], NDArray[np.int64]]) -> Nats:
    points, kinds = np.concatenate(learnt).astype(np.float64), np.concatenate([kind(row) for row in learnt])
    fits = {k: _fit(points[kinds == k]) for k in np.unique(kinds).tolist()}

    def nats(rows: Rows) -> NDArray[np.float64]:
        asked, of = np.concatenate(rows).astype(np.float64), np.concatenate([kind(row) for row in rows])
        found = np.zeros(len(asked))
        for k in np.unique(of).tolist():
            found[of == k] = _cost(asked[of == k], *fits[k if k in fits else next(iter(fits))])
        return found

    return nats


def _behind(row: NDArray[np.float32]) -> NDArray[np.int64]:
    """Whether the pen was lifted before each point; it was before the first."""
    before: NDArray[np.int64] = np.append(1, (row[:-1, 2] == LIFTED).astype(np.int64))
    return before


def _fit(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    moves = points[points[:, 2] != END, :2]
    moves = moves if len(moves) > 2 else np.concatenate([moves, [[-1, -1], [1, 1], [1, -1]]])
    does = np.bincount(points[:, 2].astype(np.int64), minlength=PENS) + 1.0
    return moves.mean(0), np.cov(moves.T) + 1e-4 * np.eye(2), np.log(does / does.sum())


def _cost(
    points: NDArray[np.float64], mean: NDArray[np.float64], covariance: NDArray[np.float64], does: NDArray[np.float64]
) -> NDArray[np.float64]:
    away = points[:, :2] - mean
    square = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away)
    move = 0.5 * (square + np.log(np.linalg.det(covariance))) + np.log(2 * np.pi)
    found: NDArray[np.float64] = np.where(points[:, 2] == END, 0, move) - does[points[:, 2].astype(np.int64)]
    return found
