"""Steps become pointwise graphs, or a sentence that says why not."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from recurra.cells import GRU, Cell, Elman, LayerNormLSTM, PeepholeLSTM, ResetBeforeGRU
from recurra.cells.cell import Map
from recurra.engine.compile import refusal
from recurra.engine.trace import trace
from recurra.engine.vector import Untraceable
from tests.engine.cells import Fields, Hidden, Mixing, Twice, TwoMaps

Bend = Callable[[Tensor, Tensor], Any]


class Pair(NamedTuple):
    """A state of two fields."""

    h: Tensor
    c: Tensor


def of(step: Callable[[Any, Any, Any], Any], state: Any = Hidden, **declared: Any) -> Cell:
    """A cell whose step is a function of its own."""
    told = {"gates": ("new",), "maps": {"recur": ("new",)}, "State": state} | declared
    made: Cell = type("Own", (Cell,), told | {"step": lambda self, *arguments: step(*arguments)})()
    return made


def bent(bend: Bend) -> Cell:
    """A cell that is one function of the sum of input and map, and of the state."""

    def step(x: Any, s: Hidden, m: Any) -> tuple[Tensor, Hidden]:
        h = bend(x.new + m.recur(s.h).new, s.h)
        return h, Hidden(h)

    return of(step)


def test_a_graph_is_the_equation() -> None:
    traced = trace(Elman(), diagonal=False)
    assert traced.forward.inputs == ("x.hidden", "s.h", "r.recur.hidden")
    assert [op.name for op in traced.forward.ops] == ["add", "tanh"]
    assert traced.forward.outputs == {"y": 4, "s.h": 4, "a.recur": 1}
    assert traced.forward.needs(["s.h"]) == {"x.hidden", "r.recur.hidden"}
    assert traced.backward.inputs == (*traced.forward.inputs, "d.y", "d.s.h", "d.a.recur")
    assert traced.backward.needs(["g.s.h"]) == {"d.a.recur"}
    assert traced.backward.needs(["g.x.hidden"]) == {"x.hidden", "r.recur.hidden", "d.y", "d.s.h"}


def test_a_diagonal_map_is_part_of_the_graph() -> None:
    traced = trace(Elman(), diagonal=True)
    assert traced.forward.inputs == ("x.hidden", "s.h", "m.recur_weight.hidden", "m.recur_bias.hidden")
    assert [op.name for op in traced.forward.ops] == ["mul", "add", "add", "tanh"]
    assert traced.cuts == ()


@pytest.mark.parametrize(
    ("cell", "cuts"),
    [
        (ResetBeforeGRU(), ("recur", "gated")),
        (TwoMaps(), ("a", "b")),
        (LayerNormLSTM(), ("recur", "norm_input", "norm_forget", "norm_cell", "norm_output", "norm_state")),
    ],
    ids=str,
)
def test_maps_and_norms_cut_the_step_in_the_order_of_their_calls(cell: Cell, cuts: tuple[str, ...]) -> None:
    assert trace(cell, diagonal=False).cuts == cuts


@pytest.mark.parametrize(
    ("bend", "ops"),
    [
        (lambda a, h: torch.sub(a, h, alpha=0.5), ["mul", "sub"]),
        (lambda a, h: a.clamp(min=0), ["clamp"]),
        (lambda a, h: a.clamp_(max=1), ["clamp"]),
        (lambda a, h: a**3, ["mul", "mul"]),
        (lambda a, h: a**-2, ["mul", "reciprocal"]),
        (lambda a, h: a**0.5, ["sqrt"]),
        (lambda a, h: a * (h > 0), ["gt", "where", "mul"]),
        (lambda a, h: a * (h > 0).float(), ["gt", "where", "mul"]),
        (lambda a, h: torch.where((h > 0) & ~(a > 0), a, h), ["gt", "gt", "logical_not", "logical_and", "where"]),
        (lambda a, h: torch.where(h.bool(), a, h), ["ne", "where"]),
        (lambda a, h: a.tanh().detach() + a, ["tanh", "add"]),
        (lambda a, h: a * torch.ones_like(h) + torch.zeros(()), ["mul", "add"]),
    ],
)
def test_what_a_step_may_say(bend: Bend, ops: list[str]) -> None:
    traced = trace(bent(bend), diagonal=False)
    assert [op.name for op in traced.forward.ops] == ["add", *ops]


def test_no_gradient_goes_through_what_is_detached() -> None:
    back = trace(bent(lambda a, h: a + h.detach()), diagonal=False).backward
    assert back.needs(["g.s.h"]) == {"d.a.recur"}


def twice(m: Any, h: Tensor) -> tuple[Tensor, Hidden]:
    return h, Hidden(m.norm(m.norm(h)))


DOWN = {"recur": ("new",), "down": Map(("p",), gives="projected")}
REFUSED: list[tuple[Cell, str]] = [
    (Mixing(), "step uses aten._softmax.default, which is not pointwise or not compiled yet (cells.py, line"),
    (Twice(), "map recur is called twice in a step"),
    (of(lambda x, s, m: twice(m, x.new), maps={}, norms=("norm",)), "norm norm is called twice in a step"),
    (bent(lambda a, h: torch.erfinv(a)), "step uses aten.erfinv.default"),
    (bent(lambda a, h: a.flip(0)), "step uses aten.flip.default"),
    (bent(lambda a, h: torch.div(a, h, rounding_mode="floor")), "step uses aten.div.Tensor_mode"),
    (bent(lambda a, h: a.int() + h), "step makes numbers of torch.int32"),
    (bent(lambda a, h: a.bfloat16().float()), "step makes numbers of torch.bfloat16"),
    (bent(lambda a, h: a**9), "step uses a power of 9"),
    (bent(lambda a, h: a * torch.tensor(0.5)), "step uses a tensor of its own"),
    (bent(lambda a, h: a if h.sum() > 0 else h), "under the tracer"),
    (bent(lambda a, h: a * len(h)), "step depends on the number of units"),
    (bent(lambda a, h: a > 0), "y out of step is not one number"),
    (
        of(lambda x, s, m: (s.h, Pair(s.h, m.recur(s.c).new)), Pair, widths={"c": "projected"}),
        "what goes into map recur is not one",
    ),
    (of(lambda x, s, m: (s.h, Hidden(m.down(s.h).p)), maps=DOWN), "s.h out of step is not one number"),
    (of(lambda x, s, m: (m.down(s.h).p, s), maps=DOWN), "y out of step is not one number"),
    (of(lambda x, s, m: (s.h + m.down(s.h).p, s), maps=DOWN), "The size of tensor a (2) must match the size of tensor b (7)"),
    (
        of(
            lambda x, s, m: (s.h, s._replace(filled=m.norm(s.kept))),
            Fields,
            maps={},
            norms=("norm",),
            widths={"kept": "projected"},
        ),
        "what goes into norm norm",
    ),
]


@pytest.mark.parametrize(("cell", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_refusals_say_why(cell: Cell, reason: str) -> None:
    with pytest.raises(Untraceable) as caught:
        trace(cell, diagonal=False)
    assert reason in str(caught.value)


def test_a_taken_cell_has_no_refusal() -> None:
    assert refusal(GRU()) == ""
    assert "step uses aten" in refusal(Mixing())


def test_tracing_draws_no_random_numbers() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    trace(PeepholeLSTM(), diagonal=False)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "inside",
    [torch.no_grad, torch.inference_mode, lambda: torch.device("meta"), lambda: torch.autocast("cpu", torch.bfloat16)],
    ids=["no_grad", "inference", "device", "autocast"],
)
def test_where_it_is_traced_does_not_matter(inside: Callable[[], AbstractContextManager[Any]]) -> None:
    wanted = trace(LayerNormLSTM(), diagonal=False)
    with inside():
        assert trace(LayerNormLSTM(), diagonal=False) == wanted


def test_the_default_of_numbers_does_not_matter() -> None:
    wanted = trace(PeepholeLSTM(), diagonal=False)
    torch.set_default_dtype(torch.float64)
    try:
        assert trace(PeepholeLSTM(), diagonal=False) == wanted
    finally:
        torch.set_default_dtype(torch.float32)


def test_many_threads_may_trace() -> None:
    wanted = trace(GRU(), diagonal=False)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: trace(GRU(), diagonal=False), range(8))) == [wanted] * 8
