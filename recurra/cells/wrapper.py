"""A cell around another cell."""

from collections.abc import Callable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Map, Mask, Width

__all__ = ["Wrapper", "probed"]


class Wrapper(Cell):
    """Base of cells that change what another cell does: everything is that cell's own, but what a subclass says anew."""

    cell: Cell

    @property
    def State(self) -> Any:  # noqa: N802 - that of the cell inside
        """The state of the cell inside."""
        return self.cell.State

    @property
    def gates(self) -> tuple[str, ...]:
        """Those of the cell inside."""
        return self.cell.gates

    @property
    def maps(self) -> Mapping[str, tuple[str, ...] | Map]:
        """Those of the cell inside."""
        return self.cell.maps

    @property
    def vectors(self) -> Mapping[str, float | Callable[[Tensor], Any]]:
        """Those of the cell inside."""
        return self.cell.vectors

    @property
    def norms(self) -> tuple[str, ...]:
        """Those of the cell inside."""
        return self.cell.norms

    @property
    def noise(self) -> tuple[str, ...]:
        """Those of the cell inside."""
        return self.cell.noise

    @property
    def masks(self) -> Mapping[str, Mask]:
        """Those of the cell inside."""
        return self.cell.masks

    @property
    def bias(self) -> Mapping[str, float]:
        """Those of the cell inside."""
        return self.cell.bias

    @property
    def retention(self) -> Mapping[str, int]:
        """Those of the cell inside."""
        return self.cell.retention

    @property
    def widths(self) -> Mapping[str, Width]:
        """Those of the cell inside."""
        return self.cell.widths

    @property
    def output(self) -> Width:
        """That of the cell inside."""
        return self.cell.output


@torch.no_grad()
def probed(cell: Cell, **noise: float) -> tuple[Tensor, Any]:
    """(y, state) of one step of one unit, which tells how a cell is built; what is not given as noise is a half."""

    def half() -> Tensor:
        return torch.full((1, 1), 0.5, device="cpu")

    def parts(names: tuple[str, ...], _: Tensor | None = None) -> SimpleNamespace:
        return SimpleNamespace(**{name: half() for name in names})

    owned: dict[str, Any] = {name: half() for name in (*cell.vectors, *cell.noise)}
    owned |= {name: half().fill_(value) for name, value in noise.items()}
    for name, declared in cell.maps.items():
        owned[name] = partial(parts, declared.parts if isinstance(declared, Map) else declared)
    owned |= {name: lambda v: v for name in cell.norms}
    state = cell.State(*(half() for _ in cell.State._fields))
    y, after = cell.step(parts(cell.gates), state, SimpleNamespace(**owned))
    return y, after
