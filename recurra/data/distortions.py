"""Writing that is each time a little other than it was: shifted, slanted, turned, stretched, noisy."""

from collections.abc import Callable
from typing import Any, final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from recurra.data.buckets import Buckets, PairBatch
from recurra.data.ink import ink_features
from recurra.data.ragged import Ragged
from recurra.errors import UsageError

__all__ = ["STRETCH", "Distorted", "distort_image", "distort_ink", "points"]

STRETCH = 0.15
"""How much narrower or wider a piece becomes at most, at strength 1."""

SHIFT, SLANT, TURN, NOISE = 0.08, 0.2, 0.04, 0.05  # of the height; columns a row; radians; of full ink
TILT, JITTER = 0.15, 0.02  # radians that strokes turn; of their height, that points move

Floats = NDArray[np.float32]
Distort = Callable[[Floats, np.random.Generator, float], Floats]


@final
class Distorted:
    """Pieces of similar length side by side with their targets, as `Buckets` has them, each distorted another way each time.

    Batch k is a function of (seed, k) alone: a resumed run needs to know only its step.

    Args:
        inputs: N pieces (T, C).
        targets: N sequences of symbols.
        distort: from a piece, a source of chance and a strength to another piece: `distort_image` or `distort_ink`.
        strength: 1 is what lines of print and hand bear well; 0 nothing.
        tokens, batch, seed: as those of `Buckets`.

    Example:
        >>> rows = Ragged.of_vectors([np.ones((20, 8))] * 6, 8)
        >>> batches = Distorted(rows, Ragged.of([[1]] * 6), distort_image, 1.0, tokens=100, batch=4, seed=0)
        >>> bool(torch.equal(batches[3].source, batches[3].source)), batches.per_epoch
        (True, 2)
    """

    def __init__(
        self, inputs: Ragged, targets: Ragged, distort: Distort, strength: float, *, tokens: int, batch: int, seed: int
    ) -> None:
        if not 0 <= strength <= 5:
            raise UsageError(f"strength is {strength}; wanted 0 to 5")
        self.inputs, self.targets, self.distort, self.strength, self.seed = inputs, targets, distort, strength, seed
        self.buckets = Buckets(inputs, targets, tokens=tokens, batch=batch, seed=seed)
        self.per_epoch, self.padding = self.buckets.per_epoch, self.buckets.padding

    def __getitem__(self, step: int) -> PairBatch:
        if not self.strength:
            return self.buckets[step]
        places = self.buckets.places(step)
        random = np.random.default_rng([self.seed, step, 3])
        rows = [self.distort(self.inputs.row(int(place)), random, self.strength) for place in places]
        inputs, targets, every = Ragged.of_vectors(rows, rows[0].shape[1]), self.targets.take(places), np.arange(len(rows))
        x, y = (torch.from_numpy(side.padded(every)) for side in (inputs, targets))
        return PairBatch(x, torch.from_numpy(inputs.lengths), y, torch.from_numpy(targets.lengths))


def distort_image(row: Floats, random: np.random.Generator, strength: float) -> Floats:
    """Columns (T, Y) of an image, moved up or down, slanted, turned, made wider or narrower, thinner or thicker, and noisy."""
    width, height = row.shape
    shift, slant, turn = strength * random.uniform(-1, 1, 3) * (SHIFT * height, SLANT, TURN)
    wide = max(1, round(width * (1 + strength * STRETCH * random.uniform(-1, 1))))
    x, y = np.meshgrid(np.arange(wide, dtype=np.float32), np.arange(height, dtype=np.float32), indexing="ij")
    down = y - (height - 1) / 2
    across = (x - (wide - 1) / 2) * (width / wide)
    turn = np.clip(turn, -SHIFT * height / max(width, 1), SHIFT * height / max(width, 1)) if width > height else turn
    at_x = (across + slant * down) / max((width - 1) / 2, 0.5)  # from -1 to 1 over what there is
    at_y = (down + turn * across + shift) / max((height - 1) / 2, 0.5)
    grid = torch.from_numpy(np.stack([at_y, at_x], -1).astype(np.float32))[None]
    moved = F.grid_sample(torch.from_numpy(np.ascontiguousarray(row))[None, None], grid, align_corners=True)[0, 0].numpy()
    weight = np.exp(strength * 0.3 * random.uniform(-1, 1))  # above 1 strokes look thinner
    noisy = np.clip(moved, 0, 1) ** weight + strength * NOISE * random.standard_normal(moved.shape)
    drawn: Floats = np.clip(noisy, 0, 1).astype(np.float32)
    return drawn


def distort_ink(row: Floats, random: np.random.Generator, strength: float) -> Floats:
    """Features (T, 5) of pen points that are turned, slanted, stretched, and jitter."""
    turn, slant, stretch = strength * random.uniform(-1, 1, 3) * (TILT, SLANT, STRETCH)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.array([[1 + stretch, slant], [0, 1]])
    moved = (points(row) + strength * JITTER * random.standard_normal((len(row), 2))) @ matrix.T
    return ink_features(np.split(moved, np.flatnonzero(row[:, 4])[1:]))


def points(row: NDArray[Any]) -> NDArray[np.float64]:
    """(T, 2): where the pen was, from features (T, 5)."""
    return np.cumsum(row[:, :2].astype(np.float64), axis=0)
