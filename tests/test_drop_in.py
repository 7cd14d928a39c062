"""The drop-in classes are torch.nn's: answers, gradients, weights, seeds, words and refusals."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import register_parametrization
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_packed_sequence

from recurra import drop_in
from recurra.errors import ShapeError, UsageError
from tests.cases_drop_in import CASES, KINDS, TOLERANCE, Case, answers, distance
from tests.tolerance import NEAR, equal

SHAPES = [
    Case(kind, layers=layers, bias=bias, both=both)
    for kind in KINDS
    for layers, bias, both in [(1, True, False), (2, False, True), (3, True, True)]
]
"""Every set of weight names, or nearly."""


def agree(case: Case, ours: Any, theirs: Any, dtype: torch.dtype) -> None:
    mine, wanted = answers(case, ours, dtype), answers(case, theirs, dtype)
    assert {n: (part.shape, part.dtype) for n, part in mine.items()} == {n: (p.shape, p.dtype) for n, p in wanted.items()}
    errors = {name: distance(mine[name], wanted[name])[0] for name in wanted}
    assert all(error <= 1 for error in errors.values()), errors


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_answers(case: Case, dtype: torch.dtype) -> None:
    agree(case, *case.twins(dtype), dtype)


@pytest.mark.parametrize("case", CASES[::7], ids=str)
def test_answers_of_the_fold(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECURRA_ENGINE", "fold")
    agree(case, *case.twins(), torch.float64)


@pytest.mark.parametrize("case", [Case(kind, layers=2, both=True, hx=True) for kind in KINDS], ids=str)
def test_the_comparison_sees_one_weight(case: Case) -> None:
    ours, theirs = case.twins()
    for name, weight in ours.named_parameters():
        with torch.no_grad():
            weight.view(-1)[0] += 1e-6
        with pytest.raises(AssertionError):
            agree(case, ours, theirs, torch.float64)
        weight.data.copy_(theirs.get_parameter(name))
    agree(case, *case.twins(), torch.float64)


@pytest.mark.parametrize("case", SHAPES, ids=str)
def test_a_seed_gives_the_same_weights(case: Case) -> None:
    torch.manual_seed(3)
    ours, after = case.build(drop_in), torch.rand(1)
    torch.manual_seed(3)
    theirs = case.build(nn)
    assert torch.equal(after, torch.rand(1))
    for mine, wanted in [
        (list(ours.state_dict().items()), list(theirs.state_dict().items())),
        (list(ours.named_parameters()), list(theirs.named_parameters())),
    ]:
        assert [name for name, _ in mine] == [name for name, _ in wanted]
        assert all(torch.equal(a, b) and a.dtype == b.dtype for (_, a), (_, b) in zip(mine, wanted, strict=True))
    ours.reset_parameters()
    theirs.reset_parameters()
    assert not torch.equal(ours.weight_ih_l0, theirs.weight_ih_l0)


@pytest.mark.parametrize("case", SHAPES, ids=str)
def test_weights_load_both_ways(case: Case) -> None:
    ours, theirs = case.build(drop_in), case.build(nn)
    ours.load_state_dict(theirs.state_dict())
    equal(tuple(ours.state_dict().values()), tuple(theirs.state_dict().values()))
    ours.reset_parameters()
    theirs.load_state_dict(ours.state_dict())
    equal(tuple(ours.state_dict().values()), tuple(theirs.state_dict().values()))
    for mine, wanted in zip(ours.all_weights, theirs.all_weights, strict=True):
        equal(tuple(part.data for part in mine), tuple(part.data for part in wanted))


POSITIONAL: list[tuple[str, list[Any]]] = [
    ("RNN", [3, 5, 2, "relu", False, True, 0.5, True]),
    ("LSTM", [3, 5, 2, False, True, 0.5, True, 2, "cpu", torch.float64]),
    ("GRU", [3, 5, 2, False, True, 0.5, True]),
    ("RNN", [3, 5]),
    ("LSTM", [3, 5]),
    ("GRU", [3, 5]),
]


@pytest.mark.parametrize(("name", "arguments"), POSITIONAL)
def test_arguments_and_repr(name: str, arguments: list[Any]) -> None:
    ours, theirs = getattr(drop_in, name)(*arguments), getattr(nn, name)(*arguments)
    assert repr(ours) == repr(theirs)
    told = ["input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional", "proj_size"]
    for attribute in told + ["nonlinearity"] * (name == "RNN"):
        assert getattr(ours, attribute) == getattr(theirs, attribute)
    assert [(n, w.shape, w.dtype) for n, w in ours.named_parameters()] == [
        (n, w.shape, w.dtype) for n, w in theirs.named_parameters()
    ]


@pytest.mark.parametrize("first", [False, True], ids=["time-first", "batch-first"])
@pytest.mark.parametrize("both", [False, True], ids=["one-way", "two-way"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_drops_the_same(kind: str, both: bool, first: bool) -> None:
    case = Case(kind, layers=3, both=both, first=first)
    ours, theirs = case.twins(dropout=0.4)
    x, _, _ = case.given()
    results = []
    for network in (ours, theirs):
        torch.manual_seed(5)
        results.append((network(x)[0], torch.rand(1)))
    torch.testing.assert_close(*results)
    assert not torch.equal(ours(x)[0], results[0][0])
    torch.testing.assert_close(ours.eval()(x)[0], theirs.eval()(x)[0])
    assert torch.equal(ours(x)[0], ours(x)[0])


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
def test_dropout_between_layers(share: float, packed: bool) -> None:
    torch.manual_seed(0)
    rnn: Any = drop_in.RNN(1, 64, 2, "relu", dropout=share)
    with torch.no_grad():  # the lower layer puts out ones, the upper one hands them on
        for weight in rnn.parameters():
            weight.zero_()
        rnn.bias_ih_l0.fill_(1.0)
        rnn.weight_ih_l1.copy_(torch.eye(64))
    rows = [torch.zeros(length, 1) for length in (20, 9, 3, 20)]
    given = pack_sequence(rows, enforce_sorted=False) if packed else torch.zeros(20, 4, 1)
    y, _ = rnn(given)
    values = y.data if packed else y
    zeros = float((values == 0).float().mean())
    assert abs(zeros - share) < 0.04
    assert share == 1 or torch.all((values == 0) | ((values - 1 / (1 - share)).abs() < 1e-6))
    y, _ = rnn.eval()(given)
    assert torch.all((y.data if packed else y) == 1)


def test_dropout_of_one_layer_warns_and_does_nothing() -> None:
    with pytest.warns(UserWarning, match=r"dropout=0\.5 acts between layers"):
        gru = drop_in.GRU(3, 5, dropout=0.5)
    x = torch.randn(4, 2, 3)
    assert torch.equal(gru(x)[0], gru.eval()(x)[0])


@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_a_packed_sequence_keeps_its_order(enforce_sorted: bool) -> None:
    rows = [torch.randn(length, 3) for length in ((5, 3, 3, 1) if enforce_sorted else (3, 1, 5, 3))]
    packed = pack_sequence(rows, enforce_sorted=enforce_sorted)
    lstm = drop_in.LSTM(3, 5, bidirectional=True)
    y, (h, _) = lstm(packed)
    assert isinstance(y, PackedSequence)
    assert y.batch_sizes is packed.batch_sizes
    assert y.sorted_indices is packed.sorted_indices
    assert y.unsorted_indices is packed.unsorted_indices
    for k, (row, (steps, length)) in enumerate(
        zip(rows, zip(*pad_packed_sequence(y, batch_first=True), strict=True), strict=True)
    ):
        alone, (end, _) = lstm(row)
        torch.testing.assert_close(steps[:length], alone)
        torch.testing.assert_close(h[:, k], end)


def test_ties_keep_the_order_that_they_were_packed_in() -> None:
    rows, order = [torch.randn(3, 2) for _ in range(3)], torch.tensor([2, 0, 1])
    sizes = torch.tensor([3, 3, 3])
    packed = PackedSequence(torch.stack([rows[k] for k in order], 1).flatten(0, 1), sizes, order, order.argsort())
    ours, theirs = Case("gru", inputs=2).twins(torch.float32)
    h = torch.randn(1, 3, 6)
    (y, after), (wanted, end) = ours(packed, h), theirs(packed, h)
    torch.testing.assert_close(y.data, wanted.data)
    torch.testing.assert_close(after, end)


@pytest.mark.parametrize("case", SHAPES[::2], ids=str)
def test_copies_are_whole_and_apart(case: Case) -> None:
    network = case.build(drop_in, dropout=0.5 * (case.layers > 1)).eval()
    x, _, _ = case.given()
    y, _ = network(x)
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(other(x)[0], y)
        assert repr(other) == repr(network)
        with torch.no_grad():
            other.weight_hh_l0.add_(1.0)
        assert not torch.equal(other(x)[0], y)
        assert torch.equal(network(x)[0], y)


@pytest.mark.parametrize("case", SHAPES[::2], ids=str)
def test_weights_may_be_lent(case: Case) -> None:
    ours, theirs = case.twins()
    x, _, _ = case.given()
    lent = {name: weight + 0.1 for name, weight in ours.state_dict().items()}
    theirs.load_state_dict(lent)
    torch.testing.assert_close(torch.func.functional_call(ours, lent, (x,))[0], theirs(x)[0])
    theirs.load_state_dict(ours.state_dict())
    theirs.weight_hh_l0.data.tanh_()
    register_parametrization(ours, "weight_hh_l0", nn.Tanh())
    torch.testing.assert_close(ours(x)[0], theirs(x)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_moves(kind: str) -> None:
    case = Case(kind, layers=2)
    ours, theirs = (network.to(torch.bfloat16) for network in case.twins())
    x, _, _ = case.given(torch.bfloat16)
    y, _ = ours(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y, theirs(x)[0])
    assert case.build(drop_in).to("meta").weight_hh_l1.device.type == "meta"
    ours.flatten_parameters()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_autocast(kind: str, dtype: torch.dtype) -> None:
    ours, theirs = Case(kind, layers=2, both=True).twins(torch.float32)
    x = torch.randn(5, 3, 4, dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        try:
            wanted = theirs(x)[0]
        except RuntimeError as error:  # oneDNN's LSTM has no bfloat16 on processors without AVX-512
            pytest.skip(f"torch.nn cannot do it here: {str(error).splitlines()[0]}")
        y = ours(x)[0]
    relative, absolute = NEAR[torch.bfloat16]
    torch.testing.assert_close(y, wanted, rtol=relative, atol=absolute)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("kind", KINDS)
def test_without_gradients(kind: str, mode: Callable[[], Any]) -> None:
    ours, theirs = Case(kind, layers=2, both=True).twins(torch.float32)
    x = torch.randn(5, 3, 4)
    with mode():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows(kind: str) -> None:
    ours, theirs = Case(kind, layers=2, both=True).twins(torch.float32)
    torch.testing.assert_close(ours(torch.zeros(5, 0, 4)), theirs(torch.zeros(5, 0, 4)))


@pytest.mark.parametrize("kind", ["lstm", "projected"])
def test_a_list_is_a_pair(kind: str) -> None:
    case = Case(kind, hx=True)
    ours, theirs = case.twins()
    x, _, start = case.given()
    torch.testing.assert_close(ours(x, start), theirs(x, start))


ARGUMENTS: list[tuple[str, dict[str, Any], str]] = [
    ("GRU", {"input_size": 0}, "input_size is 0; wanted a whole number of at least 1"),
    ("LSTM", {"hidden_size": -1}, "hidden_size is -1"),
    ("LSTM", {"hidden_size": 5.0}, "hidden_size is 5.0"),
    ("RNN", {"num_layers": 0}, "num_layers is 0"),
    ("RNN", {"num_layers": "2"}, "num_layers is '2'"),
    ("RNN", {"nonlinearity": "sin"}, "nonlinearity is 'sin'; wanted 'tanh' or 'relu'"),
    ("RNN", {"bias": 1}, "bias is 1; wanted True or False"),
    ("GRU", {"batch_first": None}, "batch_first is None"),
    ("GRU", {"dropout": 1.5, "num_layers": 2}, "dropout is 1.5; wanted a number from 0 to 1"),
    ("GRU", {"dropout": True, "num_layers": 2}, "dropout is True"),
    ("GRU", {"dropout": "0.5", "num_layers": 2}, "dropout is '0.5'"),
    ("LSTM", {"dropout": float("nan"), "num_layers": 2}, "dropout is nan"),
    ("LSTM", {"proj_size": -1}, "proj_size is -1; wanted 0 for none, or less than hidden_size, 5"),
    ("LSTM", {"proj_size": 5}, "proj_size is 5"),
]


@pytest.mark.parametrize(("name", "wrong", "message"), ARGUMENTS, ids=lambda part: str(part))
def test_refused_arguments(name: str, wrong: dict[str, Any], message: str) -> None:
    arguments = {"input_size": 3, "hidden_size": 5} | wrong
    with pytest.raises((ValueError, TypeError, RuntimeError)):
        getattr(nn, name)(**arguments)
    with pytest.raises(UsageError, match="^" + message.replace(".", r"\.")) as caught:
        getattr(drop_in, name)(**arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["RNN", "GRU"])
def test_only_lstms_project(name: str) -> None:
    with pytest.raises(TypeError, match="proj_size"):
        getattr(drop_in, name)(3, 5, proj_size=2)


ZERO, STATE = torch.zeros(7, 2, 3), torch.zeros(1, 2, 5)
RAGGED = pack_sequence([torch.zeros(4, 3), torch.zeros(2, 3)])
ANY, ONE, PAIR = ["RNN", "LSTM", "GRU"], ["RNN", "GRU"], ["LSTM"]
CALLS: list[tuple[list[str], tuple[Any, ...], type[UsageError], str]] = [
    (ANY, ("x",), UsageError, "input is of type str; wanted a tensor or a PackedSequence"),
    (ANY, (torch.zeros(3),), ShapeError, "input is (3,); wanted (T > 0, I) or (T > 0, B, I) with I = 3"),
    (ANY, (torch.zeros(7, 2, 3, 1),), ShapeError, "input is (7, 2, 3, 1)"),
    (ANY, (torch.zeros(7, 2, 4),), ShapeError, "input is (7, 2, 4)"),
    (ANY, (torch.zeros(7, 4),), ShapeError, "input is (7, 4)"),
    (ANY, (torch.zeros(0, 2, 3),), ShapeError, "input is (0, 2, 3)"),
    (ANY, (torch.zeros(0, 3),), ShapeError, "input is (0, 3)"),
    (ANY, (ZERO.double(),), UsageError, "input is of torch.float64; wanted torch.float32"),
    (ANY, (ZERO.long(),), UsageError, "input is of torch.int64; wanted torch.float32"),
    (ONE, (pack_sequence([torch.zeros(4, 2)]),), ShapeError, "input is (4, 2); wanted (steps of all rows > 0, I) with I = 3"),
    (ANY, (pack_sequence([torch.zeros(4, 3, 3)]),), ShapeError, "input is (4, 3, 3)"),
    (ONE, (ZERO, STATE[0]), ShapeError, "hx is (2, 5); wanted (1, 2, 5)"),
    (ONE, (ZERO, torch.zeros(2, 2, 5)), ShapeError, "hx is (2, 2, 5); wanted (1, 2, 5)"),
    (ONE, (ZERO, (STATE, STATE)), ShapeError, "hx is tuple; wanted (1, 2, 5)"),
    (ONE, (ZERO[:, 0], STATE), ShapeError, "hx is (1, 2, 5); wanted (1, 5)"),
    (ONE, (RAGGED, STATE[:, :1]), ShapeError, "hx is (1, 1, 5); wanted (1, 2, 5)"),
    (ONE, (ZERO, STATE.double()), UsageError, "hx is of torch.float64; wanted torch.float32"),
    (PAIR, (ZERO, STATE), ShapeError, "hx is (1, 2, 5); wanted (1, 2, 5), (1, 2, 5)"),
    (PAIR, (ZERO, (STATE, STATE, STATE)), ShapeError, "hx is (1, 2, 5), (1, 2, 5), (1, 2, 5); wanted (1, 2, 5), (1, 2, 5)"),
    (PAIR, (ZERO, (STATE, STATE[..., :4])), ShapeError, "hx is (1, 2, 5), (1, 2, 4); wanted (1, 2, 5), (1, 2, 5)"),
    (PAIR, (ZERO[:, 0], (STATE, STATE)), ShapeError, "hx is (1, 2, 5), (1, 2, 5); wanted (1, 5), (1, 5)"),
    (PAIR, (RAGGED, (STATE[:, :1], STATE)), ShapeError, "hx is (1, 1, 5), (1, 2, 5); wanted"),
    (PAIR, (ZERO, (STATE, STATE.double())), UsageError, "hx is of torch.float64; wanted torch.float32"),
]


@pytest.mark.parametrize(
    ("name", "call", "error", "message"), [(name, *row) for names, *row in CALLS for name in names], ids=lambda part: None
)
def test_refused_calls(name: str, call: tuple[Any, ...], error: type[UsageError], message: str) -> None:
    with pytest.raises((ValueError, TypeError, RuntimeError, AttributeError, IndexError)):
        getattr(nn, name)(3, 5)(*call)
    with pytest.raises(error) as caught:
        getattr(drop_in, name)(3, 5)(*call)
    assert type(caught.value) is error
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_the_wanted_shape_follows_batch_first() -> None:
    with pytest.raises(ShapeError, match=r"wanted \(T > 0, I\) or \(B, T > 0, I\) with I = 3"):
        drop_in.GRU(3, 5, batch_first=True)(torch.zeros(2, 0, 3))
    assert drop_in.GRU(3, 5, batch_first=True)(torch.zeros(0, 2, 3))[0].shape == (0, 2, 5)
