"""Layers beside their steppers."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from recurra import state as states
from recurra.cells import Cell, ProjectedLSTM
from recurra.engine import Fold, Stepper, Sweep
from recurra.engine.precision import Kind, held, spread
from recurra.layers import Conv2d, Dense, Diagonal, Heads, Recurrent
from recurra.wirings import Wiring
from tests.engine.cells import OWN, PLAIN

ALL: dict[str, Cell] = PLAIN | OWN | {"projected-lstm": ProjectedLSTM()}
LESS: tuple[Kind, ...] = ("bfloat16", "int8")
T = 16  # steps from which the sweep takes a sequence
WIRINGS: dict[str, Callable[[], Wiring]] = {
    "dense": lambda: Dense(5, 17),
    "plain": lambda: Dense(20, 33, bias=False),
    "heads": lambda: Heads(5, 18, 3),
    "diagonal": lambda: Diagonal(5, 17),
    "projected": lambda: Dense(5, 17, 9),
}
PROJECTED = {name for name, cell in ALL.items() if "projected" in cell.widths.values()}
PAIRS = [(name, wiring) for name in ALL for wiring in WIRINGS if (name in PROJECTED) == (wiring == "projected")]


def made(cell: Cell, wiring: Wiring, dtype: torch.dtype = torch.float32) -> Recurrent:
    torch.manual_seed(0)
    layer = Recurrent(cell, wiring, engine=Sweep() if Sweep().takes(cell, wiring) else Fold()).to(dtype)
    for name, weight in layer.named_parameters():
        if name not in cell.vectors:  # one of them divides
            torch.nn.init.normal_(weight, std=0.3)
    return layer


def inputs(layer: Recurrent, batch: int, steps: int = T) -> tuple[Tensor, Any, dict[str, Tensor]]:
    """x (B, T, I), a first state, noise."""
    torch.manual_seed(batch)
    like = layer.get_parameter("input_weight")
    extent = [4, 3] if isinstance(layer.wiring, Conv2d) else []
    x = torch.randn(batch, steps, 2 if extent else like.shape[1], *extent).to(like)
    start = states.map(torch.randn_like, layer.initial(batch, *extent))
    return x, start, {name: torch.rand(batch, steps, layer.wiring.units).to(like) for name in layer.cell.noise}


def stepped(one: Stepper, x: Tensor, state: Any, noise: dict[str, Tensor]) -> tuple[Tensor, Any]:
    """A sequence, step by step."""
    outputs = []
    for t in range(x.shape[1]):
        y, state = one(x[:, t], state, {name: mask[:, t] for name, mask in noise.items()})
        outputs.append(y)
    return torch.stack(outputs, dim=1), state


def whole(layer: Recurrent, x: Tensor, start: Any, noise: dict[str, Tensor]) -> tuple[Tensor, Any]:
    with torch.no_grad():
        return layer(x, start, noise=noise)  # type: ignore[no-any-return]


def as_held(layer: Recurrent, kind: Kind) -> Recurrent:
    """The layer with its weights rounded."""
    other = made(layer.cell, layer.wiring)
    other.load_state_dict(spread(*held(layer.cell, {name: each.detach() for name, each in layer.weights.items()}, kind)))
    return other


def in_place(layer: Recurrent) -> None:
    with torch.no_grad():
        for weight in layer.parameters():
            weight.mul_(0.5)
