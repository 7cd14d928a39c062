from typing import Any, cast

import pytest
import torch
from torch import nn

from recurra import state as states
from recurra.cells import GRU, LSTM
from recurra.engine import Sweep
from recurra.engine.precision import Kind
from recurra.errors import ShapeError, UsageError
from recurra.layers import Bidirectional, Dense, Ends, Recurrent, Stack, stacked
from tests.tolerance import close, equal

X = torch.randn(4, 7, 5, generator=torch.Generator().manual_seed(0))


def both(inputs: int = 5, units: int = 5) -> Bidirectional:
    return Bidirectional(Recurrent(GRU(), Dense(inputs, units)), Recurrent(GRU(), Dense(inputs, units)))


class Half(nn.Module):
    """A dropout that can be followed: the second half of the units is lost."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x[..., :2], 0 * x[..., 2:]], dim=-1)


def test_it_is_its_layers_in_turn() -> None:
    lower, upper = Recurrent(LSTM(), Dense(5, 4)), Recurrent(GRU(), Dense(4, 3))
    y, state = Stack(lower, upper)(X)
    middle, first = lower(X)
    above, second = upper(middle)
    close(y, above)
    close(state, (first, second))


@pytest.mark.parametrize("dropped", [False, True])
def test_residual_adds_what_the_layer_reads_before_dropout(dropped: bool) -> None:
    stack = stacked(GRU(), 5, 5, layers=3, residual=True)
    stack.dropout = Half() if dropped else nn.Identity()  # type: ignore[assignment]
    state, x = stack.initial(4), X
    for k, layer in enumerate(stack.layers):
        x = layer(stack.dropout(x) if k else x)[0] + x
    close(stack(X)[0], x)
    for t in range(7):
        y, state = stack.step(X[:, t], state)
        close(y, x[:, t])
    close(tuple(part.h[:, -1] for part in stack.states(X)), tuple(part.h for part in state))


def test_residual_only_between_equal_sizes() -> None:
    stack = stacked(GRU(), 3, 5, layers=2, residual=True)
    x = X[..., :3]
    below, _ = stack.layers[0](x)
    close(stack(x)[0], stack.layers[1](below)[0] + below)


def test_residual_outputs_are_zero_behind_the_end() -> None:
    stack, lengths = stacked(GRU(), 5, 5, layers=2, residual=True), torch.tensor([7, 3, 0, 1])
    x = X.clone()
    x[1, 3:] = torch.nan
    y, _ = stack(x, lengths=lengths)
    assert not y[1, 3:].any()
    close(y[1, :3], stack(X[1:2, :3])[0][0])


def test_dropout_is_between_layers_and_in_training_only() -> None:
    stack = stacked(GRU(), 5, 50, layers=2, dropout=0.5)
    y, state = stack(X)
    other, other_state = stack(X)
    close(state[0], other_state[0])
    assert not torch.allclose(y, other)
    stack.eval()
    equal(stack(X)[0], stack(X)[0])
    single = stacked(GRU(), 5, 50, layers=1, dropout=0.5)
    equal(single(X)[0], single(X)[0])


@pytest.mark.parametrize("dropout", [-0.1, 1.1, float("nan")])
def test_dropout_is_a_share(dropout: float) -> None:
    with pytest.raises(UsageError, match=r"^dropout is .*; wanted 0 to 1$"):
        stacked(GRU(), 5, 5, dropout=dropout)


def test_a_stack_has_layers() -> None:
    with pytest.raises(UsageError) as caught:
        Stack()
    assert str(caught.value) == "Stack() has no layers; wanted at least one"


@pytest.mark.parametrize(
    ("state", "came"),
    [
        (torch.zeros(4, 5), "Tensor"),
        (GRU.State(torch.zeros(4, 5)), "State"),
        (LSTM.State(torch.zeros(4, 5), torch.zeros(4, 5)), "State"),
        ([GRU.State(torch.zeros(4, 5))] * 2, "list"),
        ((GRU.State(torch.zeros(4, 5)),), "a tuple of 1"),
        (Ends(GRU.State(torch.zeros(4, 5)), GRU.State(torch.zeros(4, 5))), "Ends"),
    ],
)
def test_states_that_do_not_fit(state: Any, came: str) -> None:
    with pytest.raises(ShapeError) as caught:
        stacked(GRU(), 5, 5, layers=2)(X, state)
    assert str(caught.value) == f"state is {came}; wanted a tuple of 2, one for each layer"


def test_ends_of_a_two_way_stack_are_no_state() -> None:
    stack = Stack(both(), Recurrent(GRU(), Dense(10, 5)))
    _, state = stack(X)
    with pytest.raises(UsageError, match="Bidirectional got a state, Ends"):
        stack(X, state)


@pytest.mark.parametrize(("method", "arguments"), [("initial", (4,)), ("step", (X[:, 0], (None, None))), ("states", (X,))])
def test_a_two_way_stack_has_no_steps(method: str, arguments: tuple[Any, ...]) -> None:
    for stack in (Stack(both()), Stack(Stack(both()), Recurrent(GRU(), Dense(10, 5)))):
        with pytest.raises(UsageError) as caught:
            getattr(stack, method)(*arguments[:1], *(argument[: len(stack.layers)] for argument in arguments[1:]))
        assert str(caught.value) == "Bidirectional reads whole sequences; a stack with one has no steps"


def test_wrong_sizes_are_told_by_the_layer() -> None:
    with pytest.raises(ShapeError, match=r"^x is \(4, 7, 4\); wanted \(B, T > 0, 3\)$"):
        Stack(Recurrent(GRU(), Dense(5, 4)), Recurrent(GRU(), Dense(3, 4)))(X)
    with pytest.raises(ShapeError, match=r"^lengths is \(3,\)"):
        stacked(GRU(), 5, 5, residual=True)(X, lengths=torch.tensor([1, 2, 3]))


def test_repr() -> None:
    assert "residual=True" in repr(stacked(GRU(), 5, 5, residual=True))


class TestStepper:
    @pytest.mark.parametrize("residual", [False, True])
    def test_it_steps_as_the_stack_is_evaluated(self, residual: bool) -> None:
        stack = stacked(GRU(), 5, 5, layers=3, dropout=0.5, residual=residual, engine=Sweep())  # in training
        x = torch.randn(3, 16, 5)
        with torch.no_grad():
            whole, end = stack.eval()(x)
        stack.train()
        one = stack.stepper()
        state: Any = one.initial(3)
        for t in range(16):
            y, state = one(x[:, t], state)
            equal(y, whole[:, t])
        equal(state, end)

    def test_residual_only_between_equal_sizes_and_stacks_of_stacks(self) -> None:
        stack = Stack(stacked(GRU(), 3, 5, layers=2, residual=True), Recurrent(LSTM(), Dense(5, 4)), residual=True)
        one, x = stack.stepper(), torch.randn(2, 6, 3)
        state: Any = one.initial(2)
        equal(state, stack.initial(2))
        whole, end = stack(x)
        for t in range(6):
            y, state = one(x[:, t], state)
            close(y, whole[:, t].detach())
        close(state, states.detach(end))

    @pytest.mark.parametrize("kind", ["full", "bfloat16", "int8"])
    def test_weights_in_fewer_bytes_are_those_of_the_layers(self, kind: Kind) -> None:
        stack = stacked(GRU(), 5, 5, layers=2)
        one, x = stack.stepper(kind), torch.randn(2, 5)
        layers = [cast("Recurrent", layer).stepper(kind) for layer in stack.layers]
        below, lower = layers[0](x, layers[0].initial(2))
        above, upper = layers[1](below, layers[1].initial(2))
        equal(one(x, one.initial(2)), (above, (lower, upper)))

    def test_it_keeps_its_snapshot_until_it_is_renewed(self) -> None:
        stack = stacked(GRU(), 5, 5, layers=2)
        one, x = stack.stepper(), torch.randn(2, 5)
        before = one(x, one.initial(2))
        for weight in stack.parameters():
            weight.data.mul_(0.5)
        equal(one(x, one.initial(2)), before)
        one.refresh()
        close(one(x, one.initial(2))[0], stack.step(x, stack.initial(2))[0].detach())

    @pytest.mark.parametrize("state", [None, (GRU.State(torch.zeros(4, 5)),), [GRU.State(torch.zeros(4, 5))] * 2])
    def test_states_that_do_not_fit(self, state: Any) -> None:
        with pytest.raises(ShapeError, match=r"; wanted a tuple of 2, one for each layer$"):
            stacked(GRU(), 5, 5, layers=2).stepper()(X[:, 0], state)

    def test_what_has_none(self) -> None:
        with pytest.raises(UsageError, match=r"^Bidirectional reads whole sequences; a stack with one has no steps$"):
            Stack(both()).stepper()

        class Own(nn.Module):
            def step(self, x: torch.Tensor, state: Any, memory: Any = None) -> tuple[torch.Tensor, Any]:
                return x, state

        with pytest.raises(UsageError, match=r"^Own has no stepper; a stack with one has none either, but it has steps$"):
            Stack(Own()).stepper()


class TestDropout:
    def test_each_kind_has_its_place(self) -> None:
        stack = Stack(Recurrent(GRU(), Dense(5, 4)), Recurrent(GRU(), Dense(4, 3)))
        lower, upper = stack.layers
        for name in ("input_dropout", "dropout", "output_dropout"):
            dropped = Stack(*stack.layers, **{name: 0.5})  # type: ignore[arg-type]
            torch.manual_seed(1)
            y, _ = dropped(X)
            torch.manual_seed(1)
            x = nn.functional.dropout(X, 0.5) if name == "input_dropout" else X
            x = lower(x)[0]
            x = upper(nn.functional.dropout(x, 0.5) if name == "dropout" else x)[0]
            equal(y, nn.functional.dropout(x, 0.5) if name == "output_dropout" else x)
            equal(dropped.eval()(X)[0], stack(X)[0])

    def test_variational_is_one_mask_for_all_steps_of_each(self) -> None:
        seen: list[torch.Tensor] = []

        class Same(nn.Module):
            def forward(self, x: torch.Tensor, *_: Any) -> tuple[torch.Tensor, Any]:
                seen.append(x == 0)
                return x, ()

        stack = Stack(Same(), Same(), dropout=0.5, input_dropout=0.5, output_dropout=0.5, variational=True)
        y, _ = stack(torch.ones(4, 7, 50))
        for mask in (*seen, y == 0):
            equal(mask, mask[:, :1].expand_as(mask))
        shares = [mask.float().mean().item() for mask in (*seen, y == 0)]
        assert all(abs(share - wanted) < 0.12 for share, wanted in zip(shares, (0.5, 0.75, 0.875), strict=True))

    def test_what_lies_behind_a_row_stays_zero(self) -> None:
        lengths = torch.tensor([7, 3, 0, 1])
        for variational in (False, True):
            stack = Stack(
                *stacked(GRU(), 5, 5, layers=2).layers,
                dropout=0.5,
                input_dropout=0.5,
                output_dropout=0.5,
                variational=variational,
                residual=True,
            )
            y, _ = stack(X, lengths=lengths)
            assert not any(y[row, length:].any() for row, length in enumerate(lengths.tolist()))

    def test_a_step_in_training_drops_too_and_a_stepper_does_not(self) -> None:
        stack = Stack(Recurrent(GRU(), Dense(5, 4)), input_dropout=0.5, output_dropout=0.5, variational=True)
        torch.manual_seed(1)
        y, _ = stack.step(X[:, 0], stack.initial(4))
        torch.manual_seed(1)
        x = nn.functional.dropout(X[:, 0], 0.5)
        [layer] = stack.layers
        equal(y, nn.functional.dropout(cast("Recurrent", layer).step(x, layer.initial(4))[0], 0.5))  # type: ignore[operator]
        close(stack.stepper()(X[:, 0], stack.initial(4))[0], stack.eval().step(X[:, 0], stack.initial(4))[0].detach())

    @pytest.mark.parametrize("name", ["dropout", "input_dropout", "output_dropout"])
    def test_shares_there_are(self, name: str) -> None:
        with pytest.raises(UsageError, match=r"^dropout is -0\.5; wanted 0 to 1$"):
            Stack(Recurrent(GRU(), Dense(5, 4)), **{name: -0.5})  # type: ignore[arg-type]
