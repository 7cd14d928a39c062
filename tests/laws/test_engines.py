"""Every engine means what the fold means: values and all gradients."""

from typing import Any

import pytest
import torch
from torch import Tensor

from recurra import state as states
from recurra.cells import Cell, ProjectedLSTM
from recurra.engine import ENGINES, Engine, Fold
from recurra.engine.kernels import KERNELS
from recurra.layers import Recurrent
from recurra.wirings import Dense
from tests.tolerance import close

FAST = [engine for engine in ENGINES.values() if engine.name != "fold"]
LENGTHS = {
    "whole": None,
    "sorted": [6, 5, 2, 1],
    "unsorted": [2, 6, 1, 5],
    "short": [2, 1, 3, 3],
    "with-zeros": [0, 4, 0, 6],
    "all-zero": [0, 0, 0, 0],
}


def run(cell: Cell, wiring: Dense, engine: Engine, lengths: Tensor | None, dtype: torch.dtype) -> Any:
    torch.manual_seed(0)
    layer = Recurrent(cell, wiring, engine=engine).to(dtype)
    x = torch.randn(4, 6, 3, dtype=dtype, requires_grad=True)
    start = states.map(lambda part: torch.randn_like(part).requires_grad_(), layer.initial(4))
    y, end = layer(x, start, lengths)
    (y.cos().sum() + sum((k + 1) * part.sin().sum() for k, part in enumerate(end))).backward()
    return y, end, x.grad, states.map(lambda part: part.grad, start), _gradients(layer)


def _gradients(layer: Recurrent) -> tuple[Tensor, ...]:
    return tuple(torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in layer.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "bare"])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("engine", FAST, ids=lambda engine: str(engine.name))
@pytest.mark.parametrize("cell", KERNELS, ids=str)
def test_engines_agree(cell: Cell, engine: Engine, lengths: list[int] | None, bias: bool, dtype: torch.dtype) -> None:
    wiring = Dense(3, 5, projected_size=2 if isinstance(cell, ProjectedLSTM) else None, bias=bias)
    if not engine.takes(cell, wiring):
        pytest.skip("not its cell")
    ragged = None if lengths is None else torch.tensor(lengths)
    close(run(cell, wiring, engine, ragged, dtype), run(cell, wiring, Fold(), ragged, dtype))


@pytest.mark.parametrize("engine", FAST, ids=lambda engine: str(engine.name))
@pytest.mark.parametrize("cell", KERNELS, ids=str)
def test_engines_agree_without_gradients(cell: Cell, engine: Engine) -> None:
    wiring = Dense(3, 5, projected_size=2 if isinstance(cell, ProjectedLSTM) else None)
    if not engine.takes(cell, wiring):
        pytest.skip("not its cell")
    layer, x = Recurrent(cell, wiring, engine=engine), torch.randn(4, 6, 3)
    fold = Recurrent(cell, wiring, engine=Fold())
    fold.load_state_dict(layer.state_dict())
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            close(layer(x, lengths=torch.tensor([2, 6, 0, 5])), fold(x, lengths=torch.tensor([2, 6, 0, 5])))
            close(layer(x), fold(x))
