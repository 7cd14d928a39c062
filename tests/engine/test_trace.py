"""Steps become pointwise graphs, or a sentence that says why not."""

import pytest
import torch

from recurra.cells import GRU, LSTM, Cell, Elman, ProjectedLSTM
from recurra.engine.compile import refusal
from recurra.engine.plan import plan
from recurra.engine.trace import trace
from tests.engine.cells import Leaky, Minimal, Mixing, Peephole, ResetBefore, Twice


def test_a_graph_is_the_equation() -> None:
    traced = trace(Elman())
    assert traced.forward.inputs == ("x.hidden", "s.h", "r.recur.hidden")
    assert [op.name for op in traced.forward.ops] == ["add", "tanh"]
    assert traced.forward.outputs == {"y": 4, "s.h": 4, "a.recur": 1}
    assert traced.forward.needs(["s.h"]) == {"x.hidden", "r.recur.hidden"}


@pytest.mark.parametrize(
    ("cell", "merged", "apart"),
    [
        (Elman(), ("hidden",), ()),
        (LSTM(), ("input", "forget", "cell", "output"), ()),
        (GRU(), ("reset", "update"), ("new",)),
        (ResetBefore(), ("reset", "update", "new"), ()),
        (Minimal(), (), ()),
        (Leaky(), (), ("new",)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Cell) else "",
)
def test_gates_merge_where_input_and_map_meet_only_in_a_sum(
    cell: Cell, merged: tuple[str, ...], apart: tuple[str, ...]
) -> None:
    planned = plan(cell, trace(cell))
    assert planned.merged == merged
    assert planned.apart == apart


def test_a_map_of_something_computed_cuts_the_step_in_two() -> None:
    planned = plan(ResetBefore(), trace(ResetBefore()))
    assert [stage.map.name if stage.map else None for stage in planned.stages] == ["recur", "candidate"]
    assert planned.stages[0].outputs == ("a.candidate",)
    assert [[each.name for each in segment.maps] for segment in planned.segments] == [["candidate"], ["recur"]]
    assert not planned.in_place
    assert plan(Peephole(), trace(Peephole())).in_place


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (Mixing(), "step uses aten"),
        (Twice(), "map recur is called twice in a step"),
        (ProjectedLSTM(), "projections are not compiled yet"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Cell) else "",
)
def test_refusals_say_why(cell: Cell, reason: str) -> None:
    assert reason in refusal(cell)


def test_a_taken_cell_has_no_refusal() -> None:
    assert refusal(GRU()) == ""


def test_tracing_draws_no_random_numbers() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    trace(Peephole())
    assert torch.equal(torch.get_rng_state(), before)
