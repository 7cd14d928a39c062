"""Penalties of activations, added to any update."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, final

from torch import Tensor, nn

from recurra.errors import UsageError
from recurra.layers import Stack
from recurra.losses import activation_penalty, slowness_penalty
from recurra.train.training import Loss

__all__ = ["Penalised"]


@final
class Penalised:
    r"""An update whose loss has penalties of what the model's stacks put out.

    .. math:: L + \sum_\mathrm{stacks} \alpha \, \overline{(d \odot y)^2} + \beta \, \overline{(y_t - y_{t - 1})^2}

    The first is of the outputs as they leave the stack, under its output dropout d, and the second of those before. Every
    reading of a sequence counts; steps behind a row's length do not.

    Args:
        model: in which the stacks are; one inside another is not counted.
        update: whose loss it is added to.
        activation: alpha of :func:`~recurra.losses.activation_penalty`.
        slowness: beta of :func:`~recurra.losses.slowness_penalty`.

    Raises:
        UsageError: where the model has no stack.

    Source: Merity et al. 2017, arXiv:1708.01009.

    Example:
        >>> import torch
        >>> from recurra.layers import GRU
        >>> model, x = GRU(3, 5), torch.randn(2, 7, 3)
        >>> update = lambda batch, carry: Loss(model(batch)[0].mean(), 2)
        >>> bool(Penalised(model, update, activation=2.0, slowness=1.0)(x, ()).mean > update(x, ()).mean)
        True
    """

    def __init__(
        self,
        model: nn.Module,
        update: Callable[[Any, Any], Loss],
        *,
        activation: float = 0.0,
        slowness: float = 0.0,
    ) -> None:
        self.update, self.activation, self.slowness = update, activation, slowness
        self.stacks = list(_outermost(model))
        if not self.stacks:
            raise UsageError("penalties of activations: the model has no recurrent layers; wanted a Stack in it")

    def __call__(self, batch: Any, carry: Any) -> Loss:
        """The update's loss of the batch, and what is added to it."""
        raw: list[Tensor] = []
        added: list[Tensor] = []

        def before(_: nn.Module, arguments: tuple[Tensor]) -> None:
            raw.append(arguments[0])

        def after(_: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any], given: tuple[Tensor, Any]) -> None:
            lengths, resets = (
                named.get(name, arguments[place] if len(arguments) > place else None)
                for name, place in (("lengths", 2), ("resets", 3))
            )
            if self.activation:
                added.append(self.activation * activation_penalty(given[0], lengths))
            if self.slowness:
                added.append(self.slowness * slowness_penalty(raw.pop(), lengths, resets))

        with ExitStack() as hooks:
            for stack in self.stacks:
                hooks.callback(stack.output_dropout.register_forward_pre_hook(before).remove)
                hooks.callback(stack.register_forward_hook(after, with_kwargs=True).remove)
            loss = self.update(batch, carry)
        return loss._replace(mean=loss.mean + sum(added))


def _outermost(module: nn.Module) -> Iterator[Stack]:
    if isinstance(module, Stack):
        yield module
        return
    for child in module.children():
        yield from _outermost(child)
