"""The optimisers of torch by name, with weight decay where it belongs."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from recurra.errors import UsageError, near_miss
from recurra.layers import Recurrent

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


def optimizer(
    name: str, model: nn.Module, *, lr: float, weight_decay: float, recurrent_lr: float = 1.0
) -> torch.optim.Optimizer:
    """An optimiser over all weights; matrices decay, biases and other vectors do not.

    Args:
        name: one of :data:`OPTIMIZERS`.
        model: whose weights are learnt.
        lr: learning rate, at its highest.
        weight_decay: of matrices.
        recurrent_lr: what the rate is multiplied by for weights inside a recurrence, all but those of the inputs of a
            `Recurrent`. A small change there is made again at every step, so long sequences want little of it; 0 leaves them as
            they start. Lezcano-Casado & Martínez-Rubio 2019 (arXiv:1901.08428) take a tenth for orthogonal matrices.

    Example:
        >>> made = optimizer("adamw", nn.Linear(2, 3), lr=0.1, weight_decay=0.01)
        >>> [(group["weight_decay"], len(group["params"])) for group in made.param_groups]
        [(0.01, 1), (0.0, 1)]
    """
    if name not in OPTIMIZERS:
        raise UsageError(f"optimizer={name}: {near_miss(name, OPTIMIZERS)}")
    inside = set[nn.Parameter]() if recurrent_lr == 1 else set(_inside(model))
    groups: list[dict[str, Any]] = [
        {"params": [], "weight_decay": decay, "lr": lr * factor}
        for factor in (1.0, recurrent_lr)
        for decay in (weight_decay, 0.0)
    ]
    for weight in model.parameters():
        if weight.requires_grad:
            groups[2 * (weight in inside) + (weight.dim() <= 1)]["params"].append(weight)
    extras: dict[str, Any] = {"betas": (0.9, 0.99), "fused": True} if name in ("adamw", "adam") else {}
    return OPTIMIZERS[name]([group for group in groups if group["params"]], lr=lr, **extras)


def _inside(model: nn.Module) -> Iterator[nn.Parameter]:
    """The weights that every step of a recurrence uses on its own state."""
    for layer in model.modules():
        if isinstance(layer, Recurrent):
            yield from (weight for name, weight in layer.named_parameters() if not name.startswith("input_"))
