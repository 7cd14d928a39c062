"""Twins: one layer run by the sweep and by the fold, and what both answer."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call

from recurra import state as states
from recurra.cells import Cell, ProjectedLSTM
from recurra.engine import Fold, Sweep
from recurra.layers import Dense, Diagonal, Heads, Recurrent
from recurra.wirings import Wiring
from tests.engine.cells import OWN, PLAIN
from tests.tolerance import as_near, equal

TABLE: dict[str, Cell] = PLAIN | {"lstm-projected": ProjectedLSTM()} | OWN
del TABLE["leaky-0.1"]  # compiled anew for another constant
WIRINGS = ("dense", "heads", "diagonal")


class Run(NamedTuple):
    """One call of a layer: sizes, what is given beside x, which outputs make the loss, and whose gradients are wanted."""

    batch: int
    steps: int
    inputs: int = 5
    ragged: bool = False
    resets: bool = False
    start: bool = True
    strewn: bool = False
    loss: str = "all"
    wanted: str = "all"
    seed: int = 0


LOSSES = ("all", "all", "y", "sum", "state")
WANTED = ("all", "all", "x", "start", "weight", "one")


def wire(kind: str, cell: Cell, inputs: int, hidden: int, *, bias: bool = True) -> Wiring:
    """A wiring of a kind that suits the cell."""
    if kind == "heads":
        return Heads(inputs, hidden, heads=next(n for n in (4, 3, 1) if hidden % n == 0), bias=bias)
    if kind == "diagonal":
        return Diagonal(inputs, hidden, bias=bias)
    return Dense(inputs, hidden, projected_size=1 + hidden * 5 // 4 % 37 if projects(cell) else None, bias=bias)


def projects(cell: Cell) -> bool:
    """Whether some of a cell's vectors are projected."""
    return "projected" in (*cell.widths.values(), cell.output)


def twins(cell: Cell, wiring: Wiring, dtype: torch.dtype = torch.float32) -> tuple[Recurrent, Recurrent]:
    """The same layer run by the sweep and by the fold. Weights are small: rounding must not grow from step to step."""
    torch.manual_seed(0)
    fast, slow = (Recurrent(cell, wiring, engine=engine) for engine in (Sweep(), Fold()))
    with torch.no_grad():
        for weight in fast.parameters():
            spread = torch.randn_like(weight)
            weight.copy_(0.5 * spread / weight.shape[1] ** 0.5 if weight.dim() > 1 else weight.clamp(max=1) + 0.2 * spread)
    slow.load_state_dict(fast.state_dict())
    return fast.to(dtype), slow.to(dtype)


def strew(tensor: Tensor) -> Tensor:
    """The same numbers, not side by side in memory."""
    return torch.stack([tensor, tensor.detach()], -1)[..., 0]


def given(layer: Recurrent, run: Run) -> tuple[Tensor, Any, dict[str, Any]]:
    """Numbers that are the same in any dtype: x, the first state, and the other arguments."""
    torch.manual_seed(run.seed)
    dtype, batch, steps = next(layer.parameters()).dtype, run.batch, run.steps
    x = torch.randn(batch, steps, run.inputs).to(dtype)
    start = states.map(lambda part: 0.5 * torch.randn(part.shape).to(dtype), layer.initial(batch)) if run.start else None
    lengths = torch.randint(0, steps + 1, (batch,)) if run.ragged else None
    resets = torch.rand(batch, steps) < 0.3 if run.resets else None
    noise = {  # every other one is the same at all steps
        name: (torch.rand(batch, steps if k % 2 else 1, layer.wiring.units) < 0.7).to(dtype)
        for k, name in enumerate(layer.cell.noise)
    }
    return x, start, {"lengths": lengths, "resets": resets, "noise": noise}


def answers(layer: Recurrent, run: Run) -> dict[str, Tensor]:
    """Outputs, states, and the gradients that are wanted, zeros for None."""
    x, start, others = given(layer, run)
    weights = {name: weight.detach().clone() for name, weight in layer.named_parameters()}
    leaves = {"x": x} | ({f"start.{name}": part for name, part in states.named(start).items()} if start else {})
    leaves |= {f"weight.{name}": weight for name, weight in weights.items()}
    wanted = [name for name in leaves if run.wanted in ("all", name.partition(".")[0])] or [f"weight.{[*weights][-1]}"]
    for name in wanted:
        leaves[name].requires_grad_()
    lay = strew if run.strewn else torch.clone
    arguments = (lay(x), states.map(lay, start) if start else None)
    y, end = functional_call(layer, {name: lay(weight) for name, weight in weights.items()}, arguments, others)
    assert isinstance(layer.engine, Fold) or "Swept" in str(y.grad_fn)
    loss = _loss(y, end, run.loss)
    if loss.requires_grad:
        torch.autograd.backward(loss)
    found = {"y": y.detach(), **{f"end.{name}": part.detach() for name, part in states.named(end).items()}}
    for name in wanted:
        gradient = leaves[name].grad
        found[f"gradient of {name}"] = torch.zeros_like(leaves[name]) if gradient is None else gradient
    return found


def _loss(y: Tensor, end: Any, kind: str) -> Tensor:
    if kind == "sum":
        return y.sum()
    outputs = {"all": [y.transpose(0, 1), *end], "y": [y], "state": list(end)[-1:]}[kind]
    torch.manual_seed(1)
    return torch.stack([(out * torch.randn(out.shape).to(out.dtype)).sum() for out in outputs]).sum()


def agree(cell: Cell, wiring: Wiring, run: Run, dtype: torch.dtype) -> None:
    """Fail unless the sweep answers as the fold does, as exactly, and the same bits where nothing is kept for the way back."""
    fast, slow = twins(cell, wiring, dtype)
    ours, folds = answers(fast, run), answers(slow, run)
    exact = answers(slow.double(), run) if dtype != torch.float64 else folds
    for name in exact:
        as_near(ours[name], folds[name], exact[name], f"{run} {wiring}: {name}")
    x, start, others = given(fast, run)
    with torch.no_grad():
        y, end = fast(x, start, **others)
    equal([y, *end], [each for name, each in ours.items() if not name.startswith("gradient")])


class Both(NamedTuple):
    """What two layers found."""

    fast: Any
    slow: Any


def both(cell: Cell, work: Callable[[Recurrent], Any], hidden: int = 8, dtype: torch.dtype = torch.float64) -> Both:
    """The same work with the sweep and with the fold."""
    return Both(*(work(layer) for layer in twins(cell, wire("dense", cell, 4, hidden), dtype)))


def gradients(layer: Recurrent) -> tuple[Tensor | None, ...]:
    return tuple(weight.grad for weight in layer.parameters())
