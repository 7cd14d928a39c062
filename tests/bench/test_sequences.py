from collections.abc import Callable, Iterator

import pytest
import torch

from recurra.bench import Bench, Contender, Measure, Shape
from recurra.bench import sequences as parts
from recurra.bench.options import Plan
from recurra.cells import GRU
from recurra.layers import Dense

SMALL = Shape(3, 17, 4)


@pytest.fixture
def plan() -> Plan:
    usual = Bench(cells="gru,lstm").plan()
    return usual._replace(shapes=(SMALL,), grid=(SMALL,), fold=(SMALL,), variants=(SMALL,), scan=(SMALL,), rounds=(2, 2))


def measured(part: Callable[[Plan, int], Iterator[Measure]], plan: Plan) -> list[Measure]:
    found = list(part(plan, torch.get_num_threads()))
    assert all(seconds > 0 for measure in found for seconds in measure.seconds.values())
    assert {measure.shape for measure in found} == {SMALL}
    return found


@pytest.mark.parametrize(("part", "name"), [(parts.shapes, "shapes"), (parts.grid, "grid")])
def test_beside_torch(part: Callable[[Plan, int], Iterator[Measure]], name: str, plan: Plan) -> None:
    found = measured(part, plan)
    assert [(measure.part, measure.subject, measure.way) for measure in found] == [
        (name, "gru", "training"),
        (name, "gru", "inference"),
        (name, "lstm", "training"),
        (name, "lstm", "inference"),
    ]
    assert all(set(measure.seconds) == {"recurra", "torch.nn", "A @ A"} for measure in found)


def test_variants(plan: Plan) -> None:
    found = measured(parts.variants, plan)
    names = [f"{kind}: {cell}" for cell in ("gru", "lstm") for kind in ("ragged", "float64", "bidirectional")]
    assert {measure.subject for measure in found} == {*names, "projections: lstm"}
    assert all(Contender.NN in measure.seconds for measure in found)


def test_cells(plan: Plan) -> None:
    found = measured(parts.cells, plan)
    training = {measure.subject: measure for measure in found if measure.way == "training"}
    assert set(training) == {"MGU", "peephole LSTM", "layer-norm LSTM"}
    assert set(training["MGU"].seconds) == {"recurra", "recurra's LSTM", "Python fold", "A @ A"}
    assert Contender.LOOP in training["layer-norm LSTM"].seconds
    for measure in found:
        assert (Contender.OURS in measure.seconds) != (Contender.OURS in measure.missing)


def test_profile(plan: Plan) -> None:
    found = measured(parts.profile, plan)
    assert [(one.subject, one.way) for one in found] == [(c, w) for c in ("gru", "lstm") for w in ("training", "inference")]
    assert all(set(one.seconds) == {"recurra", "recurra, wired diagonally", "A @ A"} for one in found)


def test_scan(plan: Plan) -> None:
    assert [(one.subject, one.way) for one in measured(parts.scan, plan)] == [("minGRU", "training"), ("minGRU", "inference")]


def test_the_work_is_that_of_the_products() -> None:
    """B T steps of two products of H by 3 H, each number multiplied and added; training does each thrice."""
    work = {way: parts.measure("shapes", "gru", GRU(), way, Shape(2, 5, 7), 1, {}).work for way in ("training", "inference")}
    assert work == {"inference": 2 * 5 * 2 * 2 * 7 * 21, "training": 3 * 2 * 5 * 2 * 2 * 7 * 21}


def test_candidates_compute_the_same() -> None:
    x = torch.randn(3, 17, 4, requires_grad=True)
    [ours], theirs = parts.ours(GRU(), Dense(4, 4), x).values(), parts.torch_nn(torch.nn.GRU(4, 4), x)
    for weight, same in zip(theirs.layer.parameters(), ours.layer.parameters(), strict=True):
        assert weight.shape in {same.shape, *(each.shape for each in ours.layer.parameters())}
    assert ours.call(ours.x).shape == (3, 17, 4)
    assert theirs.call(theirs.x).shape == (17, 3, 4)
    assert torch.equal(theirs.x.transpose(0, 1), x)


def test_training_leaves_gradients_and_inference_none() -> None:
    x = torch.randn(3, 17, 4, requires_grad=True)
    one = parts.torch_nn(torch.nn.GRU(4, 4), x)
    parts.runs({"one": one}, "inference")["one"]()
    assert one.x.grad is None
    assert all(weight.grad is None for weight in one.layer.parameters())
    parts.runs({"one": one}, "training")["one"]()
    first = one.x.grad
    parts.runs({"one": one}, "training")["one"]()
    assert first is not None
    assert one.x.grad is not None
    assert all(weight.grad is not None for weight in one.layer.parameters())
