import numpy as np
import pytest
import torch

from recurra.data import Ragged
from recurra.data.distortions import STRETCH, Distorted, distort_image, distort_ink, points
from recurra.data.ink import ink_features
from recurra.errors import UsageError


def bar() -> np.ndarray:
    row = np.zeros((40, 16), np.float32)
    row[18:22] = 1
    return row


def test_no_strength_changes_nothing() -> None:
    still = distort_image(bar(), np.random.default_rng(0), 0.0)
    np.testing.assert_allclose(still, bar(), atol=1e-5)
    row = ink_features([np.array([[0.0, 0], [3, 5]]), np.array([[1.0, 2], [4, 4]])])
    np.testing.assert_allclose(distort_ink(row, np.random.default_rng(0), 0.0), row, atol=1e-5)


def test_images_stay_what_they_are_and_never_much_narrower() -> None:
    widths = []
    for seed in range(40):
        made = distort_image(bar(), np.random.default_rng(seed), 1.0)
        assert made.dtype == np.float32
        assert made.shape[1] == 16
        assert 0 <= made.min() <= made.max() <= 1
        assert made[len(made) // 2 - 6 : len(made) // 2 + 6].mean() > 2 * made[: len(made) // 4].mean()
        widths.append(len(made))
    assert min(widths) >= int((1 - STRETCH) * 40)
    assert len(set(widths)) > 5


def test_strokes_stay_strokes() -> None:
    strokes = [np.array([[0.0, 0], [3, 5], [6, 0]]), np.array([[1.0, 2], [5, 2]])]
    row = ink_features(strokes)
    made = distort_ink(row, np.random.default_rng(1), 1.0)
    assert made[:, 4].tolist() == row[:, 4].tolist()
    assert 0.01 < np.abs(made[:, 2:4] - row[:, 2:4]).max() < 0.6
    np.testing.assert_allclose(points(row) * 5, np.concatenate(strokes), atol=1e-5)


def test_batches_are_a_function_of_seed_and_step() -> None:
    inputs, targets = Ragged.of_vectors([bar()] * 10, 16), Ragged.of([[1, 2]] * 10)

    def made(seed: int, strength: float = 1.0) -> Distorted:
        return Distorted(inputs, targets, distort_image, strength, tokens=400, batch=4, seed=seed)

    one, other = made(0), made(0)
    assert all(map(torch.equal, one[5], other[5]))
    assert one.per_epoch == 3
    assert not any(
        one[step].source.shape == made(1)[step].source.shape and torch.equal(one[step].source, made(1)[step].source)
        for step in range(3)
    )
    assert torch.equal(made(0, 0.0)[2].source[0], torch.from_numpy(bar()))
    with pytest.raises(UsageError, match="strength is -1"):
        made(0, -1.0)
