"""What a benchmark ran on."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from recurra import __version__

__all__ = ["describe"]

OTHERS = ("llvmlite", "numpy", "onnxruntime", "keras", "jax")


def describe() -> dict[str, Any]:
    """Processor, cores, threads and versions."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "recurra": __version__,
        **{name: found for name in OTHERS if (found := _version(name))},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    facts = dict(line.split("\t:")[:2] if "\t:" in line else line.split(":", 1) for line in lines if ":" in line)
    return " ".join(f"{facts.get('model name', platform.processor())} family {facts.get('cpu family', '?')}".split())
