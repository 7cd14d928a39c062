"""Zoneout: states that keep what they were."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, final

from torch import Tensor

from recurra.cells.cell import Cell, Maps, Mask, Parts
from recurra.cells.wrapper import Wrapper, probed
from recurra.errors import UsageError

__all__ = ["Zoneout"]


@final
class Zoneout(Wrapper):
    r"""Units that keep their old state for a step, at random.

    .. math:: s' = (1 - d) \odot s + d \odot \hat s \qquad d = 0 \text{ with probability } p, \text{ else } 1

    :math:`\hat s` is the state that the cell inside would go to. In evaluation d is its mean, :math:`1 - p`. Where y is a field
    of the state, it is that field's new value. The field that is y has a mask of its own; other fields of equal share have one
    together, as they are parts of one memory (of a complex number, or of a sum and its scale).

    Args:
        cell: any cell whose state is as wide as its gates.
        share: p, 0 to below 1; a tuple gives one for each field of the state, in its order, as (h, c) of an LSTM.

    Shapes: d (B, H), a state of the cell inside.

    Raises:
        UsageError: for a share that is none, a tuple of another length, or a state that is projected.

    Source: Krueger et al. 2017, arXiv:1606.01305.

    Example:
        >>> import torch
        >>> from recurra.cells import LSTM
        >>> from recurra.layers import Dense, Recurrent
        >>> layer = Recurrent(Zoneout(LSTM(), (0.05, 0.5)), Dense(3, 5))
        >>> y, state = layer(torch.zeros(2, 7, 3))
        >>> torch.equal(y[:, -1], state.h)
        True
    """

    share: float | tuple[float, ...] = 0.1
    _zones: Mapping[str, tuple[str, float]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not hasattr(self.cell, "State"):
            raise UsageError(f"{self.cell} has no State; wanted a NamedTuple of tensors in the class")
        fields = self.cell.State._fields
        shares = self.share if isinstance(self.share, tuple) else (self.share,) * len(fields)
        if len(shares) != len(fields):
            raise UsageError(f"Zoneout: share is {self.share}; wanted one number, or one for each of {', '.join(fields)}")
        if not all(0 <= share < 1 for share in shares):
            raise UsageError(f"Zoneout: share is {self.share}; wanted 0 to below 1")
        if wide := [each for each in fields if self.cell.widths.get(each, "hidden") != "hidden"]:
            raise UsageError(f"Zoneout: state {', '.join(wide)} of {self.cell} is projected; wanted a cell of one width")
        object.__setattr__(self, "_zones", _zones(self.cell, dict(zip(fields, shares, strict=True))))

    @property
    def noise(self) -> tuple[str, ...]:
        """The masks, beside the noise of the cell inside."""
        return (*self.cell.noise, *dict.fromkeys(name for name, _ in self._zones.values()))

    @property
    def masks(self) -> Mapping[str, Mask]:
        """The masks, beside those of the cell inside."""
        return {**self.cell.masks, **{name: Mask(share, scaled=False) for name, share in self._zones.values()}}

    def step(self, x: Parts, s: Any, m: Maps) -> tuple[Tensor, Any]:
        """One step of the cell inside, and what of it is taken."""
        y, ahead = self.cell.step(x, s, m)
        after = dict(zip(ahead._fields, ahead, strict=True))
        for each, (name, _) in self._zones.items():
            d = getattr(m, name)
            after[each] = (1 - d) * getattr(s, each) + d * after[each]
            if y is getattr(ahead, each):
                y = after[each]
        return y, type(ahead)(**after)


def _zones(cell: Cell, shares: Mapping[str, float]) -> dict[str, tuple[str, float]]:
    """The mask of each field, by name and share; of fields that are never kept there is none."""
    y, state = probed(cell)
    zones: dict[str, tuple[str, float]] = {}
    memory = [each for each, part in zip(shares, state, strict=True) if part is not y]
    for each, share in shares.items():
        first = next(other for other in (memory if each in memory else [each]) if shares[other] == share)
        if share:
            zones[each] = (f"zone_{first}", share)
    return zones
