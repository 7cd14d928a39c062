"""Cells as a user would write them, which neither recurra nor torch brings."""

from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from recurra.cells import LSTM, Cell

__all__ = ["MGU", "OWN", "LayerNormLSTM", "LayerNormLoop", "MinGRU", "PeepholeLSTM"]


class Hidden(NamedTuple):
    """The last output."""

    h: Tensor


@final
class MGU(Cell):
    r"""The minimal gated unit, :math:`f = \sigma(x_f + U_f h), \; h' = (1 - f) h + f \tanh(x_n + f \odot U_n h)`.

    Source: Zhou et al. 2016, arXiv:1603.09420, reset after the product.
    """

    gates = ("forget", "new")
    maps = {"recur": gates}
    State = Hidden

    def step(self, x: Any, s: Hidden, m: Any) -> tuple[Tensor, Hidden]:
        """One step."""
        r = m.recur(s.h)
        f = torch.sigmoid(x.forget + r.forget)
        h = (1 - f) * s.h + f * torch.tanh(x.new + f * r.new)
        return h, Hidden(h)


@final
class PeepholeLSTM(Cell):
    """LSTM whose gates see the cell state, each unit its own. Source: Gers et al. 2002."""

    gates, maps, bias, State = LSTM.gates, LSTM.maps, LSTM.bias, LSTM.State
    vectors = {"peep_input": 0.0, "peep_forget": 0.0, "peep_output": 0.0}

    def step(self, x: Any, s: LSTM.State, m: Any) -> tuple[Tensor, LSTM.State]:
        """One step."""
        r = m.recur(s.h)
        i = torch.sigmoid(x.input + r.input + m.peep_input * s.c)
        f = torch.sigmoid(x.forget + r.forget + m.peep_forget * s.c)
        c = f * s.c + i * torch.tanh(x.cell + r.cell)
        h = torch.sigmoid(x.output + r.output + m.peep_output * c) * torch.tanh(c)
        return h, LSTM.State(h, c)


@final
class LayerNormLSTM(Cell):
    """LSTM with a layer norm of each gate and of the cell state. Source: Ba et al. 2016, arXiv:1607.06450, of sums."""

    gates, maps, bias, State = LSTM.gates, LSTM.maps, LSTM.bias, LSTM.State
    norms = ("norm_input", "norm_forget", "norm_cell", "norm_output", "norm_state")

    def step(self, x: Any, s: LSTM.State, m: Any) -> tuple[Tensor, LSTM.State]:
        """One step."""
        r = m.recur(s.h)
        i, f = torch.sigmoid(m.norm_input(x.input + r.input)), torch.sigmoid(m.norm_forget(x.forget + r.forget))
        g, o = torch.tanh(m.norm_cell(x.cell + r.cell)), torch.sigmoid(m.norm_output(x.output + r.output))
        c = f * s.c + i * g
        h = o * torch.tanh(m.norm_state(c))
        return h, LSTM.State(h, c)


@final
class MinGRU(Cell):
    """The minimal GRU: no product in the loop. Source: Feng et al. 2024, arXiv:2410.01201."""

    gates = ("update", "new")
    State = Hidden

    def step(self, x: Any, s: Hidden, m: Any) -> tuple[Tensor, Hidden]:
        """One step."""
        h = s.h + torch.sigmoid(x.update) * (x.new - s.h)
        return h, Hidden(h)


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
