from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recurra.errors import UsageError
from recurra.layers import GRU, Bidirectional, Stack
from recurra.losses import activation_penalty, slowness_penalty
from recurra.train import Loss, Penalised
from tests.tolerance import close

X = torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(0))
LENGTHS = torch.tensor([6, 2, 0])


class Twice(nn.Module):
    """It reads a sequence, then another from where the first ended, as some forecasters do."""

    def __init__(self, **dropout: Any) -> None:
        super().__init__()
        self.inside = Stack(*GRU(4, 4).layers, **dropout)
        self.out = nn.Linear(4, 1)

    def forward(self, x: Tensor, **ragged: Any) -> Tensor:
        y, state = self.inside(x, **ragged)
        told: Tensor = self.out(self.inside(y[:, :3], state)[0])
        return told.mean()


def loss(model: nn.Module, **ragged: Any) -> Any:
    return lambda x, _: Loss(model(x, **ragged), 3, "carried")


def test_every_reading_adds_its_own() -> None:
    model = Twice()
    first, state = model.inside(X)
    second, _ = model.inside(first[:, :3], state)
    found = Penalised(model, loss(model), activation=2.0, slowness=0.5)(X, ())
    penalties = (2 * activation_penalty(y) + 0.5 * slowness_penalty(y) for y in (first, second))
    close(found.mean, model(X) + sum(penalties))
    assert (found.items, found.carry) == (3, "carried")


def test_activation_is_of_what_was_dropped_and_slowness_of_what_was_not() -> None:
    stack = Stack(*GRU(4, 5).layers, output_dropout=0.5)
    update = lambda x, _: Loss(stack(x)[0].mean(), 1)  # noqa: E731
    whole = stack.eval()(X)[0]
    stack.train()
    for weights in ({"activation": 1.0}, {"slowness": 1.0}):
        torch.manual_seed(1)
        dropped = stack(X)[0]
        torch.manual_seed(1)
        added = Penalised(stack, update, **weights)(X, ()).mean - dropped.mean()
        close(added, activation_penalty(dropped) if "activation" in weights else slowness_penalty(whole))


def test_steps_behind_a_row_do_not_count() -> None:
    stack = GRU(4, 5)
    y, _ = stack(X, lengths=LENGTHS)
    for call in (lambda x: stack(x, lengths=LENGTHS), lambda x: stack(x, None, LENGTHS)):
        update = lambda x, _, call=call: Loss(call(x)[0].mean(), 1)  # noqa: E731
        found = Penalised(stack, update, activation=1.0, slowness=1.0)(X, ()).mean
        close(found, y.mean() + activation_penalty(y, LENGTHS) + slowness_penalty(y, LENGTHS))


def test_outside_of_the_update_nothing_hangs_on_the_model() -> None:
    model = Twice()
    update = Penalised(model, loss(model), activation=1.0)
    before = model(X)

    def broken(*_: object) -> Loss:
        raise ZeroDivisionError

    update(X, ())
    with pytest.raises(ZeroDivisionError):
        Penalised(model, broken, activation=1.0)(X, ())
    close(model(X), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_stack_inside_another_is_not_counted_twice() -> None:
    both = Bidirectional(*(GRU(4, 2) for _ in range(2)))
    stack = Stack(both, GRU(4, 5))
    y, _ = stack(X)
    update = Penalised(stack, lambda x, _: Loss(stack(x)[0].mean(), 1), activation=1.0)
    assert update.stacks == [stack]
    close(update(X, ()).mean, y.mean() + activation_penalty(y))


def test_a_model_without_recurrent_layers_is_refused() -> None:
    model = nn.Linear(4, 1)
    with pytest.raises(UsageError, match=r"^penalties of activations: the model has no recurrent layers; wanted a Stack"):
        Penalised(model, loss(model), activation=1.0)
