"""Biases that begin with long memories."""

import torch

from recurra.errors import UsageError
from recurra.layers.recurrent import Recurrent

__all__ = ["chrono_start"]


@torch.no_grad()
def chrono_start(layer: Recurrent, longest: int) -> None:
    r"""Start the gates that keep the state so that units forget after times from 1 to T steps, some soon and others late.

    .. math:: b_f \sim \log U(1, T - 1), \qquad b_i = -b_f

    The gates are those of the cell's ``retention``: such as forget and input of LSTM, and update of GRU, which has no other.
    A layer is started so before it learns; ``reset_parameters`` takes it back.

    Args:
        layer: whose biases are filled.
        longest: T, the span of the longest dependency, at least 2.

    Raises:
        UsageError: where the cell has no such gate, or the layer no bias.

    Source: Tallec & Ollivier 2018, arXiv:1804.11188.

    Example:
        >>> from recurra.cells import LSTM
        >>> from recurra.layers import Dense
        >>> layer = Recurrent(LSTM(), Dense(3, 4))
        >>> chrono_start(layer, 100)
        >>> input, forget, cell, output = layer.weights["input_bias"].chunk(4)
        >>> torch.equal(input, -forget), bool((forget >= 0).all())
        (True, True)
    """
    cell, gates = layer.cell, layer.cell.gates
    if longest < 2:
        raise UsageError(f"chrono: the longest span is {longest}; wanted at least 2 steps")
    if not cell.retention:
        raise UsageError(f"chrono: {cell} has no gate that keeps its state; wanted one with retention, such as LSTM or GRU")
    spans = layer.weights["input_weight"].new_empty(layer.wiring.units).uniform_(1, longest - 1).log()
    for name, sign in cell.retention.items():
        place = "input_bias" if name in gates else f"{name}_bias"
        if place not in layer.weights:
            raise UsageError("chrono: the wiring has no bias; wanted bias=True")
        bias = layer.weights[place].clone()
        part = bias.chunk(len(gates))[gates.index(name)] if name in gates else bias
        part.copy_((sign * spans).view_as(part))
        layer.place(place, bias)
