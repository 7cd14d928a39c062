from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recurra.errors import UsageError
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


class TestPlain:
    def test_a_decay_of_one_is_the_mean(self) -> None:
        _, average, history = moved(1.0, 7)
        for name, found in average.weights.items():
            close(found, torch.stack([weights[name] for weights in history]).mean(0))

    @pytest.mark.parametrize(("decay", "patience"), [(1.1, 0), (-0.1, 0), (0.5, -1)])
    def test_what_cannot_be(self, decay: float, patience: int) -> None:
        with pytest.raises(UsageError, match=r"wanted 0 to 1, and 0 looks or more$"):
            Average(nn.Linear(1, 1), decay, patience)


class TestPatience:
    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("patience", [1, 2, 5])
    def test_it_begins_as_in_merity_et_al(self, seed: int, patience: int) -> None:
        """Their algorithm: at look t > n, begin if v_t is not below the least of all looks up to t - n - 1."""
        scores = (torch.rand(30, generator=torch.Generator().manual_seed(seed)) - 0.02 * torch.arange(30)).tolist()
        logs, begins = list[float](), None
        for look, value in enumerate(scores):
            if begins is None and look > patience and value >= min(logs[: look - patience]):
                begins = look
            logs.append(value)
        average = Average(nn.Linear(1, 1), 1.0, patience)
        seen = []
        for look in range(len(scores)):
            average.look(scores[: look + 1])
            seen.append(average.begun)
        assert seen == [begins is not None and look >= begins for look in range(len(scores))]

    def test_until_it_begins_the_weights_are_the_model_s_own(self) -> None:
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        average = Average(model, 1.0, patience=1)
        average.update()
        nn.init.normal_(model.weight)
        own = model.weight.detach().clone()
        with average.applied():
            assert model.weight.equal(own)
        average.look([3.0, 2.0, 3.0])
        history = []
        for _ in range(3):
            nn.init.normal_(model.weight)
            history.append(model.weight.detach().clone())
            average.update()
        with average.applied():
            close(model.weight.detach(), torch.stack(history).mean(0))
