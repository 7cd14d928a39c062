"""The compiled sweep beside the fold: values and every gradient, and what it promises about bits."""

import os
import random
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise, product
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from recurra import state as states
from recurra.cells import GRU, Cell, Elman, ResetBeforeGRU
from recurra.engine import Sweep, buffers
from recurra.engine.pool import threads
from recurra.engine.precision import FULL
from recurra.layers import Bidirectional, Dense, Recurrent
from recurra.wirings import Wiring
from tests.engine.cells import Leaky, Minimal
from tests.engine.twins import (
    LOSSES,
    TABLE,
    WANTED,
    WIRINGS,
    Run,
    agree,
    answers,
    both,
    given,
    gradients,
    projects,
    twins,
    wire,
)
from tests.laws.cases import Mixed
from tests.tolerance import close, equal

pytestmark = pytest.mark.usefixtures("sweep_all")

BATCHES, STEPS, UNITS = (0, 1, 2, 7, 63, 64, 65, 129), (1, 2, 33), (1, 15, 16, 17, 33, 100, 256)
SIZES = random.Random(0).sample([*product(BATCHES, STEPS, UNITS)], len(BATCHES) * len(STEPS) * len(UNITS))
EACH = 6


class Program(NamedTuple):
    """A cell wired in one way, in numbers of one size: what is compiled once."""

    name: str
    wiring: str
    dtype: torch.dtype

    @property
    def cell(self) -> Cell:
        return TABLE[self.name]

    def wired(self, inputs: int, hidden: int, *, bias: bool = True) -> Wiring:
        return wire(self.wiring, self.cell, inputs, hidden, bias=bias)

    def layer(self, inputs: int, hidden: int) -> Recurrent:
        return twins(self.cell, self.wired(inputs, hidden), self.dtype)[0]

    def __str__(self) -> str:
        return f"{self.name}-{self.wiring}-{str(self.dtype)[6:]}"


PROGRAMS = [
    Program(name, wiring, dtype)
    for (k, name), dtype, wiring in product(enumerate(TABLE), (torch.float32, torch.float64), WIRINGS)
    if wiring == "dense" or not projects(TABLE[name])
    if wiring != "diagonal" or dtype == torch.float32 or k % 3 == 0
]
CROWDS = (Run(2, 4), Run(7, 3, ragged=True, resets=True), Run(40, 3, ragged=True))
"""Threads share units, units of fewer and fewer rows, rows."""


@pytest.fixture(scope="module", params=PROGRAMS, ids=str)
def program(request: pytest.FixtureRequest) -> Program:
    """Each in turn, so that one worker of pytest compiles it."""
    found: Program = request.param
    return found


