"""How near two results must be: the one place of tolerances."""

from typing import Any

import torch
from torch import Tensor

NEAR = {  # relative, absolute
    torch.float64: (1e-9, 1e-11),
    torch.float32: (1e-4, 1e-5),
    torch.bfloat16: (3e-2, 1e-2),
}

FEW = {torch.float64: 1e-12, torch.float32: 1e-6}
"""Roundings that an engine may make where another makes none, beside the largest number of a tensor."""


def close(a: Any, b: Any) -> None:
    """Fail unless two tensors, or two states of one form, agree as far as their dtype allows."""
    _compare(a, b, NEAR)


def equal(a: Any, b: Any) -> None:
    """Fail unless two tensors, or two states of one form, have the same values to the last bit."""
    _compare(a, b, {})


def as_near(ours: Tensor, others: Tensor, exact: Tensor, name: str) -> None:
    """Fail unless `ours` misses `exact` by at most four times what `others` does, and a few roundings."""
    if not exact.numel():
        assert ours.shape == exact.shape, name
        return
    missed, allowed = ((each - exact).abs().max() for each in (ours, others))
    limit = 4 * allowed + FEW[ours.dtype] * exact.abs().max()
    assert missed <= limit, f"{name}: off by {missed:.3g}, wanted at most {limit:.3g}"


def _compare(a: Any, b: Any, near: dict[torch.dtype, tuple[float, float]], name: str = "value") -> None:
    assert type(a) is type(b), f"{name}: {type(a).__qualname__} and {type(b).__qualname__}"
    if isinstance(a, Tensor):
        relative, absolute = near.get(a.dtype, (0, 0))
        torch.testing.assert_close(a, b, rtol=relative, atol=absolute, msg=f"{name}: {{}}".format)
        return
    assert len(a) == len(b), f"{name}: {len(a)} and {len(b)} parts"
    for part, one, other in zip(getattr(a, "_fields", range(len(a))), a, b, strict=True):
        _compare(one, other, near, f"{name}.{part}")
