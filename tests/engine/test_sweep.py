"""The compiled sweep beside the fold: values and every gradient."""

import copy
import os
import threading
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from recurra.cells import CELLS, Cell
from recurra.engine import Fold, Sweep
from recurra.layers import Dense, Recurrent
from tests.engine.cells import OWN, Leaky

ALL = CELLS | OWN
SIZES = [(0, 20, 3, 5), (1, 20, 4, 33), (2, 16, 3, 1), (7, 33, 5, 17), (5, 16, 20, 100), (65, 18, 8, 64), (3, 40, 16, 256)]
LIMIT = {torch.float32: 2e-5, torch.float64: 1e-12}  # beside the largest number of a tensor, where sums do not cancel


def pair(cell: Cell, inputs: int, hidden: int, dtype: torch.dtype = torch.float32) -> tuple[Recurrent, Recurrent]:
    """The same layer run by the sweep and by the fold."""
    torch.manual_seed(0)
    fast, slow = (Recurrent(cell, Dense(inputs, hidden), engine=engine).to(dtype) for engine in (Sweep(), Fold()))
    for weight in fast.parameters():
        torch.nn.init.normal_(weight, std=0.4 / hidden**0.5)  # small enough that rounding does not grow from step to step
    slow.load_state_dict(fast.state_dict())
    return fast, slow


def answers(layer: Recurrent, x: Tensor, lengths: Tensor | None) -> Iterator[Tensor]:
    """Outputs, states, and the gradients of input, state and weights."""
    torch.manual_seed(1)
    x = x.clone().requires_grad_()
    hidden = layer.wiring.units
    start = layer.cell.State(*(torch.randn(len(x), hidden).to(x.dtype).requires_grad_() for _ in layer.cell.State._fields))
    y, state = layer(x, start, lengths)
    torch.autograd.backward((y * torch.randn(y.shape).to(y.dtype)).sum() + sum((part * part).sum() for part in state))
    yield from (y, *state)
    yield from (leaf.grad for leaf in (x, *start, *layer.parameters()) if leaf.grad is not None)


def worst(fast: Recurrent, slow: Recurrent, x: Tensor, lengths: Tensor | None = None) -> float:
    """The largest difference, beside the largest number of its tensor."""
    both = zip(answers(fast, x, lengths), answers(slow, x, lengths), strict=True)
    return max([((a - b).abs().max() / (1e-6 + b.abs().max())).item() for a, b in both if a.numel()], default=0.0)


