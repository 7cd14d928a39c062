"""The command `recurra` as users run it: a process of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

RECURRA = [sys.executable, "-m", "recurra"]
SMALL = ["hidden=16", "embedding=8", "layers=1", "window=16", "batch=4"]


class Ended(NamedTuple):
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


def recurra(*words: str | Path, code: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, and fail unless it exits with `code`; there is never a traceback."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | options.pop("env", {})
    done = subprocess.run(
        [*RECURRA, *map(str, words)], capture_output=True, text=True, timeout=120, env=environment, check=False, **options
    )
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done


def begin(*words: str | Path) -> subprocess.Popen[str]:
    """Start a command; its lines can be read as they come."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*RECURRA, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
