"""How near two results must be: the one place of tolerances."""

from typing import Any

import torch
from torch import Tensor

NEAR = {  # relative, absolute
    torch.float64: (1e-9, 1e-11),
    torch.float32: (1e-4, 1e-5),
    torch.bfloat16: (3e-2, 1e-2),
}


def close(a: Any, b: Any) -> None:
    """Fail unless two tensors, or two states of one form, agree as far as their dtype allows."""
    _compare(a, b, NEAR)


def equal(a: Any, b: Any) -> None:
    """Fail unless two tensors, or two states of one form, have the same values to the last bit."""
    _compare(a, b, {})


def _compare(a: Any, b: Any, near: dict[torch.dtype, tuple[float, float]], name: str = "value") -> None:
    assert type(a) is type(b), f"{name}: {type(a).__qualname__} and {type(b).__qualname__}"
    if isinstance(a, Tensor):
        relative, absolute = near.get(a.dtype, (0, 0))
        torch.testing.assert_close(a, b, rtol=relative, atol=absolute, msg=f"{name}: {{}}".format)
        return
    assert len(a) == len(b), f"{name}: {len(a)} and {len(b)} parts"
    for part, one, other in zip(getattr(a, "_fields", range(len(a))), a, b, strict=True):
        _compare(one, other, near, f"{name}.{part}")
