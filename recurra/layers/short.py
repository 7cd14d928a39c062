"""The short forms ``recurra.LSTM(64, 256, layers=2)``: stacks of one cell, wired densely."""

from typing import Literal

from recurra import cells
from recurra.cells import Cell
from recurra.engine import Engine
from recurra.errors import UsageError
from recurra.layers.recurrent import Recurrent
from recurra.layers.stack import Stack
from recurra.wirings import Dense

__all__ = ["GRU", "LSTM", "Elman", "stacked"]


def stacked(
    cell: Cell,
    input_size: int,
    hidden_size: int,
    *,
    layers: int = 1,
    dropout: float = 0.0,
    residual: bool = False,
    engine: Engine | None = None,
    memory: Literal["normal", "low"] = "normal",
) -> Stack:
    """A :class:`~recurra.layers.Stack` of `layers` layers of one cell, wired densely.

    Arguments as those of `Stack` and of :class:`~recurra.layers.Recurrent`.

    Example:
        >>> import torch
        >>> y, state = stacked(cells.GRU(), 3, 5, layers=2)(torch.zeros(2, 7, 3))
        >>> y.shape, len(state)
        (torch.Size([2, 7, 5]), 2)
    """
    if layers < 1:
        raise UsageError(f"layers is {layers}; wanted at least 1")
    sizes = [input_size, *[hidden_size] * (layers - 1)]
    built = (Recurrent(cell, Dense(size, hidden_size), engine=engine, memory=memory) for size in sizes)
    return Stack(*built, dropout=dropout, residual=residual)


def Elman(input_size: int, hidden_size: int, *, layers: int = 1, dropout: float = 0.0, residual: bool = False) -> Stack:  # noqa: N802
    """A stack of :class:`~recurra.cells.Elman` layers (tanh). Arguments as :func:`stacked`.

    Example:
        >>> Elman(3, 5).layers[0].cell
        Elman(nonlinearity='tanh')
    """
    return stacked(cells.Elman(), input_size, hidden_size, layers=layers, dropout=dropout, residual=residual)


def LSTM(input_size: int, hidden_size: int, *, layers: int = 1, dropout: float = 0.0, residual: bool = False) -> Stack:  # noqa: N802
    """A stack of :class:`~recurra.cells.LSTM` layers. Arguments as :func:`stacked`.

    Example:
        >>> import torch
        >>> y, state = LSTM(64, 256, layers=2, dropout=0.3)(torch.zeros(4, 10, 64))
        >>> y.shape, state[1].c.shape
        (torch.Size([4, 10, 256]), torch.Size([4, 256]))
    """
    return stacked(cells.LSTM(), input_size, hidden_size, layers=layers, dropout=dropout, residual=residual)


def GRU(input_size: int, hidden_size: int, *, layers: int = 1, dropout: float = 0.0, residual: bool = False) -> Stack:  # noqa: N802
    """A stack of :class:`~recurra.cells.GRU` layers. Arguments as :func:`stacked`.

    Example:
        >>> GRU(3, 5, layers=2).layers[1].wiring
        Dense(input_size=5, hidden_size=5, projected_size=None, bias=True)
    """
    return stacked(cells.GRU(), input_size, hidden_size, layers=layers, dropout=dropout, residual=residual)
