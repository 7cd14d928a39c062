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


class TestAdaptive:
    def test_each_unit_s_gradient_is_bounded_by_its_weights(self) -> None:
        torch.manual_seed(0)
        held = [nn.Parameter(torch.randn(shape)) for shape in ((4, 3), (5,), (2, 3, 2))]
        held.append(nn.Parameter(torch.zeros(2, 3)))  # units at zero may still begin
        for p in held:
            p.grad = torch.randn_like(p) * torch.rand(len(p)).view(-1, *[1] * (p.dim() - 1))
        before = [p.grad.clone() for p in held if p.grad is not None]
        assert Clip(norm=0, adaptive=0.5)(held).clipped
        for p, g in zip(held, before, strict=True):
            assert p.grad is not None
            rows = [(p.detach(), g, p.grad)] if p.dim() == 1 else list(zip(p.detach(), g, p.grad, strict=True))
            for w, raw, clipped in rows:
                limit = 0.5 * max(w.norm().item(), 1e-3)
                close(clipped, raw * min(1.0, limit / raw.norm().item()))

    def test_all_bounds_hold_in_the_end(self) -> None:
        held = weights(0, 100)
        assert Clip(norm=1.0, value=0.05, adaptive=0.01)(held).clipped
        assert gradients(held).norm() <= 1
        assert gradients(held).abs().max() <= 0.05

    def test_what_is_short_stays(self) -> None:
        held = weights(0, 1e-9)
        with torch.no_grad():
            for p in held:
                p.add_(1.0)
        before = gradients(held)
        assert not Clip(norm=0, adaptive=0.1)(held).clipped
        equal(gradients(held), before)

    def test_without_a_gradient_a_weight_is_left(self) -> None:
        held = weights(0, 1.0)
        for p in held:
            assert p.grad is not None
            p.grad.zero_()
        assert not Clip(adaptive=0.1)(held).clipped
        assert not gradients(held).any()
