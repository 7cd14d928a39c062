"""Memory tasks from a terminal: one run, or all that docs/quality.md shows.

Run: python -m benchmarks.memory TASK [name=value ...]   or   python -m benchmarks.memory all [TASK ...]
"""

import json
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.machine import RESULTS, describe, write_result
from benchmarks.memory.options import MemoryOptions
from benchmarks.memory.run import run
from benchmarks.memory.runs import RUNS, defaults
from benchmarks.memory.tasks import TASKS, make
from recurra.errors import RecurraError, UsageError, near_miss
from recurra.train import Report

NAME = "memory"


def main(words: Sequence[str]) -> int:
    """Train and measure what the words say; the exit code, which is that of the error if there was one."""
    try:
        for name, options in _chosen(words):
            _keep(name, options)
    except RecurraError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _chosen(words: Sequence[str]) -> list[tuple[str, MemoryOptions]]:
    match words:
        case ["all", *names]:
            for name in names:
                if name not in TASKS:
                    raise UsageError(f"{name}: no such memory task; {near_miss(name, TASKS)}")
            return [
                (one.task, MemoryOptions.parse([*one.options.split(), f"seed={seed}"]))
                for one in RUNS
                for seed in range(one.seeds)
                if not names or one.task in names
            ]
        case [name, *pairs]:
            return [(name, defaults(name, pairs))]
    raise UsageError(f"python -m benchmarks.memory TASK [name=value ...], or all: TASK is one of {', '.join(TASKS)}")


def _keep(name: str, options: MemoryOptions) -> None:
    """Run, print, and put the result where the last one of this task, length, cell and seed was."""
    task = make(name, options)
    words = " ".join(f"{key}={value}" for key, value in options.changed().items())
    print(f"{name} {words}: {task.figure} of chance {task.chance:.4g}")
    machine = describe()
    result = {"task": name, "threads": machine["threads"], **run(task, options, _tell)}
    low, high = result["interval"]
    print(f"{task.figure} {result['value']:.6g} ({low:.6g} to {high:.6g}), {result['seconds'] / 60:.1f} minutes of updates")
    path = RESULTS / f"{NAME}.json"
    before = json.loads(path.read_text()) if path.exists() else {"runs": []}
    runs = [one for one in before["runs"] if _key(one) != _key(result)] + [result]
    facts = {"title": "Memory", "command": "scripts/quality memory", "machine": machine, "beside": before.get("beside", False)}
    write_result(NAME, facts | {"runs": sorted(runs, key=_key)})


def _key(result: dict[str, Any]) -> tuple[int, int, str, int]:
    return list(TASKS).index(result["task"]), result["length"], result["cell"], result["seed"]


def _tell(report: Report) -> None:
    [(figure, score)] = report.metrics.items()
    print(f"{report.step:8} updates {report.seconds:6.0f} s   loss {report.loss:.5f}   {figure} {score:.5f}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
