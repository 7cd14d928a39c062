import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from recurra import state as states
from recurra.cells import (
    CELLS,
    GRU,
    LSTM,
    Cell,
    Elman,
    LayerNormed,
    LayerNormGRU,
    LayerNormLSTM,
    ProjectedLSTM,
    layer_normed,
)
from recurra.engine import Fold
from recurra.errors import UsageError
from recurra.layers import Conv2d, Dense, Recurrent
from tests.tolerance import close

B, T, INPUT, H = 4, 6, 3, 5


def noisy(layer: Recurrent) -> Recurrent:
    """Every weight random, so that no norm is at its start."""
    with torch.no_grad():
        for weight in layer.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return layer


def test_every_part_is_normed_by_itself() -> None:
    torch.manual_seed(0)
    layer, x = noisy(Recurrent(LayerNormed(LSTM()), Dense(INPUT, H))), torch.randn(B, T, INPUT)
    w, state = layer.weights, layer.initial(B)

    def norm(v: Tensor, name: str) -> Tensor:
        return F.layer_norm(v, (H,), w[f"{name}_weight"], w[f"{name}_bias"])

    y, _ = layer(x)
    h = c = state.h
    for t in range(T):
        read = (x[:, t] @ w["input_weight"].T + w["input_bias"]).chunk(4, dim=1)
        kept = (h @ w["recur_weight"].T + w["recur_bias"]).chunk(4, dim=1)
        i, f, g, o = (
            norm(a, f"norm_input_{gate}") + norm(b, f"norm_recur_{gate}")
            for a, b, gate in zip(read, kept, LSTM.gates, strict=True)
        )
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        close(y[:, t], h)


def test_the_sweep_runs_it() -> None:
    torch.manual_seed(0)
    layer = noisy(Recurrent(LayerNormed(GRU()), Dense(INPUT, H)))
    twin = Recurrent(layer.cell, layer.wiring, engine=Fold())
    twin.load_state_dict(layer.state_dict())
    assert layer.engine.name == "sweep"
    x, lengths = torch.randn(B, T, INPUT), torch.tensor([T, 2, 0, 1])
    start, results = states.map(torch.randn_like, layer.initial(B)), []
    for each in (layer, twin):
        y, end = each(x, start, lengths=lengths)
        results.append((y, *end, *torch.autograd.grad(y.square().sum(), list(each.parameters()))))
    close(states.detach(tuple(results[0])), states.detach(tuple(results[1])))


def test_a_forget_gate_starts_open_and_is_found() -> None:
    cell = LayerNormed(LSTM())
    weights = Recurrent(cell, Dense(INPUT, H)).weights
    assert weights["norm_input_forget_bias"].eq(1).all()
    for name, weight in weights.items():
        if name.endswith("_bias") and name != "norm_input_forget_bias":
            assert weight.eq(0).all() or not name.startswith("norm_"), name
        if name.startswith("norm_") and name.endswith("_weight"):
            assert weight.eq(1).all(), name
    assert cell.retention == {"norm_input_forget": 1, "norm_input_input": -1}


def test_over_images_it_is_over_the_channels() -> None:
    layer = noisy(Recurrent(LayerNormed(Elman()), Conv2d(1, 4)))
    y, _ = layer(torch.randn(2, 3, 1, 5, 5))
    assert y.shape == (2, 3, 4, 5, 5)


def test_any_cell_has_a_normed_form() -> None:
    assert layer_normed(LSTM()) == LayerNormLSTM() == layer_normed(LayerNormLSTM())
    assert layer_normed(GRU()) == LayerNormGRU()
    assert layer_normed(Elman()) == LayerNormed(Elman()) == layer_normed(LayerNormed(Elman()))
    for cell in CELLS.values():
        normed = layer_normed(cell)
        assert normed.norms
        layer = Recurrent(normed, Dense(INPUT, H), engine=Fold())
        y, _ = layer(1000 * torch.randn(B, T, INPUT))
        y.square().sum().backward()
        assert all(weight.grad is None or weight.grad.isfinite().all() for weight in layer.parameters()), cell


def test_what_cannot_be() -> None:
    with pytest.raises(UsageError, match=r"^LayerNormed: map project of .*\(\) gives projected units; wanted hidden ones$"):
        LayerNormed(ProjectedLSTM())
    with pytest.raises(UsageError, match=r"^LayerNormed\(cell=LSTM\(\)\) is normed already; wanted one LayerNormed$"):
        LayerNormed(LayerNormed(LSTM()))


@pytest.mark.parametrize("cell", [LayerNormLSTM(), LayerNormGRU(), LayerNormed(Elman())], ids=repr)
def test_a_beginning_of_zeros_lets_gradients_through(cell: Cell) -> None:
    torch.manual_seed(0)
    layer, x = Recurrent(cell, Dense(3, 32)), torch.randn(4, 20, 3)
    x[:, :10] = 0  # as the upper rows of a picture are
    y, _ = layer(x)
    torch.autograd.backward(y[:, -1].square().mean())
    assert all(weight.grad is not None and float(weight.grad.norm()) < 10 for weight in layer.parameters())
