"""What a model costs beside its training: parameters, a step of a stream, the memory of an update."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from functools import partial
from itertools import accumulate
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from recurra import state as states
from recurra.errors import UsageError
from recurra.layers.core import Core
from recurra.tasks import recipes
from recurra.tasks.options import TaskOptions
from recurra.tasks.recipes import Setup
from recurra.train import Look

__all__ = ["LENGTHS", "Costs", "costs", "pace", "peak_bytes"]

LENGTHS = (1_000, 10_000)
"""Steps of the updates whose memory is measured."""
LONGEST = 10.0  # seconds that one of these may take
STEPPED = 0.3  # seconds of steps
CHUNK = 10  # steps timed together
WARM = 3  # updates that are not timed
FEWEST = 10  # updates that are timed, where the budget allows
SHARE, SHORTEST, MOST = 0.05, 1.0, 15.0  # of the budget that goes into timing, in addition; its bounds in seconds
MANY = 10**9  # updates: timing ends before


class Costs(NamedTuple):
    """What a model costs, whatever its weights are.

    `step` is seconds, by `how`: ``"stepper"`` or ``"step"``. `memory` gives bytes by length, and `without` says why some are
    missing. Both are of the outermost core of the model that an update runs; a model that is no core and has none recurs not.
    """

    parameters: int
    step: float | None
    how: str
    memory: Mapping[int, int]
    without: Mapping[str, str]


def costs(setup: Setup) -> Costs:
    """Measure a model that is about to be trained: one row, as long a one as :data:`LENGTHS` say. Its weights stay."""
    parameters = sum(weight.numel() for weight in setup.model.parameters())
    found = _core(setup)
    if found is None:
        return Costs(parameters, None, "", {}, {"step": "nothing in it recurs", "memory": "nothing in it recurs"})
    core, x, given = found
    memory, without, expected = dict[int, int](), dict[str, str](), 0.0
    _update(core, x, given, WARM)  # whatever is slow once
    step, how = None, ""
    try:
        step, how = _step(core, x, given)
    except UsageError as error:
        without["step"] = str(error)
    for length in LENGTHS:
        if expected > LONGEST:
            without[str(length)] = f"an update of {length:,} steps takes some {expected:.0f} s"
            continue
        begun = time.monotonic()
        try:
            memory[length] = _update(core, x, given, length)
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error):
                raise
            without[str(length)] = "more memory than there is"
        expected = (time.monotonic() - begun) * LENGTHS[-1] / length
    return Costs(parameters, step, how, memory, without)


def pace(options: TaskOptions, setup: Setup, budget: float) -> float:
    """Seconds that an update takes, timed over a twentieth of the budget (1 to 15 s); the model is spent.

    The first three are not counted: in them code is compiled and memory taken.
    """
    seconds, enough = [0.0], min(max(SHARE * budget, SHORTEST), MOST)
    plain = options.model_copy(update={"steps": MANY, "check": 1, "patience": 0})
    training: Any = recipes.train(plain, setup._replace(look=lambda: Look(0.0, {})), None)
    with closing(training) as reports:
        for report in reports:
            seconds.append(report.seconds)
            timed = len(seconds) - 1 - WARM
            if seconds[-1] > budget or (timed >= FEWEST and seconds[-1] - seconds[WARM] >= enough):
                break
    first = min(WARM, len(seconds) - 2)
    return (seconds[-1] - seconds[first]) / (len(seconds) - 1 - first)


def peak_bytes(work: Callable[[], object]) -> int:
    """The most memory that `work` holds at any one time beyond what was held before, in bytes, as torch's profiler sees it.

    Everything that torch's allocators hand out is counted, on any device: results, what is kept for the way back, gradients,
    the blocks of a sweep, what kernels take for themselves. The interpreter's own objects are not.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        work()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiled.export_chrome_trace(str(path))
        events = [event for event in json.loads(path.read_bytes())["traceEvents"] if event["name"] == "[memory]"]
    taken = [int(event["args"]["Bytes"]) for event in sorted(events, key=lambda event: event["ts"])]  # below 0: freed
    return max(accumulate(taken, initial=0))


def _core(setup: Setup) -> tuple[Core, Tensor, dict[str, Any]] | None:
    """The outermost core with the most weights, what it reads in an update, and the memory that a row of it attends to.

    None where there is none that runs.
    """
    cores = sorted(_outermost(setup.model), key=lambda core: -sum(weight.numel() for weight in core.parameters()))
    seen = list[tuple[Tensor, Any]]()

    def look(_: nn.Module, read: tuple[Tensor, ...], how: dict[str, Any]) -> None:
        seen.append((read[0].detach(), how.get("memory")))

    for core in cores[:1]:
        with core.register_forward_pre_hook(look, with_kwargs=True):
            setup.update(setup.batches[0], setup.carry)
    if not seen:
        return None
    x, memory = seen[0]
    row = None if memory is None else states.detach(states.take(memory, x.new_zeros(1, dtype=torch.long)))
    return cast("Core", cores[0]), x, {} if row is None else {"memory": row}


def _outermost(module: nn.Module) -> Iterator[nn.Module]:
    if isinstance(module, Core):
        yield module
    else:
        for child in module.children():
            yield from _outermost(child)


def _update(core: Core, x: Tensor, how: Mapping[str, Any], length: int) -> int:
    """The memory of one row forwards and backwards, x (B, T, ...) giving its first steps over and over."""
    many = -(-length // x.shape[1])
    row = x[:1].repeat(1, many, *[1] * (x.dim() - 2))[:, :length]
    module = cast("nn.Module", core).train()

    def update() -> None:
        given = row.clone().requires_grad_(row.is_floating_point())
        module(given, **how)[0].float().sum().backward()

    try:
        return peak_bytes(update)
    finally:
        module.zero_grad()


@torch.no_grad()
def _step(core: Core, x: Tensor, given: Mapping[str, Any]) -> tuple[float, str]:
    """Seconds of one step of one row, in evaluation: of the core's stepper where it has one."""
    cast("nn.Module", core).eval()
    step, how = cast("Callable[[Tensor, Any], tuple[Tensor, Any]]", partial(core.step, **given)), "step"
    with suppress(AttributeError, UsageError):
        step, how = cast("Any", core).stepper(), "stepper"
    row, state = x[:1, 0], core.initial(1, *x.shape[3:])
    done, chunks = time.monotonic() + STEPPED, list[float]()
    while time.monotonic() < done or len(chunks) < 3:
        begun = time.perf_counter()
        for _ in range(CHUNK):
            y, state = step(row, state)
        y.flatten()[0].item()  # a GPU has then done it
        chunks.append((time.perf_counter() - begun) / CHUNK)
    return median(chunks[1:]), how
