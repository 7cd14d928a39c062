from typing import Any

import pytest
import torch

from recurra.cells import GRU
from recurra.errors import ShapeError, UsageError
from recurra.layers import Bidirectional, Core, Dense, Ends, Recurrent, stacked
from tests.tolerance import close

X = torch.randn(4, 7, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def both() -> Bidirectional:
    torch.manual_seed(0)
    return Bidirectional(Recurrent(GRU(), Dense(3, 5)), Recurrent(GRU(), Dense(3, 5)))


def test_the_second_half_has_seen_the_future(both: Bidirectional) -> None:
    x = X.clone().requires_grad_()
    both(x)[0][:, 3, 5:].sum().backward()
    assert x.grad is not None
    assert not x.grad[:, :3].any()
    assert x.grad[:, 3:].any(dim=-1).all()


def test_ends_are_where_the_readings_ended(both: Bidirectional) -> None:
    lengths = torch.tensor([7, 2, 1, 3])
    y, ends = both(X, lengths=lengths)
    assert type(ends) is Ends
    close(ends.forward.h, y[torch.arange(4), lengths - 1, :5])
    close(ends.backward.h, y[:, 0, 5:])


@pytest.mark.parametrize("state", [GRU.State(torch.zeros(4, 5)), (None, None), Ends(None, None)], ids=str)
def test_it_takes_no_state(both: Bidirectional, state: Any) -> None:
    with pytest.raises(UsageError) as caught:
        both(X, state)
    came = type(state).__name__
    assert str(caught.value) == f"Bidirectional got a state, {came}; it reads whole sequences and takes none"


def test_no_layer_takes_its_ends(both: Bidirectional) -> None:
    _, ends = both(X)
    for layer in (Recurrent(GRU(), Dense(3, 5)), stacked(GRU(), 3, 5, layers=2), both):
        with pytest.raises(UsageError, match="Ends"):
            layer(X, ends)


def test_it_cannot_be_stepped(both: Bidirectional) -> None:
    assert not isinstance(both, Core)
    assert isinstance(both.forwards, Core)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"lengths": torch.tensor([1, 2])}, "lengths is (2,) of torch.int64; wanted (4,) of whole numbers"),
        ({"lengths": torch.tensor([1, 2, 3, 8])}, "lengths run from 1 to 8; wanted 0 to 7, the steps of x"),
        ({"resets": torch.zeros(4, 7)}, "resets is (4, 7) of torch.float32; wanted (4, 7) of torch.bool"),
        (
            {"resets": torch.zeros(3, 7, dtype=torch.bool), "lengths": torch.tensor([1, 2, 3, 4])},
            "resets is (3, 7) of torch.bool; wanted (4, 7) of torch.bool",
        ),
        (
            {"resets": torch.zeros(4, dtype=torch.bool), "lengths": torch.tensor([1, 2, 3, 4])},
            "resets is (4,) of torch.bool; wanted (4, 7) of torch.bool",
        ),
    ],
)
def test_what_does_not_fit(both: Bidirectional, given: dict[str, torch.Tensor], says: str) -> None:
    with pytest.raises(ShapeError) as caught:
        both(X, **given)
    assert str(caught.value) == says


def test_inputs_that_do_not_fit(both: Bidirectional) -> None:
    with pytest.raises(ShapeError) as caught:
        both(X[..., :2], lengths=torch.tensor([7, 7, 7, 7]))
    assert str(caught.value) == "x is (4, 7, 2); wanted (B, T > 0, 3)"
