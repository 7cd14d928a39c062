"""How fast layers run: torch.nn, the engine that recurra chooses, and the Python fold, interleaved, medians, as ratios.

Run: scripts/quality engine   (about five minutes; nothing else should run beside it)
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.machine import describe, write_result
from recurra.cells import GRU, LSTM, Cell, Elman
from recurra.engine import Engine, Fold, Sweep
from recurra.layers import Dense, Recurrent

SHAPES = ((1, 128, 32), (1, 64, 256), (8, 128, 64), (16, 128, 128), (16, 128, 256), (32, 128, 256), (64, 64, 512))
FOLD_SHAPES = ((1, 128, 32), (8, 128, 64), (16, 128, 128), (32, 128, 256))
ROUNDS = 5


class MGU(Cell):
    """A user's cell: the minimal gated unit (Zhou et al. 2016)."""

    gates = ("forget", "new")
    maps = {"recur": gates}

    class State(NamedTuple):
        """The last output."""

        h: Tensor

    def step(self, x: Any, s: State, m: Any) -> tuple[Tensor, State]:
        """One step."""
        r = m.recur(s.h)
        f = torch.sigmoid(x.forget + r.forget)
        h = (1 - f) * s.h + f * torch.tanh(x.new + f * r.new)
        return h, self.State(h)


PEERS: dict[str, tuple[Cell, Callable[..., nn.Module]]] = {
    "GRU": (GRU(), nn.GRU),
    "Elman": (Elman(), nn.RNN),
    "LSTM": (LSTM(), nn.LSTM),
}


def main() -> None:
    """Measure, print and keep the table."""
    rows = []
    peers: list[tuple[str, Cell, Callable[..., nn.Module]]] = [
        ("GRU", GRU(), nn.GRU),
        ("Elman", Elman(), nn.RNN),
        ("LSTM", LSTM(), nn.LSTM),
    ]
    for name, cell, peer in peers:
        for batch, steps, units in SHAPES:
            runs = {"torch.nn": peer(units, units, batch_first=True), **_layers(cell, units, {"sweep": Sweep()})}
            rows.append(_compare(name, runs, batch, steps, units))
    for batch, steps, units in FOLD_SHAPES:
        runs = _layers(MGU(), units, {"fold": Fold(), "sweep": Sweep()})
        rows.append(_compare("MGU, a user's cell", runs, batch, steps, units))
    means = {}
    for name in dict.fromkeys(row["cell"] for row in rows):
        own = [row for row in rows if row["cell"] == name]
        means[name] = {way: statistics.geometric_mean(row[way] for row in own) for way in ("training", "inference")}
        print(f"{name}: geometric means {means[name]['training']:.2f}x training, {means[name]['inference']:.2f}x inference")
    write_result("engine", {"title": "Speed of the engine", "machine": describe(), "rows": rows, "means": means})


def _layers(cell: Cell, units: int, engines: dict[str, Engine]) -> dict[str, nn.Module]:
    return {name: Recurrent(cell, Dense(units, units), engine=engine) for name, engine in engines.items()}


def _compare(name: str, runs: dict[str, nn.Module], batch: int, steps: int, units: int) -> dict[str, Any]:
    x, weight = torch.randn(batch, steps, units, requires_grad=True), torch.randn(batch, steps, units)
    sweep = runs["sweep"]
    assert isinstance(sweep, Recurrent)
    gates = len(sweep.cell.gates)

    def train(layer: nn.Module) -> None:
        layer.zero_grad()
        x.grad = None
        layer(x)[0].backward(weight)

    def infer(layer: nn.Module) -> None:
        with torch.no_grad():
            layer(x)

    row: dict[str, Any] = {"cell": name, "batch": batch, "steps": steps, "units": units, "peer": next(iter(runs))}
    square = torch.randn(1024, 1024)
    for way, run in (("training", train), ("inference", infer)):
        peer, ours, product = _medians([*(partial(run, layer) for layer in runs.values()), lambda: square @ square])
        row |= {way: peer / ours, f"{way}_ms": ours * 1e3}
        work = (3 if way == "training" else 1) * 2 * steps * batch * gates * units * 2 * units
        row[f"{way}_share"] = work / ours / (2 * 1024**3 / product)
    print(
        f"{name} {batch},{steps},{units}: training {row['training_ms']:.2f} ms, {row['training']:.2f}x {row['peer']}, "
        f"inference {row['inference_ms']:.2f} ms, {row['inference']:.2f}x",
        flush=True,
    )
    return row


def _medians(runs: list[Callable[[], Any]]) -> list[float]:
    times: list[list[float]] = [[] for _ in runs]
    for turn in range(ROUNDS + 1):
        for run, found in zip(runs, times, strict=True):
            begun = time.perf_counter()
            run()
            if turn:
                found.append(time.perf_counter() - begun)
    return [sorted(found)[ROUNDS // 2] for found in times]


if __name__ == "__main__":
    main()
