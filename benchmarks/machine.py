"""What a benchmark ran on, and where its result goes."""

import json
import os
import platform
from pathlib import Path
from typing import Any

import torch

import recurra

__all__ = ["RESULTS", "describe", "write_result"]

RESULTS = Path(__file__).parent / "results"


def describe() -> dict[str, Any]:
    """Processor, cores, threads and versions."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "recurra": recurra.__version__,
    }


def write_result(name: str, result: dict[str, Any]) -> Path:
    """Keep a result as benchmarks/results/NAME.json."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    return path


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    facts = dict(line.split("\t:")[:2] if "\t:" in line else line.split(":", 1) for line in lines if ":" in line)
    return " ".join(f"{facts.get('model name', platform.processor())} family {facts.get('cpu family', '?')}".split())
