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
    (count, width), features, rows = targets.shape, bags.features, bags.rows
    weights, bias = torch.zeros(len(scale), width), torch.zeros(width)
    solver = torch.optim.LBFGS([weights, bias], max_iter=UPDATES, tolerance_change=CHANGE, line_search_fn="strong_wolfe")

    def cost() -> float:  # far faster than embedding_bag and its gradient
        whole = scale * weights.numpy()
        total, slope = loss(scores(bags, whole, bias.numpy()), targets)
        back = [np.bincount(features, column[rows], minlength=len(scale)) for column in slope.T]
        weights.grad = (torch.from_numpy(scale * np.stack(back, axis=1)).float() + strength * weights) / count
        bias.grad = torch.from_numpy(slope.sum(0)).float() / count
        return float((total + 0.5 * strength * weights.square().sum().item()) / count)

    solver.step(cost)  # type: ignore[no-untyped-call]
    return scale * weights.numpy(), bias.numpy().astype(np.float64)


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
    rows, count = bags.rows, len(bags.starts) - 1
    sums = [np.bincount(rows, column[bags.features], minlength=count) for column in weights.T]
    return np.stack(sums, axis=1) + bias
