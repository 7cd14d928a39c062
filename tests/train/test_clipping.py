import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from recurra.train import Clip, Clipped
from tests.tolerance import close, equal


def weights(seed: int, scale: float = 1.0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    made: list[Tensor] = []
    for shape in ((3, 4), (5,), ()):
        weight = nn.Parameter(torch.zeros(shape, dtype=torch.float64))
        weight.grad = scale * torch.randn(shape, generator=generator, dtype=torch.float64)
        made.append(weight)
    return made


def gradients(held: list[Tensor]) -> Tensor:
    return torch.cat([p.grad.flatten() for p in held if p.grad is not None])


@given(st.integers(0, 99), st.floats(0.01, 100), st.floats(0.01, 10))
@settings(deadline=None)
def test_the_norm(seed: int, scale: float, norm: float) -> None:
    held = weights(seed, scale)
    before = gradients(held)
    found = Clip(norm=norm)(held)
    assert found.norm == pytest.approx(before.norm().item())
    assert found.clipped == (before.norm() > norm)
    torch.testing.assert_close(gradients(held), before * min(1.0, norm / before.norm().item()), rtol=1e-4, atol=0)
    assert gradients(held).norm() <= norm * (1 + 1e-9)


@given(st.integers(0, 99), st.floats(0.01, 5))
@settings(deadline=None)
def test_the_value(seed: int, value: float) -> None:
    held = weights(seed)
    before = gradients(held)
    found = Clip(norm=0, value=value)(held)
    equal(gradients(held), before.clamp(-value, value))
    assert found == Clipped(found.norm, bool((before.abs() > value).any()))


def test_first_the_norm_then_the_value() -> None:
    w = nn.Parameter(torch.zeros(2))
    w.grad = torch.tensor([3.0, 4.0])
    assert Clip(norm=1.0, value=0.7)([w]).clipped
    close(w.grad, torch.tensor([0.6, 0.7]))


def test_none() -> None:
    held = weights(0, 1000)
    before = gradients(held)
    found = Clip(norm=0)(held)
    equal(gradients(held), before)
    assert found.norm > 1000
    assert not found.clipped


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_left(bad: float) -> None:
    held = weights(0, 1000)
    assert held[1].grad is not None
    held[1].grad[2] = bad
    before = gradients(held)
    found = Clip(norm=1.0, value=1.0)(held)
    assert not math.isfinite(found.norm)
    assert not found.clipped
    equal(gradients(held).nan_to_num(123.0), before.nan_to_num(123.0))


def test_without_gradients() -> None:
    assert Clip()([nn.Parameter(torch.zeros(3))]) == Clipped(0.0, clipped=False)
    assert Clip()([]) == Clipped(0.0, clipped=False)
    held = weights(0)
    held[0].grad = None
    assert Clip(norm=0.1)(iter(held)).clipped
    assert gradients(held).norm() == pytest.approx(0.1, rel=1e-4)
