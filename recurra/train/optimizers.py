"""The optimisers of torch by name, with weight decay where it belongs."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from recurra.errors import UsageError, near_miss

__all__ = ["OPTIMIZERS", "optimizer"]

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "nadam": torch.optim.NAdam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
    "nt-asgd": torch.optim.SGD,
}
"""The classes that options name, as in ``optimizer=adamw``; NT-ASGD is SGD whose weights an `Average` holds."""


def optimizer(name: str, model: nn.Module, *, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """An optimiser over all weights; matrices decay, biases and other vectors do not.

    Example:
        >>> made = optimizer("adamw", nn.Linear(2, 3), lr=0.1, weight_decay=0.01)
        >>> [(group["weight_decay"], len(group["params"])) for group in made.param_groups]
        [(0.01, 1), (0.0, 1)]
    """
    if name not in OPTIMIZERS:
        raise UsageError(f"optimizer={name}: {near_miss(name, OPTIMIZERS)}")
    learnt = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learnt if p.dim() > 1], "weight_decay": weight_decay},
        {"params": [p for p in learnt if p.dim() <= 1], "weight_decay": 0.0},
    ]
    extras: dict[str, Any] = {"betas": (0.9, 0.99), "fused": True} if name in ("adamw", "adam") else {}
    return OPTIMIZERS[name]([group for group in groups if group["params"]], lr=lr, **extras)
