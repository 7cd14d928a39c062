"""Keras on JAX, and torch.compile, each in a process of its own."""

import os
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import torch
from pydantic import TypeAdapter

from recurra.bench.apart import Failed, answer, ask
from recurra.bench.cells import LayerNormLoop
from recurra.bench.options import Plan
from recurra.bench.results import Contender, Measure, Shape
from recurra.bench.sequences import PEERS, Candidate, measure, ours, runs, timer, torch_nn
from recurra.cells import LayerNormLSTM
from recurra.wirings import Dense

__all__ = ["peers"]

KERAS_LAYERS = {"gru": "GRU", "elman": "SimpleRNN", "lstm": "LSTM"}


def peers(plan: Plan, threads: int) -> Iterator[Measure]:
    """A training step of Keras on JAX, and one of a layer-norm LSTM that torch compiled."""
    asked = {Contender.KERAS: _lack("keras", "jax"), Contender.COMPILED: "" if plan.slow else "slow=true measures it"}
    for contender, lack in asked.items():
        try:
            if lack:
                raise Failed(lack)
            environment = {"KERAS_BACKEND": "jax"}
            found = ask("peers", plan, threads, contender, environment)
        except Failed as failed:
            yield Measure("peers", contender, "training", plan.fold[-1], threads, {}, {str(contender): str(failed)})
        else:
            yield from TypeAdapter(list[Measure]).validate_python(found)


def _lack(*packages: str) -> str:
    absent = [package for package in packages if find_spec(package) is None]
    return f"not installed: pip install {' '.join(absent)}" if absent else ""


def _measured(plan: Plan, threads: int, word: str) -> list[Measure]:
    if hasattr(os, "sched_setaffinity"):  # JAX takes all cores that it may
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    return list(_keras(plan, threads) if word == Contender.KERAS else _compiled(plan, threads))


def _keras(plan: Plan, threads: int) -> Iterator[Measure]:
    for name in plan.cells:
        cell, layer, _ = PEERS[name]
        for shape in plan.fold[-2:]:
            x, units = torch.randn(*shape, requires_grad=True), shape.units
            candidates = ours(cell, Dense(units, units), x) | {Contender.NN: torch_nn(layer(units, units), x)}
            steps = runs(candidates, "training") | {Contender.KERAS: _keras_step(KERAS_LAYERS[name], shape)}
            yield measure("peers", name, cell, "training", shape, threads, timer(plan).medians(steps))


def _keras_step(kind: str, shape: Shape) -> Callable[[], object]:
    """Forward and backward of a Keras layer, compiled by JAX."""
    import jax
    import keras

    layer = getattr(keras.layers, kind)(shape.units, return_sequences=True)
    x, gradient = (jax.random.normal(jax.random.key(seed), shape) for seed in range(2))
    layer.build(x.shape)
    weights, rest = ([one.value for one in group] for group in (layer.trainable_variables, layer.non_trainable_variables))

    def loss(weights: Any, x: Any) -> Any:
        y, _ = layer.stateless_call(weights, rest, x)
        return (y * gradient).sum()

    step = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    return lambda: jax.block_until_ready(step(weights, x))


def _compiled(plan: Plan, threads: int) -> Iterator[Measure]:
    shape, cell = plan.fold[-1], LayerNormLSTM()
    x, wiring = torch.randn(*shape, requires_grad=True), Dense(shape.units, shape.units)
    loop = LayerNormLoop(shape.units, shape.units)
    fast = torch.compile(loop)
    candidates = ours(cell, wiring, x)
    candidates |= {Contender.LOOP: Candidate(loop, x, loop), Contender.COMPILED: Candidate(loop, x, fast)}
    begun = time.perf_counter()
    fast(x).sum().backward()
    first = {str(Contender.COMPILED): time.perf_counter() - begun}
    yield Measure("peers", "layer-norm LSTM", "first call", shape, threads, first)
    yield measure(
        "peers", "layer-norm LSTM", cell, "training", shape, threads, timer(plan).medians(runs(candidates, "training"))
    )


if __name__ == "__main__":
    answer(_measured)