@pytest.mark.parametrize("dtype", LIMIT, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", ALL)
def test_equals_the_fold(name: str, size: tuple[int, int, int, int], dtype: torch.dtype) -> None:
    batch, steps, inputs, hidden = size
    fast, slow = pair(ALL[name], inputs, hidden, dtype)
    torch.manual_seed(2)
    x = torch.randn(batch, steps, inputs, dtype=dtype)
    for lengths in [None, torch.randint(0, steps + 1, (batch,))][: 1 + bool(batch)]:
        if dtype == torch.float64:
            assert worst(fast, slow, x, lengths) < LIMIT[dtype]
            continue
        exact = copy.deepcopy(slow).double()
        every = zip(answers(fast, x, lengths), answers(slow, x, lengths), answers(exact, x.double(), lengths), strict=True)
        for ours, folds, true in every:
            if true.numel():  # at most four times the error that torch makes itself, and a little more where it makes none
                allowed = 4 * (folds - true).abs().max() + 4e-6 * true.abs().max() + 1e-7
                assert (ours - true).abs().max() <= allowed


@pytest.mark.parametrize("name", ALL)
def test_the_same_bits_on_any_number_of_threads(name: str) -> None:
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            for batch in (2, 40):  # panels are shared out, or rows
                fast, _ = pair(ALL[name], 16, 256)
                torch.manual_seed(3)
                results.append(torch.cat([each.flatten() for each in answers(fast, torch.randn(batch, 20, 16), None)]))
    finally:
        torch.set_num_threads(before)
    for k in (0, 1):
        assert torch.equal(results[k], results[k + 2])
        assert torch.equal(results[k], results[k + 4])


@pytest.mark.parametrize("name", ALL)
def test_bad_numbers_stay_in_their_row(name: str) -> None:
    fast, _ = pair(ALL[name], 4, 33)
    x = torch.randn(9, 18, 4)
    clean, _ = fast(x)
    for k, bad in enumerate((torch.nan, torch.inf, 1e30)):
        x[2 * k + 1, 5] = bad
    x.requires_grad_()
    y, _ = fast(x)
    assert torch.equal(y[::2], clean[::2])
    assert not torch.isfinite(y[1, 5]).all()
    torch.autograd.backward(y[::2].sum())
    assert x.grad is not None
    assert torch.isfinite(x.grad[::2]).all()


def test_what_pads_the_units_touches_nothing() -> None:
    fast, slow = pair(Leaky(), 4, 5)
    for layer in (fast, slow):
        torch.nn.init.constant_(layer.get_parameter("scale"), 2.0)  # the padding divides by 0
    assert worst(fast, slow, torch.randn(3, 20, 4)) < LIMIT[torch.float32]


@pytest.mark.filterwarnings("ignore:grad and param do not obey")  # of strange layouts of weights torch says so itself
@pytest.mark.parametrize("batch", [1, 3])
def test_numbers_may_lie_in_any_order(batch: int) -> None:
    fast, slow = pair(CELLS["gru"], 4, 32)
    turned = torch.randn(batch, 4, 20).transpose(1, 2)
    assert worst(fast, slow, turned) < LIMIT[torch.float32]
    y, _ = fast(turned)
    assert torch.allclose(y, slow(turned)[0], atol=1e-5)
    for layer in (fast, slow):
        weight = layer.get_parameter("recur_weight")
        weight.data = weight.data.t().contiguous().t()
    assert worst(fast, slow, turned) < LIMIT[torch.float32]


def test_two_losses_of_one_run() -> None:
    fast, slow = pair(CELLS["gru"], 4, 8)
    x = torch.randn(3, 20, 4)
    found = []
    for layer in (fast, slow):
        y, state = layer(x)
        torch.autograd.backward(y.sum(), retain_graph=True)
        torch.autograd.backward(y.square().sum() + state.h.sum())
        found.append([weight.grad for weight in layer.parameters()])
    for a, b in zip(*found, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["gru", "reset-before", "peephole"])
def test_derivatives_of_derivatives(name: str) -> None:
    fast, _ = pair(ALL[name], 2, 3, torch.float64)
    x = torch.randn(2, 16, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda v: fast(v, lengths=torch.tensor([16, 3]))[0].mean(1), (x,), fast_mode=True)


def test_transforms_of_torch_take_the_fold() -> None:
    fast, slow = pair(CELLS["gru"], 4, 8)
    x = torch.randn(3, 20, 4)

    def loss(weights: dict[str, Tensor], row: Tensor) -> Tensor:
        y: Tensor = torch.func.functional_call(fast, weights, (row[None],))[0]
        return y.square().sum()

    weights = {name: weight.detach() for name, weight in fast.named_parameters()}
    each = torch.func.vmap(torch.func.grad(loss), (None, 0))(weights, x)
    torch.autograd.backward(slow(x[1:2])[0].square().sum())
    assert torch.allclose(each["recur_weight"][1], slow.get_parameter("recur_weight").grad, rtol=1e-4, atol=1e-5)  # type: ignore[arg-type]
    with torch.autocast("cpu", torch.bfloat16):
        assert fast(x)[0].shape == (3, 20, 8)


def test_many_python_threads() -> None:
    fast, _ = pair(CELLS["gru"], 32, 64)
    x = torch.randn(16, 30, 32)
    wanted = fast(x)[0]
    found: list[bool] = []

    def work() -> None:
        with torch.no_grad():
            found.extend(torch.equal(fast(x)[0], wanted) for _ in range(5))

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [True] * 40


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_goes_on_alone() -> None:
    fast, _ = pair(CELLS["gru"], 64, 128)
    x = torch.randn(32, 20, 64)
    with torch.no_grad():
        wanted = fast(x)[0].sum().item()
        child = os.fork()
        if child == 0:
            os._exit(0 if fast(x)[0].sum().item() == wanted else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
