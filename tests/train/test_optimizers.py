import pytest
import torch
from torch import nn

from recurra.errors import UsageError
from recurra.layers import LSTM
from recurra.models import LanguageModel
from recurra.train import OPTIMIZERS, optimizer


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_goes_down(name: str) -> None:
    torch.manual_seed(0)
    model, x = nn.Linear(3, 2), torch.randn(50, 3)
    made = optimizer(name, model, lr=0.05, weight_decay=0.001)
    losses = []
    for _ in range(100):
        loss = (model(x) - x[:, :2]).square().mean()
        made.zero_grad()
        loss.backward()
        made.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_weight_is_learnt_and_only_matrices_decay(name: str) -> None:
    model = LanguageModel(9, 4, LSTM(4, 5, layers=2), 5, tied=True)
    made = optimizer(name, model, lr=0.1, weight_decay=0.3)
    held = [(parameter, group["weight_decay"]) for group in made.param_groups for parameter in group["params"]]
    assert len(held) == len({id(parameter) for parameter, _ in held}) == len(list(model.parameters()))
    assert all(decay == (0.3 if parameter.dim() > 1 else 0.0) for parameter, decay in held)
    assert {group["lr"] for group in made.param_groups} == {0.1}


def test_frozen_weights_are_left_out() -> None:
    model = nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    assert [len(group["params"]) for group in optimizer("sgd", model, lr=0.1, weight_decay=0).param_groups] == [1]


def test_an_unknown_name() -> None:
    with pytest.raises(UsageError, match=r"^optimizer=adamm: did you mean adam"):
        optimizer("adamm", nn.Linear(1, 1), lr=0.1, weight_decay=0)