@pytest.fixture
def _any_work(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """However little there is to do, all threads share it."""
    monkeypatch.setattr(buffers, "SMALL", 0)
    buffers.frame.cache_clear()
    yield
    buffers.frame.cache_clear()


def on_threads(count: int, work: Callable[[], Any]) -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        return work()
    finally:
        torch.set_num_threads(before)


def test_every_size_occurs() -> None:
    assert len(PROGRAMS) * EACH >= len(SIZES)


def test_equals_the_fold(program: Program) -> None:
    place = PROGRAMS.index(program)
    for number in range(place * EACH, place * EACH + EACH):
        (batch, steps, hidden), draw = SIZES[number % len(SIZES)], random.Random(number)
        inputs = draw.choice((3 if program.cell.norms else 1, 8, 17, 40))  # a norm of one input is the same for all inputs
        ragged, resets, start, strewn = (draw.random() < 0.5 for _ in range(4))
        run = Run(batch, steps, inputs, ragged, resets, start, strewn, draw.choice(LOSSES), draw.choice(WANTED), number)
        agree(program.cell, program.wired(inputs, hidden, bias=draw.random() < 0.7), run, program.dtype)


@pytest.mark.usefixtures("_any_work")
def test_the_same_bits_on_any_number_of_threads(program: Program) -> None:
    run, layer = CROWDS[PROGRAMS.index(program) % len(CROWDS)], program.layer(5, 33)
    one, *more = (on_threads(count, lambda: answers(layer, run)) for count in (1, 2, 3))
    for other in more:
        for name in one:
            equal(other[name], one[name])


@torch.no_grad()
def test_a_row_is_the_same_in_any_company(program: Program) -> None:
    layer = program.layer(5, 17)
    for run in (Run(30, 4, ragged=True, resets=True), Run(30, 4)):
        x, start, others = given(layer, run)
        y, end = layer(x, start, **others)
        for company in ([3], [29], [7, 2], [*range(29, -1, -1)], [*range(4, 17)]):
            rows = torch.tensor(company)
            noise = {name: mask[rows] for name, mask in others["noise"].items()}
            cut = {name: None if part is None else part[rows] for name, part in others.items() if name != "noise"}
            equal(layer(x[rows], states.take(start, rows), noise=noise, **cut), (y[rows], states.take(end, rows)))


@torch.no_grad()
def test_time_may_be_cut_anywhere(program: Program) -> None:
    layer = program.layer(5, 17)
    x, state, others = given(layer, Run(7, 33, resets=True))
    noise = {name: mask.expand(7, 33, 17) for name, mask in others["noise"].items()}
    whole = layer(x, state, resets=others["resets"], noise=noise)
    outputs = []
    for begin, end in pairwise((0, 1, 2, 3, 17, 33)):
        now = {name: mask[:, begin:end] for name, mask in noise.items()}
        y, state = layer(x[:, begin:end], state, resets=others["resets"][:, begin:end], noise=now)
        outputs.append(y)
    equal((torch.cat(outputs, 1), state), whole)


def test_bad_numbers_stay_in_their_row(program: Program) -> None:
    layer = program.layer(4, 33)
    run = Run(9, 5, 4)
    x, start, others = given(layer, run)
    found = []
    for bad in (False, True):
        spoilt = x.clone()
        if bad:
            spoilt[1, 2], spoilt[3, 1], spoilt[5, 0] = torch.nan, torch.inf, 1e30
        spoilt.requires_grad_()
        y, end = layer(spoilt, start, **others)
        torch.autograd.backward(y.square().sum() + sum(part.square().sum() for part in end))
        found.append((y.detach(), *states.map(Tensor.detach, end), spoilt.grad))
    (clean, *_), (y, *_) = found
    assert torch.equal(y[1, :2], clean[1, :2])
    assert y[1, 2].isnan().any()
    sound = torch.tensor([0, 2, 4, 6, 7, 8])
    equal(*(tuple(part[sound] for part in each) for each in found))


@pytest.mark.parametrize("rate", [0.1, 0.7])
def test_every_value_of_a_class_is_a_cell_of_its_own(rate: float) -> None:
    agree(Leaky(rate), Dense(5, 9), Run(3, 4), torch.float32)


@pytest.mark.parametrize("cell", [GRU(), ResetBeforeGRU(), Mixed()], ids=str)
@pytest.mark.parametrize("inputs", [130, 530])
def test_many_inputs(cell: Cell, inputs: int) -> None:
    agree(cell, Dense(inputs, 40), Run(9, 3, inputs), torch.float32)


@pytest.mark.parametrize("cell", [GRU(), Mixed()], ids=str)
def test_both_directions(cell: Cell) -> None:
    pairs = [twins(cell, Dense(4, 9), torch.float64) for _ in range(2)]
    x, lengths, resets = torch.randn(5, 7, 4).double(), torch.tensor([7, 0, 3, 1, 6]), torch.rand(5, 7) < 0.3
    found = []
    for ahead, behind in zip(*pairs, strict=True):
        layer, leaf = Bidirectional(ahead, behind), x.clone().requires_grad_()
        y, ends = layer(leaf, None, lengths, resets)
        torch.autograd.backward(y.square().sum() + ends.backward[0].sum())
        found.append((y, ends, leaf.grad, *(weight.grad for weight in layer.parameters())))
    close(*found)


def test_weights_of_strange_forms() -> None:
    def work(layer: Recurrent) -> Any:
        torch.manual_seed(0)
        weights: dict[str, Tensor] = {name: weight.detach() for name, weight in layer.named_parameters()}
        one = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
        weights["peep"] = one.expand(8)  # every unit shares it
        weights["recur_weight"] = torch.randn(8, 16).double().t()
        weights["norm_cell_weight"] = torch._neg_view(torch.randn(8).double())
        y, _ = functional_call(layer, weights, (torch.randn(3, 5, 4).double(),))
        y.sum().backward()
        return y, one.grad

    close(*both(Mixed(), work))


def test_what_pads_the_units_touches_nothing() -> None:
    """Numbers that grow beyond all bounds, beside padding."""

    def work(layer: Recurrent) -> Any:
        with torch.no_grad():
            layer.get_parameter("recur_weight").abs_().mul_(100)
        x = torch.ones(3, 40, 4).double().requires_grad_()
        y, _ = layer(x)
        size = y.clamp(min=1e-300).log()
        size.sum().backward()
        return size.detach(), x.grad, *gradients(layer)

    found = both(Elman("relu"), work, hidden=17)
    assert found.slow[0].max() > 100
    close(*found)


def test_a_long_sequence_trains() -> None:
    layer, _ = twins(Minimal(), Dense(4, 8))
    x = torch.randn(1, 65_536, 4, requires_grad=True)
    y, _ = layer(x)
    y.square().mean().backward()
    assert y.isfinite().all()
    assert all(leaf.grad is not None and leaf.grad.isfinite().all() and leaf.grad.any() for leaf in (x, *layer.parameters()))


def test_memory_is_linear_in_time() -> None:
    sizes = [needed(GRU(), steps) for steps in (1024, 16_384, 65_536)]
    assert sizes[1] < 16.1 * sizes[0]
    assert sizes[2] < 4.1 * sizes[1]


def needed(cell: Cell, steps: int) -> int:
    """Bytes of all blocks of memory of a training call."""
    size = buffers.Size(2, steps, steps, 2 * steps, ragged=False, keep=True, team=1)
    found = buffers.frame(cell, Dense(4, 8), 4, size, FULL)
    return found.ahead + found.packed + found.back[1]


def test_many_python_threads() -> None:
    """They compile a cell that is new to all of them, train it and run it."""
    found: list[tuple[Tensor, ...]] = []
    weights = twins(Leaky(), Dense(32, 64))[0].state_dict()
    x = torch.randn(16, 30, 32)

    def work() -> None:
        layer = Recurrent(Leaky(0.3), Dense(32, 64), engine=Sweep())
        layer.load_state_dict(weights)
        for _ in range(3):
            y, _ = layer(x)
            trained = torch.autograd.grad(y.square().sum(), [*layer.parameters()])
            with torch.no_grad():
                found.append((y.detach(), layer(x)[0], *trained))

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 24
    for each in found:
        equal(each, found[0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("_any_work")
def test_a_forked_child_goes_on_alone() -> None:
    layer, run = twins(GRU(), Dense(5, 33))[0], Run(16, 20)

    def work() -> int:
        wanted = answers(layer, run)
        child = os.fork()
        if child == 0:
            found = answers(layer, run)
            os._exit(0 if threads() == 1 and all(torch.equal(found[name], wanted[name]) for name in wanted) else 1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert on_threads(2, work) == 0
