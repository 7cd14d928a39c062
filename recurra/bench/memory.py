"""Peak memory and time of a training step, the usual way and with memory=low; each in a process of its own."""

from collections.abc import Iterator
from pathlib import Path

import torch

from recurra.bench.apart import Failed, answer, ask
from recurra.bench.options import Plan
from recurra.bench.results import Contender, Measure
from recurra.bench.sequences import timer
from recurra.cells import LSTM
from recurra.engine import Sweep
from recurra.layers import Dense, Recurrent

__all__ = ["memory"]

REFS, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def memory(plan: Plan, threads: int) -> Iterator[Measure]:
    """An LSTM's training step along 1024 steps."""
    seconds: dict[str, float] = {}
    peaks: dict[str, float] = {}
    missing: dict[str, str] = {}
    for contender, word in ((Contender.OURS, ""), (Contender.LOW_MEMORY, "low")):
        if not REFS.exists():
            missing[contender] = "this system does not tell a process its peak memory"
        else:
            try:
                seconds[contender], peaks[contender] = ask("memory", plan, threads, word)
            except Failed as failed:
                missing[contender] = str(failed)
    yield Measure("memory", "lstm", "training", plan.memory, threads, seconds, missing, gates=4, memory=peaks)


def _step(plan: Plan, _threads: int, word: str) -> tuple[float, float]:
    units = plan.memory.units
    layer = Recurrent(LSTM(), Dense(units, units), engine=Sweep(), memory="low" if word else "normal")
    x = torch.randn(*plan.memory, requires_grad=True)

    def step(x: torch.Tensor) -> None:
        layer.zero_grad()
        x.grad = None
        layer(x)[0].sum().backward()

    step(x[:1, :64].detach().requires_grad_())  # compiled now, not in the step that is watched
    REFS.write_text("5")  # the peak begins anew
    before = _bytes("VmRSS")
    step(x)
    peak = _bytes("VmHWM") - before
    return timer(plan).medians({"step": lambda: step(x)})["step"], peak


def _bytes(name: str) -> float:
    [line] = [line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:")]
    return float(line.split()[1]) * 1024


if __name__ == "__main__":
    answer(_step)
