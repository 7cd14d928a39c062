"""What a benchmark ran on, and where its result goes."""

import json
from pathlib import Path
from typing import Any

from recurra.bench.machine import describe

__all__ = ["RESULTS", "describe", "write_result"]

RESULTS = Path(__file__).parent / "results"


def write_result(name: str, result: dict[str, Any]) -> Path:
    """Keep a result as benchmarks/results/NAME.json."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    return path
