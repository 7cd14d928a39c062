"""Dropout of what a cell writes."""

from collections.abc import Mapping
from typing import Any, Literal, final

from torch import Tensor

from recurra.cells.cell import Maps, Mask, Parts
from recurra.cells.wrapper import Wrapper, probed
from recurra.errors import UsageError

__all__ = ["CandidateDropout"]


@final
class CandidateDropout(Wrapper):
    r"""Dropout of the candidate alone, so that what the state holds already is never lost.

    .. math:: c' = f \odot c + i \odot (d \odot g) \qquad d = 0 \text{ with probability } p, \text{ else } 1 / (1 - p)

    It is that of any cell which hands its candidate to :func:`~recurra.cells.written`; above, of LSTM. In evaluation d is 1.

    Args:
        cell: any gated cell.
        share: p, of the candidates that are dropped, 0 to below 1.
        over: a mask for every step, or one for all of a row's steps in a call.

    Shapes: d (B, H), a state of the cell inside.

    Raises:
        UsageError: where the cell never calls ``written``, or drops its candidate already.

    Source: Semeniuta et al. 2016, arXiv:1603.05118.

    Example:
        >>> import torch
        >>> from recurra.cells import GRU
        >>> from recurra.layers import Dense, Recurrent
        >>> layer = Recurrent(CandidateDropout(GRU(), 0.3), Dense(3, 5))
        >>> layer(torch.zeros(2, 7, 3))[0].shape
        torch.Size([2, 7, 5])
    """

    share: float = 0.2
    over: Literal["steps", "sequence"] = "steps"

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise UsageError(f"CandidateDropout: share is {self.share}; wanted 0 to below 1")
        if "candidate" in self.cell.noise:
            raise UsageError(f"{self.cell} drops its candidate already; wanted one CandidateDropout")
        _, state = probed(self.cell, candidate=float("nan"))
        if not any(bool(part.isnan().any()) for part in state):
            raise UsageError(f"{self.cell} has no candidate to drop; wanted a cell that calls written(candidate, m)")

    @property
    def noise(self) -> tuple[str, ...]:
        """The mask, beside the noise of the cell inside."""
        return (*self.cell.noise, "candidate")

    @property
    def masks(self) -> Mapping[str, Mask]:
        """The mask, beside those of the cell inside."""
        return {**self.cell.masks, "candidate": Mask(self.share, over=self.over)}

    def step(self, x: Parts, s: Any, m: Maps) -> tuple[Tensor, Any]:
        """One step of the cell inside, which finds the mask by its name."""
        return self.cell.step(x, s, m)
