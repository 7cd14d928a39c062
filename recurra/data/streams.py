"""A long sequence as batches of neighbouring windows."""

from typing import NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.data.counts import told_count
from recurra.errors import DataError

__all__ = ["Streams", "Window"]


class Window(NamedTuple):
    """One batch: symbols, what follows each, and whether the rows start anew here."""

    x: Tensor
    y: Tensor
    fresh: bool


@final
class Streams:
    """A sequence cut into `batch` rows that are read side by side, `window` symbols at a time.

    Row b of a batch continues row b of the one before, so that state can be carried along (truncated backpropagation
    through time). Each epoch starts at another offset, so that windows do not fall on the same borders twice. Batch k is a
    function of (seed, k) alone: a resumed run needs to know only its step.

    Example:
        >>> import numpy as np
        >>> streams = Streams(np.arange(100), batch=2, window=10, seed=0)
        >>> streams[0].fresh, streams[1].fresh, streams[1].x.shape
        (True, False, torch.Size([2, 10]))
        >>> bool((streams[1].x[:, 0] == streams[0].y[:, -1]).all())
        True
    """

    def __init__(self, ids: NDArray[np.int64], batch: int, window: int, seed: int) -> None:
        least = 2 * window + 1
        if len(ids) < least:
            raise DataError(
                f"{told_count(len(ids), 'symbol')} to learn from; window={window} wants at least {least}: give more text"
            )
        self.ids, self.window, self.seed = torch.from_numpy(ids), window, seed
        self.batch = min(batch, (len(ids) - 1 - window) // window)
        self.per_epoch = (len(ids) - 1 - window) // self.batch // window

    def __getitem__(self, step: int) -> Window:
        epoch, place = divmod(step, self.per_epoch)
        row = self.per_epoch * self.window
        offset = int(np.random.default_rng([self.seed, epoch]).integers(len(self.ids) - row * self.batch))
        places = offset + torch.arange(self.batch)[:, None] * row + place * self.window + torch.arange(self.window)
        return Window(self.ids[places], self.ids[places + 1], place == 0)
