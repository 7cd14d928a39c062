"""Which gates and maps share a pre-activation, and in what order a step is worked through."""

from typing import Any

import pytest
from torch import Tensor

from recurra.cells import GRU, LSTM, Cell, Elman, LayerNormLSTM, PeepholeLSTM, ProjectedLSTM, ResetBeforeGRU
from recurra.engine.plan import Plan, plan
from recurra.engine.trace import trace
from recurra.engine.vector import Untraceable
from tests.engine.cells import (
    Deep,
    Hidden,
    Leaky,
    Minimal,
    NormGRU,
    NormInput,
    ProjectedNorm,
    TwoMaps,
    Zoneout,
)
from tests.laws.cases import Mixed


def planned(cell: Cell, *, diagonal: bool = False) -> Plan:
    return plan(cell, trace(cell, diagonal))


@pytest.mark.parametrize(
    ("cell", "merged", "apart"),
    [
        (Elman(), {"recur": ("hidden",)}, ()),
        (LSTM(), {"recur": LSTM.gates}, ()),
        (GRU(), {"recur": ("reset", "update")}, ("new",)),  # the reset gate multiplies the map's part alone
        (ResetBeforeGRU(), {"recur": ("reset", "update"), "gated": ("new",)}, ()),
        (LayerNormLSTM(), {"recur": LSTM.gates}, ()),  # a norm of a sum
        (NormGRU(), {"recur": ()}, GRU.gates),  # a sum of norms
        (NormInput(), {"recur": ()}, ("new",)),
        (ProjectedLSTM(), {"recur": LSTM.gates, "project": ()}, ()),
        (TwoMaps(), {"a": ("new", "gate"), "b": ("free",)}, ()),
        (Minimal(), {}, ("update", "new")),
        (Leaky(), {"recur": ()}, ("new", "size")),  # x.new is also used alone
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Cell) else "",
)
def test_gates_merge_where_input_and_map_meet_only_in_a_sum(
    cell: Cell, merged: dict[str, tuple[str, ...]], apart: tuple[str, ...]
) -> None:
    found = planned(cell)
    assert {each.name: each.parts[: each.merged] for each in found.maps} == merged
    assert found.apart == apart


def test_parts_that_merge_come_first() -> None:
    maps = planned(TwoMaps()).maps
    assert [(each.parts, each.places) for each in maps] == [(("new", "gate"), (0, 1)), (("free", "extra"), (1, 0))]


@pytest.mark.parametrize(
    ("cell", "stages", "segments"),
    [
        (LSTM(), ["recur"], [["recur"]]),
        (Minimal(), [None], [[]]),
        (ResetBeforeGRU(), ["recur", "gated"], [["gated"], ["recur"]]),
        (Deep(), ["a", "b", "c"], [["c"], ["b"], ["a"]]),
        (TwoMaps(), ["a", "b"], [["a", "b"]]),
        (ProjectedNorm(), ["recur", "norm_cell", "project"], [["project"], [], ["norm_cell", "recur"]]),
        (
            NormGRU(),
            [None, "norm_state", "recur", "norm_reset norm_update norm_new"],
            [[], ["norm_reset", "norm_update", "norm_new", "recur"], [], ["norm_state"]],
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Cell) else "",
)
def test_every_product_and_norm_waits_for_what_it_reads(
    cell: Cell, stages: list[str | None], segments: list[list[str]]
) -> None:
    found = planned(cell)
    assert [" ".join(stage.norms) or (stage.map.name if stage.map else None) for stage in found.stages] == stages
    assert [[*segment.norms, *(each.name for each in segment.maps)] for segment in found.segments] == segments


@pytest.mark.parametrize(
    "cell", [LSTM(), GRU(), PeepholeLSTM(), LayerNormLSTM(), ProjectedNorm(), NormGRU(), Zoneout(), Mixed()], ids=str
)
def test_every_value_is_computed_once_and_states_last(cell: Cell) -> None:
    found = planned(cell)
    ahead = [name for stage in found.stages for name in stage.outputs]
    wanted = (
        {f"a.{name}" for name in found.saved} | {f"s.{field}" for field in found.fields} | ({"y"} if found.y is None else set())
    )
    assert sorted(ahead) == sorted(wanted)
    back = [name for segment in found.segments for name in segment.outputs]
    assert sorted(back) == sorted(name for name in found.traced.backward.outputs if not name.startswith("g.k."))
    assert {f"g.s.{field}" for field in found.fields} <= set(found.segments[-1].outputs)


@pytest.mark.parametrize(("cell", "y"), [(LSTM(), "h"), (Minimal(), None), (Mixed(), "h")], ids=str)
def test_an_output_that_is_a_state_is_kept_once(cell: Cell, y: str | None) -> None:
    assert planned(cell).y == y


def test_gradients_take_the_place_of_what_is_read_no_more() -> None:
    assert planned(PeepholeLSTM()).in_place
    assert not planned(ResetBeforeGRU()).in_place


def test_a_diagonal_map_is_vectors() -> None:
    found = planned(TwoMaps(), diagonal=True)
    assert found.maps == ()
    assert [(each.name, each.weight, each.place) for each in found.vectors if "b_" in each.name] == [
        ("b_weight.extra", "b_weight", 0),
        ("b_weight.free", "b_weight", 1),
        ("b_bias.extra", "b_bias", 0),
        ("b_bias.free", "b_bias", 1),
    ]


def test_widths() -> None:
    found = planned(ProjectedNorm())
    assert found.width == "projected"
    assert {name for name, width in found.widths.items() if width == "projected"} >= {
        "s.h",
        "a.recur",
        "r.project.h",
        "g.s.h",
        "d.y",
    }
    assert found.widths["s.c"] == found.widths["a.project"] == "hidden"


class Silent(Cell):
    """Declares what its step does not call."""

    gates = ("new",)
    maps = {"recur": ("new",)}
    State = Hidden

    def step(self, x: Any, s: Hidden, m: Any) -> tuple[Tensor, Hidden]:
        return s.h, Hidden(x.new)


class SilentNorm(Silent):
    """The same with a norm."""

    maps = {}
    norms = ("norm",)


@pytest.mark.parametrize(("cell", "reason"), [(Silent(), "the map recur"), (SilentNorm(), "the norm norm")], ids=str)
def test_what_is_not_called_is_refused(cell: Cell, reason: str) -> None:
    with pytest.raises(Untraceable, match=f"step does not call {reason}"):
        planned(cell)
