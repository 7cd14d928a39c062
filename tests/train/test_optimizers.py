from typing import cast

import pytest
import torch
from torch import Tensor, nn

from recurra.cells import OrthogonalRNN
from recurra.errors import UsageError
from recurra.layers import LSTM, Dense, Recurrent, Stack
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


def test_weights_inside_a_recurrence_have_a_rate_of_their_own() -> None:
    model = nn.ModuleDict({"layers": Stack(Recurrent(OrthogonalRNN(), Dense(2, 3))), "output": nn.Linear(3, 2)})
    made = optimizer("adamw", model, lr=0.1, weight_decay=0.3, recurrent_lr=0.5)
    names = {parameter: name.rpartition("layers.0.")[2] for name, parameter in model.named_parameters()}
    held = {names[weight]: (group["lr"], group["weight_decay"]) for group in made.param_groups for weight in group["params"]}
    assert held == {
        "input_weight": (0.1, 0.3),
        "input_bias": (0.1, 0.0),
        "bend": (0.05, 0.0),
        "parametrizations.recur_weight.original": (0.05, 0.3),
        "output.weight": (0.1, 0.3),
        "output.bias": (0.1, 0.0),
    }


def test_without_a_rate_they_stay_as_they_start() -> None:
    torch.manual_seed(0)
    layer = Recurrent(OrthogonalRNN(), Dense(2, 3))
    before = cast("Tensor", layer.recur_weight).clone(), layer.get_parameter("input_weight").clone()
    made = optimizer("adam", layer, lr=0.1, weight_decay=0.0, recurrent_lr=0.0)
    torch.autograd.backward(layer(torch.randn(4, 5, 2))[0].square().sum())
    made.step()
    assert cast("Tensor", layer.recur_weight).equal(before[0])
    assert not layer.get_parameter("input_weight").equal(before[1])


def test_an_unknown_name() -> None:
    with pytest.raises(UsageError, match=r"^optimizer=adamm: did you mean adam"):
        optimizer("adamm", nn.Linear(1, 1), lr=0.1, weight_decay=0)
