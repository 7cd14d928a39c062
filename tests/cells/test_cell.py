import copy
import pickle
from dataclasses import FrozenInstanceError
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from recurra.cells import CELLS, GRU, LSTM, Cell, Elman, Maps, Parts, ProjectedLSTM
from recurra.errors import UsageError
from recurra.layers import Dense, Recurrent

EVERY = [*CELLS.values(), ProjectedLSTM()]


class Leaky(Cell):
    rate: float
    name: str = "leaky"

    gates = ("new",)
    maps = {"recur": ("new",)}

    class State(NamedTuple):
        h: Tensor

    def step(self, x: Parts, s: State, m: Maps) -> tuple[Tensor, State]:
        h = s.h + self.rate * (torch.tanh(x.new + m.recur(s.h).new) - s.h)
        return h, self.State(h)


class Other(Leaky):
    """The same equation under another name."""


@pytest.mark.parametrize("cell", EVERY, ids=str)
def test_a_cell_is_a_value(cell: Cell) -> None:
    twin = copy.deepcopy(cell)
    assert twin == cell
    assert hash(twin) == hash(cell)
    assert pickle.loads(pickle.dumps(cell)) == cell
    assert eval(repr(cell), {type(cell).__name__: type(cell)}) == cell


def test_cells_differ_by_kind_and_by_fields() -> None:
    assert len(set(EVERY)) == len(EVERY)
    assert len({LSTM(), GRU(), LSTM()}) == 2
    assert Leaky(0.1) == Leaky(rate=0.1)
    assert Leaky(0.1) != Leaky(0.2)
    assert Leaky(0.1) != Other(0.1)
    assert {Leaky(0.1): 1}[Leaky(0.1)] == 1


@pytest.mark.parametrize("cell", [Leaky(0.1), Elman()], ids=str)
def test_a_cell_is_frozen(cell: Any) -> None:
    for name in ("rate", "nonlinearity", "gates", "anything"):
        with pytest.raises(FrozenInstanceError):
            setattr(cell, name, 1)


def test_fields_are_the_arguments() -> None:
    assert repr(Leaky(0.5)) == "Leaky(rate=0.5, name='leaky')"
    with pytest.raises(TypeError, match="rate"):
        Leaky()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="gates"):
        Leaky(0.5, gates=("old",))  # type: ignore[call-arg]


def test_the_fields_reach_the_equation() -> None:
    x = torch.ones(1, 1, 2)
    slow, fast = Recurrent(Leaky(0.1), Dense(2, 3)), Recurrent(Leaky(0.2), Dense(2, 3))
    fast.load_state_dict(slow.state_dict())
    torch.testing.assert_close(fast(x)[0], 2 * slow(x)[0])


def test_what_a_cell_says_nothing_about() -> None:
    cell = Leaky(0.1)
    assert (dict(cell.vectors), cell.norms, cell.noise, dict(cell.bias), dict(cell.widths)) == ({}, (), (), {}, {})
    assert cell.output == "hidden"
    with pytest.raises(TypeError):
        cell.vectors["more"] = 1.0  # type: ignore[index]


def test_gates_and_step_must_be_given() -> None:
    class Empty(Cell):
        maps = {"recur": ("new",)}

    with pytest.raises(TypeError, match=r"abstract .*gates.*step"):
        Empty()  # type: ignore[abstract]


@pytest.mark.parametrize("cell", EVERY, ids=str)
def test_states_are_values_with_names(cell: Cell) -> None:
    state = cell.State(*(torch.zeros(1) for _ in cell.State._fields))
    assert type(pickle.loads(pickle.dumps(state))) is cell.State


@pytest.mark.parametrize("name", ["sigmoid", "ReLU", ""])
def test_elman_knows_two_nonlinearities(name: Any) -> None:
    with pytest.raises(UsageError) as caught:
        Elman(name)
    assert str(caught.value) == f"nonlinearity is {name!r}; wanted 'tanh' or 'relu'"
