"""Wirings: what the maps of a cell are made of, how large they are, and where their weights start.

A wiring is a frozen description. The weights themselves live in the layer (or in `drop_in`, or in a packed copy of an
engine) as one flat mapping of names to tensors:

================================  =====================================================================
``input_weight``, ``input_bias``  the input map, all gates stacked in the cell's order
``NAME_weight``, ``NAME_bias``    every map that the cell names, parts stacked; every norm
``NAME``                          every per-unit vector
================================  =====================================================================
"""

from recurra.wirings.convolutions import Conv1d, Conv2d, Conv3d
from recurra.wirings.vectors import Dense, Diagonal, Heads
from recurra.wirings.wiring import Start, Weights, Wiring

__all__ = ["Conv1d", "Conv2d", "Conv3d", "Dense", "Diagonal", "Heads", "Start", "Weights", "Wiring"]
