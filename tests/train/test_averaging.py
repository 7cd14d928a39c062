from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recurra.train import Average
from tests.tolerance import close


def moved(decay: float, count: int) -> tuple[nn.Module, Average, list[dict[str, Tensor]]]:
    """A model whose weights jump about, its average, and what the weights were."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    average, history = Average(model, decay), []
    for _ in range(count):
        for weight in model.parameters():
            nn.init.normal_(weight)
        history.append({name: weight.detach().clone() for name, weight in model.named_parameters()})
        average.update()
    return model, average, history


@pytest.mark.parametrize("decay", [0.1, 0.9, 0.999])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_it_is_the_weighted_mean_of_all_that_was(decay: float, count: int) -> None:
    _, average, history = moved(decay, count)
    shares = torch.tensor([decay ** (count - 1 - k) for k in range(count)])
    for name, found in average.weights.items():
        stacked = torch.stack([weights[name] for weights in history])
        close(found, (stacked * (shares / shares.sum()).view(-1, *[1] * found.dim())).sum(0))


def test_the_start_weights_have_no_part() -> None:
    _, average, history = moved(0.999, 1)
    assert all(found.equal(history[0][name]) for name, found in average.weights.items())


def test_inside_the_model_is_the_average_and_afterwards_itself() -> None:
    model, average, history = moved(0.9, 5)
    with average.applied():
        inside = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    with pytest.raises(ZeroDivisionError), average.applied():
        raise ZeroDivisionError
    assert all(found.equal(inside[name]) for name, found in average.weights.items())
    assert all(weight.equal(history[-1][name]) for name, weight in model.named_parameters())


def test_buffers_are_the_models_own() -> None:
    model, average, _ = moved(0.9, 3)
    model(torch.randn(8, 3))
    before: Any = model.get_buffer("1.running_mean").clone()
    with average.applied():
        assert model.get_buffer("1.running_mean").equal(before)


def test_tied_weights_stay_tied() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.weight = first.weight
    model = nn.Sequential(first, second)
    average = Average(model, 0.5)
    nn.init.ones_(first.weight)
    average.update()
    with average.applied():
        assert second.weight is first.weight
    assert set(average.weights) == {"0.weight", "0.bias", "1.bias"}
