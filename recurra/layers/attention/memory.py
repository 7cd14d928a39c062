"""What attention looks at: a ragged memory, prepared once for all steps."""

from typing import NamedTuple

import torch
from torch import Tensor

from recurra import lengths as ragged
from recurra.errors import ShapeError
from recurra.state import portable

__all__ = ["Memory", "checked"]


@portable
class Memory(NamedTuple):
    """A prepared memory. It is a state value: :func:`recurra.state.take` gives each hypothesis of a beam its row.

    Shapes: `values` (B, S, M), what contexts are sums of; `keys` (B, S, K), what queries are compared with; `lengths` (B,), how
    many of the S positions a row has.
    """

    values: Tensor
    keys: Tensor
    lengths: Tensor

    @property
    def inside(self) -> Tensor:
        """(B, 1, S): true where a position is inside its row."""
        return ragged.mask(self.lengths, self.values.shape[1])[:, None]


def checked(values: Tensor, lengths: Tensor | None, size: int) -> tuple[Tensor, Tensor]:
    """The memory (B, S, M) with zeros behind its lengths, and these; refuse what nothing can be attended to in."""
    if values.dim() != 3 or values.shape[2] != size:
        raise ShapeError(f"memory is {tuple(values.shape)}; wanted (B, S > 0, {size})")
    ragged.check(values, lengths, None)
    if lengths is None:
        lengths = torch.full(values.shape[:1], values.shape[1], device=values.device)
    lengths = lengths.to(values.device)
    known = not (torch.compiler.is_compiling() or lengths.is_meta)
    if known and len(lengths) and int(lengths.min()) == 0:
        row = int(lengths.argmin())
        raise ShapeError(f"row {row} of the memory has length 0; wanted at least 1: there is nothing to attend to")
    return ragged.cut(values, lengths), lengths
