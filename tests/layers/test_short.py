from collections.abc import Callable

import pytest
import torch

import recurra
from recurra import cells, layers
from recurra.cells import Cell, ProjectedLSTM
from recurra.engine import Fold
from recurra.errors import UsageError
from recurra.layers import Dense, Stack, stacked

SHORT: dict[Cell, Callable[..., Stack]] = {cells.Elman(): layers.Elman, cells.LSTM(): layers.LSTM, cells.GRU(): layers.GRU}
EVERY = pytest.mark.parametrize(("cell", "build"), SHORT.items(), ids=[type(cell).__name__ for cell in SHORT])


@EVERY
def test_short_forms_are_stacks_of_their_cell(cell: Cell, build: Callable[..., Stack]) -> None:
    stack = build(3, 5, layers=3, dropout=0.2, residual=True)
    assert [layer.cell for layer in stack.layers] == [cell] * 3
    assert [layer.wiring for layer in stack.layers] == [Dense(3, 5), Dense(5, 5), Dense(5, 5)]
    assert (stack.dropout.share, stack.residual) == (0.2, True)
    y, state = stack(torch.zeros(2, 7, 3))
    assert (y.shape, len(state)) == ((2, 7, 5), 3)


@EVERY
def test_one_layer_without_trimmings_unless_told(cell: Cell, build: Callable[..., Stack]) -> None:
    stack = build(3, 5)
    assert (len(stack.layers), stack.dropout.share, stack.residual) == (1, 0.0, False)
    with pytest.raises(TypeError):
        build(3, 5, 2)


@EVERY
@pytest.mark.parametrize("count", [0, -1])
def test_no_layers(cell: Cell, build: Callable[..., Stack], count: int) -> None:
    with pytest.raises(UsageError) as caught:
        build(3, 5, layers=count)
    assert str(caught.value) == f"layers is {count}; wanted at least 1"


def test_the_package_gives_them_on_first_use() -> None:
    assert (recurra.LSTM, recurra.GRU, recurra.Elman) == (layers.LSTM, layers.GRU, layers.Elman)
    with pytest.raises(AttributeError, match="module recurra has no attribute LTSM"):
        recurra.LTSM  # noqa: B018


def test_stacked_passes_the_engine_on() -> None:
    assert all(isinstance(layer.engine, Fold) for layer in stacked(cells.GRU(), 3, 5, layers=2, engine=Fold()).layers)


def test_stacked_needs_a_cell_of_one_width() -> None:
    with pytest.raises(UsageError, match="this cell projects its state"):
        stacked(ProjectedLSTM(), 3, 5)
