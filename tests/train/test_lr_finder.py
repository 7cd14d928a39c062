import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recurra.errors import UsageError
from recurra.train import Clip, Loss, RangeTest, range_test
from tests.tolerance import close


class Quadratic(nn.Module):
    r"""The loss :math:`c (w - n_k)^2 / 2`, n small noise: plain descent is known to diverge above a rate of 2 / c."""

    def __init__(self, curvature: float, shift: float = 0.0) -> None:
        super().__init__()
        self.w, self.curvature, self.shift = nn.Parameter(torch.ones(1)), curvature, shift

    def loss(self, batch: Any, carry: Any) -> Loss:
        noise = torch.randn(1, generator=torch.Generator().manual_seed(batch)).item() / 3
        return Loss(0.5 * self.curvature * (self.w - noise).square().sum() + self.shift, 1)


class Nothing:
    def __getitem__(self, step: int) -> int:
        return step


def found_on(curvature: float, shift: float = 0.0, **options: Any) -> RangeTest:
    model = Quadratic(curvature, shift)
    sgd = torch.optim.SGD(model.parameters(), lr=77.0)
    return range_test(model, model.loss, Nothing(), optimizer=sgd, clip=Clip(norm=0), **options)


class TestRangeTest:
    def test_rates_rise_by_equal_factors(self) -> None:
        found = found_on(1e-4, lowest=1e-3, highest=1.0, steps=31)
        assert found.rates == pytest.approx([10 ** (-3 + k / 10) for k in range(31)])
        assert not found.diverged

    @pytest.mark.parametrize("curvature", [5.0, 50.0, 500.0])
    def test_it_ends_past_the_border_of_stability(self, curvature: float) -> None:
        found = found_on(curvature)
        assert found.diverged
        assert 2 / curvature < found.rates[-1] < 20 / curvature
        assert found.suggestion is not None
        assert 0.02 / curvature < found.suggestion < 1 / curvature

    @pytest.mark.parametrize("shift", [-100.0, 100.0])
    def test_the_level_of_the_loss_does_not_matter(self, shift: float) -> None:
        here, there = found_on(5.0), found_on(5.0, shift)
        assert len(there.rates) == pytest.approx(len(here.rates), abs=2)
        assert there.suggestion == here.suggestion

    def test_smoothed(self) -> None:
        found = found_on(5.0)
        for k in (0, 1, 10, len(found.losses) - 1):
            shares = [0.9 ** (k - i) for i in range(k + 1)]
            wanted = sum(s * loss for s, loss in zip(shares, found.losses, strict=False)) / sum(shares)
            assert found.smoothed[k] == pytest.approx(wanted)

    def test_a_loss_that_is_not_finite_ends_it(self) -> None:
        weight = nn.Parameter(torch.ones(1))
        model = nn.ParameterList([weight])

        def update(batch: int, carry: Any) -> Loss:
            return Loss((weight * (math.nan if batch == 30 else 1)).sum(), 1)

        found = range_test(model, update, Nothing(), optimizer=torch.optim.SGD([weight], lr=1.0), steps=50)
        assert len(found.losses) == 30
        assert found.diverged
        with pytest.raises(UsageError, match="not finite at a rate of 1e-06"):
            range_test(model, lambda b, c: update(30, c), Nothing(), optimizer=torch.optim.SGD([weight], lr=1.0))

    @pytest.mark.parametrize("seed", range(10))
    def test_no_suggestion_where_nothing_is_learnt(self, seed: int) -> None:
        noise = torch.randn(150, generator=torch.Generator().manual_seed(seed))
        weight = nn.Parameter(torch.ones(1))
        found = range_test(
            nn.ParameterList([weight]),
            lambda step, carry: Loss(0 * weight.sum() + noise[step], 1),
            Nothing(),
            optimizer=torch.optim.SGD([weight], lr=1.0),
        )
        assert found.suggestion is None

    def test_the_state_runs_on(self) -> None:
        weight, seen = nn.Parameter(torch.ones(1)), []

        def update(batch: int, carry: Tensor) -> Loss:
            seen.append(carry)
            return Loss(weight.sum(), 1, carry + 1)

        parts = nn.ParameterList([weight])
        sgd = torch.optim.SGD([weight], lr=1.0)
        range_test(parts, update, Nothing(), optimizer=sgd, steps=20, carry=torch.zeros(1), highest=1e-5, accumulate=2)
        close(torch.cat(seen), torch.arange(40.0))

    def test_groups_keep_their_share_of_the_rate(self) -> None:
        fast, slow = (nn.Parameter(torch.ones(1)) for _ in range(2))
        groups: list[dict[str, Any]] = [{"params": [fast]}, {"params": [slow], "lr": 0.25}]
        range_test(
            nn.ParameterList([fast, slow]),
            lambda step, carry: Loss((fast + slow).sum(), 1),
            Nothing(),
            optimizer=torch.optim.SGD(groups, lr=0.5),
            steps=20,
            lowest=1e-6,
            highest=1e-5,
        )
        close(2 * (1 - slow), 1 - fast)

    @pytest.mark.parametrize("wrong", [{"steps": 19}, {"lowest": 0.0}, {"lowest": 2.0, "highest": 1.0}], ids=str)
    def test_what_cannot_be(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(UsageError, match="wanted 0 < lowest < highest and 20 steps or more"):
            found_on(1.0, **wrong)


def test_as_json() -> None:
    found = found_on(5.0)
    made = found.as_json()
    assert made["suggestion"] == found.suggestion
    assert len(made["rates"]) == len(made["losses"]) == len(made["smoothed"])
    assert made["rates"][list(found.smoothed).index(min(found.smoothed))] == made["lowest"]
