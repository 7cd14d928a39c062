"""Each rule on a model, or a log, that was made to have the illness; and on healthy ones."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import recurra
from recurra.cells import GRU, LSTM, Elman
from recurra.layers import Dense, Recurrent
from recurra.report import Advice, Case, advise
from recurra.report.history import History
from recurra.tasks.options import Text
from recurra.train.flow import Flow, gradient_flow

LOOKS = 20


def squared(out: Any) -> Tensor:
    loss: Tensor = out[0].square().mean()
    return loss


def flow_of(layer: Recurrent, steps: int = 40) -> Flow:
    x = torch.randn(8, steps, 6, generator=torch.Generator().manual_seed(0))
    return gradient_flow(layer, x, squared)


def layer_of(cell: Any, recurrent: float = 1.0, **places: float) -> Recurrent:
    """A layer of 32 units, its recurrent matrix made larger, and biases of gates set."""
    torch.manual_seed(0)
    layer = Recurrent(cell, Dense(6, 32))
    layer.place("recur_weight", recurrent * layer.weights["recur_weight"].detach())
    bias = layer.weights["input_bias"].detach().clone().view(len(cell.gates), 32)
    for gate, value in places.items():
        bias[cell.gates.index(gate)] = value
    layer.place("input_bias", bias.flatten())
    return layer


def found(layer: Recurrent, **options: Any) -> dict[str, Advice]:
    return {advice.name: advice for advice in advise(Case(Text(**options), flow=flow_of(layer)))}


def history(loss: list[float], score: list[float] | None = None, **others: Any) -> History:
    count = len(loss)
    rest: dict[str, Any] = {"lr": (0.004,) * count, "norm": (0.5,) * count, "clipped": (0.0,) * count, "skipped": (0,) * count}
    steps = tuple(range(10, 10 * count + 1, 10))
    return History("bits per character", steps, tuple(loss), tuple(loss if score is None else score), **{**rest, **others})


def said(told: History, **case: Any) -> dict[str, Advice]:
    return {advice.name: advice for advice in advise(Case(Text(), history=told, **case))}


FALLING = [3 * 0.8**k for k in range(LOOKS)]


class TestModels:
    def test_vanishing(self) -> None:
        advice = found(layer_of(Elman(), 0.7))
        assert list(advice) == ["vanishing"]
        layer = flow_of(layer_of(Elman(), 0.7)).layers[0]
        assert layer.travel.factor == pytest.approx(0.58, abs=0.05)
        assert f"fall by {layer.travel.factor:.2f} a step: after {layer.travel.horizon} steps of 40" in advice["vanishing"].says
        assert "no gate that keeps its state" in advice["vanishing"].says
        assert advice["vanishing"].tries[0] == "cell=lstm"

    def test_exploding(self) -> None:
        clipped = history(FALLING, clipped=(0.45,) * LOOKS)
        layer = layer_of(Elman("relu"), 1.6)
        advice = {each.name: each for each in advise(Case(Text(), history=clipped, flow=flow_of(layer)))}
        assert "exploding" in advice
        assert "45 % of the updates were clipped" in advice["exploding"].says
        assert "they grow by 1." in advice["exploding"].says
        assert advice["exploding"].tries[:2] == ("clip=0.2", "adaptive_clip=0.01")
        assert "vanishing" not in advice

    def test_saturated(self) -> None:
        torch.manual_seed(0)
        layer = layer_of(LSTM())
        for name in layer.weights:
            layer.place(name, 30 * layer.weights[name].detach())
        advice = found(layer)
        assert "of the values of the input and forget and output gates of layer 1 lie at their ends" in advice["saturated"].says
        assert advice["saturated"].tries[0] == "norm=layer"
        assert "norm=layer" not in found(layer, norm="layer")["saturated"].tries

    def test_shut(self) -> None:
        advice = found(layer_of(LSTM(), forget=-8.0))
        assert "The forget gates of layer 1 are shut (below 0.05) in 100 % of cases" in advice["shut"].says
        assert advice["shut"].tries == ("chrono=40",)
        assert "saturated" not in advice  # it would say the same

    def test_dead(self) -> None:
        layer = layer_of(Elman("relu"))
        layer.place("input_bias", torch.tensor([-40.0] * 16 + [0.0] * 16))
        advice = found(layer)
        assert advice["dead"].says.startswith("16 of 32 units of layer 1 never fire")
        assert "lr=0.001" in advice["dead"].tries

    def test_still(self) -> None:
        layer = layer_of(Elman())
        layer.place("input_bias", torch.tensor([40.0] * 8 + [0.0] * 24))
        assert found(layer)["still"].says.startswith("8 of 32 units of layer 1 hardly move")

    def test_healthy(self) -> None:
        assert not found(layer_of(LSTM()))
        assert not found(layer_of(GRU(), update=1.0), cell="gru")

    def test_nothing_is_said_of_a_few_steps(self) -> None:
        assert not advise(Case(Text(), flow=flow_of(layer_of(Elman(), 0.3), steps=6)))


@pytest.mark.parametrize(
    ("options", "name"),
    [({"lr": 10.0, "schedule": "constant"}, "rate"), ({"lr": 0.02}, None)],
    ids=["too high", "fitting"],
)
def test_a_learning_rate_too_high(options: dict[str, Any], name: str | None, book: Path, tmp_path: Path) -> None:
    small = {"hidden": 16, "embedding": 8, "layers": 1, "window": 16, "batch": 4, "steps": 100, "check": 5}
    run = recurra.Text(**small, **options).fit(book, out=tmp_path / "run", show=False)
    names = [advice.name for advice in advise(Case(run.options, str(book), History.of(run)))]
    assert names == ([name] if name else [])
    if name:
        [advice] = advise(Case(run.options, str(book), History.of(run)))
        assert "The training loss rose for " in advice.says
        assert advice.tries == (f"recurra lr text {book}", "lr=3")


class TestLogs:
    def test_healthy(self) -> None:
        assert not said(history(FALLING))
        assert not said(History())

    def test_noise_is_no_rise(self) -> None:
        noise = torch.randn(LOOKS, generator=torch.Generator().manual_seed(0)).mul(0.05).tolist()
        assert not said(history([a + b for a, b in zip(FALLING, noise, strict=True)]))

    def test_a_rise_that_came_back_weighs_less(self) -> None:
        leap = [*FALLING[:8], 3.5, 4.5, 4.0, *FALLING[3:12]]
        assert "came back" in said(history(leap))["rate"].says
        stays = [*FALLING[:8], *[4.0, 4.1, 4.2] * 4]
        assert said(history(leap))["rate"].weight < said(history(stays))["rate"].weight

    def test_not_finite(self) -> None:
        told = history(FALLING, score=[*FALLING[:-1], float("nan")], skipped=(0,) * (LOOKS - 1) + (3,))
        advice = said(told)["not-finite"]
        assert advice.says == (
            "3 updates were not applied, as the loss or the gradient was not finite "
            "and 1 look found a score that was not finite."
        )
        assert next(iter(said(told))) == "not-finite"

    def test_stuck(self) -> None:
        assert "stayed between 2.99 and 3" in said(history([3.0, 2.99] * 10))["stuck"].says

    def test_by_heart(self) -> None:
        score = [*FALLING[:8], *(0.7 + 0.05 * k for k in range(12))]
        advice = said(history(FALLING, score))["by-heart"]
        assert "best after 80 updates, 0.6291; it is 1.25 now; the training loss fell on from 0.6291 to 0.04323" in advice.says
        assert advice.tries == ("dropout=0.3", "zoneout=0.1", "patience=5")

    def test_still_falling(self) -> None:
        line = [3 - 0.1 * k for k in range(LOOKS)]
        assert said(history(line))["unfinished"].tries == ("epochs=24",)

    def test_clipped(self) -> None:
        advice = said(history(FALLING, clipped=(0.9,) * LOOKS, norm=(3.0,) * LOOKS))["clipped"]
        assert advice.says == "90 % of the later updates were clipped: the norm is 3, its bound clip=1."
        assert advice.tries[0] == "clip=6"

    def test_naive(self) -> None:
        baselines = {"unigram": 4.0, "bigram": 3.0, "trigram": 2.0, "4-gram": 1.0}
        assert "no better than unigram" in said(history(FALLING), value=4.1, baselines=baselines)["naive"].says
        assert "better than unigram only" in said(history(FALLING), value=3.5, baselines=baselines)["naive"].says
        assert not said(history(FALLING), value=2.5, baselines=baselines)

    def test_the_most_important_first(self) -> None:
        many = advise(Case(Text(), history=history(FALLING, skipped=(1,) * LOOKS), flow=flow_of(layer_of(Elman(), 0.3))))
        assert [advice.name for advice in many] == ["not-finite", "vanishing"]
