import numpy as np
import pytest

from recurra.metrics import ridge
from recurra.metrics.linear import STRENGTHS, fit_bags, logistic, scores, squared
from recurra.metrics.ngrams import Bags


@pytest.mark.parametrize(("rows", "width"), [(30, 5), (12, 40)])
def test_ridge_against_the_normal_equations_and_leaving_out_by_hand(rows: int, width: int) -> None:
    random = np.random.default_rng(rows)
    x = random.normal(size=(rows, width)) * np.logspace(-1, 2, width) + 5
    y = x[:, :2] @ np.array([[1.0, -2.0], [0.3, 0.0]]) + random.normal(size=(rows, 2))

    def solved(
        x: np.ndarray, y: np.ndarray, strength: float, spread: np.ndarray, middle: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        z = (x - middle) / spread
        level, centre = y.mean(0), z.mean(0)
        z = z - centre
        weights = np.linalg.solve(z.T @ z + strength * width * np.eye(width), z.T @ (y - level))
        return weights, level - centre @ weights

    middle, spread = x.mean(0), x.std(0)
    errors = []
    for strength in STRENGTHS:
        left = []
        for out in range(rows):
            rest = np.arange(rows) != out
            weights, bias = solved(x[rest], y[rest], strength, spread, middle)
            left.append(y[out] - (x[out] - middle) / spread @ weights - bias)
        errors.append(np.square(left).mean())
    fitted = ridge(x, y)
    assert fitted.strength == pytest.approx(STRENGTHS[int(np.argmin(errors))])
    weights, bias = solved(x, y, fitted.strength, spread, middle)
    assert fitted(x) == pytest.approx((x - middle) / spread @ weights + bias, abs=1e-6)


def test_ridge_of_columns_that_say_nothing() -> None:
    x = np.array([[1.0, 7.0], [2.0, 7.0], [3.0, 7.0], [4.0, 7.0]])
    assert ridge(x, x[:, :1])(np.array([[2.5, 9.0]])) == pytest.approx(2.5, abs=1e-3)
    flat = ridge(np.ones((5, 3)), np.arange(5.0)[:, None])
    assert flat(np.ones((1, 3))) == pytest.approx(2.0)


def bags(dense: np.ndarray) -> Bags:
    rows, features = np.nonzero(dense)
    return Bags(features, np.append(0, np.bincount(rows, minlength=len(dense)).cumsum()))


def test_squared_against_the_normal_equations() -> None:
    random = np.random.default_rng(0)
    dense = (random.random((60, 8)) < 0.4).astype(float)
    y, scale = random.normal(size=(60, 2)), random.random((8, 1)) + 0.5
    weights, bias = fit_bags(bags(dense), scale, y, squared, 3.0)
    x = np.hstack([dense * scale[:, 0], np.ones((60, 1))])
    penalty = np.diag([3.0] * 8 + [0.0])
    wanted = np.linalg.solve(x.T @ x + penalty, x.T @ y)
    assert weights == pytest.approx(scale * wanted[:8], abs=2e-3)
    assert bias == pytest.approx(wanted[8], abs=2e-3)
    assert scores(bags(dense), weights, bias) == pytest.approx(x @ wanted, abs=5e-3)


def test_logistic_stops_where_the_gradient_is_nothing() -> None:
    random = np.random.default_rng(1)
    dense = (random.random((80, 6)) < 0.5).astype(float)
    y = (dense[:, :1] + random.random((80, 1)) > 1).astype(float)
    weights, bias = fit_bags(bags(dense), np.ones((6, 1)), y, logistic, 1.0)
    error = 1 / (1 + np.exp(-(dense @ weights + bias))) - y
    assert dense.T @ error + weights == pytest.approx(0.0, abs=0.1)
    assert error.sum() == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("loss", [logistic, squared])
def test_slopes_are_those_of_the_losses(loss: object) -> None:
    answers, targets = np.array([[0.3, -2.0], [40.0, -800.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    value, slope = loss(answers, targets)  # type: ignore[operator]
    assert np.isfinite(value)
    for place in np.ndindex(2, 2):
        step = np.zeros((2, 2))
        step[place] = 1e-5
        rise = (loss(answers + step, targets)[0] - loss(answers - step, targets)[0]) / 2e-5  # type: ignore[operator]
        assert slope[place] == pytest.approx(rise, abs=1e-5)


@pytest.mark.parametrize("width", [1, 2])
def test_ngrams_of_one_text_alone_have_the_weights_they_would_have_apart(width: int) -> None:
    draw = np.random.default_rng(0)
    rows = [sorted({*draw.integers(0, 4, 3).tolist(), *range(4 + 2 * k, 6 + 2 * k)}) for k in range(12)]
    bags = Bags(np.concatenate(rows), np.append(0, np.cumsum([len(row) for row in rows])))
    x, scale = np.zeros((12, 28)), draw.normal(size=(28, width))
    for k, row in enumerate(rows):
        x[k, row] = 1
    targets = draw.integers(0, 2, (12, width)).astype(np.float64)
    weights, bias = fit_bags(bags, scale, targets, logistic, 0.5)
    _, slope = logistic(x @ weights + bias, targets)
    np.testing.assert_allclose(scale * (x.T @ slope) + 0.5 * weights / scale, 0, atol=0.02)  # the gradient by each own weight
    np.testing.assert_allclose(slope.sum(0), 0, atol=0.02)
