"""The simple recurrent network, and the one that starts at the identity."""

from typing import Literal, NamedTuple, final

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Map, Maps, Parts
from recurra.errors import UsageError

__all__ = ["IRNN", "Elman"]


@final
class Elman(Cell):
    r"""The simple ("vanilla") recurrent network, as ``torch.nn.RNN``.

    .. math:: h' = \tanh(x_h + U h) \quad\text{or}\quad h' = \mathrm{relu}(x_h + U h)

    Shapes: the gate and ``h`` (B, H). Source: Elman 1990, Finding structure in time.

    Example:
        >>> Elman("relu") == Elman("relu"), Elman() == Elman("relu")
        (True, False)
    """

    nonlinearity: Literal["tanh", "relu"] = "tanh"

    gates = ("hidden",)
    maps = {"recur": gates}

    class State(NamedTuple):
        """The last output."""

        h: Tensor

    def __post_init__(self) -> None:
        if self.nonlinearity not in ("tanh", "relu"):
            raise UsageError(f"nonlinearity is {self.nonlinearity!r}; wanted 'tanh' or 'relu'")

    def step(self, x: Parts, s: State, m: Maps) -> tuple[Tensor, State]:
        """One step of the equation above."""
        bend = torch.tanh if self.nonlinearity == "tanh" else torch.relu
        h = bend(x.hidden + m.recur(s.h).hidden)
        return h, self.State(h)


@final
class IRNN(Cell):
    r"""The simple recurrent network of rectified units, which starts by keeping what it has.

    .. math:: h' = \mathrm{relu}(x_h + U h), \qquad U = I \text{ at the start}

    Shapes: the gate and ``h`` (B, H). Biases start at 0. Source: Le et al. 2015, arXiv:1504.00941.

    Example:
        >>> from recurra.layers import Dense, Recurrent
        >>> Recurrent(IRNN(), Dense(3, 2)).recur_weight.tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """

    gates = ("hidden",)
    maps = {"recur": Map(gates, start="identity")}

    class State(NamedTuple):
        """The last output."""

        h: Tensor

    def step(self, x: Parts, s: State, m: Maps) -> tuple[Tensor, State]:
        """One step of the equation above."""
        h = torch.relu(x.hidden + m.recur(s.h).hidden)
        return h, self.State(h)
