"""Watching layers at work: an engine that keeps what the Python fold passes through."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self, cast, final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from recurra import state as states
from recurra.cells import Cell
from recurra.engine import Fold
from recurra.engine.engine import Job
from recurra.layers import Recurrent
from recurra.train.flow.values import Bend, Units
from recurra.wirings import Weights, Wiring

__all__ = ["Call", "Watch", "recurrent", "watched"]

BENT = {torch.sigmoid: "sigmoid", Tensor.sigmoid: "sigmoid", torch.special.expit: "sigmoid"}
BENT |= {torch.tanh: "tanh", Tensor.tanh: "tanh"}
ENDS = {"sigmoid": (0.05, 0.95), "tanh": (-0.95, 0.95)}
HARDLY = 0.01  # of the deviation that a quarter of the units exceed


class Call(NamedTuple):
    """One call of a layer: what ran, with which weights, and the states that the cell made, all in torch's graph."""

    job: Job
    weights: Weights
    states: list[Any]

    def cut(self) -> "Call":
        """The same without its graph."""
        return self._replace(states=[states.detach(state) for state in self.states])


@final
class Watch:
    """An engine that runs one layer by the fold and keeps its longest call, and tallies of every gate and unit."""

    name = "watch"

    def __init__(self, wiring: Wiring) -> None:
        self._call: Call | None = None
        self._channels = wiring.channels
        self._bends: dict[tuple[str, str], Tensor] = {}
        self._count, self._sums, self._squares, self._peaks = 0, torch.zeros(1), torch.zeros(1), torch.zeros(1)

    def takes(self, cell: Cell, wiring: Wiring) -> bool:
        """Every cell."""
        return True

    def can(self, job: Job) -> bool:
        """Every job."""
        return True

    def run(self, cell: Cell, wiring: Wiring, weights: Weights, job: Job) -> tuple[Tensor, Any]:
        """Run the job step by step."""
        watched = _Watched(cell, self, job.lengths)
        y, after = Fold().run(cast("Cell", watched), wiring, weights, job)
        if self._call is None or len(watched.states) >= len(self._call.states):
            self._call = Call(job, weights, watched.states)
        return y, after

    def taken(self) -> Call | None:
        """The longest call since this was asked last."""
        call, self._call = self._call, None
        return call

    @property
    def bends(self) -> tuple[Bend, ...]:
        """Every sigmoid and tanh that was seen, in the order of the step."""
        shares = {key: (sums[1:] / sums[0]).tolist() for key, sums in self._bends.items() if sums[0]}
        return tuple(Bend(name, kind, *share) for (name, kind), share in shares.items())

    @property
    def units(self) -> Units:
        """Every unit of the output."""
        mean = self._sums / max(1, self._count)
        deviations = (self._squares / max(1, self._count) - mean.square()).clamp(min=0).sqrt()
        silent = self._peaks == 0
        usual = deviations[~silent].quantile(0.75) if not silent.all() else deviations.new_zeros(())
        still = (deviations <= HARDLY * usual) & ~silent
        numbers = (part.nonzero().flatten().tolist() for part in (silent, still))
        return Units(tuple(deviations.tolist()), *map(tuple, numbers))

    @torch.no_grad()
    def tally(self, seen: list[tuple[str, str, Tensor]], y: Tensor, live: Tensor | None) -> None:
        """Count in what one step had: the values of sigmoids and tanhs, and the outputs, of the rows that are `live`."""
        for name, kind, values in seen:
            value = values if live is None else values[live]
            low, high = ENDS[kind]
            sums = torch.stack([torch.ones_like(value), value < low, value > high, value]).flatten(1).double().sum(1)
            self._bends[name, kind] = self._bends.get((name, kind), torch.zeros(4)) + sums.cpu()
        rows = (y if live is None else y[live]).movedim(self._channels, -1).flatten(0, -2).double().cpu()
        self._count += len(rows)
        self._sums, self._squares = self._sums + rows.sum(0), self._squares + rows.square().sum(0)
        if len(rows):
            self._peaks = torch.maximum(self._peaks.expand(rows.shape[1]), rows.abs().amax(0))


@contextmanager
def watched(layers: dict[str, Recurrent]) -> Iterator[dict[str, Watch]]:
    """Let these layers run by a `Watch` each."""
    before = {name: (layer.engine, layer.memory) for name, layer in layers.items()}
    watches = {name: Watch(layer.wiring) for name, layer in layers.items()}
    try:
        for name, layer in layers.items():
            layer.engine, layer.memory = watches[name], "normal"
        yield watches
    finally:
        for name, layer in layers.items():
            layer.engine, layer.memory = before[name]


class _Watched:
    """A cell whose step is watched; all else is the cell's own."""

    def __init__(self, cell: Cell, watch: Watch, lengths: Tensor | None) -> None:
        self._cell, self._watch, self._lengths = cell, watch, lengths
        self.states = list[Any]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cell, name)

    def step(self, x: Any, s: Any, m: Any) -> tuple[Tensor, Any]:
        with _Bends(x) as bends:
            y, after = self._cell.step(x, s, m)
        live = None if self._lengths is None else len(self.states) < self._lengths
        self._watch.tally(bends.named(after), y, live)
        self.states.append(after)  # as the cell made it: y may be of the same tensors
        return y, after


class _Bends(TorchFunctionMode):
    """The sigmoids and tanhs of one step, and which parts of the input map entered each.

    A part is followed through all that is done to it, up to the first sigmoid or tanh: what comes out of that is a gate.
    """

    def __init__(self, x: Any) -> None:
        super().__init__()
        self._parts = {id(part): (name,) for name, part in zip(x._fields, x, strict=True)}
        self._kept: list[Any] = [x]  # no id is used twice while its tensor lives
        self._bent: list[tuple[str, Tensor, Tensor]] = []

    def __enter__(self) -> Self:
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in BENT:
            self._bent.append((BENT[func], args[0], result))
            return result
        tensors = [part for part in (result if isinstance(result, tuple | list) else [result]) if isinstance(part, Tensor)]
        given = [
            part for arg in (*args, *(kwargs or {}).values()) for part in (arg if isinstance(arg, tuple | list) else [arg])
        ]
        names = dict.fromkeys(name for part in given for name in self._parts.get(id(part), ()))
        if names and tensors:
            self._kept.append(tensors)
            self._parts |= {id(part): tuple(names) for part in tensors}
        return result

    def named(self, after: Any) -> list[tuple[str, str, Tensor]]:
        """(name, kind, value) of each: the gates that entered it, else the field of the next state, else only its kind."""
        fields = {id(part): name for name, part in zip(after._fields, after, strict=True)}
        said = ((kind, "+".join(self._parts.get(id(x), ())) or fields.get(id(x), kind), value) for kind, x, value in self._bent)
        return [(name, kind, value) for kind, name, value in said]


def recurrent(model: nn.Module) -> dict[str, Recurrent]:
    """The recurrent layers of a model by path."""
    return {path: module for path, module in model.named_modules() if isinstance(module, Recurrent)}
