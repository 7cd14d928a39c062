"""The memory of a sweep: rows packed by length, weights packed by panels, states and pre-activations of every step."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from recurra.cells import Cell
from recurra.engine.compile import Program
from recurra.engine.matmul import add_product, pack_columns
from recurra.engine.pool import threads
from recurra.engine.tile import pack
from recurra.wirings import Dense

__all__ = ["Buffers", "Call", "Packing", "packed"]

SMALL = 60_000  # multiplications of one step below which a second thread costs more than it brings


class Packing(NamedTuple):
    """How rows lie: where those alive at each step begin; in ragged batches, the order of rows and the place of each in x."""

    starts: Tensor
    order: Tensor | None
    places: Tensor | None


class Call(NamedTuple):
    """One run of a layer, but for its numbers."""

    cell: Cell
    wiring: Dense
    packing: Packing
    lengths: Tensor | None
    names: tuple[str, ...]


def packed(lengths: Tensor | None, batch: int, steps: int) -> Packing:
    """Rows by length, time first: step t holds the rows that are still alive."""
    if lengths is None or bool((lengths == steps).all()):
        return Packing(torch.arange(steps + 1) * batch, None, None)
    order = torch.argsort(lengths, descending=True, stable=True)
    alive = lengths[order] > torch.arange(int(lengths.max()))[:, None]  # (T, B)
    starts = torch.cat([torch.zeros(1, dtype=torch.long), alive.sum(1).cumsum(0)])
    t, b = alive.nonzero(as_tuple=True)
    return Packing(starts, order, order[b] * steps + t)


class Buffers:
    """What a sweep reads and writes, by the slots of its layout. H is padded to `units`, whole panels of every map."""

    def __init__(self, made: Program, call: Call, x: Tensor, state: Any, weights: Mapping[str, Tensor]) -> None:
        self.made, self.call = made, call
        plan, grain = made.plan, made.layout.grain
        self.hidden, self.batch, self.units = call.wiring.hidden_size, len(x), -(-call.wiring.hidden_size // grain) * grain
        self.x, self.biases = self.rows(x), dict[str, Tensor]()
        gates, count, units = len(plan.gates), len(self.x), self.units
        bias = weights["input_bias"].clone() if "input_bias" in weights else x.new_zeros(gates * self.hidden)
        for each in plan.maps:  # where input and map meet only in a sum, so do their biases
            own = weights.get(f"{each.name}_bias", x.new_zeros(len(each.parts) * self.hidden)).view(-1, self.hidden)
            self.biases[each.name] = own
            for part, added in zip(each.parts, own, strict=True):
                if part in plan.merged:
                    bias.view(gates, self.hidden)[plan.gates.index(part)] += added
        start = self.wide(bias, gates).repeat(count, 1)
        weight = self.wide(weights["input_weight"], gates)
        self.tensors: dict[str, Tensor] = {
            "G": add_product(start, self.x, pack_columns(weight.t(), gates * units)),
            "R": x.new_empty(count, max(1, len(plan.apart)) * units),
            "starts": call.packing.starts,
        }
        for k, field in enumerate(state):
            self.tensors[f"S{k}"] = x.new_empty(self.batch + count, units)
            self.tensors[f"S{k}"][: self.batch] = self.wider(self.sorted(field))
        if plan.y is None:
            self.tensors["Y"] = x.new_empty(count, units)
        for k, vector in enumerate(plan.vectors):
            self.tensors[f"V{k}"] = self.wider(weights[vector])
        for each in plan.maps:
            width = made.layout.forward[each.name] * made.layout.lanes.width
            self.tensors[f"P.{each.name}"] = pack(weights[f"{each.name}_weight"], len(each.parts), units, width)
            self.tensors[f"b.{each.name}"] = self.wide(self.biases[each.name].flatten(), len(each.parts))
            if each.reads is None:
                self.tensors[f"A.{each.name}"] = x.new_empty(count, units)

    def run(self, way: int) -> None:
        """One sweep over the buffers, forwards (0) or backwards (1)."""
        work = self.batch * self.units * self.hidden * sum(len(each.parts) for each in self.made.plan.maps)
        team = threads() if work >= SMALL else 1
        numbers = {
            "T": len(self.call.packing.starts) - 1,
            "B": self.batch,
            "H": self.hidden,
            "units": self.units,
            "mode": 0 if self.batch >= 6 * team else 1,
        }
        barrier = torch.zeros(32, dtype=torch.int64)
        addresses = {name: tensor.data_ptr() for name, tensor in self.tensors.items()} | {"bar": barrier.data_ptr()}
        known = numbers | addresses
        self.made.run(way, [known.get(slot, 0) for slot in self.made.layout.slots], team)

    def outputs(self, steps: int) -> tuple[Tensor, ...]:
        """Y (B, T, H), and each field of the state after every row's last step."""
        plan, batch, hidden = self.made.plan, self.batch, self.hidden
        y = self.tensors["Y"] if plan.y is None else self.tensors[f"S{plan.y}"][batch:]
        last = self._last()
        fields = (self.tensors[f"S{k}"][last, :hidden] for k in range(len(plan.fields)))
        return self.unrows(y[:, :hidden], steps), *(self.unsorted(field) for field in fields)

    def before(self, states: Tensor) -> Tensor:
        """The state before every step of every row."""
        starts, count = self.call.packing.starts, len(self.x)
        if self.call.packing.order is None:
            return states[:count]
        rows = torch.arange(count)
        step = torch.bucketize(rows, starts, right=True) - 1
        place = rows - starts[step]
        return states[torch.where(step == 0, place, self.batch + starts[(step - 1).clamp(min=0)] + place)]

    def rows(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (N, C), packed, each row's numbers side by side."""
        if self.call.packing.places is None:
            return x.transpose(0, 1).reshape(-1, x.shape[2]).contiguous()
        return x.flatten(0, 1)[self.call.packing.places].contiguous()

    def unrows(self, rows: Tensor, steps: int) -> Tensor:
        """(N, C) -> (B, T, C), zeros behind each row's end."""
        places = self.call.packing.places
        if places is None:
            return rows.view(steps, self.batch, -1).transpose(0, 1).contiguous()
        return rows.new_zeros(self.batch * steps, rows.shape[1]).index_copy_(0, places, rows).view(self.batch, steps, -1)

    def sorted(self, rows: Tensor) -> Tensor:
        """(B, C) in the order of the sweep."""
        return rows if self.call.packing.order is None else rows[self.call.packing.order]

    def unsorted(self, rows: Tensor) -> Tensor:
        """The inverse of `sorted`."""
        order = self.call.packing.order
        return rows if order is None else torch.empty_like(rows).index_copy_(0, order, rows)

    def wide(self, stacked: Tensor, parts: int) -> Tensor:
        """(parts * H, ...) -> (parts * units, ...), zeros between."""
        cut = stacked.reshape(parts, self.hidden, -1)
        return pad(cut, (0, 0, 0, self.units - self.hidden)).view(parts * self.units, *stacked.shape[1:])

    def wider(self, rows: Tensor) -> Tensor:
        """(..., H) -> (..., units), a copy."""
        return (
            pad(rows, (0, self.units - self.hidden))
            if self.units > self.hidden
            else rows.clone(memory_format=torch.contiguous_format)
        )

    def _last(self) -> Tensor:
        """Where each (sorted) row's last state lies; its first where the row has no step."""
        starts, rows = self.call.packing.starts, torch.arange(self.batch)
        steps = (starts.diff()[:, None] > rows).sum(0)
        return torch.where(steps > 0, self.batch + starts[(steps - 1).clamp(min=0)] + rows, rows)
