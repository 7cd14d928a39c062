"""Linear answers: ridge regression with its strength from the data, and logistic regression on n-grams."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from recurra.metrics.ngrams import Bags

__all__ = ["Ridge", "fit_bags", "logistic", "ridge", "scores", "squared"]

Floats = NDArray[np.float64]
STRENGTHS = np.logspace(-4, 4, 17)
UPDATES = 100
CHANGE = 1e-6  # of the mean loss, that ends the search


class Ridge(NamedTuple):
    """Weights (D, K), what is added (K,), and the strength that was chosen."""

    weights: Floats
    bias: Floats
    strength: float

    def __call__(self, x: Floats) -> Floats:
        """(N, K) from (N, D)."""
        return x @ self.weights + self.bias


def ridge(x: Floats, y: Floats) -> Ridge:
    r"""Ridge regression, as strong as makes the error on what is left out the least.

    .. math::
        \min_W \lVert Y - X W \rVert^2 + \lambda D \lVert W \rVert^2 \qquad
        \text{left out, one at a time: } e_n = \frac{y_n - \hat{y}_n}{1 - h_n}

    over seventeen strengths from 1e-4 to 1e4; columns are brought to the same spread, and means are not held back.
    Source: Hoerl and Kennard 1970; Allen 1974.

    Args:
        x: (N, D).
        y: (N, K).

    Example:
        >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> fitted = ridge(x, 2 * x + 1)
        >>> fitted(np.array([[5.0]])).round(2).tolist(), fitted.strength
        ([[11.0]], 0.0001)
    """
    (count, width), middle, level = x.shape, x.mean(0), y.mean(0)
    spread = x.std(0)
    spread = np.where(spread > 1e-9 * (1 + np.abs(middle)), spread, np.inf)
    z, wanted = (x - middle) / spread, y - level
    if width <= count:
        squares, v = np.linalg.eigh(z.T @ z)
    else:
        squares, u = np.linalg.eigh(z @ z.T)
    squares = np.maximum(squares, 0)
    kept = squares > 1e-10 * max(squares[-1], 1e-300)
    squares = squares[kept]
    if width <= count:
        v = v[:, kept]
        u = z @ v / np.sqrt(squares)
    else:
        u = u[:, kept]
        v = z.T @ u / np.sqrt(squares)
    inside, best = u.T @ wanted, (np.inf, 1.0)
    for strength in STRENGTHS:
        shrunk = squares / (squares + strength * width)
        leverage = 1 / count + (u**2) @ shrunk
        errors = (wanted - u @ (shrunk[:, None] * inside)) / np.maximum(1 - leverage, 1e-9)[:, None]
        best = min(best, (float((errors**2).mean()), float(strength)))
    weights = v @ ((np.sqrt(squares) / (squares + best[1] * width))[:, None] * inside) / spread[:, None]
    return Ridge(weights, level - middle @ weights, best[1])


Loss = Callable[[Floats, Floats], tuple[float, Floats]]
"""From answers and targets, both (N, K), to the sum of what is lost and its gradient (N, K)."""


def fit_bags(bags: Bags, scale: Floats, targets: Floats, loss: Loss, strength: float) -> tuple[Floats, Floats]:
    r"""Weights (F, K) and biases (K,) of a linear model of which n-grams a text has, by L-BFGS.

    .. math::
        \min_{w, b} \sum_n \ell\Big( \sum_{f \in n} s_{fk} w_{fk} + b_k, \, y_{nk} \Big) + \frac{\lambda}{2} \lVert w \rVert^2

    Args:
        bags: N texts.
        scale: (F, K) or (F, 1) what each n-gram counts for; the weights that are given back contain it.
        targets: (N, K).
        loss: `logistic`, or `squared`.
        strength: of the penalty.
    """
    few = _together(bags, scale)
    (count, width), features, rows = targets.shape, few.features, few.rows
    weights, bias = torch.zeros(len(few.scale), width), torch.zeros(width)
    solver = torch.optim.LBFGS([weights, bias], max_iter=UPDATES, tolerance_change=CHANGE, line_search_fn="strong_wolfe")

    def cost() -> float:  # far faster than embedding_bag and its gradient
        whole = few.scale * weights.numpy()
        total, slope = loss(_sums(rows, features, count, whole) + bias.numpy(), targets)
        back = [np.bincount(features, column[rows], minlength=len(few.scale)) for column in slope.T]
        weights.grad = (torch.from_numpy(few.scale * np.stack(back, axis=1)).float() + strength * weights) / count
        bias.grad = torch.from_numpy(slope.sum(0)).float() / count
        return float((total + 0.5 * strength * weights.square().sum().item()) / count)

    solver.step(cost)  # type: ignore[no-untyped-call]
    apart: Floats = scale * scale * (weights.numpy() / np.where(few.scale == 0, 1, few.scale))[few.numbers]
    return apart, bias.numpy().astype(np.float64)


class _Few(NamedTuple):
    """N-grams of which those that one text alone has are one.

    Attributes:
        rows: which text each is of.
        features: which n-gram it is.
        scale: what each n-gram counts for.
        numbers: of each n-gram that there was, which it is now.
    """

    rows: NDArray[np.int64]
    features: NDArray[np.int64]
    scale: Floats
    numbers: NDArray[np.int64]


def _together(bags: Bags, scale: Floats) -> _Few:
    r"""The same model with fewer weights.

    What always stands together has weights in the ratio of what it counts for, so that one n-gram of the scale
    :math:`\sqrt{\sum s_f^2}` does what all of those do that stand in one text alone: in long texts most.
    """
    features, rows, count = bags.features, bags.rows, len(bags.starts) - 1
    alone = np.bincount(features, minlength=len(scale)) == 1
    shared = np.flatnonzero(~alone)
    numbers = np.zeros(len(scale), np.int64)
    numbers[shared] = np.arange(len(shared))
    single = alone[features]
    numbers[features[single]] = len(shared) + rows[single]
    squares = [np.bincount(rows[single], column[features[single]] ** 2, minlength=count) for column in scale.T]
    some = np.unique(rows[single])
    return _Few(
        np.concatenate([rows[~single], some]),
        np.concatenate([numbers[features[~single]], len(shared) + some]),
        np.concatenate([scale[shared], np.sqrt(np.stack(squares, axis=1))]),
        numbers,
    )


def logistic(answers: Floats, targets: Floats) -> tuple[float, Floats]:
    """Cross entropy of independent yes or no, in nats."""
    likely = 0.5 * (1 + np.tanh(0.5 * answers))
    return float((np.logaddexp(0.0, answers) - targets * answers).sum()), likely - targets


def squared(answers: Floats, targets: Floats) -> tuple[float, Floats]:
    """Half the squared distance."""
    apart = answers - targets
    return 0.5 * float((apart**2).sum()), apart


def scores(bags: Bags, weights: Floats, bias: Floats) -> Floats:
    """(N, K): the sum of the weights (F, K) of the n-grams that each text has, and the biases (K,)."""
    return _sums(bags.rows, bags.features, len(bags.starts) - 1, weights) + bias


def _sums(rows: NDArray[np.int64], features: NDArray[np.int64], count: int, weights: Floats) -> Floats:
    return np.stack([np.bincount(rows, column[features], minlength=count) for column in weights.T], axis=1)
