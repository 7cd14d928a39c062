import pytest
import torch
import torch.nn.functional as F

from recurra import state as states
from recurra.cells import GRU, LSTM, LayerNormLSTM, OrthogonalRNN
from recurra.engine import Fold
from recurra.layers import Conv2d, Dense, Recurrent
from tests.tolerance import close, equal

X = torch.randn(3, 70, 2, generator=torch.Generator().manual_seed(0))


def test_gradients_reach_the_weights_that_were_kept_alone() -> None:
    torch.manual_seed(0)
    layer = Recurrent(LSTM(), Dense(2, 6), weight_drop=0.5)
    torch.manual_seed(1)
    y, _ = layer(X)
    torch.manual_seed(1)
    mask = F.dropout(torch.ones(24, 6), 0.5)
    found = torch.autograd.grad(y.sum(), [layer.get_parameter("recur_weight")])[0]
    plain = Recurrent(LSTM(), Dense(2, 6), engine=Fold())
    plain.load_state_dict(layer.state_dict() | {"recur_weight": layer.weights["recur_weight"].detach() * mask})
    whole = torch.autograd.grad(plain(X)[0].sum(), [plain.get_parameter("recur_weight")])[0]
    close(found, whole * mask)


@pytest.mark.parametrize("wiring", [Dense(2, 6), Conv2d(2, 3)], ids=str)
def test_in_low_memory_a_call_has_one_mask_too(wiring: Dense | Conv2d) -> None:
    torch.manual_seed(0)
    engine = Fold() if isinstance(wiring, Conv2d) else None
    normal = Recurrent(GRU(), wiring, weight_drop=0.5, engine=engine)
    low = Recurrent(GRU(), wiring, weight_drop=0.5, engine=engine, memory="low")
    low.load_state_dict(normal.state_dict())
    x = X[..., None, None].expand(3, 70, 2, 3, 3) if isinstance(wiring, Conv2d) else X
    results = []
    for layer in (normal, low):
        torch.manual_seed(1)
        y, end = layer(x)
        results.append((y, *end, *torch.autograd.grad(y.square().sum(), list(layer.parameters()))))
    close(states.detach(tuple(results[0])), states.detach(tuple(results[1])))


def test_norms_vectors_and_the_input_are_left_and_kept_matrices_are_dropped() -> None:
    for cell, left in ((LayerNormLSTM(), "norm_forget_weight"), (OrthogonalRNN(), "input_weight")):
        layer = Recurrent(cell, Dense(2, 6), weight_drop=0.5)
        weights, dropped = layer.weights, layer.dropped()
        zeros = [name for name in weights if not torch.equal(dropped[name], weights[name])]
        assert zeros == ["recur_weight"]
        equal(dropped[left], weights[left])
        assert all(torch.equal(a, b) for a, b in zip(layer.eval().dropped().values(), weights.values(), strict=True))
