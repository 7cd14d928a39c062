"""tinyshakespeare in half an hour: nats per character beside Kneser-Ney, on the first 90 % / last 10 %.

Run: scripts/quality tinyshakespeare   (needs RECURRA_DATA; about half an hour on two cores)
"""

import json
import math
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import recurra
from benchmarks.machine import describe, write_result
from recurra.tasks.evaluation import Figure

ELSEWHERE = {
    "plain torch loop, two LSTM layers of 512, 15 minutes, stateful": 1.451,
    "the same after 25 minutes": 1.431,
    "nanoGPT's small Transformer (10.7 M parameters, GPU), windows of 256": 1.4697,
    "minGRU / minLSTM of their paper (arXiv:2410.01201)": 1.548,
}


def main() -> None:
    """Train, measure, and write benchmarks/results/tinyshakespeare.json."""
    data = Path(os.environ.get("RECURRA_DATA", "../shared/data")) / "tinyshakespeare" / "input.txt"
    if not data.exists():
        sys.exit(f"{data}: not there; RECURRA_DATA names the folder of the data sets")
    options = recurra.Text(
        hidden=512, layers=2, batch=16, window=128, dropout=0.4, lr=4e-3, steps=4800, check=240, embedding=128
    )
    with tempfile.TemporaryDirectory() as folder:
        run = options.fit(data, out=Path(folder) / "run")
        looks = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
        figures = run.evaluate().figures
    write_result(
        "tinyshakespeare",
        {
            "title": "tinyshakespeare, characters: first 90 % learnt, last 10 % measured",
            "command": "scripts/quality tinyshakespeare",
            "machine": describe(),
            "options": options.model_dump(),
            "seconds": looks[-1]["seconds"],
            "figures": {figure.name.replace("bits", "nats"): _in_nats(figure) for figure in figures},
            "elsewhere": ELSEWHERE,
            "curve": {
                "seconds": [look["seconds"] for look in looks],
                "nats per character": [look["metrics"]["bits/character"] * math.log(2) for look in looks],
            },
        },
    )


def _in_nats(figure: Figure) -> dict[str, Any]:
    nats = math.log(2)
    return {
        "value": figure.value * nats,
        "interval": [end * nats for end in figure.interval],
        "baselines": {name: value * nats for name, value in figure.baselines.items()},
    }


if __name__ == "__main__":
    main()
