"""The cells that torch has are torch's cells: values, all gradients, and weights that load both ways."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from recurra.cells import GRU, LSTM, Cell, Elman, ProjectedLSTM
from recurra.engine import ENGINES, Engine
from recurra.layers import Dense, Recurrent
from tests.tolerance import close, equal

NAMES = {
    "input_weight": "weight_ih_l0",
    "recur_weight": "weight_hh_l0",
    "input_bias": "bias_ih_l0",
    "recur_bias": "bias_hh_l0",
    "project_weight": "weight_hr_l0",
}
TWINS: dict[str, tuple[Cell, Any]] = {
    "tanh": (Elman(), lambda **k: nn.RNN(3, 5, batch_first=True, **k)),
    "relu": (Elman("relu"), lambda **k: nn.RNN(3, 5, batch_first=True, nonlinearity="relu", **k)),
    "lstm": (LSTM(), lambda **k: nn.LSTM(3, 5, batch_first=True, **k)),
    "gru": (GRU(), lambda **k: nn.GRU(3, 5, batch_first=True, **k)),
    "projected": (ProjectedLSTM(), lambda **k: nn.LSTM(3, 5, proj_size=2, batch_first=True, **k)),
}


def twins(name: str, engine: Engine, bias: bool = True) -> tuple[Recurrent, Any]:
    torch.manual_seed(0)
    cell, build = TWINS[name]
    wiring = Dense(3, 5, projected_size=2 if name == "projected" else None, bias=bias)
    if not engine.takes(cell, wiring):
        pytest.skip("not its cell")
    ours = Recurrent(cell, wiring, engine=engine)
    theirs = build(bias=bias)
    return ours.double(), theirs.double()


def theirs_of(ours: dict[str, Tensor]) -> dict[str, Tensor]:
    return {NAMES[name]: weight for name, weight in ours.items()}


def ours_of(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: theirs[torchs] for name, torchs in NAMES.items() if torchs in theirs}


def run_theirs(module: Any, x: Tensor, start: tuple[Tensor, ...], lengths: Tensor | None) -> tuple[Tensor, tuple[Tensor, ...]]:
    before = tuple(part[None] for part in start)
    given = x if lengths is None else pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    y, after = module(given, before if len(before) > 1 else before[0])
    if lengths is not None:
        y, _ = pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])
    return y, tuple(part[0] for part in (after if isinstance(after, tuple) else (after,)))


@pytest.mark.parametrize("lengths", [None, torch.tensor([3, 6, 1, 6])], ids=["whole", "ragged"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "bare"])
@pytest.mark.parametrize("way", ["from-torch", "to-torch"])
@pytest.mark.parametrize("engine", ENGINES.values(), ids=lambda engine: str(engine.name))
@pytest.mark.parametrize("name", TWINS)
def test_parity(name: str, engine: Engine, way: str, bias: bool, lengths: Tensor | None) -> None:
    ours, theirs = twins(name, engine, bias)
    if way == "from-torch":
        ours.load_state_dict(ours_of(theirs.state_dict()))
    else:
        theirs.load_state_dict(theirs_of(ours.state_dict()))
    x = torch.randn(4, 6, 3, dtype=torch.float64)
    start = [torch.randn_like(part) for part in ours.initial(4)]
    results = []
    for who in ("ours", "theirs"):
        one = x.clone().requires_grad_()
        parts = [part.clone().requires_grad_() for part in start]
        if who == "ours":
            y, end = ours(one, ours.cell.State(*parts), lengths)
        else:
            y, end = run_theirs(theirs, one, tuple(parts), lengths)
        (y.cos().sum() + sum((k + 1) * part.sin().sum() for k, part in enumerate(end))).backward()
        module = ours if who == "ours" else theirs
        gradients: dict[str, Any] = {n: weight.grad for n, weight in module.named_parameters()}
        if who == "theirs":
            gradients = ours_of(gradients)
        results.append(
            (y, tuple(end), one.grad, tuple(part.grad for part in parts), tuple(gradients[n] for n in sorted(gradients)))
        )
    close(*results)


@pytest.mark.parametrize("name", TWINS)
def test_weights_there_and_back_are_the_same_bits(name: str) -> None:
    ours, theirs = twins(name, ENGINES["fold"])
    before = {n: weight.clone() for n, weight in ours.state_dict().items()}
    theirs.load_state_dict(theirs_of(ours.state_dict()))
    ours.reset_parameters()
    ours.load_state_dict(ours_of(theirs.state_dict()))
    equal(tuple(ours.state_dict().values()), tuple(before.values()))
