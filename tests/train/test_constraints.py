import pytest
import torch
from torch import nn

from recurra.cells import GRU, LSTM, Cell, LayerNormed, OrthogonalRNN
from recurra.errors import UsageError
from recurra.layers import MLSTM, QRNN, Conv2d, Dense, Diagonal, Highway, Recurrent, Stack
from recurra.train import MaxNorm
from recurra.wirings import Wiring
from tests.tolerance import close

LONGEST = 0.3


def bounded(model: nn.Module) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Every weight before and after; all are random."""
    torch.manual_seed(0)
    for weight in model.parameters():
        nn.init.normal_(weight)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    MaxNorm(model, LONGEST)()
    return {name: (before[name], weight.detach()) for name, weight in model.named_parameters()}


@pytest.mark.parametrize(
    ("cell", "wiring"),
    [(GRU(), Dense(3, 4)), (LSTM(), Diagonal(3, 4)), (GRU(), Conv2d(1, 2)), (LayerNormed(LSTM()), Dense(3, 4))],
    ids=str,
)
def test_no_row_is_longer_and_what_was_short_stays(cell: Cell, wiring: Wiring) -> None:
    layer = Recurrent(cell, wiring)
    nothing = True
    for name, (before, after) in bounded(layer).items():
        if name not in ("input_weight", "recur_weight"):
            assert torch.equal(before, after), name
            continue
        rows, shortened = (each.reshape(len(each), -1) for each in (before, after))
        lengths = rows.norm(dim=1, keepdim=True)
        close(shortened, rows * (LONGEST / lengths).clamp(max=1))
        nothing &= bool((lengths <= LONGEST).all())
    assert not nothing


def test_a_stack_holds_cores_of_all_kinds_and_leaves_the_rest_alone() -> None:
    model = nn.Sequential(
        nn.Linear(4, 4), Stack(Highway(Recurrent(GRU(), Dense(4, 4)), 4), QRNN(4, 4), MLSTM(4, 4), Highway(MLSTM(4, 4), 4))
    )
    for name, (before, after) in bounded(model).items():
        if before.dim() > 1 and not name.startswith("0"):
            assert after.norm(dim=1).max() <= LONGEST + 1e-6, name
        else:
            assert torch.equal(before, after), name


def test_a_matrix_that_is_kept_is_left_to_its_cell() -> None:
    layer = Recurrent(OrthogonalRNN(), Dense(3, 4))
    MaxNorm(layer, LONGEST)()
    close(layer.weights["recur_weight"].norm(dim=1).detach(), torch.ones(4))
    assert layer.weights["input_weight"].norm(dim=1).max() <= LONGEST + 1e-6


def test_as_a_hook_it_follows_every_update() -> None:
    layer = Recurrent(GRU(), Dense(3, 4))
    adam = torch.optim.Adam(layer.parameters(), lr=1.0)
    adam.register_step_post_hook(MaxNorm(layer, LONGEST))
    for _ in range(3):
        layer(torch.randn(2, 5, 3))[0].sum().backward()
        adam.step()
        assert layer.weights["recur_weight"].norm(dim=1).max() <= LONGEST + 1e-6


def test_a_model_without_recurrent_layers_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^max_norm: the model has no recurrent layers; wanted some$"):
        MaxNorm(nn.Linear(2, 2), 1.0)
