"""Cells that only tests have: what a user might write, and what the compiled sweep must refuse."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from recurra.cells import LSTM, Cell


class Hidden(NamedTuple):
    """A state of one field."""

    h: Tensor


class ResetBefore(Cell):
    """The GRU of Cho et al.: a second map, of something computed on the way."""

    gates = ("reset", "update", "new")
    maps = {"recur": ("reset", "update"), "candidate": ("new",)}
    State = Hidden

    def step(self, x: Any, s: Hidden, m: Any) -> tuple[Tensor, Hidden]:
        r = m.recur(s.h)
        reset, update = torch.sigmoid(x.reset + r.reset), torch.sigmoid(x.update + r.update)
        new = torch.tanh(x.new + m.candidate(reset * s.h).new)
        h = new + update * (s.h - new)
        return h, Hidden(h)


class Peephole(Cell):
    """Gates that see the cell state through a weight of their own."""

    gates, maps, State = LSTM.gates, LSTM.maps, LSTM.State
    vectors = {"peep_input": 0.1, "peep_forget": 0.2, "peep_output": 0.3}

    def step(self, x: Any, s: LSTM.State, m: Any) -> tuple[Tensor, LSTM.State]:
        r = m.recur(s.h)
        i = torch.sigmoid(x.input + r.input + m.peep_input * s.c)
        f = torch.sigmoid(x.forget + r.forget + m.peep_forget * s.c)
        c = f * s.c + i * torch.tanh(x.cell + r.cell)
        h = torch.sigmoid(x.output + r.output + m.peep_output * c) * torch.tanh(c)
        return h, LSTM.State(h, c)


class Minimal(Cell):
    """No product in the loop, and an output that is not the state."""

    gates = ("update", "new")
    State = Hidden

    def step(self, x: Any, s: Hidden, m: Any) -> tuple[Tensor, Hidden]:
        z = torch.sigmoid(x.update)
        h = (1 - z) * s.h + z * x.new
        return torch.relu(h) - 0.1 * h, Hidden(h)


class Leaky(Cell):
    """A field of its own, and most of the operations that are compiled."""

    rate: float = 0.5
    gates = ("new", "size")
    maps = {"recur": ("new",)}
    vectors = {"scale": 1.5}
    State = Hidden

    def step(self, x: Any, s: Hidden, m: Any) -> tuple[Tensor, Hidden]:
        size = torch.nn.functional.silu(x.size) + torch.exp(-x.size.abs()) + torch.sqrt(x.size**2 + 1) / m.scale
        new = torch.where(x.size > 0, torch.tanh(x.new + m.recur(s.h).new), torch.clamp(x.new, -1, 1))
        h = s.h + self.rate * (torch.minimum(new, size) - s.h)
        return h, Hidden(h)


class Mixing(Cell):
    """Not pointwise: it looks at a row's other units."""

    gates = ("new",)
    State = Hidden

    def step(self, x: Any, s: Hidden, m: Any) -> tuple[Tensor, Hidden]:
        h = torch.softmax(x.new, -1) + s.h
        return h, Hidden(h)


class Twice(Cell):
    """Calls one map twice."""

    gates = ("new",)
    maps = {"recur": ("new",)}
    State = Hidden

    def step(self, x: Any, s: Hidden, m: Any) -> tuple[Tensor, Hidden]:
        h = torch.tanh(x.new + m.recur(m.recur(s.h).new).new)
        return h, Hidden(h)


OWN = {"reset-before": ResetBefore(), "peephole": Peephole(), "minimal": Minimal(), "leaky": Leaky(), "leaky-0.1": Leaky(0.1)}
"""The ones that the sweep takes."""
