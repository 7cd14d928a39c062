"""Recurrent cells: equations without weights. One file each; write your own by deriving from :class:`Cell`."""

from recurra.cells.cell import Cell, Map, Maps, Mask, Parts, written
from recurra.cells.elman import Elman
from recurra.cells.gru import GRU
from recurra.cells.lstm import LSTM, ProjectedLSTM

__all__ = ["CELLS", "GRU", "LSTM", "Cell", "Elman", "Map", "Maps", "Mask", "Parts", "ProjectedLSTM", "written"]

CELLS: dict[str, Cell] = {
    "elman": Elman(),
    "elman-relu": Elman("relu"),
    "lstm": LSTM(),
    "gru": GRU(),
}
"""The cells that options name, as in ``cell=gru``. Each maps H units to H units; the projected LSTM needs a second size."""
