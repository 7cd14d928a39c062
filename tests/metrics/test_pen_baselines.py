import numpy as np
import pytest

from recurra.metrics.pen_baselines import pen_baselines


def rows(count: int, seed: int) -> list[np.ndarray]:
    random, found = np.random.default_rng(seed), []
    for _ in range(count):
        pen = (random.random(30) < 0.2).astype(np.float32)
        moves = random.normal(0, 1, (30, 2)) + np.append(0, 4 * pen[:-1])[:, None]
        found.append(np.concatenate([np.column_stack([moves, pen]), [[0, 0, 2]]]).astype(np.float32))
    return found


def test_gaussians_by_hand() -> None:
    learnt = rows(100, 0)
    points = np.concatenate(learnt)
    moves = points[points[:, 2] != 2, :2].astype(np.float64)
    nats = pen_baselines(learnt)["one Gaussian"](learnt)
    covariance = np.cov(moves.T)
    expected = np.log(2 * np.pi) + 0.5 * np.log(np.linalg.det(covariance)) + 1  # of a fitted Gaussian in the plane
    often = np.bincount(points[:, 2].astype(int)) / len(points)
    count = len(points)
    pen = -count * (often * np.log(often)).sum()
    assert nats.sum() == pytest.approx(len(moves) * expected + pen, rel=1e-3)


def test_knowing_the_pen_helps_where_moves_depend_on_it() -> None:
    learnt, asked = rows(200, 0), rows(50, 1)
    alone, by_pen = (nats(asked).mean() for nats in pen_baselines(learnt).values())
    assert by_pen < alone - 0.3


def test_ends_have_no_move() -> None:
    learnt = rows(20, 0)
    nats = pen_baselines(learnt)["one Gaussian"]
    end = np.array([[1e6, 1e6, 2]], np.float32)
    assert nats([end])[0] < 10
