import pytest
import torch

from recurra import state as states
from recurra.cells import GRU, LSTM
from recurra.errors import ShapeError
from recurra.layers import MLSTM, QRNN, CausalConvolution, Dense, Highway, Recurrent, SequenceBatchNorm, Stack
from tests.tolerance import close, equal

X = torch.randn(3, 7, 4, generator=torch.Generator().manual_seed(0))


def test_it_mixes_input_and_output_by_a_gate() -> None:
    layer = Recurrent(GRU(), Dense(4, 4))
    highway = Highway(layer, 4)
    gate = torch.sigmoid(X @ highway.weight.T + highway.bias)
    below, end = layer(X)
    close(highway(X), (gate * below + (1 - gate) * X, end))
    assert highway.bias.eq(-1).all()
    assert float(gate.mean().detach()) < 0.35  # it carries at first


def test_outputs_are_zero_behind_the_end_and_padding_spoils_no_gradient() -> None:
    highway, x = Highway(Recurrent(LSTM(), Dense(4, 4)), 4), X.clone()
    x[1, 3:] = torch.nan
    y, _ = highway(x, None, torch.tensor([7, 3, 0]))
    assert not y[1, 3:].any()
    assert not y[2].any()
    y.sum().backward()
    assert all(bool(weight.grad.isfinite().all()) for weight in highway.parameters() if weight.grad is not None)


def test_a_layer_of_another_size_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"^Highway: the layer gives \(3, 7, 5\) for x \(3, 7, 4\); wanted the same shape$"):
        Highway(Recurrent(GRU(), Dense(4, 5)), 4)(X)


def test_all_kinds_of_layers_stand_in_one_stack_and_its_stepper() -> None:
    torch.manual_seed(0)
    stack = Stack(
        Highway(Recurrent(GRU(), Dense(4, 4)), 4),
        Highway(QRNN(4, 4, zoneout=0.2), 4),
        MLSTM(4, 4, heads=2),
        SequenceBatchNorm(Recurrent(LSTM(), Dense(4, 4))),
        CausalConvolution(4, 5, 3),
        dropout=0.3,
    )
    stack(torch.randn(8, 20, 4))
    whole, end = stack.eval()(X)
    stack.train()
    one = stack.stepper()
    state = one.initial(3)
    for t in range(7):
        y, state = one(X[:, t], state)
        close(y, whole[:, t].detach())
    close(state, states.detach(end))
    with torch.no_grad():
        for weight in stack.parameters():
            weight.mul_(0.5)
    equal(one(X[:, 0], one.initial(3))[0], one(X[:, 0], one.initial(3))[0])
    assert not torch.allclose(one(X[:, 0], one.initial(3))[0], stack.eval().step(X[:, 0], stack.initial(3))[0])
    one.refresh()
    close(one(X[:, 0], one.initial(3))[0], stack.eval().step(X[:, 0], stack.initial(3))[0].detach())
