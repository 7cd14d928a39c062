"""Measuring in a process of its own: what counts from its start, needs other settings, or must not disturb the others.

A module that measures so ends in ``if __name__ == "__main__": answer(...)`` and is asked by `ask`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter

from recurra.bench.options import Plan
from recurra.bench.results import plain

__all__ = ["Failed", "answer", "ask"]

NOTHING: Mapping[str, str] = {}


class Failed(Exception):  # noqa: N818 - the reason why a contender has no time
    """Why a process measured nothing: the last line that it wrote."""


def ask(module: str, plan: Plan, threads: int, word: str = "", environment: Mapping[str, str] = NOTHING) -> Any:
    """What ``recurra.bench.MODULE`` answers when it runs by itself; Failed where it does not."""
    line = [sys.executable, "-m", f"recurra.bench.{module}", json.dumps(plan._asdict()), str(threads), word]
    done = subprocess.run(line, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
    if done.returncode:
        reasons = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise Failed(f"failed: {reasons[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def answer(measure: Callable[[Plan, int, str], Any]) -> None:
    """In the process that was asked: measure with so many threads, and print the answer."""
    import torch

    asked, threads, word = sys.argv[1:]
    torch.set_num_threads(int(threads))
    sys.stdout.write("\n" + json.dumps(plain(measure(TypeAdapter(Plan).validate_json(asked), int(threads), word))) + "\n")
