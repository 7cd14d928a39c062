"""Networks that forecast: shapes, what they may see, and that they learn what can be learnt."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recurra.cells import GRU
from recurra.data import SeriesBatch
from recurra.layers import Stack, stacked
from recurra.losses import likelihood
from recurra.models.forecasters import (
    Autoregressive,
    Direct,
    Forecaster,
    Linear,
    Normalisation,
    Segments,
    Sizes,
    Transformer,
)
from tests.tolerance import close

LEVELS = (0.1, 0.5, 0.9)
LOSSES = ("quantile", "squared", "absolute", "gaussian", "student", "negative-binomial")


def batch(sizes: Sizes, targets: int = 3, rows: int = 4) -> SeriesBatch:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    whole = sizes.window + sizes.horizon
    return SeriesBatch(
        x=5 + 10 * draw(rows, sizes.window, targets),
        seen=draw(rows, sizes.window, targets) > 0.1,
        past=draw(rows, sizes.window, sizes.past),
        known=draw(rows, whole, sizes.known),
        static=draw(rows, sizes.static),
        centre=torch.full((rows, 1, targets), 10.0),
        spread=torch.full((rows, 1, targets), 3.0),
        y=(5 + 10 * draw(rows, sizes.horizon, targets)).round(),
        true=draw(rows, sizes.horizon, targets) > 0.2,
    )


def stack(inputs: int) -> Stack:
    return stacked(GRU(), inputs, 8)


def networks(sizes: Sizes, spoken: Any) -> dict[str, nn.Module]:
    zero, one = torch.zeros(1), torch.ones(1)
    made: dict[str, nn.Module] = {
        "segment": Segments(sizes, stack, 8, 4, 0.0),
        "direct": Direct(sizes, stack, 8, 0.0),
        "transformer": Transformer(sizes, 8, 1, 4, 0.0),
        "linear": Linear(sizes),
    }
    if not sizes.past:
        made["autoregressive"] = Autoregressive(sizes, stack, 8, 0.0, lambda raw: spoken.mean(raw, zero, one))
    return made


def forecaster(
    name: str, loss: str = "gaussian", *, joint: bool = False, normalisation: Normalisation = "last", **sizes: int
) -> Any:
    torch.manual_seed(0)
    spoken = likelihood(loss, LEVELS)
    known = {"window": 10, "horizon": 6, "past": 0, "known": 2, "static": 1} | sizes
    whole = Sizes(values=3 if joint else 1, channels=1 if joint else 3, parameters=spoken.parameters, **known)
    return Forecaster(networks(whole, spoken)[name], spoken, normalisation, joint=joint), whole


NAMES = ("segment", "direct", "autoregressive", "transformer", "linear")


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", NAMES)
def test_every_network_with_every_loss(name: str, loss: str, joint: bool) -> None:
    counts = loss == "negative-binomial"
    model, sizes = forecaster(name, loss, joint=joint, normalisation="level" if counts else "last")
    window = batch(sizes)
    forecast = model(window)
    assert forecast.raw.shape == (4, 6, 3, sizes.parameters)
    assert model.likelihood.mean(*forecast).shape == (4, 6, 3)
    value = model.loss(window)
    value.backward()
    assert value.isfinite()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in model.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_targets_apart_do_not_see_each_other(name: str) -> None:
    model, sizes = forecaster(name)
    window = batch(sizes)
    other = window._replace(x=torch.cat([window.x[:, :, :2], window.x[:, :, 2:] + 7], dim=2))
    mine, theirs = model(window).raw, model(other).raw
    close(mine[:, :, :2], theirs[:, :, :2])


@pytest.mark.parametrize("name", ["segment", "direct", "autoregressive", "linear"])
@pytest.mark.parametrize("normalisation", ["last", "mean"])
def test_a_shift_of_history_shifts_the_forecast(name: str, normalisation: Normalisation) -> None:
    model, sizes = forecaster(name, "squared", normalisation=normalisation)
    window = batch(sizes)
    shifted = window._replace(x=window.x + 100)
    close(model.likelihood.mean(*model(shifted)), model.likelihood.mean(*model(window)) + 100)


@pytest.mark.parametrize("name", NAMES)
def test_what_came_after_changes_no_forecast(name: str) -> None:
    model, sizes = forecaster(name)
    model.eval()
    window = batch(sizes)
    close(model(window).raw, model(window._replace(y=window.y + 50, true=~window.true)).raw)


def test_teacher_forcing_reads_the_truth_one_step_late() -> None:
    model, sizes = forecaster("autoregressive", "squared")
    window = batch(sizes)
    y = ((window.y - window.x[:, -1:]) / 3).requires_grad_()
    centre, spread = model.relative(window)
    rows = model._rows(window, centre, spread)
    raw = model.network.taught(rows, model._apart(y)).view(4, 3, 6)
    [gradient] = torch.autograd.grad(raw[:, :, 3].sum(), y)
    assert (gradient[:, :3].abs().sum((0, 2)) > 0).all()
    assert not gradient[:, 3:].any()


def test_unrolled_with_the_truth_is_teacher_forcing() -> None:
    model, sizes = forecaster("autoregressive", "squared")
    window = batch(sizes)
    rows = model._rows(window, *model.relative(window))
    y = torch.randn(12, 6, 1)
    steps = iter(y.unbind(1))
    raw, chosen = model.network.unrolled(rows, lambda _: next(steps)[:, None])
    close(raw, model.network.taught(rows, y))
    close(chosen, y)


def test_paths_come_from_the_distribution() -> None:
    model, sizes = forecaster("autoregressive")
    window = batch(sizes)
    paths = model.paths(window, 400, torch.Generator().manual_seed(0))
    assert paths.shape == (400, 4, 6, 3)
    forecast = model(window)
    first = model.likelihood.quantiles(*forecast, (0.1, 0.9))[:, 0]  # the first step has no step before it to be unsure of
    inside = (paths[:, :, 0] > first[..., 0]) & (paths[:, :, 0] < first[..., 1])
    assert abs(float(inside.float().mean()) - 0.8) < 0.03


@pytest.mark.parametrize("name", NAMES)
def test_what_is_known_ahead_is_used(name: str) -> None:
    model, sizes = forecaster(name)
    window = batch(sizes)
    ahead = torch.cat([window.known[:, :10], window.known[:, 10:] + 1], dim=1)
    assert not torch.allclose(model(window).raw, model(window._replace(known=ahead)).raw)


def test_history_that_is_no_multiple_of_a_segment() -> None:
    for window, horizon in ((1, 1), (5, 9), (4, 4)):
        model, sizes = forecaster("segment", window=window, horizon=horizon)
        assert model(batch(sizes)).raw.shape[1] == horizon


@pytest.mark.parametrize("name", NAMES)
def test_a_sine_is_learnt(name: str) -> None:
    model, sizes = forecaster(name, "squared", window=16, horizon=4, known=0, static=0)
    time = torch.arange(20) * torch.pi / 8
    phase = torch.rand(64, 1, 3, generator=torch.Generator().manual_seed(0)) * 2 * torch.pi
    wave = torch.sin(time[None, :, None] + phase)
    window = batch(sizes, rows=64)
    window = window._replace(
        x=wave[:, :16], y=wave[:, 16:], seen=torch.ones(64, 16, 3).bool(), true=torch.ones(64, 4, 3).bool()
    )
    window = window._replace(centre=torch.zeros(64, 1, 3), spread=torch.ones(64, 1, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        model.loss(window).backward()
        optimizer.step()
    assert model.loss(window).item() < 0.05 < wave.var().item()
