from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from recurra import state as states
from tests.tolerance import equal


class Memory(NamedTuple):
    h: Tensor
    c: Tensor


def memory(rows: int = 3) -> Memory:
    return Memory(torch.randn(rows, 2), torch.randn(rows, 4, 5, 6))


FORMS: dict[str, Callable[[], Any]] = {
    "tensor": lambda: torch.randn(3, 2),
    "fields": memory,
    "tuple": lambda: (torch.randn(3), torch.randn(3, 2)),
    "nested": lambda: (memory(), (memory(), torch.randn(3)), ()),
    "empty": lambda: (),
}


@pytest.fixture(params=FORMS)
def state(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    return FORMS[request.param]()


def test_map_keeps_the_form(state: Any) -> None:
    twice = states.map(torch.add, state, state)
    equal(twice, states.map(lambda part: 2 * part, state))
    equal(states.map(lambda part: part, state), state)


def test_map_refuses_other_forms() -> None:
    with pytest.raises(ValueError, match="argument 2 is longer"):
        states.map(torch.add, (torch.ones(1),), (torch.ones(1), torch.ones(1)))


def test_named_and_rebuild_are_inverse(state: Any) -> None:
    tensors = states.named(state)
    equal(states.rebuild(state, tensors), state)
    equal(states.rebuild(states.map(torch.zeros_like, state), dict(reversed(tensors.items()))), state)


def test_names() -> None:
    assert list(states.named(torch.ones(1))) == ["state"]
    assert list(states.named(memory())) == ["h", "c"]
    assert list(states.named((memory(), (torch.ones(1), memory())))) == ["0.h", "0.c", "1.0", "1.1.h", "1.1.c"]
    assert list(states.named(memory(), "encoder")) == ["encoder.h", "encoder.c"]


def test_rebuild_misses_a_name() -> None:
    with pytest.raises(KeyError, match=r"0\.c"):
        states.rebuild((memory(),), {"0.h": torch.ones(1)})


def test_cat_and_split_are_inverse(state: Any) -> None:
    equal(states.cat(states.split(state, [1, 0, 2])), state)
    equal(states.cat([state]), state)


def test_split_takes_every_row() -> None:
    for sizes in ([1, 1], [2, 2]):
        with pytest.raises(ValueError, match="rows"):
            states.split(memory(3), sizes)


def test_take_repeats_and_reorders() -> None:
    one = memory()
    rows = torch.tensor([2, 0, 2])
    equal(states.take(one, rows), Memory(one.h[rows], one.c[rows]))
    assert states.take(one, torch.tensor([], dtype=torch.long)).c.shape == (0, 4, 5, 6)


def test_where_goes_row_by_row() -> None:
    yes, no = memory(), memory()
    mixed = states.where(torch.tensor([True, False, True]), yes, no)
    equal(mixed.c, torch.stack([yes.c[0], no.c[1], yes.c[2]]))


def test_where_keeps_nan_out() -> None:
    spoilt = torch.full((2, 3), torch.nan)
    assert not states.where(torch.tensor([False, False]), spoilt, torch.zeros(2, 3)).any()


def test_detach_shares_values_without_history(state: Any) -> None:
    live = states.map(lambda part: part.requires_grad_() * 1, state)
    cut = states.detach(live)
    assert not any(part.requires_grad for part in states.named(cut).values())
    equal(cut, states.map(lambda part: part.detach(), live))
