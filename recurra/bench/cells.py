"""Cells that torch lacks, one of them as a user would write it, and a loop in torch beside one."""

from typing import Any, final

import torch
from torch import Tensor, nn

from recurra.cells import GRU, Cell, LayerNormLSTM, PeepholeLSTM

__all__ = ["MGU", "OWN", "LayerNormLoop"]


@final
class MGU(Cell):
    r"""The minimal gated unit with one product, reset behind it.

    .. math:: f = \sigma(x_f + U_f h), \quad h' = (1 - f) \odot h + f \odot \tanh(x_n + f \odot U_n h)

    :class:`recurra.cells.MGU` resets before it, as the paper does. Source: Zhou et al. 2016, arXiv:1603.09420.
    """

    gates = ("forget", "new")
    maps = {"recur": gates}
    State = GRU.State

    def step(self, x: Any, s: GRU.State, m: Any) -> tuple[Tensor, GRU.State]:
        """One step."""
        r = m.recur(s.h)
        f = torch.sigmoid(x.forget + r.forget)
        h = (1 - f) * s.h + f * torch.tanh(x.new + f * r.new)
        return h, GRU.State(h)


OWN: dict[str, Cell] = {"MGU": MGU(), "peephole LSTM": PeepholeLSTM(), "layer-norm LSTM": LayerNormLSTM()}
"""A user's cells by name."""


class LayerNormLoop(nn.Module):
    """The layer-norm LSTM as users write it with torch: x (B, T, I) -> y (B, T, H)."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.input = nn.Linear(input_size, 4 * hidden_size)
        self.recur = nn.Linear(hidden_size, 4 * hidden_size)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_size) for _ in range(4))
        self.norm_state = nn.LayerNorm(hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """Step by step."""
        h = c = x.new_zeros(len(x), self.hidden_size)
        outputs = []
        for step in x.unbind(1):
            gates = (self.input(step) + self.recur(h)).chunk(4, dim=1)
            i, f, g, o = (norm(gate) for norm, gate in zip(self.norms, gates, strict=True))
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(self.norm_state(c))
            outputs.append(h)
        return torch.stack(outputs, dim=1)
