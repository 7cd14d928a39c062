"""Layer norms inside any cell."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, final

from torch import Tensor

from recurra.cells.cell import Cell, Map, Maps, Parts
from recurra.cells.gru import GRU
from recurra.cells.layer_norm import LayerNormGRU, LayerNormLSTM
from recurra.cells.lstm import LSTM
from recurra.cells.wrapper import Wrapper
from recurra.errors import UsageError

__all__ = ["LayerNormed", "layer_normed"]

NAMED: dict[Cell, Cell] = {LSTM(): LayerNormLSTM(), GRU(): LayerNormGRU()}


@final
class LayerNormed(Wrapper):
    r"""Any cell with a layer norm of each gate's input and of each part of each map.

    .. math::
        x_g \mapsto \mathrm{LN}(x_g), \qquad m(v)_p \mapsto \mathrm{LN}(m(v)_p), \qquad
        \mathrm{LN}(v) = \alpha \odot \frac{v - \bar v}{\sqrt{\overline{(v - \bar v)^2} + 10^{-5}}} + \beta

    Means are over the units of a row, at every step. :math:`\alpha` starts at 1, and :math:`\beta` of a gate's input where the
    cell starts that gate's bias, so that a forget gate stays open; others at 0.

    Shapes: every part (B, H), a state of the cell inside.

    Raises:
        UsageError: where a map gives projected units, or the cell is normed already.

    Source: Ba et al. 2016, arXiv:1607.06450.

    Example:
        >>> import torch
        >>> from recurra.cells import Elman
        >>> from recurra.layers import Dense, Recurrent
        >>> LayerNormed(Elman()).norms
        ('norm_input_hidden', 'norm_recur_hidden')
        >>> Recurrent(LayerNormed(Elman()), Dense(3, 5))(torch.zeros(2, 7, 3))[0].shape
        torch.Size([2, 7, 5])
    """

    def __post_init__(self) -> None:
        if wide := [name for name, map in self.cell.maps.items() if isinstance(map, Map) and map.gives != "hidden"]:
            raise UsageError(f"LayerNormed: map {', '.join(wide)} of {self.cell} gives projected units; wanted hidden ones")
        if len(set(self.norms)) < len(self.norms):
            raise UsageError(f"{self.cell} is normed already; wanted one LayerNormed")

    @property
    def norms(self) -> tuple[str, ...]:
        """Those of the cell inside, of its gates' inputs, and of its maps."""
        inputs = (f"norm_input_{gate}" for gate in self.cell.gates)
        maps = (f"norm_{name}_{part}" for name in self.cell.maps for part in _parts(self.cell, name))
        return (*self.cell.norms, *inputs, *maps)

    @property
    def bias(self) -> Mapping[str, float]:
        """Gates' biases are those of their norms."""
        return {self._place(name): value for name, value in self.cell.bias.items()}

    @property
    def retention(self) -> Mapping[str, int]:
        """It is the bias of a gate's norm that sets how long the state lives."""
        return {self._place(name): sign for name, sign in self.cell.retention.items()}

    def step(self, x: Parts, s: Any, m: Maps) -> tuple[Tensor, Any]:
        """One step of the cell inside, of normed inputs."""
        normed = {name: _normed(m, name, _parts(self.cell, name)) for name in self.cell.maps}
        inputs = {gate: getattr(m, f"norm_input_{gate}")(getattr(x, gate)) for gate in self.cell.gates}
        return self.cell.step(SimpleNamespace(**inputs), s, SimpleNamespace(**{**vars(m), **normed}))

    def _place(self, name: str) -> str:
        return f"norm_input_{name}" if name in self.cell.gates else name


def layer_normed(cell: Cell) -> Cell:
    """The cell with layer norms: of LSTM and GRU the forms that have a name, of others :class:`LayerNormed`.

    Example:
        >>> from recurra.cells import Elman
        >>> layer_normed(LSTM()), layer_normed(Elman())
        (LayerNormLSTM(), LayerNormed(cell=Elman(nonlinearity='tanh')))
    """
    if cell in NAMED.values() or isinstance(cell, LayerNormed):
        return cell
    return NAMED.get(cell) or LayerNormed(cell)


def _parts(cell: Cell, name: str) -> tuple[str, ...]:
    declared = cell.maps[name]
    return declared.parts if isinstance(declared, Map) else declared


def _normed(m: Maps, name: str, parts: tuple[str, ...]) -> Any:
    call = getattr(m, name)

    def mapped(v: Tensor) -> SimpleNamespace:
        found = call(v)
        return SimpleNamespace(**{part: getattr(m, f"norm_{name}_{part}")(getattr(found, part)) for part in parts})

    return mapped
