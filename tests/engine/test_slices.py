"""``memory="low"``: the same values and gradients from fewer bytes."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import pytest
import torch
from torch import Tensor

from recurra.cells import GRU, LSTM, Cell
from recurra.engine import Engine, Fold, Sweep, TorchKernels
from recurra.engine.slices import SHORTEST
from recurra.errors import UsageError
from recurra.layers import Conv2d, Dense, Diagonal, Heads, Recurrent, stacked
from recurra.wirings import Wiring
from tests.engine.cells import OWN, PLAIN
from tests.tolerance import close, equal

WAYS: dict[str, tuple[Cell, Wiring, Engine]] = {
    "sweep": (GRU(), Dense(4, 6), Sweep()),
    "sweep-lstm": (LSTM(), Dense(4, 6), Sweep()),
    "sweep-heads": (GRU(), Heads(4, 6, 3), Sweep()),
    "sweep-diagonal": (GRU(), Diagonal(4, 6), Sweep()),
    "torch": (LSTM(), Dense(4, 6), TorchKernels()),
    "fold": (GRU(), Dense(4, 6), Fold()),
    "images": (GRU(), Conv2d(4, 2), Fold()),
}


def pair(cell: Cell, wiring: Wiring, engine: Engine, dtype: torch.dtype = torch.float64) -> tuple[Recurrent, Recurrent]:
    """The same layer with all it needs kept, and with little."""
    torch.manual_seed(0)
    normal = Recurrent(cell, wiring, engine=engine).to(dtype)
    low = Recurrent(cell, wiring, engine=engine, memory="low").to(dtype)
    low.load_state_dict(normal.state_dict())
    return normal, low


def inputs(layer: Recurrent, steps: int, batch: int = 5, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(steps)
    extent = [3, 2] if isinstance(layer.wiring, Conv2d) else []
    return torch.randn(batch, steps, 4, *extent, dtype=dtype, generator=generator)


def answers(layer: Recurrent, x: Tensor, start: Any = None, **given: Any) -> Iterator[Tensor]:
    """Outputs, states, and the gradients of input, first state and weights."""
    torch.manual_seed(1)
    x = x.clone().requires_grad_()
    first = layer.initial(len(x), *layer.wiring.extent(x)) if start is None else start
    first = type(first)(*(field.clone().requires_grad_() for field in first))
    layer.zero_grad()
    y, state = layer(x, first, **given)
    torch.autograd.backward((y * torch.randn(y.shape, dtype=y.dtype)).sum() + sum(field.square().sum() for field in state))
    yield from (y, *state)
    yield from (leaf.grad for leaf in (x, *first, *layer.parameters()) if leaf.grad is not None)


def agree(layers: Sequence[Recurrent], x: Tensor, **given: Any) -> None:
    for one, other in zip(*(answers(layer, x, **given) for layer in layers), strict=True):
        close(one, other)


@pytest.mark.parametrize("steps", [1, SHORTEST - 1, SHORTEST, SHORTEST + 1, 2 * SHORTEST + 7, 300])
@pytest.mark.parametrize("way", WAYS)
def test_values_and_gradients_are_those_of_the_whole(way: str, steps: int) -> None:
    layers = pair(*WAYS[way])
    agree(layers, inputs(layers[0], steps))


@pytest.mark.parametrize("way", WAYS)
def test_ragged_rows_resets_and_a_first_state(way: str) -> None:
    layers, steps = pair(*WAYS[way]), 70
    x, lengths = inputs(layers[0], steps), torch.tensor([70, 33, 0, 17, 1])
    x[1, 33:] = 7
    resets = torch.zeros(5, steps, dtype=torch.bool)
    resets[0, [0, 16, 17, 40]] = resets[3, 16] = True
    start = layers[0](inputs(layers[0], 3))[1]
    start = type(start)(*(field.detach() for field in start))
    for lengths_given in (None, lengths):
        for resets_given in (None, resets):
            given = inputs(layers[0], steps) if lengths_given is None else x
            agree(layers, given, start=start, lengths=lengths_given, resets=resets_given)


@pytest.mark.parametrize("lengths", [[20, 3, 1, 0, 7], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0]], ids=str)
@pytest.mark.parametrize("way", WAYS)
def test_rows_that_end_long_before_the_batch_does(way: str, lengths: list[int]) -> None:
    layers = pair(*WAYS[way])
    agree(layers, inputs(layers[0], 90), lengths=torch.tensor(lengths))


def test_slices_in_which_nothing_is_left_to_do_are_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    class Watched:
        name = "watched"

        def takes(self, *_: Any) -> bool:
            return True

        def can(self, *_: Any) -> bool:
            return True

        def run(self, cell: Cell, wiring: Wiring, weights: Any, job: Any) -> tuple[Tensor, Any]:
            seen.append(job.x.shape[1])
            return Fold().run(cell, wiring, weights, job)

    layer = Recurrent(GRU(), Dense(4, 6), engine=Watched(), memory="low")
    y, _ = layer(torch.randn(2, 500, 4), lengths=torch.tensor([70, 3]))
    assert seen == [35, 35]
    assert y.shape == (2, 500, 6)
    assert not y[0, 70:].any()


@pytest.mark.parametrize("name", ["zoneout", "layer-norm-lstm", "peephole", "minimal"])
def test_other_cells_and_noise(name: str) -> None:
    layers = pair(OWN[name], Dense(4, 6), Sweep())
    x = inputs(layers[0], 60)
    noise = {each: torch.rand(5, 60, 6, dtype=torch.float64) for each in OWN[name].noise}
    agree(layers, x, noise=noise)


@pytest.mark.parametrize("name", ["gru", "lstm", "elman"])
def test_the_sweep_gives_the_same_bits(name: str) -> None:
    normal, low = pair(PLAIN[name], Dense(4, 33), Sweep(), torch.float32)
    for steps in (16, 47, 300):
        x = inputs(normal, steps, dtype=torch.float32)
        for lengths in (None, torch.tensor([steps, 16, 0, 1, 9])):
            equal(normal(x, lengths=lengths), low(x, lengths=lengths))


def test_without_a_row() -> None:
    for layer in pair(GRU(), Dense(4, 6), Sweep()):
        y, state = layer(inputs(layer, 40, batch=0), lengths=torch.zeros(0, dtype=torch.long))
        assert y.shape == (0, 40, 6)
        assert state.h.shape == (0, 6)


def memory(layer: Recurrent, x: Tensor) -> tuple[int, int]:
    """Bytes that a run keeps for the way back, its results included; and the most of both ways."""

    def forward() -> Any:
        return layer(x)

    def both() -> None:
        layer(x)[0].sum().backward()

    both()  # gradients are there before anything is counted
    found = []
    for call in (forward, both):
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
            kept = call()
        events = profile.profiler.kineto_results.events()
        changes = [(event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]"]
        found.append(list(accumulate(number for _, number in sorted(changes))))
        del kept
    return found[0][-1], max(found[1])


@pytest.mark.parametrize("way", ["sweep-lstm", "torch", "fold", "images"])
def test_far_fewer_bytes(way: str) -> None:
    cell, _, engine = WAYS[way]
    wiring = Conv2d(4, 3) if way == "images" else Dense(4, 32)
    (kept, most), (kept_low, most_low) = (memory(layer, inputs(layer, 256)) for layer in pair(cell, wiring, engine))
    assert kept_low < kept / 3
    assert most_low < most / 2


def test_every_slice_is_run_twice_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    _, low = pair(GRU(), Dense(4, 6), Sweep())
    calls: list[int] = []
    run = Sweep.run

    def counted(self: Sweep, cell: Cell, wiring: Wiring, weights: Any, job: Any) -> Any:
        calls.append(job.x.shape[1])
        return run(self, cell, wiring, weights, job)

    monkeypatch.setattr(Sweep, "run", counted)
    y, _ = low(inputs(low, 100))
    assert calls == [33, 33, 34]
    torch.autograd.backward(y.sum())
    assert calls[3:] == [34, 33, 33]


@pytest.mark.parametrize("way", ["sweep", "torch", "fold"])
def test_without_a_way_back_it_runs_whole(way: str) -> None:
    normal, low = pair(*WAYS[way])
    x = inputs(normal, 100)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            equal(normal(x), low(x))


def test_twice_back_and_derivatives_of_derivatives() -> None:
    torch.manual_seed(0)
    low = Recurrent(GRU(), Dense(2, 3), engine=Sweep(), memory="low").double()
    x = torch.randn(2, 66, 2, dtype=torch.float64, requires_grad=True)
    y, _ = low(x)
    once, again = (torch.autograd.grad(y.sum(), x, retain_graph=True)[0] for _ in range(2))
    equal(once, again)
    assert torch.autograd.gradgradcheck(lambda v: low(v)[0].mean(1), (x,), fast_mode=True)


def test_transforms_of_torch() -> None:
    normal, low = pair(GRU(), Dense(4, 6), Sweep())
    x = inputs(normal, 40)

    def gradient(layer: Recurrent) -> dict[str, Tensor]:
        def loss(weights: dict[str, Tensor], row: Tensor) -> Tensor:
            y: Tensor = torch.func.functional_call(layer, weights, (row[None],))[0]
            return y.square().sum()

        weights = {name: weight.detach() for name, weight in layer.named_parameters()}
        found: dict[str, Tensor] = torch.func.vmap(torch.func.grad(loss), (None, 0))(weights, x)
        return found

    for one, other in zip(gradient(normal).values(), gradient(low).values(), strict=True):
        close(one, other)


@pytest.mark.parametrize("changed", ["recur_weight", "x"])
def test_what_is_read_again_must_not_have_changed(changed: str) -> None:
    _, low = pair(GRU(), Dense(4, 6), Sweep())
    x = inputs(low, 70).requires_grad_()
    y, _ = low(x)
    with torch.no_grad():
        (x if changed == "x" else low.get_parameter(changed)).mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.backward(y.sum())


def test_lengths_and_resets_may_be_used_again() -> None:
    layers, found = pair(GRU(), Dense(4, 6), Sweep()), []
    x = inputs(layers[0], 70)
    for layer in layers:
        lengths, resets = torch.tensor([70, 40, 0, 1, 9]), torch.rand(5, 70, generator=torch.Generator().manual_seed(0)) < 0.1
        y, _ = layer(x, lengths=lengths, resets=resets)
        lengths.fill_(70)
        resets.zero_()
        torch.autograd.backward(y.sum())
        found.append(layer.get_parameter("recur_weight").grad)
    close(*found)


def test_short_forms() -> None:
    torch.manual_seed(0)
    stack = stacked(GRU(), 4, 6, layers=2, memory="low")
    assert [layer.memory for layer in stack.layers] == ["low", "low"]
    assert repr(stack).count("memory=low") == 2
    assert "memory" not in repr(stacked(GRU(), 4, 6))
    normal = stacked(GRU(), 4, 6, layers=2)
    normal.load_state_dict(stack.state_dict())
    x = torch.randn(3, 50, 4)
    close(normal(x), stack(x))


@pytest.mark.parametrize("memory", ["lower", "", None, True])
def test_an_unknown_way(memory: Any) -> None:
    with pytest.raises(UsageError) as caught:
        Recurrent(GRU(), Dense(4, 6), memory=memory)
    assert str(caught.value) == f"memory is {memory!r}; wanted 'normal' or 'low'"
    with pytest.raises(UsageError, match="wanted 'normal' or 'low'"):
        stacked(GRU(), 4, 6, memory=memory)
