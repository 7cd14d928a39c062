import pytest
import torch

from recurra.bench.cells import OWN, LayerNormLoop
from recurra.cells import Cell, LayerNormLSTM, MinGRU
from recurra.engine import Fold, Sweep
from recurra.layers import Dense, Recurrent
from tests.tolerance import close


def test_the_loop_is_the_cell() -> None:
    torch.manual_seed(0)
    layer, loop = Recurrent(LayerNormLSTM(), Dense(3, 5), engine=Fold()), LayerNormLoop(3, 5)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.normal_()
        loop.input.weight.copy_(layer.weights["input_weight"])
        loop.input.bias.copy_(layer.weights["input_bias"])
        loop.recur.weight.copy_(layer.weights["recur_weight"])
        loop.recur.bias.copy_(layer.weights["recur_bias"])
        for name, norm in zip(LayerNormLSTM.norms, [*loop.norms, loop.norm_state], strict=True):
            norm.get_parameter("weight").copy_(layer.weights[f"{name}_weight"])
            norm.get_parameter("bias").copy_(layer.weights[f"{name}_bias"])
    x = torch.randn(2, 7, 3)
    close(loop(x), layer(x)[0])


@pytest.mark.parametrize("cell", [*OWN.values(), MinGRU()], ids=str)
def test_the_sweep_is_the_fold(cell: Cell) -> None:
    wiring = Dense(6, 6)
    assert Sweep().takes(cell, wiring)
    torch.manual_seed(0)
    fast, slow = Recurrent(cell, wiring, engine=Sweep()), Recurrent(cell, wiring, engine=Fold())
    slow.load_state_dict(fast.state_dict())
    x = torch.randn(3, 20, 6)
    close(fast(x)[0], slow(x)[0])
