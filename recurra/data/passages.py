"""Music as batches of neighbouring windows, each epoch in other keys and tempos."""

from collections.abc import Sequence
from typing import Any, NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.data.events import BORDER, events_of
from recurra.data.pieces import KEYS, Piece
from recurra.errors import DataError

__all__ = ["Passage", "Passages", "framed"]


class Passage(NamedTuple):
    """One batch: what is read, what follows each step, where a piece begins, and which of what follows counts.

    Of rolls x and y are (B, T, 88), of events (B, T); `resets` and `counted` are (B, T). `fresh`: rows start anew here.
    """

    x: Tensor
    y: Tensor
    resets: Tensor
    counted: Tensor
    fresh: bool


@final
class Passages:
    """Pieces one after the other in `batch` rows that are read side by side, `window` steps at a time.

    Before each piece stands a border: a step of silence in rolls, the event of that name else. At a border the state is to be
    reset; in rolls nobody has to foresee one. Row b of a batch continues row b of the one before. Each epoch has the pieces in
    another order, moved and stretched anew. Batch k is a function of (seed, k) alone.

    Args:
        pieces: what is learnt from.
        events: as events, and not as rolls.
        batch, window, seed: as those of `Streams`.
        transpose: semitones by which a piece is moved at most, down or up, as far as a piano's keys go.
        stretch: share by which it is played slower or faster at most; of rolls, whose steps are no time, 0.

    Example:
        >>> from recurra.data.cadences import cadences
        >>> passages = Passages(cadences(4), events=False, batch=2, window=16, seed=0, transpose=3)
        >>> first, second = passages[0], passages[1]
        >>> first.x.shape, first.fresh, bool((second.x[:, 0] == first.y[:, -1]).all())
        (torch.Size([2, 16, 88]), True, True)
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        *,
        events: bool,
        batch: int,
        window: int,
        seed: int,
        transpose: int = 0,
        stretch: float = 0.0,
    ) -> None:
        self.pieces, self.events, self.window, self.seed = list(pieces), events, window, seed
        self.transpose, self.stretch = transpose, stretch
        steps = sum(1 + (len(events_of(piece)) if events else piece.steps) for piece in self.pieces) - 1
        if steps < 2 * window:
            raise DataError(f"{steps} steps to learn from; window={window} wants at least {2 * window}: give more music")
        self.batch = min(batch, steps // window)
        self.per_epoch = steps // self.batch // window
        self._held: tuple[int, NDArray[Any], NDArray[np.bool_]] | None = None

    def __getitem__(self, step: int) -> Passage:
        epoch, place = divmod(step, self.per_epoch)
        if self._held is None or self._held[0] != epoch:
            self._held = (epoch, *self._made(epoch))
        _, values, borders = self._held
        row = self.per_epoch * self.window
        offset = int(np.random.default_rng([self.seed, epoch, 1]).integers(len(values)))
        places = offset + np.arange(self.batch)[:, None] * row + place * self.window + np.arange(self.window)
        here, after = places % len(values), (places + 1) % len(values)
        x, y = (torch.from_numpy(values[each]) for each in (here, after))
        counted = np.ones_like(borders[after]) if self.events else ~borders[after]
        return Passage(x, y, torch.from_numpy(borders[here]), torch.from_numpy(counted), place == 0)

    def _made(self, epoch: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        draw = np.random.default_rng([self.seed, epoch, 0])
        changed = [self._changed(self.pieces[k], draw) for k in draw.permutation(len(self.pieces)).tolist()]
        return framed(changed, self.events)

    def _changed(self, piece: Piece, draw: np.random.Generator) -> Piece:
        down, up = (min(self.transpose, room) for room in piece.room())
        piece = piece.moved(int(draw.integers(-down, up + 1)))
        return piece.stretched(float(np.exp(draw.uniform(-1, 1) * np.log1p(self.stretch)))) if self.stretch else piece


def framed(pieces: Sequence[Piece], events: bool) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """(N, 88) frames of float32 or (N,) events of all pieces, each behind its border; and (N,) where borders are."""
    parts, borders = list[NDArray[Any]](), list[NDArray[np.bool_]]()
    for piece in pieces:
        own = events_of(piece) if events else piece.roll().astype(np.float32)
        border = np.full(1, BORDER) if events else np.zeros((1, KEYS), np.float32)
        parts += [border, own]
        borders.append(np.arange(len(own) + 1) == 0)
    return np.concatenate(parts), np.concatenate(borders)
